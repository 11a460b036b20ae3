/* See fleet.h: settings that live in the bucket. */
#include "queue/fleet.h"

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/json.h"
#include "queue/step.h"

#define REFRESH_MS (60 * 1000)
#define ABSENT INT64_MIN

void fleet_init(struct fleet *fleet)
{
    memset(fleet, 0, sizeof(*fleet));
    fleet->max_retries = fleet->heartbeat_ms = fleet->config_stale_ms = ABSENT;
    fleet->conversion_timeout_ms = fleet->stale_ms = ABSENT;
    fleet->retry_base_ms = fleet->retry_max_ms = ABSENT;
}

static int64_t get(struct json_object *object, const char *name, int64_t unit)
{
    int64_t value;

    if (!json_get_int(object, name, &value) || value < -1000000000 || value > 1000000000)
        return ABSENT;
    return value * unit;
}

enum queue_result fleet_parse(const struct store_op *op, struct json_object **object_r,
                              char **error_r)
{
    *object_r = NULL;
    if (op->status != STORE_OK || op->data.len == 0)
        return QUEUE_OK;
    if (json_parse(buf_text(&op->data), op->data.len, JSON_RECORD_MAX, object_r) == JSON_OK)
        return QUEUE_OK;
    step_error(error_r,
               "%s cannot be read, it is no JSON; correct it or move it away, then "
               "`blobforge config set` makes it anew",
               op->key);
    return QUEUE_DAMAGED;
}

static int64_t get_format(struct json_object *object)
{
    int64_t format;

    return json_get_int(object, "format", &format) ? format : ABSENT;
}

static enum queue_result check_format(const struct queue *queue, int64_t format, char **error_r)
{
    if (format == ABSENT || format <= FLEET_FORMAT)
        return QUEUE_OK;
    step_error(error_r,
               "%s: the bucket has format %lld, this program knows %d; install a newer one",
               store_url(queue->store), (long long)format, FLEET_FORMAT);
    return QUEUE_FATAL;
}

enum queue_result fleet_check_format(struct queue *queue, char **error_r)
{
    struct json_object *ours = NULL;
    char key[KEY_SIZE];
    enum queue_result result;
    struct store_op op;

    *error_r = NULL;
    store_op_init(&op, STORE_GET, key_registry(&queue->keys, "blobforge.json", key));
    result = step_read(queue, NULL, &op, 1, error_r);
    if (result == QUEUE_OK)
        result = fleet_parse(&op, &ours, error_r);
    if (result == QUEUE_OK && ours != NULL)
        result = check_format(queue, get_format(ours), error_r);
    json_object_put(ours);
    store_op_release(&op);
    return result;
}

static void take_config(struct fleet *fleet, struct json_object *object)
{
    fleet->max_retries = get(object, "max_retries", 1);
    fleet->heartbeat_ms = get(object, "heartbeat_interval", 1000);
    fleet->config_stale_ms = get(object, "stale_timeout_minutes", 60 * 1000);
    fleet->conversion_timeout_ms = get(object, "conversion_timeout", 1000);
}

static void take_ours(struct fleet *fleet, struct json_object *object)
{
    fleet->stale_ms = get(object, "stale_timeout", 1000);
    fleet->retry_base_ms = get(object, "retry_base", 1000);
    fleet->retry_max_ms = get(object, "retry_max", 1000);
}

static void take_etag(char etag[static STORE_ETAG_SIZE], const struct store_op *op)
{
    memcpy(etag, op->status == STORE_OK ? op->etag_r : "",
           op->status == STORE_OK ? STORE_ETAG_SIZE : 1);
}

static enum queue_result read_both(struct queue *queue, struct fleet *fleet, char **error_r)
{
    char keys[2][KEY_SIZE];
    struct json_object *config = NULL, *ours = NULL;
    struct store_op ops[2];
    enum queue_result result;

    store_op_init(&ops[0], STORE_GET, key_registry(&queue->keys, "config.json", keys[0]));
    store_op_init(&ops[1], STORE_GET, key_registry(&queue->keys, "blobforge.json", keys[1]));
    ops[0].deadline_ms = ops[1].deadline_ms = fleet->deadline_ms;
    result = step_read(queue, NULL, ops, 2, error_r);
    if (result == QUEUE_OK)
        result = fleet_parse(&ops[1], &ours, error_r);
    /* Whatever else is damaged: a bucket that a newer program keeps is known for one. */
    if (result == QUEUE_OK)
        fleet->format = get_format(ours);
    if (result == QUEUE_OK)
        result = fleet_parse(&ops[0], &config, error_r);
    if (result == QUEUE_OK) {
        take_config(fleet, config);
        take_ours(fleet, ours);
        take_etag(fleet->config_etag, &ops[0]);
        take_etag(fleet->ours_etag, &ops[1]);
    }
    json_object_put(config);
    json_object_put(ours);
    store_op_release(&ops[0]);
    store_op_release(&ops[1]);
    return result;
}

static void lay(int64_t value, int64_t min, int64_t *limit)
{
    if (value != ABSENT)
        *limit = value < min ? min : value;
}

static enum queue_result lay_over(const struct fleet *fleet, struct queue_limits *limits,
                                  char **error_r)
{
    struct queue_limits laid = *limits;

    lay(fleet->max_retries, 0, &laid.max_retries);
    lay(fleet->conversion_timeout_ms, 0, &laid.conversion_timeout_ms);
    lay(fleet->retry_base_ms, 0, &laid.retry_base_ms);
    lay(fleet->retry_max_ms, 0, &laid.retry_max_ms);
    *limits = laid; /* what follows must go together */
    lay(fleet->heartbeat_ms, 1000, &laid.heartbeat_ms);
    lay(fleet->config_stale_ms, 1, &laid.stale_ms);
    lay(fleet->stale_ms, 1, &laid.stale_ms);
    /* Where the fleet beats fast, one request lost in silence must not use up the lease. */
    if (laid.request_ms > laid.heartbeat_ms)
        laid.request_ms = laid.heartbeat_ms;
    if (laid.stale_ms < 3 * laid.heartbeat_ms + laid.margin_ms) {
        step_error(
            error_r,
            "the fleet's stale timeout of %lld s does not hold three heartbeats of %lld s and "
            "a margin of %lld s; raise stale_timeout or lower heartbeat_interval",
            (long long)laid.stale_ms / 1000, (long long)laid.heartbeat_ms / 1000,
            (long long)laid.margin_ms / 1000);
        if (limits->stale_ms < laid.stale_ms)
            limits->stale_ms = laid.stale_ms;
        return QUEUE_DAMAGED;
    }
    *limits = laid;
    return QUEUE_OK;
}

enum queue_result fleet_refresh(struct queue *queue, struct fleet *fleet,
                                struct queue_limits *limits, char **error_r)
{
    int64_t now = clock_boot_ms(queue->clock);
    enum queue_result read = QUEUE_OK, laid;
    char *newer = NULL;

    *error_r = NULL;
    if (fleet->read_boot_ms == 0) {
        int64_t deadline_ms = fleet->deadline_ms;

        fleet_init(fleet);
        fleet->deadline_ms = deadline_ms;
    }
    if (fleet->read_boot_ms == 0 || now - fleet->read_boot_ms >= REFRESH_MS) {
        read = read_both(queue, fleet, error_r);
        if (read == QUEUE_OK)
            fleet->read_boot_ms = now > 0 ? now : 1;
    }
    if (check_format(queue, fleet->format, &newer) != QUEUE_OK) {
        free(*error_r);
        *error_r = newer;
        return QUEUE_FATAL;
    }
    laid = lay_over(fleet, limits, error_r);
    return read != QUEUE_OK ? read : laid;
}

/* ---- from program to program ---- */

static int64_t *value_at(struct fleet *fleet, size_t i, const char **name_r)
{
    static const char *const names[] = {
        "read_boot_ms", "format",        "max_retries",  "heartbeat_ms",         "config_stale_ms",
        "stale_ms",     "retry_base_ms", "retry_max_ms", "conversion_timeout_ms"};
    int64_t *const values[] = {
        &fleet->read_boot_ms,  &fleet->format,          &fleet->max_retries,
        &fleet->heartbeat_ms,  &fleet->config_stale_ms, &fleet->stale_ms,
        &fleet->retry_base_ms, &fleet->retry_max_ms,    &fleet->conversion_timeout_ms};

    *name_r = i < ARRAY_LEN(names) ? names[i] : NULL;
    return i < ARRAY_LEN(names) ? values[i] : NULL;
}

struct json_object *fleet_state_write(const struct fleet *fleet)
{
    struct json_object *object = json_object_new_object();
    struct fleet copy = *fleet;
    const char *name;
    int64_t *value;

    for (size_t i = 0; (value = value_at(&copy, i, &name)) != NULL; i++)
        json_set_int(object, name, *value);
    return object;
}

void fleet_state_read(struct json_object *object, struct fleet *fleet_r)
{
    const char *name;
    int64_t *value;

    fleet_init(fleet_r);
    for (size_t i = 0; object != NULL && (value = value_at(fleet_r, i, &name)) != NULL; i++)
        if (!json_get_int(object, name, value)) {
            fleet_init(fleet_r);
            return;
        }
}
