/* See lease.h: upkeep beside the slots, about once a minute: fleet settings, orphaned locks of
 * ours, the worker card; and, at first, late locks of crashed runs. */
#include "config.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/human.h"
#include "base/json.h"
#include "base/log.h"
#include "daemon/lease_private.h"
#include "janitor/janitor.h"
#include "queue/identity.h"

#define KEEPER_MS 60000
#define RECOVER_MS 1000 /* doubled each time */
#define RECOVERIES 9    /* the last after 511 s */

/* ---- worker card ---- */

/* v1's fields, in its units (seconds, GiB); nothing is said of what was not measured. */
static void fill_metrics(const struct lease *lease, struct json_object *metrics)
{
    const struct lease_counters *done = &lease->counters;
    uint64_t completed = done->ends[ATTEMPT_END_DONE];
    double session = (double)(clock_boot_ms(lease->clock) - lease->began_boot_ms) / 1000;
    double busy = (double)done->completed_ms / 1000;
    char text[HUMAN_SIZE], began[CLOCK_ISO_SIZE];

    clock_format_iso(lease->began_ms, began);
    json_set_text(metrics, "session_start", began);
    json_set_double(metrics, "session_duration_seconds", session);
    json_set_int(metrics, "jobs_completed", (int64_t)completed);
    json_set_int(metrics, "jobs_failed",
                 (int64_t)(done->ends[ATTEMPT_END_FAILED] + done->ends[ATTEMPT_END_BURIED]));
    json_set_int(metrics, "bytes_processed", done->completed_bytes);
    json_set_text(metrics, "bytes_processed_formatted",
                  human_show_size(done->completed_bytes, text));
    json_set_double(metrics, "total_processing_time", busy);
    /* Version 1 prints these without asking whether they are there. */
    json_set_double(metrics, "avg_processing_time", completed > 0 ? busy / (double)completed : 0);
    json_set_text(
        metrics, "avg_processing_time_formatted",
        human_show_duration(completed > 0 ? done->completed_ms / (int64_t)completed : 0, text));
    json_set_double(metrics, "jobs_per_hour", session > 0 ? (double)completed * 3600 / session : 0);
}

static void set_measured(struct json_object *object, const char *name, double value)
{
    if (value >= 0)
        json_set_double(object, name, value);
}

static void fill_load(struct lease *lease, struct json_object *card)
{
    struct json_object *system = json_object_new_object();
    struct host_load load;

    host_load_sample(&lease->load_sampler, lease->options->work_dir, &load);
    if (load.memory_bytes >= 0)
        json_set_double(card, "memory_gb", (double)load.memory_bytes / (1 << 30));
    set_measured(system, "cpu_percent", load.cpu_percent);
    set_measured(system, "memory_percent", load.memory_percent);
    set_measured(system, "load_1m", load.load_average[0]);
    set_measured(system, "load_5m", load.load_average[1]);
    set_measured(system, "load_15m", load.load_average[2]);
    if (load.disk_free_bytes >= 0)
        json_set_int(system, "disk_free_bytes", load.disk_free_bytes);
    json_set_object(card, "system", system);
}

static void fill_card(struct lease *lease, const char *status, struct json_object *card)
{
    const struct lease_options *options = lease->options;
    struct json_object *metrics = json_object_new_object();
    int64_t now_ms = store_server_ms(lease->keeper_queue.store, lease->clock);
    char now[CLOCK_ISO_SIZE], began[CLOCK_ISO_SIZE];
    struct utsname host;
    char *process;

    if (lease->began_ms == 0) {
        lease->began_ms = now_ms;
        lease->began_boot_ms = clock_boot_ms(lease->clock);
    }
    clock_format_iso(lease->began_ms, began);
    clock_format_iso(now_ms, now);
    json_set_text(card, "worker_id", options->worker_id);
    json_set_text(card, "hostname", options->host);
    if (uname(&host) == 0) {
        json_set_text(card, "platform", host.sysname);
        json_set_text(card, "platform_release", host.release);
    }
    json_set_int(card, "cpu_count", sysconf(_SC_NPROCESSORS_ONLN));
    json_set_int(card, "pid", getpid());
    process = identity_process(getpid());
    json_set_text(card, "process", process);
    free(process);
    json_set_text(card, "registered_at", began);
    json_set_text(card, "last_heartbeat", now);
    json_set_text(card, "status", status);
    json_set_null(card, "current_job");
    json_set_text(card, "instance", options->instance);
    json_set_int(card, "slots", lease->slots_wanted);
    json_set_int(card, "current_jobs", (int64_t)lease_held(lease));
    json_set_text(card, "version", PACKAGE_VERSION);
    if (strcmp(status, "stopped") == 0)
        json_set_text(card, "stopped_at", now);
    fill_load(lease, card);
    fill_metrics(lease, metrics);
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

/* Of a host that beat lately; by the store's clock. */
static bool is_of_another_host(const struct lease *lease, struct json_object *card, int64_t now_ms,
                               int64_t stale_ms)
{
    const char *host = json_get_text(card, "hostname");
    const char *beat = json_get_text(card, "last_heartbeat");
    int64_t beat_ms = 0;

    if (beat != NULL)
        clock_parse_iso(beat, strlen(beat), &beat_ms);
    return host != NULL && strcmp(host, lease->options->host) != 0 && now_ms > 0 &&
           now_ms - beat_ms < stale_ms;
}

/* Of a process of this host that lives: whatever it is called there, and however long it has said
 * nothing. A killed one's card never is, even where its number is in use again. */
static bool is_of_another_process(struct json_object *card, int64_t *pid_r)
{
    const char *said = json_get_text(card, "process");
    char *lives;
    bool same;

    if (said == NULL || !json_get_int(card, "pid", pid_r) || *pid_r == getpid())
        return false;
    lives = identity_process((pid_t)*pid_r);
    same = lives != NULL && strcmp(lives, said) == 0;
    free(lives);
    return same;
}

/* NULL: not of a daemon that lives and is not ours; else who has it. The caller frees. */
static char *who_has(const struct lease *lease, struct json_object *card, int64_t now_ms,
                     int64_t stale_ms)
{
    const char *id = lease->options->worker_id, *status = json_get_text(card, "status");
    int64_t pid = 0;

    if (status != NULL && strcmp(status, "stopped") == 0)
        return NULL;
    if (is_of_another_host(lease, card, now_ms, stale_ms))
        return mem_printf("worker id %s: a daemon on host %s has it and is alive; set "
                          "worker_id or instance",
                          id, json_get_text(card, "hostname"));
    if (is_of_another_process(card, &pid))
        return mem_printf("worker id %s: the daemon with pid %lld on this host has it; set "
                          "another worker_id, or none",
                          id, (long long)pid);
    return NULL;
}

enum lease_card lease_card_look(struct lease *lease, struct queue *queue, int64_t deadline_ms,
                                char **text_r)
{
    struct json_object *card = NULL;
    char key[KEY_SIZE];
    struct store_op op;
    enum lease_card card_is = LEASE_CARD_FREE;

    *text_r = NULL;
    store_op_init(&op, STORE_GET, key_worker(&queue->keys, lease->options->worker_id, key));
    op.max_bytes = JSON_RECORD_MAX;
    op.deadline_ms = deadline_ms;
    store_run(queue->store, &op, 1);
    if (op.status == STORE_OK &&
        json_parse(op.data.data, op.data.len, JSON_RECORD_MAX, &card) == JSON_OK) {
        *text_r = who_has(lease, card, op.date_ms_r, queue->limits.stale_ms);
        if (*text_r != NULL)
            card_is = LEASE_CARD_FOREIGN;
    } else if (op.status != STORE_OK && op.status != STORE_NOT_FOUND && op.status != STORE_FATAL) {
        card_is = LEASE_CARD_UNANSWERED;
        *text_r = mem_strdup(op.error != NULL ? op.error : store_status_name(op.status));
    }
    json_object_put(card);
    store_op_release(&op);
    return card_is;
}

/* ---- orphans ---- */

/* Locks with our id and incarnation that none of our slots holds. Claims go on meanwhile, however
 * long the store takes: each slot's claim is looked at as it is before every takeover, and names
 * its hash and id before its lock is first sent. Only slots that are new must wait, and none is
 * freed. */
static void watch_orphans(struct lease *lease)
{
    struct claim left[LEASE_LEFT_MAX];
    const struct claim **held = mem_resize(NULL, lease->slot_count + LEASE_LEFT_MAX, sizeof(*held));
    size_t count = 0;
    char *error = NULL;
    enum queue_result result;

    for (size_t i = 0; i < lease->slot_count; i++)
        if (lease->slots[i] != NULL)
            held[count++] = &lease->slots[i]->claim;
    memset(left, 0, sizeof(left));
    for (size_t i = 0; i < LEASE_LEFT_MAX; i++) {
        if (lease->left[i].until_boot_ms <= clock_boot_ms(lease->clock))
            continue;
        memcpy(left[i].hash, lease->left[i].hash, sizeof(left[i].hash));
        held[count++] = &left[i];
    }
    lease->watching = true;
    result = queue_watch_orphans(&lease->keeper_queue, held, count, &error);
    lease->watching = false;
    for (size_t i = 0; i < lease->slot_count; i++)
        if (lease->slots[i] != NULL)
            lease->slots[i]->unwatched = false;
    if (result != QUEUE_OK && result != QUEUE_NONE && error != NULL)
        log_event(LOG_DEBUG, "store_error", LOG_S("msg", error));
    free(error);
    free(held);
    lease_wake_all(lease);
}

/* ---- crashed runs ---- */

/* A lock that a crashed run of ours had sent may land after our start has looked: it is looked for
 * again, ever more rarely, as long as such a request can be on its way. */
static void recover_again(struct lease *lease)
{
    const struct lease_options *options = lease->options;
    struct janitor_report report = {0};
    char *error = NULL;
    enum queue_result result = janitor_recover_own(&lease->keeper_queue, options->old_incarnations,
                                                   options->old_count, &report, &error);

    if (result != QUEUE_OK && result != QUEUE_NONE && error != NULL)
        log_event(LOG_DEBUG, "store_error", LOG_S("msg", error));
    if (report.recovered + report.buried + report.healed > 0) {
        log_event(LOG_WARNING, "recover", LOG_I("jobs", report.recovered),
                  LOG_I("buried", report.buried), LOG_I("healed", report.healed),
                  LOG_S("msg", "a late lock of an earlier run of this daemon"));
        lease->look_due = true;
        lease->look_boot_ms = 0;
        lease_wake_all(lease);
    }
    free(error);
}

static void plan_recovery(struct lease *lease)
{
    int64_t now = clock_boot_ms(lease->clock);

    if (lease->options->old_count == 0 || lease->recoveries >= RECOVERIES)
        lease->recover_boot_ms = INT64_MAX;
    else
        lease->recover_boot_ms = now + (RECOVER_MS << lease->recoveries++);
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

    lease->keeper_boot_ms = clock_boot_ms(lease->clock);
    plan_recovery(lease);
    while (!is_over(lease)) {
        int64_t now = clock_boot_ms(lease->clock);
        if (now >= lease->recover_boot_ms) {
            recover_again(lease);
            plan_recovery(lease);
        } else if (now >= lease->keeper_boot_ms) {
            lease->keeper_boot_ms = now + rng_jitter(lease->rng, KEEPER_MS, 10);
            refresh_fleet(lease);
            lease_write_card(lease, &lease->keeper_queue,
                             lease_held(lease) > 0 ? "active" : "idle");
            watch_orphans(lease);
            malloc_trim(0); /* all threads' heaps: what a burst of failures held goes back */
        } else {
            lease->keeper_rests = true;
            lease_sleep(lease, &lease->keeper,
                        lease->recover_boot_ms < lease->keeper_boot_ms ? lease->recover_boot_ms
                                                                       : lease->keeper_boot_ms);
            lease->keeper_rests = false;
        }
    }
    lease_write_card(lease, &lease->keeper_queue, "stopped");
}
