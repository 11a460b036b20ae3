/* See manifest_upgrade.h: from v1's one object to shards. */
#include "index/manifest_upgrade.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "index/entries.h"
#include "index/manifest.h"
#include "index/manifest_merge.h"

#define TRIES 60 /* each lost race is another writer's success */
#define PAUSE_MS 50

struct slice { /* an entry where it stands in v1's body */
    char hash[65];
    const char *json;
    size_t len;
};

struct slices {
    struct slice *list;
    size_t count, room;
};

struct upgrade {
    struct queue *queue;
    struct slices slices;
    struct manifest_upgrade_report *report;
    char **error_r;
};

static bool add_slice(void *arg, const char hash[static 65], const char *json, size_t json_len)
{
    struct slices *slices = arg;
    struct slice *slice;

    if (slices->count == slices->room) {
        slices->room = slices->room > 0 ? slices->room * 2 : 256;
        slices->list = mem_resize(slices->list, slices->room, sizeof(*slices->list));
    }
    slice = &slices->list[slices->count++];
    memcpy(slice->hash, hash, sizeof(slice->hash));
    slice->json = json;
    slice->len = json_len;
    return true;
}

static int compare_slices(const void *a, const void *b)
{
    return strcmp(((const struct slice *)a)->hash, ((const struct slice *)b)->hash);
}

static enum queue_result say(struct upgrade *upgrade, const struct store_op *op,
                             enum queue_result result, const char *why)
{
    if (*upgrade->error_r == NULL)
        *upgrade->error_r = op->error != NULL && why == NULL
                                ? mem_strdup(op->error)
                                : mem_printf("%s: %s; the same command again goes on", op->key,
                                             why != NULL ? why : store_status_name(op->status));
    return result;
}

static enum queue_result read_failed(struct upgrade *upgrade, const struct store_op *op)
{
    return say(upgrade, op, op->status == STORE_FATAL ? QUEUE_FATAL : QUEUE_AGAIN, NULL);
}

static void pause_between(struct queue *queue, int tries)
{
    clock_sleep_ms(queue->clock,
                   rng_jitter(queue->rng, PAUSE_MS * (tries < 9 ? tries + 1 : 10), 50));
}

static void set_updated(struct queue *queue, struct json_object *object)
{
    char iso[CLOCK_ISO_SIZE];

    clock_format_iso(store_server_ms(queue->store, queue->clock), iso);
    json_set_text(object, "updated_at", iso);
}

/* ---- one shard ---- */

/* The shard's object from its GET; a new one when it is not there. DAMAGED: said. */
static enum queue_result parse_shard(struct upgrade *upgrade, const struct store_op *get,
                                     struct json_object **object_r)
{
    enum json_result parsed;

    *object_r = NULL;
    if (get->status == STORE_NOT_FOUND) {
        *object_r = json_object_new_object();
        json_set_int(*object_r, "version", 2);
        return QUEUE_OK;
    }
    if (get->status != STORE_OK)
        return read_failed(upgrade, get);
    parsed = json_parse(get->data.data, get->data.len, MANIFEST_SHARD_MAX, object_r);
    if (parsed == JSON_OK && manifest_shape_is_sound(*object_r))
        return QUEUE_OK;
    json_object_put(*object_r);
    *object_r = NULL;
    return say(upgrade, get, QUEUE_DAMAGED,
               "it cannot be read; `blobforge manifest --rebuild` makes it again");
}

/* Merges the slices into the shard's object. DAMAGED: an entry is no JSON. */
static enum queue_result merge_slices(struct upgrade *upgrade, const struct store_op *get,
                                      const struct slice *slices, size_t count,
                                      struct json_object *object, bool *changed_r)
{
    struct json_object *entries = json_get_object(object, "entries");

    *changed_r = false;
    if (entries == NULL) {
        entries = json_object_new_object();
        json_set_object(object, "entries", entries);
    }
    for (size_t i = 0; i < count; i++) {
        struct json_object *entry;

        if (json_parse(slices[i].json, slices[i].len, MANIFEST_SHARD_MAX, &entry) != JSON_OK)
            return say(upgrade, get, QUEUE_DAMAGED,
                       "an entry of manifest.json cannot be read; look at it with another tool");
        *changed_r |= manifest_merge_entry(entries, slices[i].hash, entry);
        json_object_put(entry);
    }
    return QUEUE_OK;
}

static enum queue_result put_shard(struct upgrade *upgrade, const struct store_op *get,
                                   struct json_object *object, bool *settled_r)
{
    struct buf body = BUF_INIT;
    enum queue_result result = QUEUE_OK;
    struct store_op put;

    set_updated(upgrade->queue, object);
    json_append(&body, object);
    store_op_init(&put, STORE_PUT, get->key);
    put.cond = get->status == STORE_OK ? STORE_IF_MATCH : STORE_IF_ABSENT;
    snprintf(put.etag, sizeof(put.etag), "%s", get->etag_r);
    put.body = body.data;
    put.body_len = body.len;
    put.content_type = "application/json";
    store_run(upgrade->queue->store, &put, 1);
    *settled_r = put.status == STORE_OK;
    if (put.status == STORE_OK)
        upgrade->report->shards++;
    else if (put.status == STORE_FATAL)
        result = say(upgrade, &put, QUEUE_FATAL, NULL);
    store_op_release(&put);
    buf_release(&body);
    return result;
}

/* Lost races and unsettled writes are read and merged again. */
static enum queue_result copy_shard(struct upgrade *upgrade, const struct slice *slices,
                                    size_t count)
{
    char key[KEY_SIZE], name[32];
    enum queue_result result = QUEUE_OK;
    bool settled = false;

    snprintf(name, sizeof(name), "manifest/%.2s.json", slices[0].hash);
    key_registry(&upgrade->queue->keys, name, key);
    for (int try = 0; try < TRIES && !settled && result == QUEUE_OK; try++) {
        struct json_object *object;
        struct store_op get;
        bool changed = false;

        if (try > 0)
            pause_between(upgrade->queue, try);
        store_op_init(&get, STORE_GET, key);
        get.max_bytes = MANIFEST_SHARD_MAX;
        store_run(upgrade->queue->store, &get, 1);
        result = parse_shard(upgrade, &get, &object);
        if (result == QUEUE_OK)
            result = merge_slices(upgrade, &get, slices, count, object, &changed);
        if (result == QUEUE_OK && changed)
            result = put_shard(upgrade, &get, object, &settled);
        else
            settled = true;
        if (result == QUEUE_OK && !settled && try + 1 == TRIES)
            result = say(upgrade, &get, QUEUE_AGAIN, "others write it all the time");
        json_object_put(object);
        store_op_release(&get);
    }
    return result;
}

/* ---- all ---- */

static enum queue_result copy_all(struct upgrade *upgrade, const volatile sig_atomic_t *stop,
                                  void (*progress)(void *arg, size_t done, size_t total), void *arg)
{
    struct slices *slices = &upgrade->slices;
    enum queue_result result = QUEUE_OK;

    if (slices->count > 0)
        qsort(slices->list, slices->count, sizeof(*slices->list), compare_slices);
    for (size_t i = 0, end; i < slices->count && result == QUEUE_OK; i = end) {
        for (end = i + 1; end < slices->count; end++)
            if (memcmp(slices->list[i].hash, slices->list[end].hash, 2) != 0)
                break;
        if (stop != NULL && *stop)
            return QUEUE_AGAIN;
        result = copy_shard(upgrade, &slices->list[i], end - i);
        if (progress != NULL)
            progress(arg, end, slices->count);
    }
    return result;
}

/* OK: closed, or lost a race: *closed_r says which. */
static enum queue_result close_v1(struct upgrade *upgrade, const struct store_op *get,
                                  bool *closed_r)
{
    struct json_object *object = json_object_new_object();
    struct buf body = BUF_INIT;
    enum queue_result result = QUEUE_OK;
    struct store_op put;

    json_set_int(object, "version", 2);
    set_updated(upgrade->queue, object);
    json_set_text(object, "form", "shards");
    json_append(&body, object);
    json_object_put(object);
    store_op_init(&put, STORE_PUT, get->key);
    put.cond = STORE_IF_MATCH;
    snprintf(put.etag, sizeof(put.etag), "%s", get->etag_r);
    put.body = body.data;
    put.body_len = body.len;
    put.content_type = "application/json";
    store_run(upgrade->queue->store, &put, 1);
    *closed_r = put.status == STORE_OK;
    if (put.status == STORE_FATAL)
        result = say(upgrade, &put, QUEUE_FATAL, NULL);
    store_op_release(&put);
    buf_release(&body);
    return result;
}

/* One reading of manifest.json. OK with *closed_r, OK without: once more; NONE: it has shards. */
static enum queue_result upgrade_once(struct upgrade *upgrade, const volatile sig_atomic_t *stop,
                                      void (*progress)(void *arg, size_t done, size_t total),
                                      void *arg, bool *closed_r)
{
    char key[KEY_SIZE];
    enum queue_result result = QUEUE_OK;
    struct store_op get;

    store_op_init(&get, STORE_GET, key_registry(&upgrade->queue->keys, "manifest.json", key));
    get.max_bytes = MANIFEST_V1_MAX;
    store_run(upgrade->queue->store, &get, 1);
    upgrade->slices.count = 0;
    if (get.status == STORE_NOT_FOUND) {
        result = QUEUE_NONE;
    } else if (get.status != STORE_OK) {
        result = read_failed(upgrade, &get);
    } else {
        switch (entries_scan(buf_text(&get.data), get.data.len, add_slice, &upgrade->slices)) {
        case ENTRIES_NONE:
            result = QUEUE_NONE;
            break;
        case ENTRIES_BAD:
            result =
                say(upgrade, &get, QUEUE_DAMAGED, "it cannot be read; look at it, move it away");
            break;
        case ENTRIES_OK:
            upgrade->report->entries = upgrade->slices.count;
            result = copy_all(upgrade, stop, progress, arg);
            break;
        }
    }
    if (result == QUEUE_OK)
        result = close_v1(upgrade, &get, closed_r);
    store_op_release(&get);
    return result;
}

enum queue_result manifest_upgrade(struct queue *queue, const volatile sig_atomic_t *stop,
                                   void (*progress)(void *arg, size_t done, size_t total),
                                   void *arg, struct manifest_upgrade_report *report_r,
                                   char **error_r)
{
    struct upgrade upgrade = {.queue = queue, .report = report_r, .error_r = error_r};
    enum queue_result result = QUEUE_OK;
    bool closed = false;

    *error_r = NULL;
    *report_r = (struct manifest_upgrade_report){0, 0};
    for (int try = 0; try < TRIES && result == QUEUE_OK && !closed; try++) {
        if (try > 0)
            pause_between(queue, try);
        result = upgrade_once(&upgrade, stop, progress, arg, &closed);
        if (result == QUEUE_NONE && try > 0) {
            result = QUEUE_OK; /* our unanswered write, or another's */
            closed = true;
        }
    }
    if (result == QUEUE_OK && !closed) {
        *error_r =
            mem_strdup("manifest.json: others write it all the time; stop them, or try again");
        result = QUEUE_AGAIN;
    }
    free(upgrade.slices.list);
    return result;
}

/* ---- a second manifest beside the shards ---- */

static enum queue_result has_shards(struct upgrade *upgrade, bool *shards_r)
{
    char key[KEY_SIZE];
    enum queue_result result = QUEUE_OK;
    struct store_op list;

    store_op_init(&list, STORE_LIST, key_registry(&upgrade->queue->keys, "manifest/", key));
    list.max_keys = 1;
    store_run(upgrade->queue->store, &list, 1);
    *shards_r = list.status == STORE_OK && list.entry_count > 0;
    if (list.status != STORE_OK)
        result = read_failed(upgrade, &list);
    store_op_release(&list);
    return result;
}

enum queue_result manifest_is_reopened(struct queue *queue, bool *reopened_r, char **error_r)
{
    struct upgrade upgrade = {.queue = queue, .error_r = error_r};
    struct manifest *manifest;
    enum manifest_form form;
    bool shards;
    enum queue_result result;

    *error_r = NULL;
    *reopened_r = false;
    result = has_shards(&upgrade, &shards);
    if (result != QUEUE_OK || !shards)
        return result;
    manifest = manifest_create(queue);
    result = manifest_find_form(manifest, &form, error_r);
    *reopened_r = result == QUEUE_OK && form == MANIFEST_V1;
    manifest_destroy(manifest);
    return result;
}

enum queue_result manifest_rejoin(struct queue *queue, struct manifest_upgrade_report *report_r,
                                  char **error_r)
{
    bool reopened;
    enum queue_result result = manifest_is_reopened(queue, &reopened, error_r);

    *report_r = (struct manifest_upgrade_report){0, 0};
    if (result == QUEUE_OK && !reopened)
        result = QUEUE_NONE;
    if (result == QUEUE_OK)
        result = manifest_upgrade(queue, NULL, NULL, NULL, report_r, error_r);
    return result;
}

/* ---- a damaged shard ---- */

enum queue_result manifest_reset_shard(struct queue *queue, unsigned shard, char **error_r)
{
    struct manifest_upgrade_report report = {0, 0};
    struct upgrade upgrade = {.queue = queue, .report = &report, .error_r = error_r};
    struct json_object *object = NULL;
    char key[KEY_SIZE], name[32], *ignored = NULL;
    enum queue_result result;
    struct store_op get;
    bool settled = false;

    *error_r = NULL;
    snprintf(name, sizeof(name), "manifest/%02x.json", shard & 255);
    store_op_init(&get, STORE_GET, key_registry(&queue->keys, name, key));
    get.max_bytes = MANIFEST_SHARD_MAX;
    store_run(queue->store, &get, 1);
    upgrade.error_r = &ignored;
    result = parse_shard(&upgrade, &get, &object);
    upgrade.error_r = error_r;
    free(ignored);
    json_object_put(object);
    if (result == QUEUE_OK) {
        store_op_release(&get);
        return QUEUE_NONE;
    }
    if (result == QUEUE_DAMAGED) {
        object = json_object_new_object();
        json_set_int(object, "version", 2);
        json_set_object(object, "entries", json_object_new_object());
        result = put_shard(&upgrade, &get, object, &settled);
        json_object_put(object);
        if (result == QUEUE_OK && !settled)
            result = say(&upgrade, &get, QUEUE_AGAIN, "somebody else wrote it");
    } else {
        result = read_failed(&upgrade, &get);
    }
    store_op_release(&get);
    return result;
}
