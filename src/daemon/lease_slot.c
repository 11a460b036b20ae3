/* See lease.h: a slot's fiber, from waiting for a job to the end of its attempt. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/exitcode.h"
#include "base/human.h"
#include "base/json.h"
#include "base/log.h"
#include "convert/slot.h"
#include "daemon/lease_private.h"
#include "queue/view.h"

#define DISK_CHECK_MS 1000
#define UNTIL_EMPTY_REST_MS 1000

/* ---- events ---- */

void lease_slot_post(struct lease_slot *slot, struct post *post)
{
    if (!slot->busy || post->seq != slot->seq) {
        post_release(post);
        return;
    }
    if (post_type(post) == POST_KILLED) {
        slot->killed = true;
        slot->killed_record = post->event.record;
        post->event.record = NULL;
        post_release(post);
    } else {
        post->message.next = NULL;
        *slot->events_tail = post;
        slot->events_tail = (struct post **)&post->message.next;
    }
    lease_wake(&slot->sleeper);
}

static struct post *take_event(struct lease_slot *slot)
{
    struct post *post = slot->events;

    if (post == NULL)
        return NULL;
    slot->events = (struct post *)post->message.next;
    if (slot->events == NULL)
        slot->events_tail = &slot->events;
    return post;
}

static void drop_events(struct lease_slot *slot)
{
    struct post *post;

    while ((post = take_event(slot)) != NULL)
        post_release(post);
    if (slot->killed_record != NULL) {
        record_attempt_release(slot->killed_record);
        free(slot->killed_record);
        slot->killed_record = NULL;
    }
    slot->killed = slot->stop = false;
}

/* ---- the attempt's host ---- */

static struct post *slot_post(const struct lease_slot *slot, enum post_type type)
{
    struct post *post = post_create(type);

    post->slot = slot->number;
    post->seq = slot->seq;
    return post;
}

/* A renewal went well since we last looked? */
static void note_renewal(struct lease_slot *slot)
{
    int64_t renewed = slot->claim.renewed_boot_ms;

    if (renewed != slot->renewed_boot_ms && slot->renewed_boot_ms != 0)
        histogram_add(&slot->lease->counters.renewal_gap_seconds, histogram_long,
                      (double)(renewed - slot->renewed_boot_ms) / 1000.0);
    slot->renewed_boot_ms = renewed;
}

/* Bytes of memory that the last charged attempt was granted, when it ran into them; 0: it did not.
 * A first attempt costs no request. */
static int64_t memory_reached(struct lease_slot *slot, const struct claim *claim)
{
    struct record_attempt *attempts = NULL;
    int64_t reached = 0;
    size_t count = 0;
    char *error = NULL;

    if (claim->attempt <= 1 ||
        view_attempts(&slot->queue, claim->hash, &attempts, &count, &error) != QUEUE_OK)
        count = 0; /* not known: it runs as any other, and is asked for again when it fails */
    for (size_t i = 0; i < count; i++) {
        bool memory = attempts[i].limit != NULL && strcmp(attempts[i].limit, "memory") == 0;
        if (attempts[i].charged)
            reached = memory ? (int64_t)attempts[i].limit_granted : 0;
        record_attempt_release(&attempts[i]);
    }
    free(attempts);
    free(error);
    return reached;
}

static void host_start(struct attempt_host *host, const struct claim *claim,
                       const struct store_grant *grant)
{
    struct lease_slot *slot = CONTAINER_OF(host, struct lease_slot, host);
    struct post *post = slot_post(slot, POST_START);

    memcpy(post->hash, claim->hash, sizeof(post->hash));
    memcpy(post->claim, claim->id, sizeof(post->claim));
    post->attempt = claim->attempt;
    post->memory_reached = memory_reached(slot, claim);
    post->conversion_timeout_ms = slot->queue.limits.conversion_timeout_ms;
    post->started_boot_ms = clock_boot_ms(slot->lease->clock);
    post_grant_copy(&post->grant, grant);
    slot->ready = false;
    slot->started = true;
    post_send(slot->lease->options->to_main, post);
}

/* false: nothing yet. */
static bool take_word(struct lease_slot *slot, int64_t until_boot_ms, struct attempt_event *event_r)
{
    struct post *post;

    if (slot->stop) {
        slot->stop = false;
        event_r->kind = ATTEMPT_EVENT_STOP;
        return true;
    }
    post = take_event(slot);
    if (post != NULL) {
        *event_r = post->event;
        memset(&post->event, 0, sizeof(post->event));
        post_release(post);
        return true;
    }
    event_r->kind = ATTEMPT_EVENT_NONE;
    return clock_boot_ms(slot->lease->clock) >= until_boot_ms;
}

static void host_wait(struct attempt_host *host, int64_t until_boot_ms,
                      struct attempt_event *event_r)
{
    struct lease_slot *slot = CONTAINER_OF(host, struct lease_slot, host);

    memset(event_r, 0, sizeof(*event_r));
    note_renewal(slot);
    while (!take_word(slot, until_boot_ms, event_r)) {
        slot->waiting = true;
        lease_sleep(slot->lease, &slot->sleeper, until_boot_ms);
        slot->waiting = false;
    }
    if (event_r->kind != ATTEMPT_EVENT_NONE && event_r->kind != ATTEMPT_EVENT_PROGRESS)
        slot->settling = true;
}

static void host_publish(struct attempt_host *host, const struct store_grant *grant)
{
    struct lease_slot *slot = CONTAINER_OF(host, struct lease_slot, host);
    struct post *post = slot_post(slot, POST_PUBLISH);

    post_grant_copy(&post->grant, grant);
    log_event(LOG_DEBUG, "publish", LOG_I("slot", slot->number), LOG_JOB(slot->claim.hash),
              LOG_CLAIM(slot->claim.id));
    post_send(slot->lease->options->to_main, post);
}

static void host_kill(struct attempt_host *host, struct record_attempt **record_r)
{
    struct lease_slot *slot = CONTAINER_OF(host, struct lease_slot, host);

    slot->settling = true;
    post_send(slot->lease->options->to_main, slot_post(slot, POST_KILL));
    while (!slot->killed)
        lease_sleep(slot->lease, &slot->sleeper, INT64_MAX);
    *record_r = slot->killed_record;
    slot->killed_record = NULL;
    slot->killed = false;
}

static void host_unanswered(struct attempt_host *host, bool unanswered)
{
    struct lease_slot *slot = CONTAINER_OF(host, struct lease_slot, host);

    slot->unanswered = unanswered;
    log_event(unanswered ? LOG_WARNING : LOG_INFO, unanswered ? "store_error" : "store_ok",
              LOG_I("slot", slot->number), LOG_JOB(slot->claim.hash),
              LOG_S("msg", unanswered ? "renewals go unanswered: the converter runs on"
                                      : "renewals are answered again"));
}

/* ---- may we claim ---- */

/* Below min_free_space nothing is claimed. Looked at once a second at most. */
static bool disk_is_low(struct lease *lease)
{
    int64_t now = clock_boot_ms(lease->clock), free_bytes;
    char *text;

    if (lease->pace.min_free_bytes <= 0 && lease->hold != HOLD_DISK)
        return false;
    if (lease->disk_checked_boot_ms != 0 && now - lease->disk_checked_boot_ms < DISK_CHECK_MS)
        return lease->hold == HOLD_DISK;
    lease->disk_checked_boot_ms = now;
    if (!slot_free_bytes(lease->options->work_dir, &free_bytes) ||
        free_bytes >= lease->pace.min_free_bytes) {
        if (lease->hold == HOLD_DISK)
            lease_set_hold(lease, HOLD_NONE, NULL);
        return false;
    }
    text = mem_printf("no claims: %lld bytes free in work_dir, min_free_space is %lld; make room "
                      "or lower it",
                      (long long)free_bytes, (long long)lease->pace.min_free_bytes);
    if (lease->hold == HOLD_NONE)
        lease_set_hold(lease, HOLD_DISK, text);
    free(text);
    return true;
}

/* When this slot may look for a job: now (0), not before a time, or only when woken (INT64_MAX). */
static int64_t claim_due(struct lease_slot *slot)
{
    struct lease *lease = slot->lease;
    int64_t now = clock_boot_ms(lease->clock);

    if (!slot->ready || lease->mode != CLAIM_ON || lease->picking || slot->unwatched)
        return INT64_MAX;
    if (!lease_gate_open(lease)) /* woken when it opens */
        return INT64_MAX;
    if (lease->hold == HOLD_STORE && lease->store_retry_boot_ms > now)
        return lease->store_retry_boot_ms;
    if (lease->look_boot_ms > now)
        return lease->look_boot_ms;
    if (disk_is_low(lease))
        return now + DISK_CHECK_MS;
    return 0;
}

static bool slot_is_over(const struct lease_slot *slot)
{
    return slot->retiring || slot->lease->finished || slot->lease->mode == CLAIM_DRAINING;
}

/* ---- choosing ---- */

/* Everything is asleep: the next look comes after the back-off, or when a job's back-off ends. */
static void queue_is_empty(struct lease *lease, int64_t next_due_server_ms)
{
    int64_t wait_ms, due_ms;

    lease->poll_now_ms = lease->poll_now_ms == 0 ? lease->pace.poll_ms : lease->poll_now_ms * 2;
    if (lease->poll_now_ms > lease->pace.poll_max_ms)
        lease->poll_now_ms = lease->pace.poll_max_ms;
    wait_ms = rng_jitter(lease->rng, lease->poll_now_ms, 10);
    due_ms = next_due_server_ms - store_server_ms(lease->store, lease->clock);
    if (next_due_server_ms > 0 && due_ms < wait_ms)
        wait_ms = due_ms < 10 ? 10 : due_ms;
    lease->look_boot_ms = clock_boot_ms(lease->clock) + wait_ms;
    lease->look_due = true;
}

/* --until-empty: nothing to claim and nothing in our hands; is it the end? */
static void maybe_finish(struct lease *lease)
{
    bool empty = false;
    char *error = NULL;

    if (!lease->options->until_empty || lease_held(lease) > 0 || lease->claiming > 0)
        return;
    switch (candidates_all_empty(lease->candidates, &empty, &error)) {
    case QUEUE_OK:
        if (empty)
            lease_finish(lease, EXITCODE_OK, NULL);
        break;
    case QUEUE_NONE:
    case QUEUE_BUSY:
    case QUEUE_LOST:
    case QUEUE_CANCEL:
    case QUEUE_EXPIRED:
    case QUEUE_DAMAGED:
    case QUEUE_UNKNOWN:
    case QUEUE_AGAIN:
    case QUEUE_FATAL:
        lease_store_trouble(lease, error == NULL ? "store gives no answer" : error);
        break;
    }
    free(error);
}

/* One fiber at a time: the pages are shared. true: *candidate_r is to be tried. */
static bool choose(struct lease_slot *slot, struct candidate *candidate_r)
{
    struct lease *lease = slot->lease;
    int64_t next_due_ms = 0;
    char *error = NULL;
    bool found = false;

    lease->picking = true;
    if (lease->look_due)
        candidates_refresh(lease->candidates);
    lease->look_due = false;
    switch (candidates_next(lease->candidates, candidate_r, &next_due_ms, &error)) {
    case QUEUE_OK:
        found = true;
        lease->poll_now_ms = 0;
        lease->look_boot_ms = 0;
        lease_store_fine(lease);
        break;
    case QUEUE_NONE:
        lease_store_fine(lease);
        queue_is_empty(lease, next_due_ms);
        maybe_finish(lease);
        break;
    case QUEUE_BUSY:
    case QUEUE_LOST:
    case QUEUE_CANCEL:
    case QUEUE_EXPIRED:
    case QUEUE_DAMAGED:
    case QUEUE_UNKNOWN:
    case QUEUE_AGAIN:
    case QUEUE_FATAL:
        lease_store_trouble(lease, error == NULL ? "store gives no answer" : error);
        break;
    }
    free(error);
    lease->picking = false;
    lease_wake_all(lease);
    return found;
}

static bool take(struct lease_slot *slot, const struct candidate *candidate)
{
    struct lease *lease = slot->lease;
    char *error = NULL;
    bool taken = false;

    slot->queue = lease->queue;
    slot->busy = true;
    slot->seq = ++lease->last_seq;
    lease->claiming++;
    switch (queue_claim(&slot->queue, candidate, slot->number, &slot->claim, &error)) {
    case QUEUE_OK:
        taken = true;
        break;
    case QUEUE_BUSY:
    case QUEUE_NONE:
        break;
    case QUEUE_DAMAGED:
        log_event(LOG_WARNING, "claim", LOG_I("slot", slot->number), LOG_JOB(candidate->hash),
                  LOG_S("msg", error));
        break;
    case QUEUE_LOST:
    case QUEUE_CANCEL:
    case QUEUE_EXPIRED:
    case QUEUE_UNKNOWN:
    case QUEUE_AGAIN:
    case QUEUE_FATAL:
        lease_store_trouble(lease, error == NULL ? "store gives no answer" : error);
        break;
    }
    lease->claiming--;
    slot->held = taken;
    slot->busy = taken;
    if (!taken) {
        drop_events(slot);
        claim_release_memory(&slot->claim);
        memset(&slot->claim, 0, sizeof(slot->claim)); /* given up: its lock would be an orphan */
    }
    free(error);
    return taken;
}

/* ---- running ---- */

static void write_end(const struct lease_slot *slot, const struct attempt_report *report,
                      int64_t took_ms)
{
    static const char *const events[] = {"done", "fail", "bury", "giveback", "cancel", "lost"};
    enum log_level level = LOG_INFO;

    if (report->end == ATTEMPT_END_FAILED || report->end == ATTEMPT_END_BURIED ||
        report->end == ATTEMPT_END_LOST)
        level = LOG_WARNING;
    /* "done" is the accepted result of this attempt; another's, seen, gets a word of its own */
    log_event(level,
              report->end == ATTEMPT_END_DONE && !report->result_ours ? "publish"
                                                                      : events[report->end],
              LOG_I("slot", slot->number), LOG_JOB(slot->claim.hash),
              LOG_I("attempt", slot->claim.attempt), LOG_CLAIM(slot->claim.id),
              LOG_S("cause", cause_name(report->cause)), LOG_MS("seconds", took_ms),
              LOG_S("msg", report->end == ATTEMPT_END_DONE && !report->result_ours
                               ? "another result stands; this one was dropped"
                               : report->error));
}

static void count_end(struct lease_counters *counters, const struct attempt_report *report,
                      const struct claim *claim, int64_t took_ms)
{
    int64_t bytes = 0;

    counters->ends[report->end]++;
    histogram_add(&counters->job_seconds, histogram_long, (double)took_ms / 1000.0);
    if (report->end != ATTEMPT_END_DONE) {
        counters->causes[report->cause]++;
        return;
    }
    counters->completed_ms += took_ms;
    if (claim->progress != NULL && json_get_int(claim->progress, "file_size_bytes", &bytes) &&
        bytes > 0)
        counters->completed_bytes += bytes;
}

/* What is given back may be claimed again at once, by us too: not in a busy loop. */
static void rest_after_giveback(struct lease_slot *slot, enum cause cause)
{
    struct lease *lease = slot->lease;
    int64_t rest_ms = lease->pace.poll_ms << (slot->givebacks < 8 ? slot->givebacks : 8);
    int64_t until;

    slot->givebacks++;
    if (rest_ms > lease->pace.poll_max_ms)
        rest_ms = lease->pace.poll_max_ms;
    /* A converter that cannot be run: so that the breaker soon knows, and the daemon ends. */
    if (lease->options->until_empty && cause == CAUSE_OPERATOR && rest_ms > UNTIL_EMPTY_REST_MS)
        rest_ms = UNTIL_EMPTY_REST_MS;
    until = clock_boot_ms(lease->clock) + rest_ms;
    while (clock_boot_ms(lease->clock) < until && !slot_is_over(slot))
        lease_sleep(lease, &slot->sleeper, until);
}

static void note_left(struct lease_slot *slot)
{
    struct lease *lease = slot->lease;
    struct lease_left *left = &lease->left[lease->left_next++ % LEASE_LEFT_MAX];

    memcpy(left->hash, slot->claim.hash, sizeof(left->hash));
    left->until_boot_ms = clock_boot_ms(lease->clock) + 2 * slot->queue.limits.stale_ms;
}

static void run(struct lease_slot *slot)
{
    struct lease *lease = slot->lease;
    struct attempt_report report = {0};
    struct post *over;
    int64_t took_ms;

    slot->renewed_boot_ms = slot->claim.renewed_boot_ms;
    slot->settling = false;
    if (slot->handed_over) {
        slot->handed_over = false;
        attempt_resume(&slot->queue, &slot->claim, &slot->host, &report);
    } else {
        slot->began_boot_ms = clock_boot_ms(lease->clock);
        log_event(LOG_INFO, "claim", LOG_I("slot", slot->number), LOG_JOB(slot->claim.hash),
                  LOG_I("attempt", slot->claim.attempt), LOG_CLAIM(slot->claim.id));
        attempt_run(&slot->queue, &slot->claim, &slot->host, &report);
    }
    took_ms = clock_boot_ms(lease->clock) - slot->began_boot_ms;
    write_end(slot, &report, took_ms);
    note_renewal(slot);
    count_end(&lease->counters, &report, &slot->claim, took_ms);
    if (slot->started) { /* else the worker is still ours to use */
        over = slot_post(slot, POST_ATTEMPT_OVER);
        over->end = report.end;
        over->cause = report.cause;
        post_send(lease->options->to_main, over);
    }
    if (report.lock_left)
        note_left(slot);
    slot->started = false;
    slot->held = false;
    claim_release_memory(&slot->claim);
    memset(&slot->claim, 0, sizeof(slot->claim));
    drop_events(slot);
    slot->busy = false;
    if (lease->options->until_empty && lease_held(lease) == 0)
        lease->look_boot_ms = 0; /* it may have been the last */
    if (report.end == ATTEMPT_END_GIVEN_BACK)
        rest_after_giveback(slot, report.cause);
    else
        slot->givebacks = 0;
    if (report.end != ATTEMPT_END_DONE)
        lease->look_due = true;
    attempt_report_release(&report);
}

static void slot_body(void *arg)
{
    struct lease_slot *slot = arg;
    struct lease *lease = slot->lease;

    if (slot->handed_over)
        run(slot);
    while (!slot_is_over(slot)) {
        struct candidate candidate;
        int64_t due = claim_due(slot);
        if (due != 0) {
            lease_sleep(lease, &slot->sleeper, due);
            continue;
        }
        if (choose(slot, &candidate) && !slot_is_over(slot) && lease_gate_open(lease) &&
            take(slot, &candidate))
            run(slot);
    }
}

void lease_slot_start(struct lease *lease, int64_t number)
{
    struct lease_slot *slot = mem_alloc(sizeof(*slot));
    size_t need = (size_t)number + 1;

    if (need > lease->slot_count) {
        lease->slots = mem_resize(lease->slots, need, sizeof(*lease->slots));
        while (lease->slot_count < need)
            lease->slots[lease->slot_count++] = NULL;
    }
    slot->lease = lease;
    slot->number = number;
    slot->unwatched = lease->watching;
    slot->events_tail = &slot->events;
    slot->host.start = host_start;
    slot->host.wait = host_wait;
    slot->host.publish = host_publish;
    slot->host.kill = host_kill;
    slot->host.unanswered = host_unanswered;
    lease->slots[number] = slot;
    slot->sleeper.fiber = fiber_create(slot_body, slot);
    slot->sleeper.sleeping = true; /* run_due() begins it */
    lease_wake(&slot->sleeper);
}

void lease_slot_free(struct lease_slot *slot)
{
    drop_events(slot);
    fiber_destroy(slot->sleeper.fiber);
    free(slot);
}
