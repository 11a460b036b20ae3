/* See audit.h. */
#include "janitor/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "janitor/prune.h"
#include "queue/scan.h"
#include "queue/step.h"

#define DAY_MS (24 * 60 * 60 * 1000LL)
#define LOOK_MS (60 * 60 * 1000LL)    /* the stamp is looked at so often */
#define SUSPECT_MS (30 * 60 * 1000LL) /* between the two sights of a job without a state */
#define AGAIN_MS (10 * 60 * 1000LL)   /* before what failed is tried again */
#define SUSPECTS_MAX 10000            /* the rest waits for the next audit */

struct audit {
    struct queue *queue;
    int64_t looked_boot_ms; /* 0: never */
    char (*suspects)[65];   /* seen once with nothing but their PDF */
    size_t suspect_count;
    int64_t due_boot_ms;        /* of the audit under way: nothing is done before */
    int64_t found;              /* by it */
    int64_t started_ms;         /* of it, server's clock; 0: none is under way */
    char etag[STORE_ETAG_SIZE]; /* of our stamp that says so */
    bool listed;                /* its listings were read to their end, and the prune is done */
};

struct audit *audit_create(struct queue *queue)
{
    struct audit *audit = mem_alloc(sizeof(*audit));

    audit->queue = queue;
    return audit;
}

void audit_destroy(struct audit *audit)
{
    if (audit == NULL)
        return;
    free(audit->suspects);
    free(audit);
}

/* ---- the stamp ---- */

static void stamp_body(const struct audit *audit, int64_t ended_ms, struct buf *out)
{
    struct json_object *object = json_object_new_object();

    json_set_text(object, "worker", audit->queue->identity.worker);
    json_set_int(object, "started_ms", audit->started_ms);
    if (ended_ms > 0)
        json_set_int(object, "ended_ms", ended_ms);
    else
        json_set_null(object, "ended_ms");
    json_set_int(object, "found", audit->found);
    json_append(out, object);
    json_object_put(object);
}

/* Somebody else's of this day, or one that was brought to its end. One of ours that was not, an
 * earlier run's, is to be done again. */
static bool is_taken(const struct audit *audit, const struct store_op *op, int64_t now)
{
    struct json_object *object = NULL;
    int64_t started = 0, ended = 0;
    const char *worker;
    bool taken = false;

    if (op->status == STORE_OK &&
        json_parse(buf_text(&op->data), op->data.len, JSON_RECORD_MAX, &object) == JSON_OK &&
        json_get_int(object, "started_ms", &started) && now - started < DAY_MS && started <= now) {
        worker = json_get_text(object, "worker");
        taken = json_get_int(object, "ended_ms", &ended) || worker == NULL ||
                strcmp(worker, audit->queue->identity.worker) != 0;
    }
    json_object_put(object);
    return taken;
}

/* OK: the audit of this day is ours to do; NONE: it is done, or another's. */
static enum queue_result take_stamp(struct audit *audit, char **error_r)
{
    struct queue *queue = audit->queue;
    int64_t now = store_server_ms(queue->store, queue->clock);
    char key[KEY_SIZE];
    struct store_op op;
    struct step_put put;
    enum queue_result result;

    store_op_init(&op, STORE_GET, key_registry(&queue->keys, "audit.json", key));
    result = step_read(queue, NULL, &op, 1, error_r);
    if (result == QUEUE_OK && is_taken(audit, &op, now))
        result = QUEUE_NONE;
    if (result == QUEUE_OK) {
        audit->started_ms = now;
        audit->found = 0;
        audit->listed = false;
        audit->due_boot_ms = 0;
        audit->suspect_count = 0;
        step_put_init(&put, key, op.status == STORE_OK ? STORE_IF_MATCH : STORE_IF_ABSENT,
                      op.etag_r);
        stamp_body(audit, 0, &put.body);
        result = step_put(queue, NULL, &put, error_r);
        memcpy(audit->etag, put.etag_r, sizeof(audit->etag));
        if (result != QUEUE_OK)
            audit->started_ms = 0;
        if (result == QUEUE_BUSY)
            result = QUEUE_NONE;
        step_put_release(&put);
    }
    store_op_release(&op);
    return result;
}

/* By the stamp that we took: where another stands meanwhile, the day is its owner's. */
static enum queue_result close_stamp(struct audit *audit, char **error_r)
{
    struct queue *queue = audit->queue;
    char key[KEY_SIZE], text[96];
    struct step_put put;
    enum queue_result result;

    step_put_init(&put, key_registry(&queue->keys, "audit.json", key), STORE_IF_MATCH, audit->etag);
    stamp_body(audit, store_server_ms(queue->store, queue->clock), &put.body);
    result = step_put(queue, NULL, &put, error_r);
    step_put_release(&put);
    if (result == QUEUE_BUSY)
        result = QUEUE_OK;
    if (result != QUEUE_OK)
        return result;
    if (audit->found > 0) { /* a healthy bucket has none */
        snprintf(text, sizeof(text), "%lld jobs without a state queued again",
                 (long long)audit->found);
        step_notice(queue, "audit", NULL, text);
    }
    audit->started_ms = 0;
    return QUEUE_OK;
}

/* ---- the scan ---- */

struct auditing {
    struct queue *queue;
    struct audit *audit; /* NULL: only counting suspects */
    bool dry_run;
    struct janitor_report *report;
    char **error_r;
};

static bool is_suspect(const struct scan_job *job)
{
    return job->has == SCAN_BIT(SCAN_RAW);
}

/* More than one thing says what the job's state is. */
static bool is_untidy(const struct scan_job *job)
{
    unsigned markers = job->has & (SCAN_MARKERS | SCAN_BIT(SCAN_TODO_UNKNOWN));
    unsigned settled = job->has & (SCAN_BIT(SCAN_OUT) | SCAN_BIT(SCAN_DEAD));
    bool failed = (job->has & SCAN_BIT(SCAN_FAILED)) != 0;

    if ((job->has & SCAN_BIT(SCAN_LOCK)) != 0 || (job->has & SCAN_BIT(SCAN_RAW)) == 0)
        return false;
    return (markers & (markers - 1)) != 0 || (settled & (settled - 1)) != 0 ||
           (settled != 0 && (markers != 0 || failed)) || (failed && markers == 0);
}

static void add_suspect(struct audit *audit, const char *hash)
{
    if (audit->suspect_count == SUSPECTS_MAX)
        return;
    audit->suspects = mem_resize(audit->suspects, audit->suspect_count + 1, 65);
    memcpy(audit->suspects[audit->suspect_count++], hash, 65);
}

static enum queue_result look_at(void *arg, const struct scan_job *job)
{
    struct auditing *auditing = arg;

    janitor_count_look(auditing->report, "jobs");
    if (is_suspect(job) && auditing->audit != NULL)
        add_suspect(auditing->audit, job->hash);
    if (!is_untidy(job))
        return QUEUE_OK;
    if (auditing->dry_run) {
        auditing->report->healed++;
        return QUEUE_OK;
    }
    return janitor_heal(auditing->queue, job->hash, false, auditing->report, auditing->error_r);
}

enum queue_result audit_once(struct queue *queue, bool dry_run, struct janitor_report *report,
                             char **error_r)
{
    struct auditing auditing = {queue, NULL, dry_run, report, error_r};
    enum queue_result result = scan_jobs(queue, SCAN_ALL, look_at, &auditing, error_r);

    return result == QUEUE_OK ? prune(queue, dry_run, report, error_r) : result;
}

/* The stamp of the day, when it is time to look at it: audit->started_ms says whether it is ours.
 */
static enum queue_result begin(struct audit *audit, char **error_r)
{
    int64_t now = clock_boot_ms(audit->queue->clock);
    enum queue_result result;

    if (audit->looked_boot_ms != 0 && now - audit->looked_boot_ms < LOOK_MS)
        return QUEUE_OK;
    result = take_stamp(audit, error_r);
    if (result != QUEUE_OK && result != QUEUE_NONE)
        return result;
    audit->looked_boot_ms = now > 0 ? now : 1;
    return QUEUE_OK;
}

/* All of the bucket. What was listed of a scan that was cut says nothing: it is forgotten. */
static enum queue_result look_through(struct audit *audit, struct janitor_report *report,
                                      char **error_r)
{
    struct auditing auditing = {audit->queue, audit, false, report, error_r};
    enum queue_result result;

    audit->suspect_count = 0;
    result = scan_jobs(audit->queue, SCAN_ALL, look_at, &auditing, error_r);
    if (result == QUEUE_OK)
        result = prune(audit->queue, false, report, error_r);
    if (result != QUEUE_OK) {
        audit->suspect_count = 0;
        return result;
    }
    audit->listed = true;
    if (audit->suspect_count > 0)
        audit->due_boot_ms = clock_boot_ms(audit->queue->clock) + SUSPECT_MS;
    return QUEUE_OK;
}

/* Half an hour later: what still has no state gets its marker back, under its lock. */
static enum queue_result look_again(struct audit *audit, struct janitor_report *report,
                                    char **error_r)
{
    int64_t before = report->requeued;
    enum queue_result result = QUEUE_OK;

    for (size_t i = 0; i < audit->suspect_count && result == QUEUE_OK; i++)
        result = janitor_heal(audit->queue, audit->suspects[i], true, report, error_r);
    audit->found += report->requeued - before;
    if (result == QUEUE_OK)
        audit->suspect_count = 0;
    return result;
}

enum queue_result audit_pass(struct audit *audit, struct janitor_report *report, char **error_r)
{
    enum queue_result result = QUEUE_OK;

    if (audit->started_ms == 0)
        result = begin(audit, error_r);
    if (result != QUEUE_OK || audit->started_ms == 0 ||
        clock_boot_ms(audit->queue->clock) < audit->due_boot_ms)
        return result;
    if (!audit->listed)
        result = look_through(audit, report, error_r);
    else if (audit->suspect_count > 0)
        result = look_again(audit, report, error_r);
    if (result == QUEUE_OK && audit->listed && audit->suspect_count == 0)
        result = close_stamp(audit, error_r);
    if (result != QUEUE_OK)
        audit->due_boot_ms = clock_boot_ms(audit->queue->clock) + AGAIN_MS;
    return result;
}
