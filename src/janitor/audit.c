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
#define SUSPECTS_MAX 10000            /* the rest waits for the next audit */

struct audit {
    struct queue *queue;
    int64_t looked_boot_ms; /* 0: never */
    char (*suspects)[65];   /* seen once with nothing but their PDF */
    size_t suspect_count;
    int64_t suspect_boot_ms; /* when */
    int64_t found;           /* by the audit under way */
    int64_t started_ms;      /* of it, server's clock; 0: none is under way */
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

/* OK: the audit of this day is ours to do; NONE: it is done, or another's. */
static enum queue_result take_stamp(struct audit *audit, char **error_r)
{
    struct queue *queue = audit->queue;
    int64_t now = store_server_ms(queue->store, queue->clock), started = 0;
    struct json_object *object = NULL;
    char key[KEY_SIZE];
    struct store_op op;
    struct step_put put;
    enum queue_result result;

    store_op_init(&op, STORE_GET, key_registry(&queue->keys, "audit.json", key));
    result = step_read(queue, NULL, &op, 1, error_r);
    if (result == QUEUE_OK && op.status == STORE_OK &&
        json_parse(buf_text(&op.data), op.data.len, JSON_RECORD_MAX, &object) == JSON_OK &&
        json_get_int(object, "started_ms", &started) && now - started < DAY_MS && started <= now)
        result = QUEUE_NONE;
    json_object_put(object);
    if (result == QUEUE_OK) {
        audit->started_ms = now;
        audit->found = 0;
        step_put_init(&put, key, op.status == STORE_OK ? STORE_IF_MATCH : STORE_IF_ABSENT,
                      op.etag_r);
        stamp_body(audit, 0, &put.body);
        result = step_put(queue, NULL, &put, error_r);
        if (result == QUEUE_BUSY)
            result = QUEUE_NONE;
        step_put_release(&put);
    }
    store_op_release(&op);
    return result;
}

/* Only a word for people: not repeated. */
static void close_stamp(struct audit *audit)
{
    struct queue *queue = audit->queue;
    char key[KEY_SIZE], text[96];
    struct buf body = BUF_INIT;
    struct store_op op;
    char *ignored = NULL;

    stamp_body(audit, store_server_ms(queue->store, queue->clock), &body);
    store_op_init(&op, STORE_PUT, key_registry(&queue->keys, "audit.json", key));
    op.body = buf_text(&body);
    op.body_len = body.len;
    op.content_type = "application/json";
    if (step_note(queue, NULL, &op, 1, &ignored) != QUEUE_OK)
        step_notice(queue, "store_error", NULL, ignored != NULL ? ignored : "audit stamp");
    if (audit->found > 0) { /* a healthy bucket has none */
        snprintf(text, sizeof(text), "%lld jobs without a state queued again",
                 (long long)audit->found);
        step_notice(queue, "audit", NULL, text);
    }
    free(ignored);
    store_op_release(&op);
    buf_release(&body);
    audit->started_ms = 0;
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

static enum queue_result begin(struct audit *audit, struct janitor_report *report, char **error_r)
{
    struct auditing auditing = {audit->queue, audit, false, report, error_r};
    int64_t now = clock_boot_ms(audit->queue->clock);
    enum queue_result result;

    if (audit->looked_boot_ms != 0 && now - audit->looked_boot_ms < LOOK_MS)
        return QUEUE_OK;
    result = take_stamp(audit, error_r);
    if (result != QUEUE_OK && result != QUEUE_NONE)
        return result;
    audit->looked_boot_ms = now > 0 ? now : 1;
    if (result == QUEUE_NONE)
        return QUEUE_OK;
    audit->suspect_count = 0;
    audit->suspect_boot_ms = now;
    result = scan_jobs(audit->queue, SCAN_ALL, look_at, &auditing, error_r);
    if (result == QUEUE_OK && audit->suspect_count == 0)
        close_stamp(audit);
    if (result == QUEUE_OK)
        result = prune(audit->queue, false, report, error_r);
    return result;
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
    if (result != QUEUE_OK)
        return result;
    audit->suspect_count = 0;
    close_stamp(audit);
    return QUEUE_OK;
}

enum queue_result audit_pass(struct audit *audit, struct janitor_report *report, char **error_r)
{
    int64_t now = clock_boot_ms(audit->queue->clock);

    if (audit->suspect_count > 0) {
        if (now - audit->suspect_boot_ms < SUSPECT_MS)
            return QUEUE_OK;
        return look_again(audit, report, error_r);
    }
    return begin(audit, report, error_r);
}
