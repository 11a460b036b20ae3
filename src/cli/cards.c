/* See cards.h: worker cards. */
#include "cli/cards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/quote.h"

#define AT_ONCE 64
#define GB (1024.0 * 1024 * 1024) /* v1's unit */

void cards_release(struct cards *cards)
{
    free(cards->list);
    memset(cards, 0, sizeof(*cards));
}

/* Harmless on a screen, and cut at a whole character. */
static void take_text(char *target, size_t size, const char *text)
{
    struct buf quoted = BUF_INIT;
    size_t len = 0;

    quote_append(&quoted, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
    while (len < quoted.len) {
        size_t n = utf8_sequence((const unsigned char *)quoted.data + len, quoted.len - len, NULL);
        if (n == 0)
            n = 1;
        if (len + n >= size)
            break;
        len += n;
    }
    if (len > 0)
        memcpy(target, quoted.data, len);
    target[len] = '\0';
    buf_release(&quoted);
}

static double number(struct json_object *object, const char *name)
{
    double value;

    return object != NULL && json_get_double(object, name, &value) && value >= 0 ? value : -1;
}

static int64_t whole(struct json_object *object, const char *name)
{
    int64_t value;

    return object != NULL && json_get_int(object, name, &value) && value >= 0 ? value : -1;
}

static void read_json(struct json_object *object, struct card *card)
{
    struct json_object *system = json_get_object(object, "system");
    struct json_object *metrics = json_get_object(object, "metrics");
    const char *beat = json_get_text(object, "last_heartbeat");

    take_text(card->host, sizeof(card->host), json_get_text(object, "hostname"));
    take_text(card->instance, sizeof(card->instance), json_get_text(object, "instance"));
    take_text(card->status, sizeof(card->status), json_get_text(object, "status"));
    take_text(card->version, sizeof(card->version), json_get_text(object, "version"));
    if (beat != NULL && !clock_parse_iso(beat, strlen(beat), &card->heartbeat_ms))
        card->heartbeat_ms = 0;
    card->v1 = json_get_text(object, "instance") == NULL;
    card->slots = whole(object, "slots");
    card->current_jobs = whole(object, "current_jobs");
    if (card->current_jobs < 0 && card->v1)
        card->current_jobs = json_get_text(object, "current_job") != NULL;
    card->jobs_completed = whole(metrics, "jobs_completed");
    card->jobs_failed = whole(metrics, "jobs_failed");
    card->jobs_per_hour = number(metrics, "jobs_per_hour");
    card->avg_seconds = number(metrics, "avg_processing_time");
    if (card->jobs_completed == 0)
        card->avg_seconds = -1; /* of no job */
    card->cpu_percent = number(system, "cpu_percent");
    card->memory_percent = number(system, "memory_percent");
    card->disk_free_bytes = whole(system, "disk_free_bytes");
    if (card->disk_free_bytes < 0 && number(system, "disk_free_gb") >= 0)
        card->disk_free_bytes = (int64_t)(number(system, "disk_free_gb") * GB);
    card->stopped = strcmp(card->status, "stopped") == 0;
}

static void read_card(const struct store_op *op, struct card *card)
{
    struct json_object *object = NULL;

    memcpy(card->etag, op->etag_r, sizeof(card->etag));
    if (json_parse(op->data.data, op->data.len, JSON_RECORD_MAX, &object) == JSON_OK)
        read_json(object, card);
    else
        card->damaged = true;
    json_object_put(object);
}

/* ---- all of them ---- */

static void card_begin(struct card *card, const struct store_entry *entry)
{
    const char *name = strrchr(entry->key, '/');
    size_t len;

    memset(card, 0, sizeof(*card));
    take_text(card->worker, sizeof(card->worker), name != NULL ? name + 1 : entry->key);
    len = strlen(card->worker);
    if (len > 5 && strcmp(card->worker + len - 5, ".json") == 0)
        card->worker[len - 5] = '\0';
    card->current_jobs = card->slots = card->jobs_completed = card->jobs_failed = -1;
    card->jobs_per_hour = card->avg_seconds = card->cpu_percent = card->memory_percent = -1;
    card->disk_free_bytes = -1;
}

static const struct card *known(const struct cards *cards, const char *worker, const char *etag)
{
    for (size_t i = 0; i < cards->count; i++)
        if (strcmp(cards->list[i].worker, worker) == 0 && strcmp(cards->list[i].etag, etag) == 0)
            return &cards->list[i];
    return NULL;
}

static enum queue_result failed(const struct store_op *op, char **error_r)
{
    *error_r = op->error != NULL ? mem_strdup(op->error) : NULL;
    return op->status == STORE_FATAL ? QUEUE_FATAL : QUEUE_AGAIN;
}

/* Fetches the cards of some keys at once; one that has gone meanwhile is left out. */
static enum queue_result fetch(struct queue *queue, struct store_op *page, struct cards *fresh,
                               const size_t *wanted, size_t count, char **error_r)
{
    struct store_op ops[AT_ONCE];
    enum queue_result result = QUEUE_OK;

    for (size_t i = 0; i < count; i++)
        store_op_init(&ops[i], STORE_GET, page->entries[wanted[i]].key);
    store_run(queue->store, ops, count);
    for (size_t i = 0; i < count; i++) {
        if (ops[i].status == STORE_OK) {
            card_begin(&fresh->list[fresh->count], &page->entries[wanted[i]]);
            read_card(&ops[i], &fresh->list[fresh->count++]);
        } else if (ops[i].status != STORE_NOT_FOUND && result == QUEUE_OK) {
            result = failed(&ops[i], error_r);
        }
        store_op_release(&ops[i]);
    }
    return result;
}

static enum queue_result take_page(struct queue *queue, struct store_op *page, size_t max,
                                   const struct cards *old, struct cards *fresh, char **error_r)
{
    size_t wanted[AT_ONCE], count = 0, taken = fresh->count;
    enum queue_result result = QUEUE_OK;

    fresh->list =
        mem_resize(fresh->list, fresh->count + page->entry_count + 1, sizeof(*fresh->list));
    for (size_t i = 0; i < page->entry_count && result == QUEUE_OK; i++) {
        const struct store_entry *entry = &page->entries[i];
        const struct card *same;
        struct card begun;

        if (entry->key[strlen(entry->key) - 1] == '/')
            continue;
        if (taken++ >= max) {
            fresh->more = true;
            break;
        }
        card_begin(&begun, entry);
        same = known(old, begun.worker, entry->etag);
        if (same != NULL) {
            fresh->list[fresh->count++] = *same;
            continue;
        }
        wanted[count++] = i;
        if (count == AT_ONCE) {
            result = fetch(queue, page, fresh, wanted, count, error_r);
            count = 0;
        }
    }
    if (result == QUEUE_OK && count > 0)
        result = fetch(queue, page, fresh, wanted, count, error_r);
    return result;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct card *)a)->worker, ((const struct card *)b)->worker);
}

enum queue_result cards_read(struct queue *queue, size_t max, struct cards *cards, char **error_r)
{
    struct cards fresh = {0};
    enum queue_result result = QUEUE_OK;
    char key[KEY_SIZE], *after = NULL;
    bool more = true;
    int64_t now;

    *error_r = NULL;
    key_registry(&queue->keys, "workers/", key);
    while (more && !fresh.more && result == QUEUE_OK) {
        struct store_op page;

        store_op_init(&page, STORE_LIST, key);
        page.start_after = after;
        store_run(queue->store, &page, 1);
        if (page.status == STORE_OK)
            result = take_page(queue, &page, max, cards, &fresh, error_r);
        else
            result = failed(&page, error_r);
        more = page.more_r;
        free(after);
        after = mem_strdup(page.next_after_r);
        store_op_release(&page);
    }
    free(after);
    if (result != QUEUE_OK) {
        cards_release(&fresh);
        return result;
    }
    now = store_server_ms(queue->store, queue->clock);
    for (size_t i = 0; i < fresh.count; i++)
        fresh.list[i].silent =
            !fresh.list[i].stopped && now - fresh.list[i].heartbeat_ms > queue->limits.stale_ms;
    if (fresh.count > 1)
        qsort(fresh.list, fresh.count, sizeof(*fresh.list), by_name);
    cards_release(cards);
    *cards = fresh;
    return QUEUE_OK;
}

/* ---- showing ---- */

const char *card_health(const struct card *card)
{
    if (card->damaged)
        return "damaged";
    if (card->silent)
        return "silent";
    return card->status[0] != '\0' ? card->status : "unknown";
}

bool card_alive(const struct card *card)
{
    return !card->damaged && !card->silent && !card->stopped;
}

static void set_text(struct json_object *object, const char *name, const char *text)
{
    json_set_text(object, name, text[0] != '\0' ? text : NULL);
}

static void set_int(struct json_object *object, const char *name, int64_t value)
{
    if (value >= 0)
        json_set_int(object, name, value);
    else
        json_set_null(object, name);
}

static void set_double(struct json_object *object, const char *name, double value)
{
    if (value >= 0)
        json_set_double(object, name, value);
    else
        json_set_null(object, name);
}

struct json_object *card_json(const struct card *card)
{
    struct json_object *object = json_object_new_object();

    set_text(object, "worker", card->worker);
    set_text(object, "host", card->host);
    set_text(object, "instance", card->instance);
    set_text(object, "status", card_health(card));
    set_int(object, "current_jobs", card->current_jobs);
    set_int(object, "slots", card->slots);
    set_int(object, "heartbeat_ms", card->heartbeat_ms > 0 ? card->heartbeat_ms : -1);
    set_int(object, "jobs_completed", card->jobs_completed);
    set_int(object, "jobs_failed", card->jobs_failed);
    set_double(object, "jobs_per_hour", card->jobs_per_hour);
    set_double(object, "avg_seconds", card->avg_seconds);
    set_double(object, "cpu_percent", card->cpu_percent);
    set_double(object, "memory_percent", card->memory_percent);
    set_int(object, "disk_free_bytes", card->disk_free_bytes);
    set_text(object, "version", card->version);
    json_set_bool(object, "v1", card->v1);
    return object;
}
