/* See lease.h: upkeep beside the slots, about once a minute: fleet settings, orphaned locks of
 * ours, the worker card. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/log.h"
#include "daemon/lease_private.h"

#define KEEPER_MS 60000

/* ---- worker card ---- */

static void fill_card(const struct lease *lease, const char *status, struct json_object *card)
{
    const struct lease_options *options = lease->options;
    struct json_object *metrics = json_object_new_object();
    char now[CLOCK_ISO_SIZE];
    struct utsname host;

    clock_format_iso(store_server_ms(lease->keeper_queue.store, lease->clock), now);
    json_set_text(card, "worker_id", options->worker_id);
    json_set_text(card, "hostname", options->host);
    if (uname(&host) == 0) {
        json_set_text(card, "platform", host.sysname);
        json_set_text(card, "platform_release", host.release);
    }
    json_set_int(card, "cpu_count", sysconf(_SC_NPROCESSORS_ONLN));
    json_set_int(card, "pid", getpid());
    json_set_text(card, "last_heartbeat", now);
    json_set_text(card, "status", status);
    json_set_null(card, "current_job");
    json_set_text(card, "instance", options->instance);
    json_set_int(card, "slots", (int64_t)lease->slot_count);
    json_set_int(card, "current_jobs", (int64_t)lease_held(lease));
    json_set_text(card, "version", PACKAGE_VERSION);
    if (strcmp(status, "stopped") == 0)
        json_set_text(card, "stopped_at", now);
    json_set_int(metrics, "jobs_completed", (int64_t)lease->counters.completed);
    json_set_int(metrics, "jobs_failed", (int64_t)lease->counters.failed);
    json_set_object(card, "metrics", metrics);
}

void lease_write_card(struct lease *lease, struct queue *queue, const char *status)
{
    struct json_object *card = json_object_new_object();
    struct buf body = BUF_INIT;
    char key[KEY_SIZE];
    struct store_op op;

    fill_card(lease, status, card);
    json_append(&body, card);
    json_object_put(card);
    store_op_init(&op, STORE_PUT, key_worker(&queue->keys, lease->options->worker_id, key));
    op.body = body.data;
    op.body_len = body.len;
    op.content_type = "application/json";
    store_run(queue->store, &op, 1);
    if (op.status != STORE_OK)
        log_event(LOG_DEBUG, "store_error",
                  LOG_S("msg", op.error == NULL ? "worker card not written" : op.error));
    store_op_release(&op);
    buf_release(&body);
}

bool lease_card_is_foreign(struct lease *lease, struct queue *queue, char **text_r)
{
    struct json_object *card = NULL;
    const char *host, *status, *beat;
    char key[KEY_SIZE];
    struct store_op op;
    int64_t beat_ms = 0;
    bool foreign = false;

    store_op_init(&op, STORE_GET, key_worker(&queue->keys, lease->options->worker_id, key));
    op.max_bytes = JSON_RECORD_MAX;
    store_run(queue->store, &op, 1);
    if (op.status == STORE_OK &&
        json_parse(op.data.data, op.data.len, JSON_RECORD_MAX, &card) == JSON_OK) {
        host = json_get_text(card, "hostname");
        status = json_get_text(card, "status");
        beat = json_get_text(card, "last_heartbeat");
        if (beat != NULL)
            clock_parse_iso(beat, strlen(beat), &beat_ms);
        foreign = host != NULL && strcmp(host, lease->options->host) != 0 &&
                  (status == NULL || strcmp(status, "stopped") != 0) && op.date_ms_r > 0 &&
                  op.date_ms_r - beat_ms < queue->limits.stale_ms;
        if (foreign)
            *text_r = mem_printf("worker id %s: a daemon on host %s has it and is alive; set "
                                 "worker_id or instance",
                                 lease->options->worker_id, host);
    }
    json_object_put(card);
    store_op_release(&op);
    return foreign;
}

/* ---- orphans ---- */

/* Locks with our id and incarnation that none of our slots holds. No claim may be under way
 * meanwhile: its lock would look like one. */
static void watch_orphans(struct lease *lease)
{
    struct claim *copies;
    const struct claim **held;
    size_t count = 0;
    char *error = NULL;
    enum queue_result result;

    lease->keeper_alone = true;
    while (lease->claiming > 0 || lease->picking) /* who is choosing will claim next */
        lease_sleep(lease, &lease->keeper, clock_boot_ms(lease->clock) + 50);
    copies = mem_resize(NULL, lease->slot_count + LEASE_LEFT_MAX, sizeof(*copies));
    held = mem_resize(NULL, lease->slot_count + LEASE_LEFT_MAX, sizeof(*held));
    for (size_t i = 0; i < lease->slot_count; i++) {
        if (lease->slots[i] == NULL || !lease->slots[i]->held)
            continue;
        memset(&copies[count], 0, sizeof(copies[count]));
        memcpy(copies[count].id, lease->slots[i]->claim.id, sizeof(copies[count].id));
        memcpy(copies[count].hash, lease->slots[i]->claim.hash, sizeof(copies[count].hash));
        held[count] = &copies[count];
        count++;
    }
    for (size_t i = 0; i < LEASE_LEFT_MAX; i++) {
        if (lease->left[i].until_boot_ms <= clock_boot_ms(lease->clock))
            continue;
        memset(&copies[count], 0, sizeof(copies[count]));
        memcpy(copies[count].hash, lease->left[i].hash, sizeof(copies[count].hash));
        held[count] = &copies[count];
        count++;
    }
    result = queue_watch_orphans(&lease->keeper_queue, held, count, &error);
    if (result != QUEUE_OK && result != QUEUE_NONE && error != NULL)
        log_event(LOG_DEBUG, "store_error", LOG_S("msg", error));
    free(error);
    free(copies);
    free(held);
    lease->keeper_alone = false;
    lease_wake_all(lease);
}

/* ---- fleet ---- */

static void refresh_fleet(struct lease *lease)
{
    struct queue_limits limits = lease->local_limits;
    struct fleet fleet = lease->fleet;
    char *error = NULL;

    switch (fleet_refresh(&lease->keeper_queue, &fleet, &limits, &error)) {
    case QUEUE_OK:
    case QUEUE_NONE:
        lease->fleet = fleet;
        lease->queue.limits = limits;
        lease->picker_queue.limits = limits;
        lease->keeper_queue.limits = limits;
        break;
    case QUEUE_BUSY:
    case QUEUE_LOST:
    case QUEUE_CANCEL:
    case QUEUE_EXPIRED:
    case QUEUE_DAMAGED:
    case QUEUE_UNKNOWN:
    case QUEUE_AGAIN:
    case QUEUE_FATAL: /* the last values stay */
        if (error != NULL)
            log_event(LOG_WARNING, "store_error", LOG_S("msg", error));
        break;
    }
    free(error);
}

/* ---- the fiber ---- */

static bool is_over(const struct lease *lease)
{
    if (!lease->finished && lease->mode != CLAIM_DRAINING)
        return false;
    for (size_t i = 0; i < lease->slot_count; i++)
        if (lease->slots[i] != NULL)
            return false;
    return true;
}

void lease_keeper_body(void *arg)
{
    struct lease *lease = arg;
    int64_t next = clock_boot_ms(lease->clock);

    while (!is_over(lease)) {
        int64_t now = clock_boot_ms(lease->clock);
        if (now < next) {
            lease_sleep(lease, &lease->keeper, next);
            continue;
        }
        next = now + rng_jitter(lease->rng, KEEPER_MS, 10);
        refresh_fleet(lease);
        lease_write_card(lease, &lease->keeper_queue, lease_held(lease) > 0 ? "active" : "idle");
        watch_orphans(lease);
    }
    lease_write_card(lease, &lease->keeper_queue, "stopped");
}
