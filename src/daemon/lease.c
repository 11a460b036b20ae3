/* See lease.h: the loop of the lease thread. */
#include "daemon/lease.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "daemon/lease_private.h"

#define THREAD_STACK (512 * 1024) /* start-up talks TLS on it; fibers have their own */
#define STORE_BACKOFF_MS 1000
#define STORE_BACKOFF_MAX_MS 30000

/* ---- sleeping and waking ---- */

void lease_sleep(struct lease *lease, struct sleeper *sleeper, int64_t until_boot_ms)
{
    if (sleeper->woken) { /* the word came before we slept */
        sleeper->woken = false;
        return;
    }
    sleeper->until_boot_ms = until_boot_ms;
    sleeper->sleeping = true;
    fiber_yield();
}

void lease_wake(struct sleeper *sleeper)
{
    sleeper->woken = true;
}

void lease_wake_all(struct lease *lease)
{
    for (size_t i = 0; i < lease->slot_count; i++)
        if (lease->slots[i] != NULL)
            lease_wake(&lease->slots[i]->sleeper);
    lease_wake(&lease->keeper);
}

static bool is_due(const struct sleeper *sleeper, int64_t now)
{
    return sleeper->fiber != NULL && sleeper->sleeping &&
           (sleeper->woken || sleeper->until_boot_ms <= now);
}

/* The sleeper of the fiber that runs; NULL outside of any. */
static struct sleeper *current_sleeper(struct lease *lease)
{
    struct fiber *fiber = fiber_current();

    if (fiber == NULL)
        return NULL;
    for (size_t i = 0; i < lease->slot_count; i++)
        if (lease->slots[i] != NULL && lease->slots[i]->sleeper.fiber == fiber)
            return &lease->slots[i]->sleeper;
    return lease->keeper.fiber == fiber ? &lease->keeper : NULL;
}

static int64_t fibers_boot_ms(struct clock *clock)
{
    return clock_boot_ms(((struct lease_clock *)clock)->lease->clock);
}

static int64_t fibers_wall_ms(struct clock *clock)
{
    return clock_wall_ms(((struct lease_clock *)clock)->lease->clock);
}

/* Words that come meanwhile are not lost: whoever waits for one looks before it sleeps. */
static void fibers_sleep_ms(struct clock *clock, int64_t ms)
{
    struct lease *lease = ((struct lease_clock *)clock)->lease;
    int64_t until = clock_boot_ms(lease->clock) + ms;
    struct sleeper *sleeper = current_sleeper(lease);

    if (sleeper == NULL) {
        clock_sleep_ms(lease->clock, ms);
        return;
    }
    while (clock_boot_ms(lease->clock) < until)
        lease_sleep(lease, sleeper, until);
}

void lease_clock_init(struct lease *lease)
{
    lease->fibers_clock.clock = (struct clock){fibers_boot_ms, fibers_wall_ms, fibers_sleep_ms};
    lease->fibers_clock.lease = lease;
}

/* ---- holds ---- */

void lease_set_hold(struct lease *lease, enum hold hold, const char *text)
{
    struct post *post;

    static const char *const begins[] = {"resume", "store_error", "pause", "gate"};
    static const char *const ends[] = {"resume", "store_ok", "resume", "gate"};

    if (lease->gate.shut && hold != HOLD_GATE)
        return; /* the graver reason */
    if (lease->hold == hold && hold != HOLD_GATE)
        return;
    if (hold != HOLD_NONE && lease->hold != hold)
        log_event(LOG_WARNING, begins[hold], LOG_S("msg", text));
    else if (hold == HOLD_NONE)
        log_event(LOG_INFO, ends[lease->hold],
                  LOG_S("msg", lease->hold == HOLD_GATE ? "jobs are claimed again" : NULL));
    lease->hold = hold;
    post = post_create(POST_STATE);
    post->hold = hold;
    post->text = mem_strdup(text);
    post_send(lease->options->to_main, post);
}

size_t lease_held(const struct lease *lease)
{
    size_t held = 0;

    for (size_t i = 0; i < lease->slot_count; i++)
        held += lease->slots[i] != NULL && lease->slots[i]->busy;
    return held;
}

void lease_store_trouble(struct lease *lease, const char *error)
{
    int64_t now = clock_boot_ms(lease->clock);

    if (lease->hold != HOLD_STORE) {
        lease->store_bad_since_boot_ms = now;
        lease->store_backoff_ms = STORE_BACKOFF_MS;
    } else {
        lease->store_backoff_ms *= 2;
    }
    if (lease->store_backoff_ms > STORE_BACKOFF_MAX_MS)
        lease->store_backoff_ms = STORE_BACKOFF_MAX_MS;
    lease->store_retry_boot_ms = now + rng_jitter(lease->rng, lease->store_backoff_ms, 25);
    lease_set_hold(lease, HOLD_STORE, error);
    if (lease->options->until_empty && lease_held(lease) == 0 &&
        now - lease->store_bad_since_boot_ms >= lease->pace.store_patience_ms)
        lease_finish(lease, EXITCODE_UNAVAILABLE, mem_strdup(error));
}

void lease_store_fine(struct lease *lease)
{
    if (lease->hold == HOLD_STORE)
        lease_set_hold(lease, HOLD_NONE, NULL);
}

void lease_finish(struct lease *lease, int status, char *text)
{
    if (lease->finished) {
        free(text);
        return;
    }
    lease->finished = true;
    lease->end_status = status;
    lease->end_text = text;
    lease_wake_all(lease);
}

void lease_meter(const struct lease *lease, struct store_meter *meter_r)
{
    *meter_r = lease->meter_before;
    if (lease->store != NULL)
        store_meter_merge(meter_r, store_meter(lease->store));
}

void lease_send_figures(struct lease *lease)
{
    struct post *post = post_create(POST_FIGURES);
    struct figures *figures = mem_alloc(sizeof(*figures));

    figures->counters = lease->counters;
    lease_meter(lease, &figures->meter);
    figures->leases = mem_resize(NULL, lease->slot_count + 1, sizeof(*figures->leases));
    for (size_t i = 0; i < lease->slot_count; i++) {
        const struct lease_slot *slot = lease->slots[i];
        if (slot != NULL && slot->held)
            figures->leases[figures->lease_count++] =
                (struct figures_lease){slot->number, slot->claim.renewed_boot_ms};
    }
    post->figures = figures;
    post_send(lease->options->to_main, post);
}

/* ---- mail ---- */

static struct lease_slot *slot_of_post(const struct lease *lease, const struct post *post)
{
    if (post->slot < 0 || (size_t)post->slot >= lease->slot_count)
        return NULL;
    return lease->slots[post->slot];
}

static void on_mode(struct lease *lease, enum claim_mode mode)
{
    lease->mode = mode;
    lease_wake_all(lease);
}

static void on_settings(struct lease *lease, struct post *post)
{
    lease_take_settings(lease, post, lease->store);
    lease->keeper_boot_ms = 0; /* it lays the fleet's values over the new ones */
    lease_wake_all(lease);
}

static void on_post(struct lease *lease, struct post *post)
{
    struct lease_slot *slot = slot_of_post(lease, post);

    switch (post_type(post)) {
    case POST_SLOT_READY:
        if (slot == NULL)
            lease_slot_start(lease, post->slot);
        slot = slot_of_post(lease, post);
        /* A worker that was replaced while START was on its way offers itself, too: it has a job.
         */
        slot->ready = !slot->started;
        lease_wake(&slot->sleeper);
        break;
    case POST_SLOT_RETIRE:
        if (slot == NULL) { /* no fiber yet: nothing is held */
            struct post *answer = post_create(POST_SLOT_RETIRED);
            answer->slot = post->slot;
            post_send(lease->options->to_main, answer);
            break;
        }
        slot->retiring = true;
        lease_wake(&slot->sleeper);
        break;
    case POST_EVENT:
    case POST_KILLED:
        if (slot != NULL) {
            lease_slot_post(slot, post);
            return;
        }
        break;
    case POST_MODE:
        on_mode(lease, post->mode);
        break;
    case POST_STOP_JOBS:
        for (size_t i = 0; i < lease->slot_count; i++) {
            if (lease->slots[i] != NULL && lease->slots[i]->busy) {
                lease->slots[i]->stop = true;
                lease_wake(&lease->slots[i]->sleeper);
            }
        }
        break;
    case POST_STOP_JOB:
        if (slot != NULL && slot->busy && slot->seq == post->seq) {
            slot->stop = true;
            lease_wake(&slot->sleeper);
        }
        break;
    case POST_SETTINGS:
        on_settings(lease, post);
        break;
    case POST_SLOTS:
        lease->slots_wanted = post->slot;
        break;
    case POST_ASK:
        lease_send_figures(lease);
        break;
    case POST_GATE:
        break; /* lease_gate_turn() sees that it has ended */
    case POST_FREEZE:
        lease_freeze(lease);
        break;
    case POST_THAW: /* of a freeze that was refused */
        break;
    case POST_END:
    case POST_OPENED:
    case POST_START:
    case POST_PUBLISH:
    case POST_KILL:
    case POST_ATTEMPT_OVER:
    case POST_SLOT_RETIRED:
    case POST_FIGURES:
    case POST_FROZEN:
    case POST_STATE:
    case POST_ENDED:
        break; /* not for us */
    }
    post_release(post);
}

static void read_mail(struct lease *lease)
{
    struct post *post;

    while ((post = post_take(lease->options->inbox)) != NULL)
        on_post(lease, post);
}

/* ---- the loop ---- */

static void bury_ended_fibers(struct lease *lease)
{
    for (size_t i = 0; i < lease->slot_count; i++) {
        struct lease_slot *slot = lease->slots[i];
        struct post *post;
        if (slot == NULL || !fiber_ended(slot->sleeper.fiber) || lease->watching)
            continue;
        post = post_create(POST_SLOT_RETIRED);
        post->slot = slot->number;
        post_send(lease->options->to_main, post);
        lease_slot_free(slot);
        lease->slots[i] = NULL;
        lease_wake(&lease->keeper);
    }
    if (lease->keeper.fiber != NULL && fiber_ended(lease->keeper.fiber)) {
        fiber_destroy(lease->keeper.fiber);
        lease->keeper.fiber = NULL;
    }
}

/* Runs what is due; returns when something will be due next. */
static int64_t run_due(struct lease *lease)
{
    int64_t next = INT64_MAX;
    int64_t now = clock_boot_ms(lease->clock);

    for (size_t i = 0; i <= lease->slot_count; i++) {
        struct sleeper *sleeper = &lease->keeper;
        if (i < lease->slot_count) {
            if (lease->slots[i] == NULL)
                continue;
            sleeper = &lease->slots[i]->sleeper;
        }
        if (!is_due(sleeper, now))
            continue;
        sleeper->sleeping = sleeper->woken = false; /* it may wait for the store next */
        fiber_resume(sleeper->fiber);
    }
    bury_ended_fibers(lease);
    for (size_t i = 0; i <= lease->slot_count; i++) {
        const struct sleeper *sleeper = &lease->keeper;
        if (i < lease->slot_count) {
            if (lease->slots[i] == NULL)
                continue;
            sleeper = &lease->slots[i]->sleeper;
        }
        if (sleeper->fiber == NULL || !sleeper->sleeping)
            continue;
        if (sleeper->woken)
            return 0;
        if (sleeper->until_boot_ms < next)
            next = sleeper->until_boot_ms;
    }
    return next;
}

static bool any_fiber(const struct lease *lease)
{
    for (size_t i = 0; i < lease->slot_count; i++)
        if (lease->slots[i] != NULL)
            return true;
    return lease->keeper.fiber != NULL;
}

static void run_loop(struct lease *lease)
{
    int wake_fd = mailbox_fd(lease->options->inbox);

    lease->keeper.fiber = fiber_create(lease_keeper_body, lease);
    fiber_resume(lease->keeper.fiber);
    while (any_fiber(lease)) {
        struct fiber *fiber;
        int64_t next, gate, wait_ms;

        read_mail(lease);
        next = run_due(lease);
        if (!any_fiber(lease))
            return;
        gate = lease_gate_turn(lease);
        wait_ms = (gate < next ? gate : next) - clock_boot_ms(lease->clock);
        if (wait_ms < 0)
            wait_ms = 0;
        if (wait_ms > 60000)
            wait_ms = 60000;
        /* Many answers may have come at once: take them all, but not without a look at the mail. */
        fiber = store_fiber_wait(lease->store, wait_ms, wake_fd);
        for (int i = 0; fiber != NULL && i < 256; i++) {
            fiber_resume(fiber);
            fiber = i < 255 ? store_fiber_wait(lease->store, 0, -1) : NULL;
        }
    }
}

/* What this thread asked of the store, as a bill would count it; results published by workers are
 * among the puts, documents fetched by them among the gets. */
static void write_meter(const struct lease *lease)
{
    const uint64_t *ends = lease->counters.ends;
    struct store_meter meter;

    lease_meter(lease, &meter);
    log_event(
        LOG_INFO, "stop", LOG_I("completed", ends[ATTEMPT_END_DONE]),
        LOG_I("failed", ends[ATTEMPT_END_FAILED] + ends[ATTEMPT_END_BURIED]),
        LOG_I("lost", ends[ATTEMPT_END_LOST]), LOG_I("given_back", ends[ATTEMPT_END_GIVEN_BACK]),
        LOG_I("get", meter.requests[STORE_GET]), LOG_I("head", meter.requests[STORE_HEAD]),
        LOG_I("put", meter.requests[STORE_PUT]), LOG_I("delete", meter.requests[STORE_DELETE]),
        LOG_I("list", meter.requests[STORE_LIST]));
}

static void *lease_thread(void *arg)
{
    const struct lease_options *options = arg;
    struct lease lease = {.options = options,
                          .clock = clock_system(),
                          .rng = rng_system(),
                          .pace = options->pace,
                          .settings = settings_copy(options->settings),
                          .slots_wanted = options->slots};
    char *text = NULL;
    struct post *post;
    bool left;
    int status;

    pthread_setname_np(pthread_self(), "lease");
    lease_take_over_figures(&lease);
    status = lease_open(&lease, options->store, &text);

    if (status == 0) {
        lease_take_over(&lease);
        post_send(options->to_main, post_create(POST_OPENED));
        run_loop(&lease);
        status = lease.end_status;
        text = lease.end_text;
        lease.end_text = NULL;
        write_meter(&lease);
    }
    left = lease_gate_end(&lease);
    for (size_t i = 0; i < lease.slot_count; i++)
        if (lease.slots[i] != NULL)
            lease_slot_free(lease.slots[i]);
    free(lease.slots);
    candidates_destroy(lease.candidates);
    store_close(lease.store);
    settings_destroy(lease.settings);
    post = post_create(POST_ENDED);
    post->status = status;
    post->text = text;
    post->thread_left = left;
    post_send(options->to_main, post);
    return NULL;
}

bool lease_start(const struct lease_options *options, pthread_t *thread_r)
{
    pthread_attr_t attr;
    int error;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK);
    error = pthread_create(thread_r, &attr, lease_thread, (void *)options);
    pthread_attr_destroy(&attr);
    errno = error;
    return error == 0;
}
