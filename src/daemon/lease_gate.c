/* See lease_gate.h: when the gate looks again, and what its verdict does. */
#include "daemon/lease_gate.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "daemon/lease_private.h"
#include "store/store_settings.h"

#define THREAD_STACK (512 * 1024)
#define SHUT_FIRST_MS 1000 /* between probes that get no answer, while nothing is claimed ... */
#define SHUT_LAST_MS 30000
#define IDLE_FIRST_MS (60 * 1000) /* ... and while the old pass is gone by */
#define IDLE_LAST_MS (3600 * 1000)
#define DOUBT_REST_MS (60 * 1000) /* before the probe for a doubt that has come again ... */
#define DOUBT_REST_TIMES 6        /* ... doubled so often */
#define DOUBT_SOON_MS (3 * 3600 * 1000)
#define SPREAD_PART 100 /* weekly probes of one fleet: the first saves the others theirs */
#define END_S 2         /* a probe that is told to end may clean up for so long */

/* ---- the probe's thread ---- */

struct gate_probe { /* the thread's until it has ended */
    pthread_t thread;
    atomic_bool stop, ended;
    const struct lease_options *options;
    struct settings *settings; /* of when it began */
    struct s3_creds_source *keys;
    bool anew;
    struct gate_report report;
    struct store_properties properties; /* of a pass */
};

static struct store *open_another(void *arg, const char *address)
{
    const struct gate_probe *probe = arg;
    char *error = NULL;
    struct store *store = store_settings_open_kept(probe->settings, probe->keys, address, &error);

    free(error);
    return store;
}

static bool is_stopped(void *arg)
{
    return atomic_load(&((struct gate_probe *)arg)->stop);
}

static void *probe_thread(void *arg)
{
    struct gate_probe *probe = arg;
    const struct lease_options *options = probe->options;
    struct gate_opener opener = {open_another, is_stopped, probe};
    struct queue queue = {.clock = clock_system(),
                          .rng = rng_system(),
                          .identity = {.worker = options->worker_id,
                                       .incarnation = options->incarnation,
                                       .host = options->host,
                                       .pid = getpid()}};
    char *error = NULL;

    pthread_setname_np(pthread_self(), "gate");
    queue_limits_default(&queue.limits);
    queue.store = store_settings_open_kept(probe->settings, probe->keys, NULL, &error);
    if (queue.store == NULL || !keys_init(&queue.keys, options->prefix)) {
        probe->report.verdict = GATE_UNREACHABLE;
        probe->report.reason = error != NULL ? error : mem_strdup("the store cannot be opened");
    } else {
        gate_check(&queue, &opener, probe->anew, &probe->report);
        probe->properties = *store_properties(queue.store);
    }
    store_close(queue.store);
    atomic_store(&probe->ended, true);
    post_send(options->inbox, post_create(POST_GATE));
    return NULL;
}

static void probe_free(struct gate_probe *probe)
{
    gate_report_release(&probe->report);
    settings_destroy(probe->settings);
    free(probe);
}

static bool begin(struct lease *lease)
{
    struct gate_probe *probe = mem_alloc(sizeof(*probe));
    pthread_attr_t attr;
    int error;

    probe->options = lease->options;
    probe->settings = settings_copy(lease->settings);
    probe->keys = lease->gate.keys;
    probe->anew = lease->gate.shut;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK);
    error = pthread_create(&probe->thread, &attr, probe_thread, probe);
    pthread_attr_destroy(&attr);
    if (error != 0) {
        log_event(LOG_ERROR, "gate", LOG_S("msg", "no thread for the probe: it is tried again"));
        probe_free(probe);
        return false;
    }
    lease->gate.probe = probe;
    return true;
}

/* ---- when ---- */

/* A pass of that age is looked at again after its week, and a second: it must have gone by when it
 * is read again. */
static void plan(struct lease *lease, int64_t age_ms)
{
    int64_t left_ms = GATE_WEEK_MS - (age_ms > 0 ? age_ms : 0);

    left_ms = left_ms > 0 ? left_ms : 0;
    lease->gate.backoff_ms = 0;
    lease->gate.due_boot_ms = clock_boot_ms(lease->clock) + left_ms + 1000 +
                              rng_jitter(lease->rng, left_ms / SPREAD_PART, 50);
}

static void plan_again(struct lease *lease)
{
    struct lease_gate *gate = &lease->gate;
    int64_t first = gate->shut ? SHUT_FIRST_MS : IDLE_FIRST_MS;
    int64_t last = gate->shut ? SHUT_LAST_MS : IDLE_LAST_MS;

    gate->backoff_ms = gate->backoff_ms == 0 ? first : gate->backoff_ms * 2;
    if (gate->backoff_ms > last)
        gate->backoff_ms = last;
    gate->due_boot_ms = clock_boot_ms(lease->clock) + rng_jitter(lease->rng, gate->backoff_ms, 25);
}

void lease_gate_init(struct lease *lease, int64_t age_ms)
{
    lease->gate.on = true;
    lease->gate.keys = store_settings_keep_keys(lease->options->settings);
    plan(lease, age_ms);
}

/* How long until the probe: at once, unless doubts come again and again. */
static int64_t doubt_rest_ms(struct lease_gate *gate, int64_t now)
{
    unsigned times;

    if (gate->shut_boot_ms == 0 || now - gate->shut_boot_ms > DOUBT_SOON_MS) {
        gate->doubts = 0;
        return 0;
    }
    times = gate->doubts < DOUBT_REST_TIMES ? gate->doubts++ : DOUBT_REST_TIMES;
    return (int64_t)DOUBT_REST_MS << times;
}

static void shut(struct lease *lease, const char *doubt)
{
    int64_t now = clock_boot_ms(lease->clock);
    char *text =
        mem_printf("%s: nothing is claimed until the store has been looked at again", doubt);

    lease_set_hold(lease, HOLD_GATE, text);
    lease->gate.shut = true;
    lease->gate.due_boot_ms = now + doubt_rest_ms(&lease->gate, now);
    lease->gate.shut_boot_ms = now;
    lease->gate.backoff_ms = 0;
    free(text);
}

/* ---- what comes of it ---- */

void lease_gate_say(const struct gate_report *report)
{
    log_event(report->verdict == GATE_FIT ? LOG_INFO : LOG_WARNING, "gate",
              LOG_S("verdict", report->verdict == GATE_FIT     ? "fit"
                               : report->verdict == GATE_UNFIT ? "unfit"
                                                               : "unreachable"),
              LOG_S("msg", report->reason));
}

static void passed(struct lease *lease, const struct gate_probe *probe)
{
    if (lease->gate.shut && !probe->anew)
        return; /* a doubt came while it ran: that has a probe of its own, which is due */
    plan(lease, store_server_ms(lease->store, lease->clock) - probe->report.checked_ms);
    if (!lease->gate.shut)
        return;
    store_set_properties(lease->store, &probe->properties);
    store_clear_doubt(lease->store);
    lease->gate.shut = false;
    lease->look_due = true;
    lease->look_boot_ms = 0;
    lease_set_hold(lease, HOLD_NONE, NULL);
    lease_wake_all(lease);
}

static void unanswered(struct lease *lease, const struct gate_report *report)
{
    const struct lease_gate *gate = &lease->gate;

    plan_again(lease);
    if (gate->shut && lease->options->until_empty && lease_held(lease) == 0 &&
        clock_boot_ms(lease->clock) - gate->shut_boot_ms >= lease->pace.store_patience_ms)
        lease_finish(lease, EXITCODE_UNAVAILABLE, mem_strdup(report->reason));
}

static void on_ended(struct lease *lease)
{
    struct gate_probe *probe = lease->gate.probe;
    const struct gate_report *report = &probe->report;

    pthread_join(probe->thread, NULL);
    lease->gate.probe = NULL;
    lease_gate_say(report);
    switch (report->verdict) {
    case GATE_FIT:
        passed(lease, probe);
        break;
    case GATE_UNFIT:
        lease_set_hold(lease, HOLD_GATE, report->reason);
        lease->gate.shut = true;
        lease_finish(lease, EXITCODE_GATE, mem_strdup(report->reason));
        break;
    case GATE_UNREACHABLE:
        unanswered(lease, report);
        break;
    }
    probe_free(probe);
}

int64_t lease_gate_turn(struct lease *lease)
{
    struct lease_gate *gate = &lease->gate;
    const char *doubt;

    if (gate->probe != NULL && atomic_load(&gate->probe->ended))
        on_ended(lease);
    if (!gate->on || lease->finished || lease->mode == CLAIM_DRAINING)
        return INT64_MAX;
    doubt = store_doubt(lease->store);
    if (doubt != NULL && !gate->shut)
        shut(lease, doubt);
    if (gate->probe != NULL)
        return INT64_MAX;
    if (gate->due_boot_ms <= clock_boot_ms(lease->clock) && !begin(lease))
        plan_again(lease);
    return gate->probe != NULL ? INT64_MAX : gate->due_boot_ms;
}

bool lease_gate_open(const struct lease *lease)
{
    return !lease->gate.on || (!lease->gate.shut && store_doubt(lease->store) == NULL);
}

bool lease_gate_end(struct lease *lease)
{
    struct gate_probe *probe = lease->gate.probe;
    struct timespec until;

    if (probe != NULL) {
        atomic_store(&probe->stop, true);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += END_S;
        if (pthread_timedjoin_np(probe->thread, NULL, &until) != 0) {
            pthread_detach(probe->thread);
            return true;
        }
        probe_free(probe);
        lease->gate.probe = NULL;
    }
    store_settings_drop_keys(lease->gate.keys);
    return false;
}
