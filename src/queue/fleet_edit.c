/* See fleet_edit.h: the fleet's settings one by one. */
#include "queue/fleet_edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/human.h"
#include "base/json.h"
#include "base/quote.h"
#include "queue/fleet.h"
#include "queue/step.h"

#define TRIES 20 /* each lost race is another writer's success */

enum kind {
    KIND_COUNT,
    KIND_SECONDS,
    KIND_MINUTES,
    KIND_BOOL
};

struct row {
    const char *name;
    enum kind kind;
    int64_t min, max; /* as written down */
    bool ours;        /* in blobforge.json */
};

static const struct row rows[] = {
    {"max_retries", KIND_COUNT, 0, 1000, false},
    {"heartbeat_interval", KIND_SECONDS, 1, 86400, false},
    {"stale_timeout_minutes", KIND_MINUTES, 1, 100000, false},
    {"conversion_timeout", KIND_SECONDS, 0, 30 * 86400, false},
    {"s3_supports_conditional_writes", KIND_BOOL, 0, 1, false},
    {"stale_timeout", KIND_SECONDS, 1, 30 * 86400, true},
    {"retry_base", KIND_SECONDS, 0, 7 * 86400, true},
    {"retry_max", KIND_SECONDS, 0, 30 * 86400, true},
};

static const struct row *find_row(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

bool fleet_setting_known(const char *name)
{
    return find_row(name) != NULL;
}

const char *fleet_setting_name(size_t i)
{
    return i < ARRAY_LEN(rows) ? rows[i].name : NULL;
}

const char *fleet_setting_object(const char *name)
{
    const struct row *row = find_row(name);

    return row != NULL && row->ours ? "blobforge.json" : "config.json";
}

/* ---- values ---- */

static int64_t unit_ms(enum kind kind)
{
    return kind == KIND_MINUTES ? 60 * 1000 : 1000;
}

/* NULL: well; else what is wrong. A bare number of a time is in the unit that its name says. */
static const char *parse_value(const struct row *row, const char *value, int64_t *number_r)
{
    bool yes;
    int64_t ms;

    switch (row->kind) {
    case KIND_COUNT:
        return human_parse_int(value, number_r) ? NULL : "is no whole number";
    case KIND_BOOL:
        if (!human_parse_bool(value, &yes))
            return "is neither yes nor no";
        *number_r = yes;
        return NULL;
    case KIND_SECONDS:
    case KIND_MINUTES:
        break;
    }
    if (human_parse_int(value, number_r))
        return NULL;
    if (!human_parse_duration(value, &ms))
        return "is no duration";
    if (ms % unit_ms(row->kind) != 0)
        return row->kind == KIND_MINUTES ? "is not in whole minutes" : "is not in whole seconds";
    *number_r = ms / unit_ms(row->kind);
    return NULL;
}

static void print_value(const struct row *row, int64_t number, struct buf *out)
{
    switch (row->kind) {
    case KIND_COUNT:
        buf_printf(out, "%lld", (long long)number);
        return;
    case KIND_BOOL:
        buf_puts(out, number != 0 ? "yes" : "no");
        return;
    case KIND_SECONDS:
    case KIND_MINUTES:
        break;
    }
    if (number < 0 || number > INT64_MAX / unit_ms(row->kind))
        buf_printf(out, "%lld", (long long)number); /* v1 takes what we do not: shown as it is */
    else
        human_write_duration(out, number * unit_ms(row->kind));
}

bool fleet_setting_check(const char *name, const char *value, int64_t *number_r, char **error_r)
{
    const struct row *row = find_row(name);
    struct buf text = BUF_INIT;
    const char *why;

    *error_r = NULL;
    if (row == NULL)
        return false;
    why = parse_value(row, value, number_r);
    if (why == NULL && *number_r < row->min)
        why = "is too small";
    if (why == NULL && *number_r > row->max)
        why = "is too large";
    if (why == NULL)
        return true;
    buf_printf(&text, "%s: ", name);
    quote_append_name(&text, value, strnlen(value, 100));
    buf_printf(&text, " %s; give ", why);
    if (row->kind == KIND_BOOL) {
        buf_puts(&text, "yes or no");
    } else {
        print_value(row, row->min, &text);
        buf_puts(&text, " to ");
        print_value(row, row->max, &text);
    }
    *error_r = buf_steal(&text);
    return false;
}

/* ---- the two objects ---- */

/* Empty when it is not there. DAMAGED: said. */
static enum queue_result read_object(struct queue *queue, const char *name,
                                     struct json_object **object_r,
                                     char etag_r[static STORE_ETAG_SIZE], char **error_r)
{
    char key[KEY_SIZE];
    enum queue_result result;
    struct store_op op;

    *object_r = NULL;
    etag_r[0] = '\0';
    store_op_init(&op, STORE_GET, key_registry(&queue->keys, name, key));
    result = step_read(queue, NULL, &op, 1, error_r);
    if (result == QUEUE_OK && op.status == STORE_OK) {
        memcpy(etag_r, op.etag_r, STORE_ETAG_SIZE);
        result = fleet_parse(&op, object_r, error_r);
    }
    if (result == QUEUE_OK && *object_r == NULL)
        *object_r = json_object_new_object();
    store_op_release(&op);
    return result;
}

enum queue_result fleet_settings_each(struct queue *queue,
                                      void (*each)(void *arg, const char *name, const char *value),
                                      void *arg, char **error_r)
{
    struct json_object *objects[2] = {NULL, NULL};
    char etag[STORE_ETAG_SIZE];
    enum queue_result result;

    *error_r = NULL;
    result = read_object(queue, "config.json", &objects[0], etag, error_r);
    if (result == QUEUE_OK)
        result = read_object(queue, "blobforge.json", &objects[1], etag, error_r);
    for (size_t i = 0; i < ARRAY_LEN(rows) && result == QUEUE_OK; i++) {
        struct buf text = BUF_INIT;
        int64_t number;

        if (!json_get_int(objects[rows[i].ours], rows[i].name, &number))
            continue;
        print_value(&rows[i], number, &text);
        each(arg, rows[i].name, buf_text(&text));
        buf_release(&text);
    }
    json_object_put(objects[0]);
    json_object_put(objects[1]);
    return result;
}

/* ---- changing ---- */

static int64_t value_or(struct json_object *object, const char *name, int64_t otherwise)
{
    int64_t value;

    return json_get_int(object, name, &value) ? value : otherwise;
}

/* Daemons go on with what they had when the settings contradict each other; so they are refused
 * here, where somebody reads why. */
static enum queue_result check_together(struct json_object *config, struct json_object *ours,
                                        char **error_r)
{
    struct queue_limits limits;
    int64_t stale_ms, heartbeat_ms;

    queue_limits_default(&limits);
    heartbeat_ms = 1000 * value_or(config, "heartbeat_interval", limits.heartbeat_ms / 1000);
    stale_ms = 60000 * value_or(config, "stale_timeout_minutes", limits.stale_ms / 60000);
    stale_ms = 1000 * value_or(ours, "stale_timeout", stale_ms / 1000);
    if (stale_ms >= 3 * heartbeat_ms + limits.margin_ms)
        return QUEUE_OK;
    step_error(error_r,
               "a stale timeout of %lld s does not hold three heartbeats of %lld s and a margin of "
               "%lld s; raise stale_timeout or lower heartbeat_interval first",
               (long long)stale_ms / 1000, (long long)heartbeat_ms / 1000,
               (long long)limits.margin_ms / 1000);
    return QUEUE_DAMAGED;
}

static void apply(const struct row *row, struct json_object *object, const char *value,
                  int64_t number)
{
    if (value == NULL)
        json_remove(object, row->name);
    else if (row->kind == KIND_BOOL)
        json_set_bool(object, row->name, number != 0);
    else
        json_set_int(object, row->name, number);
    if (row->ours && json_get_text(object, "format") == NULL &&
        !json_get_int(object, "format", &number))
        json_set_int(object, "format", FLEET_FORMAT);
}

/* One round of read and write. OK: written; BUSY: somebody else was quicker; NONE: it was so. */
static enum queue_result change_once(struct queue *queue, const struct row *row, const char *value,
                                     int64_t number, char **error_r)
{
    struct json_object *own = NULL, *other = NULL;
    char etag[STORE_ETAG_SIZE], other_etag[STORE_ETAG_SIZE], key[KEY_SIZE];
    struct step_put put;
    enum queue_result result;

    key_registry(&queue->keys, fleet_setting_object(row->name), key);
    result = read_object(queue, fleet_setting_object(row->name), &own, etag, error_r);
    if (result == QUEUE_OK)
        result = read_object(queue, row->ours ? "config.json" : "blobforge.json", &other,
                             other_etag, error_r);
    if (result == QUEUE_OK) {
        bool same = value == NULL ? !json_object_object_get_ex(own, row->name, NULL)
                                  : value_or(own, row->name, INT64_MIN) == number;

        if (same)
            result = QUEUE_NONE;
        else
            apply(row, own, value, number);
    }
    if (result == QUEUE_OK)
        result =
            row->ours ? check_together(other, own, error_r) : check_together(own, other, error_r);
    if (result == QUEUE_OK) {
        step_put_init(&put, key, etag[0] != '\0' ? STORE_IF_MATCH : STORE_IF_ABSENT, etag);
        json_append(&put.body, own);
        result = step_put(queue, NULL, &put, error_r);
        step_put_release(&put);
    }
    json_object_put(own);
    json_object_put(other);
    return result;
}

enum queue_result fleet_setting_change(struct queue *queue, const char *name, const char *value,
                                       char **error_r)
{
    const struct row *row = find_row(name);
    enum queue_result result = QUEUE_BUSY;
    int64_t number = 0;

    *error_r = NULL;
    if (row == NULL || (value != NULL && !fleet_setting_check(name, value, &number, error_r)))
        return QUEUE_DAMAGED;
    for (int try = 0; try < TRIES && result == QUEUE_BUSY; try++) {
        if (try > 0)
            step_pause(queue, try);
        result = change_once(queue, row, value, number, error_r);
    }
    return result;
}
