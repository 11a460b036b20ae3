/* See record.h: markers, locks, failed and dead records as JSON.
 *
 * Each reader takes what it knows out of the parsed object; what is left becomes `extra`. Each
 * writer begins with what v1 knows, in v1's shapes, and ends with `extra`. */
#include "queue/record.h"
#include "queue/planted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"

#define COUNT_MAX 1000000 /* a count beyond is no count: reading clamps it */

static const char *const cause_names[] = {NULL,   "document", "converter",
                                          "host", "operator", "store"};
static const char *const op_names[] = {"convert", "remove", "move", "retry", "heal"};
static const char *const cancel_names[] = {NULL, "bury", "requeue"};

/* Index of `text` in a table of names, `absent` when it is none of them. */
static int find_name(const char *const *names, size_t count, const char *text, int absent)
{
    for (size_t i = 0; i < count; i++)
        if (text != NULL && names[i] != NULL && strcmp(names[i], text) == 0)
            return (int)i;
    return absent;
}

const char *cause_name(enum cause cause)
{
    return cause_names[cause];
}

enum cause cause_parse(const char *text)
{
    return (enum cause)find_name(cause_names, ARRAY_LEN(cause_names), text, CAUSE_NONE);
}

const char *lock_op_name(enum lock_op op)
{
    return op_names[op];
}

const char *cancel_to_name(enum cancel_to to)
{
    return cancel_names[to];
}

/* ---- taking members out ---- */

static enum record_result parse(const void *bytes, size_t len, struct json_object **object_r)
{
    switch (json_parse(bytes, len, JSON_RECORD_MAX, object_r)) {
    case JSON_OK:
        return RECORD_OK;
    case JSON_EMPTY:
        return RECORD_EMPTY;
    case JSON_TOO_LARGE:
    case JSON_BAD:
        break;
    }
    return RECORD_DAMAGED;
}

static char *take_text(struct json_object *object, const char *name)
{
    char *text = mem_strdup(json_get_text(object, name));

    json_remove(object, name);
    return text;
}

/* A text of bounded length; one that is longer counts as absent. */
static void take_short(struct json_object *object, const char *name, char *text_r, size_t size)
{
    const char *text = json_get_text(object, name);

    text_r[0] = '\0';
    if (text != NULL && strlen(text) < size)
        memcpy(text_r, text, strlen(text) + 1);
    json_remove(object, name);
}

static void take_claim(struct json_object *object, const char *name, char id_r[CLAIM_ID_SIZE])
{
    take_short(object, name, id_r, CLAIM_ID_SIZE);
    if (strlen(id_r) != CLAIM_ID_SIZE - 1 || !hex_is_lower(id_r, CLAIM_ID_SIZE - 1))
        id_r[0] = '\0';
}

static int64_t take_int(struct json_object *object, const char *name, int64_t min, int64_t max,
                        int64_t absent)
{
    int64_t value = absent;

    if (!json_get_int(object, name, &value))
        value = absent;
    json_remove(object, name);
    if (value == absent)
        return absent;
    return value < min ? min : value > max ? max : value;
}

static int64_t take_count(struct json_object *object, const char *name)
{
    return take_int(object, name, 0, COUNT_MAX, 0);
}

static int64_t take_ms(struct json_object *object, const char *name)
{
    return take_int(object, name, 0, INT64_MAX / 2, 0);
}

/* A time as text. */
static int64_t take_iso(struct json_object *object, const char *name)
{
    const char *text = json_get_text(object, name);
    int64_t ms = 0;

    if (text == NULL || !clock_parse_iso(text, strlen(text), &ms))
        ms = 0;
    json_remove(object, name);
    return ms;
}

static bool take_tier(struct json_object *object, enum tier *tier_r)
{
    bool known = tier_parse(json_get_text(object, "priority"), tier_r);

    if (!known)
        *tier_r = TIER_DEFAULT;
    json_remove(object, "priority");
    return known;
}

/* What nobody took, or NULL; drops the object. */
static struct json_object *take_rest(struct json_object *object)
{
    if (json_object_object_length(object) > 0)
        return object;
    json_object_put(object);
    return NULL;
}

/* ---- putting members in ---- */

static void put_text(struct json_object *object, const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0')
        json_set_text(object, name, text);
}

static void put_int(struct json_object *object, const char *name, int64_t value)
{
    if (value != 0)
        json_set_int(object, name, value);
}

static void put_iso(struct json_object *object, const char *name, int64_t ms)
{
    char text[CLOCK_ISO_SIZE];

    clock_format_iso(ms, text);
    json_set_text(object, name, text);
}

/* Adds members that the object does not have, appends it to out and drops it. */
static void finish(struct buf *out, struct json_object *object, struct json_object *extra)
{
    if (extra != NULL) {
        json_object_object_foreach(extra, name, value)
        {
            if (!json_object_object_get_ex(object, name, NULL))
                json_set_object(object, name, json_object_get(value));
        }
    }
    json_append(out, object);
    json_object_put(object);
}

/* ---- marker ---- */

static void take_over(struct json_object *object, struct record_todo *todo)
{
    struct json_object *over = json_get_object(object, "over");

    if (over != NULL) {
        take_short(over, "result", todo->over_result, sizeof(todo->over_result));
        take_short(over, "dead", todo->over_dead, sizeof(todo->over_dead));
    }
    json_remove(object, "over");
}

enum record_result record_todo_read(const void *bytes, size_t len, struct record_todo *todo_r)
{
    struct json_object *object;
    enum record_result result = parse(bytes, len, &object);

    memset(todo_r, 0, sizeof(*todo_r));
    todo_r->attempt = 1;
    if (result != RECORD_OK)
        return result;
    todo_r->retries = take_count(object, "retries");
    todo_r->queued_at = take_ms(object, "queued_at");
    todo_r->not_before = take_ms(object, "not_before");
    todo_r->attempt = take_int(object, "attempt", 1, COUNT_MAX, todo_r->retries + 1);
    todo_r->generation = take_count(object, "generation");
    take_claim(object, "claim", todo_r->claim);
    take_claim(object, "charged", todo_r->charged);
    take_over(object, todo_r);
    todo_r->recovered_from = take_text(object, "recovered_from");
    todo_r->v1_manual_retry =
        todo_r->recovered_from != NULL && strncmp(todo_r->recovered_from, "manual_retry_", 13) == 0;
    todo_r->last_error = take_text(object, "last_error");
    if (todo_r->last_error == NULL)
        todo_r->last_error = take_text(object, "previous_error");
    todo_r->extra = take_rest(object);
    return RECORD_OK;
}

void record_todo_write(struct buf *out, const struct record_todo *todo)
{
    struct json_object *object = json_object_new_object();

    json_set_int(object, "retries", todo->retries);
    put_int(object, "queued_at", todo->queued_at);
    put_text(object, "recovered_from", todo->recovered_from);
    put_text(object, "last_error", todo->last_error);
    put_int(object, "not_before", todo->not_before);
    put_int(object, "attempt", todo->attempt);
    put_int(object, "generation", todo->generation);
    put_text(object, "claim", todo->claim);
    put_text(object, "charged", todo->charged);
    if (todo->over_result[0] != '\0' || todo->over_dead[0] != '\0') {
        struct json_object *over = json_object_new_object();

        put_text(over, "result", todo->over_result);
        put_text(over, "dead", todo->over_dead);
        json_set_object(object, "over", over);
    }
    finish(out, object, todo->extra);
}

void record_todo_release(struct record_todo *todo)
{
    free(todo->recovered_from);
    free(todo->last_error);
    json_object_put(todo->extra);
    memset(todo, 0, sizeof(*todo));
}

bool record_todo_over_result(const struct record_todo *todo, const char *etag)
{
    return todo->over_result[0] != '\0' &&
           (PLANTED(OVER_ANY) || strcmp(todo->over_result, etag) == 0);
}

bool record_todo_over_dead(const struct record_todo *todo, const char *etag, int64_t generation)
{
    bool past = generation >= 0 && generation < todo->generation && !PLANTED(LATE_DEATH_COUNTS);

    return todo->v1_manual_retry || past ||
           (todo->over_dead[0] != '\0' && strcmp(todo->over_dead, etag) == 0);
}

/* ---- lock ---- */

/* A member that is an object: the caller's now. */
static struct json_object *take_object(struct json_object *object, const char *name)
{
    struct json_object *member = json_object_get(json_get_object(object, name));

    json_remove(object, name);
    return member;
}

static void put_object(struct json_object *object, const char *name, struct json_object *member)
{
    if (member != NULL)
        json_set_object(object, name, json_object_get(member));
}

static void take_cancel(struct json_object *object, struct record_lock *lock)
{
    struct json_object *cancel = json_get_object(object, "cancel");

    if (cancel != NULL) {
        lock->cancel = (enum cancel_to)find_name(cancel_names, ARRAY_LEN(cancel_names),
                                                 json_get_text(cancel, "to"), CANCEL_NONE);
        lock->cancel_at = take_ms(cancel, "at");
        lock->cancel_by = take_text(cancel, "by");
    }
    json_remove(object, "cancel");
}

enum record_result record_lock_read(const void *bytes, size_t len, struct record_lock *lock_r)
{
    struct json_object *object;
    enum record_result result = parse(bytes, len, &object);
    char op[16];

    memset(lock_r, 0, sizeof(*lock_r));
    lock_r->tier = TIER_DEFAULT;
    lock_r->slot = -1;
    if (result != RECORD_OK)
        return result;
    lock_r->worker = take_text(object, "worker");
    lock_r->started = take_ms(object, "started");
    lock_r->last_heartbeat = take_ms(object, "last_heartbeat");
    lock_r->tier_known = take_tier(object, &lock_r->tier);
    lock_r->retries = take_count(object, "retries");
    lock_r->proto = take_count(object, "proto");
    take_claim(object, "claim", lock_r->claim);
    take_claim(object, "from", lock_r->from);
    lock_r->beat = take_count(object, "beat");
    take_short(object, "op", op, sizeof(op));
    lock_r->op = (enum lock_op)find_name(op_names, ARRAY_LEN(op_names), op, (int)LOCK_OP_CONVERT);
    lock_r->incarnation = take_text(object, "incarnation");
    lock_r->host = take_text(object, "host");
    lock_r->pid = take_int(object, "pid", 0, INT32_MAX, 0);
    lock_r->slot = take_int(object, "slot", 0, COUNT_MAX, -1);
    lock_r->attempt = take_count(object, "attempt");
    take_cancel(object, lock_r);
    if (!json_get_bool(object, "closing", &lock_r->closing))
        lock_r->closing = false;
    json_remove(object, "closing");
    lock_r->wish = take_object(object, "wish");
    lock_r->lost = take_object(object, "lost");
    lock_r->progress = take_object(object, "progress");
    lock_r->extra = take_rest(object);
    return RECORD_OK;
}

void record_lock_write(struct buf *out, const struct record_lock *lock)
{
    struct json_object *object = json_object_new_object();

    json_set_text(object, "worker", lock->worker != NULL ? lock->worker : "");
    json_set_int(object, "started", lock->started);
    json_set_int(object, "last_heartbeat", lock->last_heartbeat);
    json_set_text(object, "priority", tier_name(lock->tier));
    json_set_int(object, "retries", lock->retries);
    put_int(object, "proto", lock->proto);
    put_text(object, "claim", lock->claim);
    json_set_int(object, "beat", lock->beat);
    if (lock->op != LOCK_OP_CONVERT)
        json_set_text(object, "op", op_names[lock->op]);
    put_text(object, "from", lock->from);
    put_text(object, "incarnation", lock->incarnation);
    put_text(object, "host", lock->host);
    put_int(object, "pid", lock->pid);
    if (lock->slot >= 0)
        json_set_int(object, "slot", lock->slot);
    put_int(object, "attempt", lock->attempt);
    if (lock->cancel != CANCEL_NONE) {
        struct json_object *cancel = json_object_new_object();

        put_text(cancel, "by", lock->cancel_by);
        put_int(cancel, "at", lock->cancel_at);
        json_set_text(cancel, "to", cancel_names[lock->cancel]);
        json_set_object(object, "cancel", cancel);
    }
    if (lock->closing)
        json_set_bool(object, "closing", true);
    put_object(object, "wish", lock->wish);
    put_object(object, "lost", lock->lost);
    put_object(object, "progress", lock->progress);
    finish(out, object, lock->extra);
}

void record_lock_release(struct record_lock *lock)
{
    free(lock->worker);
    free(lock->incarnation);
    free(lock->host);
    free(lock->cancel_by);
    json_object_put(lock->wish);
    json_object_put(lock->lost);
    json_object_put(lock->progress);
    json_object_put(lock->extra);
    memset(lock, 0, sizeof(*lock));
}

/* ---- failed ---- */

enum record_result record_failed_read(const void *bytes, size_t len, struct record_failed *failed_r)
{
    struct json_object *object;
    enum record_result result = parse(bytes, len, &object);
    int64_t when;

    memset(failed_r, 0, sizeof(*failed_r));
    failed_r->tier = TIER_DEFAULT;
    if (result != RECORD_OK)
        return result;
    failed_r->error = take_text(object, "error");
    failed_r->worker = take_text(object, "worker");
    failed_r->failed_at = take_ms(object, "timestamp");
    when = take_iso(object, "failed_at");
    if (failed_r->failed_at == 0)
        failed_r->failed_at = when;
    failed_r->not_before = take_ms(object, "not_before");
    failed_r->retries = take_count(object, "retries");
    failed_r->attempt = take_count(object, "attempt");
    failed_r->tier_known = take_tier(object, &failed_r->tier);
    failed_r->cause = cause_parse(json_get_text(object, "cause"));
    take_claim(object, "claim", failed_r->claim);
    json_object_put(object);
    return RECORD_OK;
}

void record_failed_write(struct buf *out, const struct record_failed *failed)
{
    struct json_object *object = json_object_new_object();

    json_set_text(object, "error", failed->error != NULL ? failed->error : "");
    json_set_text(object, "worker", failed->worker != NULL ? failed->worker : "");
    put_iso(object, "failed_at", failed->failed_at);
    json_set_int(object, "timestamp", failed->failed_at);
    json_set_int(object, "retries", failed->retries);
    json_set_text(object, "priority", tier_name(failed->tier));
    put_int(object, "not_before", failed->not_before);
    put_int(object, "attempt", failed->attempt);
    put_text(object, "cause", cause_name(failed->cause));
    put_text(object, "claim", failed->claim);
    finish(out, object, NULL);
}

void record_failed_release(struct record_failed *failed)
{
    free(failed->error);
    free(failed->worker);
    memset(failed, 0, sizeof(*failed));
}

/* ---- dead ---- */

enum record_result record_dead_read(const void *bytes, size_t len, struct record_dead *dead_r)
{
    struct json_object *object;
    enum record_result result = parse(bytes, len, &object);

    memset(dead_r, 0, sizeof(*dead_r));
    dead_r->tier = TIER_DEFAULT;
    dead_r->generation = -1;
    if (result != RECORD_OK)
        return result;
    dead_r->error = take_text(object, "error");
    dead_r->reason = take_text(object, "reason");
    dead_r->moved_at = take_iso(object, "moved_to_dead_at");
    dead_r->total_retries = take_count(object, "total_retries");
    dead_r->attempt = take_count(object, "attempt");
    dead_r->generation = take_int(object, "generation", 0, COUNT_MAX, -1);
    dead_r->tier_known = take_tier(object, &dead_r->tier);
    dead_r->cause = cause_parse(json_get_text(object, "cause"));
    take_claim(object, "claim", dead_r->claim);
    json_object_put(object);
    return RECORD_OK;
}

void record_dead_write(struct buf *out, const struct record_dead *dead)
{
    struct json_object *object = json_object_new_object();

    json_set_text(object, "error", dead->error != NULL ? dead->error : "");
    put_iso(object, "moved_to_dead_at", dead->moved_at);
    json_set_int(object, "total_retries", dead->total_retries);
    json_set_text(object, "reason", dead->reason != NULL ? dead->reason : "exceeded_max_retries");
    json_set_text(object, "priority", tier_name(dead->tier));
    put_int(object, "attempt", dead->attempt);
    if (dead->generation >= 0)
        json_set_int(object, "generation", dead->generation);
    put_text(object, "cause", cause_name(dead->cause));
    put_text(object, "claim", dead->claim);
    finish(out, object, NULL);
}

int64_t record_dead_generation(const void *bytes, size_t len)
{
    struct record_dead dead;
    int64_t generation = -1;

    if (record_dead_read(bytes, len, &dead) == RECORD_OK)
        generation = dead.generation;
    record_dead_release(&dead);
    return generation;
}

void record_dead_release(struct record_dead *dead)
{
    free(dead->error);
    free(dead->reason);
    memset(dead, 0, sizeof(*dead));
}

/* ---- metadata ---- */

static bool is_bare(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("_.-~", c) != NULL);
}

void percent_encode(struct buf *out, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;

    for (size_t i = 0; i < len; i++) {
        if (is_bare(p[i]))
            buf_putc(out, (char)p[i]);
        else
            buf_printf(out, "%%%02X", p[i]);
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

void percent_decode(struct buf *out, const char *text)
{
    while (*text != '\0') {
        int high = text[0] == '%' ? hex_value(text[1]) : -1;
        int low = high >= 0 ? hex_value(text[2]) : -1;

        if (low >= 0) {
            buf_putc(out, (char)(high << 4 | low));
            text += 3;
        } else {
            buf_putc(out, *text++);
        }
    }
}

char *record_meta_text(const struct store_op *op, const char *name)
{
    const char *value = store_op_meta(op, name);
    struct buf text = BUF_INIT;

    if (value == NULL)
        return NULL;
    percent_decode(&text, value);
    return buf_steal(&text);
}
