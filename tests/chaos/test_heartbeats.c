/* Heartbeats under load: 256 jobs in flight in one thread, a store that answers in 5 to 2000 ms
 * with 1 % errors, 16 connections. No lease may be lost, no job run twice; the gaps between
 * renewals, as the store sees them, are printed as a distribution.
 *
 * The jobs are fibers that run the real attempt_run(), as in the daemon's lease thread. Below them:
 *
 *   fibers -> store_fiber -> slow store (delays, connections) -> faults -> store in memory
 *
 * Once in virtual time, with the fleet's default lease, over hours; once in real time, with the
 * shortest interval that these connections carry. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/fiber.h"
#include "queue/attempt.h"
#include "queue/candidates.h"
#include "store/store_fault.h"
#include "store/store_fiber.h"
#include "store/store_mem.h"

#define JOBS 256
#define ANSWER_MIN_MS 5
#define ANSWER_MAX_MS 2000
#define SILENCE_MS                                                                                 \
    30000 /* what never arrives is known after the longest time a request may take                 \
           */
#define GAPS_MAX 100000

struct job {
    struct attempt_host host; /* first */
    struct fiber *fiber;
    int64_t until_boot_ms; /* asleep until then; 0: waits for the store */
    char hash[65];
    struct queue queue;
    struct claim claim;
    struct attempt_report report;
    int64_t done_boot_ms, renewed_boot_ms;
    int starts;
    bool packed, sent;
    char body[64];
};

/* An operation on its way: connection free at `begin`, done at the store at `effect`, known to its
 * sender at `answer`. */
struct passing {
    struct store_op *op;
    struct store_batch *batch;
    int64_t begin_ms, effect_ms, answer_ms;
    bool done;
};

struct slow_store {
    struct store store; /* first */
    struct store *inner;
    struct store *past; /* grants are signed without a request */
    struct passing passing[JOBS * 4];
    size_t count, connections;
};

static struct {
    struct clock clock;
    bool real;
    int64_t now_ms;
    struct rng_seeded rng;
    struct job jobs[JOBS];
    int64_t work_ms;
    int64_t gaps[GAPS_MAX];
    size_t gap_count;
    int64_t least_lease_ms; /* the nearest that any lease came to its end */
} load;

/* ---- time ---- */

static int64_t load_boot_ms(struct clock *clock)
{
    (void)clock;
    return load.real ? clock_boot_ms(clock_system()) : load.now_ms;
}

static int64_t load_wall_ms(struct clock *clock)
{
    return load.real ? clock_wall_ms(clock_system()) : load_boot_ms(clock) + 1767225600000;
}

static struct job *running_job(void)
{
    for (size_t i = 0; i < JOBS; i++)
        if (load.jobs[i].fiber == fiber_current())
            return &load.jobs[i];
    return NULL;
}

static void load_sleep_ms(struct clock *clock, int64_t ms)
{
    struct job *job = running_job();

    ck_assert_ptr_nonnull(job);
    job->until_boot_ms = load_boot_ms(clock) + (ms > 0 ? ms : 0);
    fiber_yield();
    job->until_boot_ms = 0;
}

static void pass_time(int64_t until_ms)
{
    int64_t ms = until_ms - clock_boot_ms(&load.clock);

    if (ms <= 0)
        return;
    if (load.real)
        clock_sleep_ms(clock_system(), ms);
    else
        load.now_ms = until_ms;
}

/* ---- the slow store ---- */

static void slow_submit(struct store *store, struct store_batch *batch)
{
    struct slow_store *slow = (struct slow_store *)store;

    for (size_t i = 0; i < batch->count; i++) {
        ck_assert_uint_lt(slow->count, ARRAY_LEN(slow->passing));
        slow->passing[slow->count++] =
            (struct passing){.op = &batch->ops[i], .batch = batch, .begin_ms = -1};
    }
}

/* Waiting operations take free connections, in their order. */
static void begin_waiting(struct slow_store *slow, int64_t now)
{
    size_t busy = 0;

    for (size_t i = 0; i < slow->count && busy < slow->connections; i++) {
        struct passing *p = &slow->passing[i];

        if (p->begin_ms < 0) {
            int64_t whole =
                ANSWER_MIN_MS + (int64_t)rng_below(&load.rng.rng, ANSWER_MAX_MS - ANSWER_MIN_MS);
            p->begin_ms = now;
            p->effect_ms = now + (int64_t)rng_below(&load.rng.rng, (uint64_t)whole);
            p->answer_ms = now + whole;
        }
        busy++;
    }
}

static void do_effect(struct slow_store *slow, struct passing *p)
{
    p->done = true;
    store_run(slow->inner, p->op, 1);
    p->op->sent_boot_ms_r = p->begin_ms;
    /* half of what is lost is lost in silence */
    if ((p->op->status == STORE_UNKNOWN || p->op->status == STORE_AGAIN) &&
        p->op->http_status_r == 0 && rng_below(&load.rng.rng, 2) == 0)
        p->answer_ms = p->begin_ms + (p->op->deadline_ms > 0 ? p->op->deadline_ms : SILENCE_MS);
}

/* When something happens next. */
static int64_t slow_turn(struct slow_store *slow)
{
    int64_t now = clock_boot_ms(&load.clock), next = INT64_MAX;
    size_t kept = 0;

    begin_waiting(slow, now);
    for (size_t i = 0; i < slow->count; i++) {
        struct passing *p = &slow->passing[i];

        if (p->begin_ms >= 0 && !p->done && p->effect_ms <= now)
            do_effect(slow, p);
        if (p->done && p->answer_ms <= now) {
            store_op_ended(&slow->store, p->batch);
            continue;
        }
        if (p->begin_ms >= 0) {
            int64_t due = p->done ? p->answer_ms : p->effect_ms;
            next = due < next ? due : next;
        }
        slow->passing[kept++] = *p;
    }
    slow->count = kept;
    return next;
}

static void slow_wait(struct store *store, int64_t timeout_ms, int wake_fd)
{
    struct slow_store *slow = (struct slow_store *)store;
    int64_t end = timeout_ms < 0 ? INT64_MAX : clock_boot_ms(&load.clock) + timeout_ms;

    (void)wake_fd;
    for (;;) {
        int64_t next = slow_turn(slow);

        if (store->done != NULL || clock_boot_ms(&load.clock) >= end)
            return;
        pass_time(next < end ? next : end);
    }
}

static enum store_status slow_grant_read(struct store *store, const char *key, int64_t seconds,
                                         struct store_grant *grant_r, char **error_r)
{
    return store_grant_read(((struct slow_store *)store)->past, key, seconds, grant_r, error_r);
}

static enum store_status slow_grant_write(struct store *store, const char *key,
                                          const struct store_put_terms *terms, int64_t seconds,
                                          struct store_grant *grant_r, char **error_r)
{
    return store_grant_write(((struct slow_store *)store)->past, key, terms, seconds, grant_r,
                             error_r);
}

static enum store_status slow_grant_commit(struct store *store, const char *key,
                                           const struct store_put_terms *terms,
                                           struct store_grant *grant, char *etag_r, char **error_r)
{
    return store_grant_commit(((struct slow_store *)store)->past, key, terms, grant, etag_r,
                              error_r);
}

static void slow_close(struct store *store)
{
    store_close(((struct slow_store *)store)->inner);
    free(store);
}

static struct store *slow_open(struct store *inner, struct store *past, size_t connections)
{
    static const struct store_vtable vtable = {.name = "slow",
                                               .submit = slow_submit,
                                               .wait = slow_wait,
                                               .grant_read = slow_grant_read,
                                               .grant_write = slow_grant_write,
                                               .grant_commit = slow_grant_commit,
                                               .close = slow_close};
    struct slow_store *slow = mem_alloc(sizeof(*slow));

    store_init(&slow->store, &vtable, "mem://slow");
    slow->inner = inner;
    slow->past = past;
    slow->connections = connections;
    store_set_properties(&slow->store, store_properties(inner));
    return &slow->store;
}

/* What the store itself sees of the renewals. */
static void note_renewal(void *arg, const struct store_fault_call *call)
{
    const char *slash = strrchr(call->op->key, '/');

    (void)arg;
    if (call->op->kind != STORE_PUT || call->op->status != STORE_OK ||
        strstr(call->op->key, "queue/processing/") == NULL)
        return;
    for (size_t i = 0; i < JOBS; i++) {
        struct job *job = &load.jobs[i];
        int64_t now = clock_boot_ms(&load.clock);

        if (strcmp(job->hash, slash + 1) != 0)
            continue;
        if (job->renewed_boot_ms != 0 && load.gap_count < GAPS_MAX)
            load.gaps[load.gap_count++] = now - job->renewed_boot_ms;
        job->renewed_boot_ms = now;
    }
}

/* ---- the jobs ---- */

static void job_start(struct attempt_host *host, const struct claim *claim,
                      const struct store_grant *grant)
{
    struct job *job = (struct job *)host;

    (void)grant;
    job->starts++;
    job->done_boot_ms = clock_boot_ms(&load.clock) + load.work_ms;
    snprintf(job->body, sizeof(job->body), "result of %s", claim->id);
}

static void job_wait(struct attempt_host *host, int64_t until, struct attempt_event *event_r)
{
    struct job *job = (struct job *)host;
    int64_t now = clock_boot_ms(&load.clock);
    int64_t left = claim_lease_end(&job->queue, &job->claim) - now;

    if (left < load.least_lease_ms)
        load.least_lease_ms = left;
    if (job->sent) {
        job->sent = false;
        event_r->kind = ATTEMPT_EVENT_SENT;
        event_r->sent = STORE_OK;
        return;
    }
    if (!job->packed && job->done_boot_ms <= until) {
        clock_sleep_ms(&load.clock, job->done_boot_ms - now);
        job->packed = true;
        event_r->kind = ATTEMPT_EVENT_PACKED;
        event_r->length = (int64_t)strlen(job->body);
        digest_md5(job->body, strlen(job->body), event_r->md5);
        return;
    }
    clock_sleep_ms(&load.clock, until - now);
}

static void job_publish(struct attempt_host *host, const struct store_grant *grant)
{
    struct job *job = (struct job *)host;

    ck_assert(store_write_at(grant->fd, job->body, strlen(job->body), 0));
    job->sent = true;
}

static void job_kill(struct attempt_host *host, struct record_attempt **record_r)
{
    (void)host, (void)record_r;
}

/* A claim that fails for the network is tried again, as a master's slot would. */
static void job_body(void *arg)
{
    struct job *job = arg;
    enum queue_result result = QUEUE_AGAIN;

    while (result != QUEUE_OK) {
        struct candidate candidate = {.tier = TIER_DEFAULT};
        char *error = NULL;

        memcpy(candidate.hash, job->hash, sizeof(candidate.hash));
        result = queue_claim(&job->queue, &candidate, 0, &job->claim, &error);
        free(error);
        if (result != QUEUE_OK) {
            claim_release_memory(&job->claim);
            clock_sleep_ms(&load.clock, 1000);
        }
    }
    attempt_run(&job->queue, &job->claim, &job->host, &job->report);
    claim_release_memory(&job->claim);
}

static void job_init(struct job *job, size_t number, struct store *store,
                     const struct queue_limits *limits, struct store *past)
{
    char text[32], key[KEY_SIZE];
    unsigned char sha256[SHA256_BYTES];
    struct store_op op;

    memset(job, 0, sizeof(*job));
    snprintf(text, sizeof(text), "document %zu", number);
    digest_sha256(text, strlen(text), sha256);
    hex_encode(sha256, sizeof(sha256), job->hash);
    job->host = (struct attempt_host){
        .start = job_start, .wait = job_wait, .publish = job_publish, .kill = job_kill};
    job->queue = (struct queue){.store = store,
                                .clock = &load.clock,
                                .rng = &load.rng.rng,
                                .limits = *limits,
                                .identity = {.worker = "host-main",
                                             .incarnation = "00112233445566778899aabbccddeeff",
                                             .host = "host"}};
    ck_assert(keys_init(&job->queue.keys, "pdf/"));
    for (int i = 0; i < 2; i++) { /* the PDF and its marker */
        store_op_init(&op, STORE_PUT,
                      i == 0 ? key_raw(&job->queue.keys, job->hash, key)
                             : key_todo(&job->queue.keys, TIER_DEFAULT, job->hash, key));
        op.body = i == 0 ? "%PDF-1.4" : "";
        op.body_len = strlen(op.body);
        ck_assert_int_eq(store_do(past, &op), STORE_OK);
        store_op_release(&op);
    }
    job->fiber = fiber_create(job_body, job);
    job->until_boot_ms = 1; /* to be begun */
}

/* Runs who is due; when is the next? INT64_MAX: nobody sleeps; -1: nobody is left. */
static int64_t run_due(void)
{
    int64_t next = -1;

    for (size_t i = 0; i < JOBS; i++) {
        struct job *job = &load.jobs[i];

        if (!fiber_ended(job->fiber) && job->until_boot_ms != 0 &&
            job->until_boot_ms <= clock_boot_ms(&load.clock)) {
            job->until_boot_ms = 0;
            fiber_resume(job->fiber);
        }
        if (fiber_ended(job->fiber))
            continue;
        if (next < 0)
            next = INT64_MAX;
        if (job->until_boot_ms != 0 && job->until_boot_ms < next)
            next = job->until_boot_ms;
    }
    return next;
}

static void run_all(struct store *store)
{
    int64_t next;

    while ((next = run_due()) >= 0) {
        int64_t wait = next == INT64_MAX ? -1 : next - clock_boot_ms(&load.clock);
        struct fiber *fiber = store_fiber_wait(store, wait < 0 && wait != -1 ? 0 : wait, -1);

        for (; fiber != NULL; fiber = store_fiber_wait(store, 0, -1))
            fiber_resume(fiber);
    }
}

/* ---- the judgement ---- */

static int compare_gaps(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static int64_t share_of(unsigned per_mille)
{
    return load.gaps[(load.gap_count - 1) * per_mille / 1000];
}

static void print_gaps(const struct queue_limits *limits, uint64_t seed,
                       const struct store_fault_net *net)
{
    static const unsigned shares[] = {0, 100, 500, 900, 990, 999, 1000};
    uint64_t faults = 0;

    for (int kind = 1; kind < STORE_FAULT_KIND_COUNT; kind++)
        faults += net->faults[kind];
    qsort(load.gaps, load.gap_count, sizeof(load.gaps[0]), compare_gaps);
    printf("seed %llu: %d jobs, heartbeats every %.1f s, stale after %.0f s; %llu requests, %llu "
           "failed; %zu renewals\n  gap, seconds:",
           (unsigned long long)seed, JOBS, (double)limits->heartbeat_ms / 1000,
           (double)limits->stale_ms / 1000, (unsigned long long)net->calls,
           (unsigned long long)faults, load.gap_count);
    for (size_t i = 0; i < ARRAY_LEN(shares); i++)
        printf(" %.1f%% %.2f%s", shares[i] / 10.0, (double)share_of(shares[i]) / 1000,
               i + 1 < ARRAY_LEN(shares) ? "," : "\n");
    printf("  least time left of any lease: %.1f s\n", (double)load.least_lease_ms / 1000);
}

static void carry(bool real, const struct queue_limits *limits, int64_t work_ms, size_t connections)
{
    struct store_mem_options options = {.clock = &load.clock, .expiring_delete = true};
    const char *given = getenv("HEARTBEATS_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : rng_below(rng_system(), 1000000);
    struct store_fault_net *net;
    struct store_mem *mem;
    struct store *past, *store;

    printf("HEARTBEATS_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    memset(&load, 0, sizeof(load));
    load.clock = (struct clock){load_boot_ms, load_wall_ms, load_sleep_ms};
    load.real = real;
    load.now_ms = 1000000;
    load.work_ms = work_ms;
    load.least_lease_ms = INT64_MAX;
    rng_seeded_init(&load.rng, seed);
    mem = store_mem_create(&options);
    past = store_mem_open(mem);
    net = store_fault_net_create(past, &load.clock, &load.rng.rng);
    net->hooks.trace = note_renewal;
    net->chances.per_10000[STORE_FAULT_LOST_REQUEST] = 25; /* 1 % in all */
    net->chances.per_10000[STORE_FAULT_LOST_ANSWER] = 25;
    net->chances.per_10000[STORE_FAULT_REFUSED] = 40;
    net->chances.per_10000[STORE_FAULT_NOT_SENT] = 10;
    store = store_fiber_open(slow_open(store_fault_open(net, 0), past, connections));
    for (size_t i = 0; i < JOBS; i++)
        job_init(&load.jobs[i], i, store, limits, past);
    run_all(store);
    print_gaps(limits, seed, net);
    for (size_t i = 0; i < JOBS; i++) {
        struct job *job = &load.jobs[i];

        ck_assert_msg(job->report.end == ATTEMPT_END_DONE && job->report.result_ours, "%s: %s (%s)",
                      job->hash, attempt_end_name(job->report.end),
                      job->report.error != NULL ? job->report.error : "no error");
        ck_assert_int_eq(job->starts, 1);
        attempt_report_release(&job->report);
        fiber_destroy(job->fiber);
    }
    /* two results and PDFs a job, and no lock: nothing else is left */
    ck_assert_uint_eq(store_mem_count(mem), (size_t)JOBS * 2);
    ck_assert_uint_gt(load.gap_count, JOBS);
    store_close(store);
    store_fault_net_destroy(net);
    store_close(past);
    store_mem_destroy(mem);
}

START_TEST(hours)
{
    struct queue_limits limits;

    queue_limits_default(&limits);
    carry(false, &limits, INT64_C(4) * 3600 * 1000, 16);
    ck_assert_int_gt(load.least_lease_ms, limits.stale_ms / 2);
    ck_assert_int_lt(load.gaps[load.gap_count - 1], limits.stale_ms / 2);
}
END_TEST

START_TEST(real_time)
{
    struct queue_limits limits;

    queue_limits_default(&limits);
    limits.heartbeat_ms = limits.request_ms = 5000; /* as fleet.c lays them */
    limits.stale_ms = 5 * limits.heartbeat_ms + limits.margin_ms;
    carry(true, &limits, 20000, 128);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("heartbeats");
    TCase *tcase = tcase_create("load");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 240);
    tcase_add_test(tcase, hours);
    tcase_add_test(tcase, real_time);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
