/* See janitor.h: what nobody looks after any more is found and put right.
 *
 * Listings are hints. What a pass decides by is the ETag that a takeover names: whoever renewed
 * meanwhile keeps his lock. */
#include "janitor/janitor.h"

#include <bsd/sys/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "janitor/audit.h"
#include "queue/heal.h"
#include "queue/planted.h"

#define SEEN_MAX 65536 /* failed records remembered as looked at; then forgotten all at once */

/* A lock that has not changed since it was first listed like this. */
struct observed {
    RB_ENTRY(observed) link;
    char hash[65];
    char etag[STORE_ETAG_SIZE];
    int64_t since_boot_ms; /* end of the LIST that showed this ETag first */
    uint64_t pass;         /* the last that showed it */
};
RB_HEAD(observed_tree, observed);

struct seen { /* ETag of a failed record that needs nothing */
    RB_ENTRY(seen) link;
    char etag[STORE_ETAG_SIZE];
    uint64_t pass; /* the last that showed it */
};
RB_HEAD(seen_tree, seen);

struct janitor {
    struct queue *queue;
    struct observed_tree locks;
    struct seen_tree failed;
    size_t failed_count;
    uint64_t pass;
    int64_t listed_boot_ms; /* end of the last good LIST of processing/; 0: none */
    struct audit *audit;
};

static int compare_observed(const struct observed *a, const struct observed *b)
{
    return strcmp(a->hash, b->hash);
}
static int compare_seen(const struct seen *a, const struct seen *b)
{
    return strcmp(a->etag, b->etag);
}
RB_GENERATE_INTERNAL(observed_tree, observed, link, compare_observed,
                     __attribute__((unused)) static)
RB_GENERATE_INTERNAL(seen_tree, seen, link, compare_seen, __attribute__((unused)) static)

struct janitor *janitor_create(struct queue *queue)
{
    struct janitor *janitor = mem_alloc(sizeof(*janitor));

    janitor->queue = queue;
    RB_INIT(&janitor->locks);
    RB_INIT(&janitor->failed);
    janitor->audit = audit_create(queue);
    return janitor;
}

/* Drops what the last `pass` did not show; pass 0: everything. */
static void forget_failed(struct janitor *janitor, uint64_t pass)
{
    struct seen *line, *next;

    for (line = RB_MIN(seen_tree, &janitor->failed); line != NULL; line = next) {
        next = RB_NEXT(seen_tree, &janitor->failed, line);
        if (pass == 0 || line->pass != pass) {
            RB_REMOVE(seen_tree, &janitor->failed, line);
            free(line);
            janitor->failed_count--;
        }
    }
}

/* The same. */
static void forget_locks(struct janitor *janitor, uint64_t pass)
{
    struct observed *line, *next;

    for (line = RB_MIN(observed_tree, &janitor->locks); line != NULL; line = next) {
        next = RB_NEXT(observed_tree, &janitor->locks, line);
        if (pass == 0 || line->pass != pass) {
            RB_REMOVE(observed_tree, &janitor->locks, line);
            free(line);
        }
    }
}

void janitor_destroy(struct janitor *janitor)
{
    if (janitor == NULL)
        return;
    forget_locks(janitor, 0);
    forget_failed(janitor, 0);
    audit_destroy(janitor->audit);
    free(janitor);
}

/* ---- one job put right ---- */

/* Counts what a heal came to. Only what concerns the store as a whole ends a pass. */
static enum queue_result count_heal(struct queue *queue, const char *hash, enum queue_result result,
                                    enum heal_way way, struct janitor_report *report,
                                    char **error_r)
{
    switch (way) {
    case HEAL_NOTHING:
    case HEAL_CHARGED:
        break;
    case HEAL_CLEARED:
        report->healed++;
        break;
    case HEAL_REQUEUED:
        report->requeued++;
        break;
    case HEAL_BURIED:
        report->buried++;
        break;
    }
    if (result == QUEUE_OK || result == QUEUE_BUSY || result == QUEUE_LOST || result == QUEUE_NONE)
        return QUEUE_OK;
    report->errors++;
    if (result == QUEUE_FATAL)
        return QUEUE_FATAL;
    step_notice(queue, "store_error", hash, *error_r != NULL ? *error_r : "not put right");
    free(*error_r);
    *error_r = NULL;
    return QUEUE_OK;
}

enum queue_result janitor_heal(struct queue *queue, const char *hash, bool requeue_raw,
                               struct janitor_report *report, char **error_r)
{
    struct claim claim;
    enum heal_way way = HEAL_NOTHING;
    struct sight *sight;
    int64_t retries = 0;
    enum tier tier = TIER_DEFAULT;
    enum queue_result result = sight_read(queue, NULL, hash, &sight, error_r);

    if (result == QUEUE_OK) {
        unsigned kept = sight_kept(sight);

        retries = sight_count(sight, "");
        if (kept < TIER_COUNT)
            tier = (enum tier)kept;
        result = sight_has(sight, SCAN_LOCK) ? QUEUE_BUSY : QUEUE_OK;
        sight_destroy(sight);
    }
    if (result == QUEUE_OK)
        result = heal_begin(queue, hash, tier, retries, &claim, error_r);
    if (result == QUEUE_OK) {
        result = heal_and_release(queue, &claim, requeue_raw, &way, error_r);
        claim_release_memory(&claim);
    }
    return count_heal(queue, hash, result, way, report, error_r);
}

/* Takes the lock that `op` has read over, and settles what it was about. */
static enum queue_result take_over(struct queue *queue, const char *hash, const struct store_op *op,
                                   struct janitor_report *report, char **error_r)
{
    struct record_lock lock;
    struct claim claim;
    enum heal_way way = HEAL_NOTHING;
    enum queue_result result;

    /* A lock that cannot be read is taken like v1's: its name is made from its ETag. */
    if (record_lock_read(buf_text(&op->data), op->data.len, &lock) == RECORD_DAMAGED)
        step_notice(queue, "janitor", hash, "a lock cannot be read");
    result = heal_take_over(queue, hash, op->etag_r, &lock, true, &claim, error_r);
    record_lock_release(&lock);
    if (result == QUEUE_OK) {
        report->recovered++;
        result = heal_and_release(queue, &claim, false, &way, error_r);
    }
    claim_release_memory(&claim);
    return count_heal(queue, hash, result, way, report, error_r);
}

/* ---- stale locks ---- */

static enum queue_result observe(void *arg, const char *hash, const struct store_entry *entry)
{
    struct janitor *janitor = arg;
    struct observed *line, wanted;

    snprintf(wanted.hash, sizeof(wanted.hash), "%s", hash);
    line = RB_FIND(observed_tree, &janitor->locks, &wanted);
    if (line == NULL) {
        line = mem_alloc(sizeof(*line));
        snprintf(line->hash, sizeof(line->hash), "%s", hash);
        RB_INSERT(observed_tree, &janitor->locks, line);
    }
    if (strcmp(line->etag, entry->etag) != 0) {
        memcpy(line->etag, entry->etag, sizeof(line->etag));
        line->since_boot_ms = clock_boot_ms(janitor->queue->clock); /* its page is in */
    }
    line->pass = janitor->pass;
    return QUEUE_OK;
}

/* Nobody has changed it for a whole stale timeout, as far as this LIST shows. */
static enum queue_result take_stale(struct janitor *janitor, const struct observed *line,
                                    struct janitor_report *report, char **error_r)
{
    char key[KEY_SIZE];
    struct store_op op;
    enum queue_result result;

    store_op_init(&op, STORE_GET, key_lock(&janitor->queue->keys, line->hash, key));
    result = step_read(janitor->queue, NULL, &op, 1, error_r);
    if (result == QUEUE_OK && op.status == STORE_OK && strcmp(op.etag_r, line->etag) == 0)
        result = take_over(janitor->queue, line->hash, &op, report, error_r);
    store_op_release(&op);
    return result;
}

static enum queue_result look_at_locks(struct janitor *janitor, struct janitor_report *report,
                                       char **error_r)
{
    struct queue *queue = janitor->queue;
    int64_t began = clock_boot_ms(queue->clock);
    struct observed *line;
    enum queue_result result;

    /* After a gap nothing is known of what happened in it; and owners who were cut off as we were
     * get their chance to renew. */
    if (janitor->listed_boot_ms == 0 ||
        began - janitor->listed_boot_ms > 2 * queue->limits.heartbeat_ms)
        forget_locks(janitor, 0);
    janitor->pass++;
    result = scan_folder(queue, SCAN_LOCK, observe, janitor, error_r);
    if (result != QUEUE_OK)
        return result;
    janitor->listed_boot_ms = clock_boot_ms(queue->clock);
    forget_locks(janitor, janitor->pass);
    RB_FOREACH(line, observed_tree, &janitor->locks)
    {
        if (began - line->since_boot_ms < queue->limits.stale_ms / (PLANTED(STALE_EARLY) ? 3 : 1))
            continue;
        result = take_stale(janitor, line, report, error_r);
        if (result != QUEUE_OK)
            break;
    }
    return result;
}

/* ---- who watches ---- */

void janitor_count_look(struct janitor_report *report, const char *what)
{
    if (report->looking_at == NULL || strcmp(report->looking_at, what) != 0)
        report->looked = 0;
    report->looking_at = what;
    report->looked++;
    if (report->watch != NULL)
        report->watch(report->watch_arg, report);
}

/* ---- v1's failed records and markers of no tier ---- */

struct passing {
    struct janitor *janitor; /* NULL: a one-shot, which remembers nothing */
    struct queue *queue;
    bool dry_run;
    struct janitor_report *report;
    char **error_r;
};

static bool was_seen(const struct passing *passing, const char *etag)
{
    struct seen *line, wanted;

    if (passing->janitor == NULL)
        return false;
    snprintf(wanted.etag, sizeof(wanted.etag), "%s", etag);
    line = RB_FIND(seen_tree, &passing->janitor->failed, &wanted);
    if (line != NULL)
        line->pass = passing->janitor->pass;
    return line != NULL;
}

static void note_seen(const struct passing *passing, const char *etag)
{
    struct seen *line;

    if (passing->janitor == NULL)
        return;
    if (passing->janitor->failed_count >= SEEN_MAX)
        forget_failed(passing->janitor, 0);
    line = mem_alloc(sizeof(*line));
    snprintf(line->etag, sizeof(line->etag), "%s", etag);
    line->pass = passing->janitor->pass;
    if (RB_INSERT(seen_tree, &passing->janitor->failed, line) != NULL)
        free(line);
    else
        passing->janitor->failed_count++;
}

/* Ours stand beside their marker and need nothing; v1's raise the count. */
static enum queue_result look_at_failed(void *arg, const char *hash,
                                        const struct store_entry *entry)
{
    struct passing *passing = arg;
    struct record_failed failed;
    struct store_op op;
    enum queue_result result;
    bool ours = false;

    janitor_count_look(passing->report, "records");
    if (was_seen(passing, entry->etag))
        return QUEUE_OK;
    store_op_init(&op, STORE_GET, entry->key);
    result = step_read(passing->queue, NULL, &op, 1, passing->error_r);
    if (result == QUEUE_OK && op.status == STORE_OK &&
        record_failed_read(buf_text(&op.data), op.data.len, &failed) == RECORD_OK) {
        ours = failed.claim[0] != '\0';
        record_failed_release(&failed);
    }
    if (result == QUEUE_OK && op.status == STORE_OK && ours)
        note_seen(passing, entry->etag);
    else if (result == QUEUE_OK && op.status == STORE_OK && passing->dry_run)
        passing->report->healed++;
    else if (result == QUEUE_OK && op.status == STORE_OK)
        result = janitor_heal(passing->queue, hash, false, passing->report, passing->error_r);
    store_op_release(&op);
    return result;
}

static enum queue_result look_at_unknown(void *arg, const char *hash,
                                         const struct store_entry *entry)
{
    struct passing *passing = arg;

    (void)entry;
    if (passing->dry_run) {
        passing->report->healed++;
        return QUEUE_OK;
    }
    return janitor_heal(passing->queue, hash, false, passing->report, passing->error_r);
}

static enum queue_result look_at_notes(struct passing *passing)
{
    enum queue_result result =
        scan_folder(passing->queue, SCAN_FAILED, look_at_failed, passing, passing->error_r);

    if (result == QUEUE_OK && passing->janitor != NULL)
        forget_failed(passing->janitor, passing->janitor->pass);
    if (result == QUEUE_OK)
        result = scan_folder(passing->queue, SCAN_TODO_UNKNOWN, look_at_unknown, passing,
                             passing->error_r);
    return result;
}

enum queue_result janitor_pass(struct janitor *janitor, struct janitor_report *report,
                               char **error_r)
{
    struct passing passing = {janitor, janitor->queue, false, report, error_r};
    enum queue_result result;

    *error_r = NULL;
    result = look_at_locks(janitor, report, error_r);
    if (result == QUEUE_OK)
        result = look_at_notes(&passing);
    if (result == QUEUE_OK)
        result = audit_pass(janitor->audit, report, error_r);
    if (result != QUEUE_OK)
        report->errors++;
    return result;
}

/* ---- the one-shot ---- */

/* Without a past: both times from one GET, by the server's clock, and twice the timeout. */
static enum queue_result look_at_lock_once(void *arg, const char *hash,
                                           const struct store_entry *entry)
{
    struct passing *passing = arg;
    struct store_op op;
    enum queue_result result;

    janitor_count_look(passing->report, "locks");
    store_op_init(&op, STORE_GET, entry->key);
    result = step_read(passing->queue, NULL, &op, 1, passing->error_r);
    if (result == QUEUE_OK && op.status == STORE_OK && op.date_ms_r != 0 &&
        op.date_ms_r - op.modified_ms_r > 2 * passing->queue->limits.stale_ms) {
        if (passing->dry_run)
            passing->report->recovered++;
        else
            result = take_over(passing->queue, hash, &op, passing->report, passing->error_r);
    }
    store_op_release(&op);
    return result;
}

enum queue_result janitor_once(struct queue *queue, bool dry_run, struct janitor_report *report,
                               char **error_r)
{
    struct passing passing = {NULL, queue, dry_run, report, error_r};
    enum queue_result result;

    *error_r = NULL;
    result = scan_folder(queue, SCAN_LOCK, look_at_lock_once, &passing, error_r);
    if (result == QUEUE_OK)
        result = look_at_notes(&passing);
    if (result == QUEUE_OK)
        result = audit_once(queue, dry_run, report, error_r);
    if (result != QUEUE_OK)
        report->errors++;
    return result;
}

/* ---- start-up ---- */

struct recovering {
    struct queue *queue;
    const char *const *incarnations;
    size_t count;
    struct janitor_report *report;
    char **error_r;
};

static bool is_crashed_run(const struct recovering *recovering, const struct record_lock *lock)
{
    if (PLANTED(SHARED_WORKER_ID))
        return true;
    if (lock->worker == NULL || lock->incarnation == NULL ||
        strcmp(lock->worker, recovering->queue->identity.worker) != 0 ||
        strcmp(lock->incarnation, recovering->queue->identity.incarnation) == 0)
        return false;
    for (size_t i = 0; i < recovering->count; i++)
        if (strcmp(recovering->incarnations[i], lock->incarnation) == 0)
            return true;
    return false;
}

static enum queue_result recover_lock(void *arg, const char *hash, const struct store_entry *entry)
{
    struct recovering *recovering = arg;
    struct record_lock lock;
    struct store_op op;
    enum queue_result result;

    store_op_init(&op, STORE_GET, entry->key);
    result = step_read(recovering->queue, NULL, &op, 1, recovering->error_r);
    if (result == QUEUE_OK && op.status == STORE_OK) {
        bool ours = record_lock_read(buf_text(&op.data), op.data.len, &lock) == RECORD_OK &&
                    is_crashed_run(recovering, &lock);

        record_lock_release(&lock);
        if (ours)
            result =
                take_over(recovering->queue, hash, &op, recovering->report, recovering->error_r);
    }
    store_op_release(&op);
    return result;
}

enum queue_result janitor_recover_own(struct queue *queue, const char *const *incarnations,
                                      size_t count, struct janitor_report *report, char **error_r)
{
    struct recovering recovering = {queue, incarnations, count, report, error_r};

    *error_r = NULL;
    return scan_folder(queue, SCAN_LOCK, recover_lock, &recovering, error_r);
}
