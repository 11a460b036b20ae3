/* See lease.h: what happens before the first claim. Blocking, outside any fiber. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "daemon/lease_private.h"
#include "janitor/janitor.h"
#include "queue/gate.h"
#include "store/store_settings.h"

#define RETRY_MS 1000
#define RETRY_MAX_MS 30000
#define ENTRY_MS 5000 /* one try: soon enough the log says what is wrong */

struct opening {
    struct lease *lease;
    struct queue queue; /* on the real store */
    struct fleet fleet;
    int64_t began_boot_ms, backoff_ms;
    bool looked_at; /* the gate let it in ... */
    int64_t pass_age_ms;
};

void lease_take_settings(struct lease *lease, struct post *post, struct store *store)
{
    post_tune(post, store);
    lease->pace = post->pace;
    lease->local_limits.retry_base_ms = lease->pace.retry_base_ms;
    lease->local_limits.retry_max_ms = lease->pace.retry_max_ms;
    settings_destroy(lease->settings);
    lease->settings = post->settings;
    post->settings = NULL;
}

/* Waits before another try. false: told to end, or --until-empty and the patience is over. */
static bool wait_for_store(struct opening *opening, const char *why)
{
    struct lease *lease = opening->lease;
    int64_t now = clock_boot_ms(lease->clock);
    int64_t until = now + rng_jitter(lease->rng, opening->backoff_ms, 25);
    struct post *post;

    lease_set_hold(lease, HOLD_STORE, why);
    if (lease->options->until_empty &&
        now - opening->began_boot_ms >= lease->pace.store_patience_ms)
        return false;
    opening->backoff_ms =
        opening->backoff_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : opening->backoff_ms * 2;
    while ((now = clock_boot_ms(lease->clock)) < until) {
        struct pollfd pfd = {.fd = mailbox_fd(lease->options->inbox), .events = POLLIN};
        if (poll(&pfd, 1, (int)(until - now)) > 0) {
            while ((post = post_take(lease->options->inbox)) != NULL) {
                if (post_type(post) == POST_MODE)
                    lease->mode = post->mode;
                else if (post_type(post) == POST_SETTINGS)
                    lease_take_settings(lease, post, opening->queue.store);
                else if (post_type(post) == POST_SLOTS)
                    lease->slots_wanted = post->slot;
                else if (post_type(post) == POST_ASK)
                    lease_send_figures(lease);
                post_release(post);
            }
            if (lease->mode == CLAIM_DRAINING)
                return false;
        }
    }
    return true;
}

static int gave_up(struct opening *opening, char *text, char **text_r)
{
    if (opening->lease->mode == CLAIM_DRAINING) {
        free(text);
        opening->lease->finished = true;
        return EXITCODE_OK;
    }
    *text_r = text;
    return EXITCODE_UNAVAILABLE;
}

/* The first request: are we let in at all? */
static int ask_entry(struct opening *opening, char **text_r)
{
    char key[KEY_SIZE];

    for (;;) {
        struct store_op op;
        char *text;
        bool refused;

        store_op_init(&op, STORE_GET, key_registry(&opening->queue.keys, "config.json", key));
        op.deadline_ms = ENTRY_MS;
        store_run(opening->queue.store, &op, 1);
        if (op.status == STORE_OK || op.status == STORE_NOT_FOUND) {
            store_op_release(&op);
            return 0;
        }
        refused = op.http_status_r == 401 || op.http_status_r == 403;
        text = mem_strdup(op.error == NULL ? store_status_name(op.status) : op.error);
        store_op_release(&op);
        if (refused) {
            *text_r = text;
            return EXITCODE_NOPERM;
        }
        if (!wait_for_store(opening, text))
            return gave_up(opening, text, text_r);
        free(text);
    }
}

static struct store *open_another(void *arg, const char *address)
{
    const struct lease *lease = arg;

    return store_settings_open_pinned(lease->settings, address);
}

static int ask_gate(struct opening *opening, char **text_r)
{
    const struct lease_options *options = opening->lease->options;
    struct gate_opener opener = {open_another, NULL, opening->lease};

    if (!options->remote)
        return 0;
    if (store_settings_is_soft(options->settings)) {
        log_event(LOG_WARNING, "gate",
                  LOG_S("msg", "s3_conditional_writes = soft: the store is not asked, locks are "
                               "read back; two workers may convert one job and the later result "
                               "wins"));
        store_be_soft(opening->queue.store);
        return 0;
    }
    for (;;) {
        struct gate_report report;
        char *text;
        enum gate_verdict verdict;

        gate_check(&opening->queue, &opener, false, &report);
        verdict = report.verdict;
        text = mem_strdup(report.reason == NULL ? "the gate gives no reason" : report.reason);
        lease_gate_say(&report);
        opening->looked_at = verdict == GATE_FIT;
        opening->pass_age_ms =
            store_server_ms(opening->queue.store, opening->queue.clock) - report.checked_ms;
        gate_report_release(&report);
        if (verdict == GATE_FIT) {
            free(text);
            return 0;
        }
        if (verdict == GATE_UNFIT) {
            *text_r = text;
            return EXITCODE_GATE;
        }
        if (!wait_for_store(opening, text))
            return gave_up(opening, text, text_r);
        free(text);
    }
}

/* Nothing is charged, buried or taken over by built-in values where the fleet may have its own: who
 * has never read them waits. Numbers that contradict one another were read: they are said, and what
 * can hold of them does. */
static int read_fleet(struct opening *opening, char **text_r)
{
    struct lease *lease = opening->lease;

    opening->fleet.deadline_ms = ENTRY_MS;
    for (;;) {
        char *error = NULL;
        enum queue_result result;

        opening->queue.limits = lease->local_limits; /* a reload may have changed them */
        result = fleet_refresh(&opening->queue, &opening->fleet, &opening->queue.limits, &error);

        if (opening->fleet.format > FLEET_FORMAT) {
            *text_r = error;
            return EXITCODE_GATE;
        }
        if (opening->fleet.read_boot_ms != 0) {
            if (error != NULL)
                log_event(LOG_WARNING, "store_error", LOG_S("msg", error));
            free(error);
            lease->fleet = opening->fleet;
            lease->fleet.deadline_ms = 0;
            return 0;
        }
        if (error == NULL)
            error = mem_strdup(queue_result_name(result));
        if (!wait_for_store(opening, error)) {
            int status = gave_up(opening, error, text_r);
            return status != EXITCODE_OK && result == QUEUE_DAMAGED ? EXITCODE_CONFIG : status;
        }
        free(error);
    }
}

static int ask_card(struct opening *opening, char **text_r)
{
    for (;;) {
        char *text = NULL;

        switch (lease_card_look(opening->lease, &opening->queue, ENTRY_MS, &text)) {
        case LEASE_CARD_FREE:
            return 0;
        case LEASE_CARD_FOREIGN:
            *text_r = text;
            return EXITCODE_RUNNING;
        case LEASE_CARD_UNANSWERED:
            break;
        }
        if (!wait_for_store(opening, text))
            return gave_up(opening, text, text_r);
        free(text);
    }
}

/* Crashed runs of ours on this host: their jobs are failed now, not after the stale timeout. */
static int recover(struct opening *opening, char **text_r)
{
    const struct lease_options *options = opening->lease->options;

    while (options->old_count > 0) {
        struct janitor_report report = {0};
        char *error = NULL;
        enum queue_result result = janitor_recover_own(&opening->queue, options->old_incarnations,
                                                       options->old_count, &report, &error);
        if (result == QUEUE_OK || result == QUEUE_NONE) {
            free(error);
            if (report.recovered + report.buried + report.healed > 0)
                log_event(LOG_WARNING, "recover", LOG_I("jobs", report.recovered),
                          LOG_I("buried", report.buried), LOG_I("healed", report.healed),
                          LOG_S("msg", "an earlier run of this daemon ended without notice"));
            return 0;
        }
        if (error == NULL)
            error = mem_strdup(queue_result_name(result));
        if (!wait_for_store(opening, error))
            return gave_up(opening, error, text_r);
        free(error);
    }
    return 0;
}

static void on_notice(void *arg, const char *event, const char *hash, const char *text)
{
    log_event(LOG_WARNING, event, LOG_JOB(hash), LOG_S("msg", text));
}

static void queue_init(struct lease *lease, struct queue *queue, struct store *store)
{
    const struct lease_options *options = lease->options;

    memset(queue, 0, sizeof(*queue));
    queue->store = store;
    queue->clock = lease->clock;
    queue->rng = lease->rng;
    queue->limits = lease->local_limits;
    queue->identity.worker = options->worker_id;
    queue->identity.incarnation = options->incarnation;
    queue->identity.host = options->host;
    queue->identity.pid = getpid();
    queue->notice = on_notice;
}

int lease_open(struct lease *lease, struct store *store, char **text_r)
{
    struct opening opening = {
        .lease = lease, .began_boot_ms = clock_boot_ms(lease->clock), .backoff_ms = RETRY_MS};
    int status;

    opening.fleet = lease->fleet; /* an earlier program of this process may have read it */
    queue_limits_default(&lease->local_limits);
    lease->local_limits.retry_base_ms = lease->pace.retry_base_ms;
    lease->local_limits.retry_max_ms = lease->pace.retry_max_ms;
    queue_init(lease, &opening.queue, store);
    if (!keys_init(&opening.queue.keys, lease->options->prefix)) {
        *text_r = mem_strdup("prefix: not usable in keys; give one without '//', '.' or '..'");
        store_close(store);
        return EXITCODE_CONFIG;
    }
    status = ask_entry(&opening, text_r);
    if (status == 0 && !lease->finished)
        status = ask_gate(&opening, text_r);
    if (status == 0 && !lease->finished)
        status = read_fleet(&opening, text_r);
    if (status == 0 && !lease->finished)
        status = ask_card(&opening, text_r);
    if (status == 0 && !lease->finished)
        status = recover(&opening, text_r);
    if (lease->hold == HOLD_STORE && status == 0)
        lease_set_hold(lease, HOLD_NONE, NULL);
    if (status == 0 && !lease->finished && opening.looked_at)
        lease_gate_init(lease, opening.pass_age_ms);
    if (lease->options->opened != NULL)
        lease->options->opened();
    lease->store = store_fiber_open(store);
    lease->queue = opening.queue;
    lease->queue.store = lease->store;
    lease_clock_init(lease);
    lease->queue.clock = &lease->fibers_clock.clock;
    lease->picker_queue = lease->queue;
    lease->keeper_queue = lease->queue;
    lease->candidates = candidates_create(&lease->picker_queue);
    return status;
}
