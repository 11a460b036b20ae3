/* A batch of files through the store: what is known, upload, marker.
 *
 * The order is the promise: a marker is made only when the raw object stands and holds what was
 * hashed. What is uploaded was always hashed in this run, from the descriptor that is uploaded, and
 * is looked at once more afterwards; a file that changed in between gets no marker, and the object
 * is taken back. A raw object without any record is uploaded again rather than trusted: it may be
 * what a run left that was killed right then. */
#include "ingest/run.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ingest/describe.h"
#include "queue/view.h"

/* How long a DELETE of a raw object that came out wrong may still take effect. */
#define TAKE_BACK_MS 60000

struct slot {
    struct file *file; /* NULL: it has its outcome */
    char hash[65];
    bool accepted; /* a job stands for it */
    enum job_state state;
    bool upload;
    char key[KEY_SIZE];
    struct store_meta meta[DESCRIBE_META_COUNT];
};

static enum ingest_reason reason_of(enum job_state state)
{
    switch (state) {
    case JOB_TODO:
        return INGEST_TODO;
    case JOB_PROCESSING:
        return INGEST_PROCESSING;
    case JOB_FAILED:
        return INGEST_FAILED;
    case JOB_DEAD:
        return INGEST_DEAD;
    case JOB_DONE:
        return INGEST_DONE;
    case JOB_RAW:
    case JOB_UNKNOWN:
        return INGEST_REASON_NONE;
    }
    return INGEST_REASON_NONE;
}

static void note_file(struct run *run, const struct file *file, bool known)
{
    struct tag_list tags;

    if (run->manifest == NULL)
        return;
    describe_tags(file->relative, run->options->tags, run->options->tag_count, &tags);
    manifest_note_file(run->manifest, &(struct manifest_note){
                                          .hash = file->hash,
                                          .path = file->relative,
                                          .source = file->source,
                                          .tags = (const char *const *)tags.tags,
                                          .tag_count = tags.count,
                                          .size_bytes = file->size,
                                          .known = known,
                                      });
    tag_list_release(&tags);
}

/* The file stands for a job now, new or old: its path is recorded. */
static void accept(struct run *run, struct slot *slot, enum ingest_action action,
                   enum ingest_reason reason)
{
    note_file(run, slot->file, action == INGEST_SKIPPED);
    seen_add(&run->seen, slot->file->hash);
    run_report(run, slot->file, action, reason);
    slot->file = NULL;
    slot->accepted = true;
}

static void refuse(struct run *run, struct slot *slot)
{
    run_report(run, slot->file, INGEST_ERROR, slot->file->reason);
    slot->file = NULL;
}

/* ---- what is known ---- */

/* Keeps the first file of each hash; later ones wait until the first's outcome is known. */
static size_t fill_slots(struct run *run, struct file **files, size_t count, struct slot *slots)
{
    size_t filled = 0;

    for (size_t i = 0; i < count; i++) {
        bool twin = false;

        for (size_t k = 0; k < filled && !twin; k++)
            twin = strcmp(slots[k].hash, files[i]->hash) == 0;
        if (twin) {
            files[i]->next = run->deferred;
            run->deferred = files[i];
            continue;
        }
        memset(&slots[filled], 0, sizeof(slots[filled]));
        memcpy(slots[filled].hash, files[i]->hash, sizeof(slots[filled].hash));
        slots[filled++].file = files[i];
    }
    return filled;
}

/* Asks for one job alone: after a batch that a damaged record spoilt. */
static void look_at_one(struct run *run, struct slot *slot)
{
    char hash[1][65];
    char *error = NULL;
    enum queue_result result;

    memcpy(hash[0], slot->file->hash, sizeof(hash[0]));
    result = view_states(run->queue, (const char(*)[65])hash, 1, &slot->state, &error);
    if (result != QUEUE_OK) {
        run_report_store_error(run, slot->file, error);
        slot->file = NULL;
        error = NULL;
    }
    free(error);
}

static uint64_t requests(const struct run *run)
{
    const struct store_meter *meter = store_meter(run->queue->store);

    return meter->requests[STORE_GET] + meter->requests[STORE_HEAD] + meter->requests[STORE_LIST];
}

/* Fills in the states: from the pass over the bucket, the others by asking. What the store gave no
 * answer about has its outcome. */
static void look_up(struct run *run, struct slot *slots, size_t count)
{
    char hashes[BATCH_MAX][65];
    enum job_state states[BATCH_MAX];
    struct slot *asked[BATCH_MAX];
    size_t ask_count = 0;
    char *error = NULL;
    enum queue_result result;
    uint64_t before;

    if (count >= BATCH_OF_MANY)
        known_prepare(&run->known);
    for (size_t i = 0; i < count; i++) {
        slots[i].state = known_state(&run->known, slots[i].hash);
        if (slots[i].state != JOB_UNKNOWN)
            continue;
        memcpy(hashes[ask_count], slots[i].hash, sizeof(hashes[ask_count]));
        asked[ask_count++] = &slots[i];
    }
    before = requests(run);
    result = view_states(run->queue, (const char(*)[65])hashes, ask_count, states, &error);
    known_spent(&run->known, requests(run) - before);
    for (size_t i = 0; i < ask_count; i++) {
        if (result == QUEUE_OK) {
            asked[i]->state = states[i];
        } else if (result == QUEUE_DAMAGED) {
            look_at_one(run, asked[i]);
        } else {
            run_report_store_error(run, asked[i]->file, mem_strdup(error));
            asked[i]->file = NULL;
        }
    }
    if (result != QUEUE_OK && result != QUEUE_DAMAGED)
        run_store_failed(run, result, error);
    free(error);
}

/* What is to be done with a file, now that the state of its hash is known. */
static void decide(struct run *run, struct slot *slot)
{
    struct file *file = slot->file;
    enum ingest_reason known = reason_of(slot->state);

    if (known != INGEST_REASON_NONE ||
        (run->options->dry_run && seen_has(&run->seen, file->hash))) {
        accept(run, slot, INGEST_SKIPPED,
               seen_has(&run->seen, file->hash) ? INGEST_DUPLICATE : known);
    } else if (file->origin == HASH_POINTER && slot->state == JOB_UNKNOWN &&
               !run->options->dry_run) {
        crew_pull(run->crew, file);
        slot->file = NULL;
    } else if (file->origin == HASH_CACHED) {
        file->must_compute = true;
        crew_again(run->crew, file);
        slot->file = NULL;
    } else if (run->options->dry_run) {
        accept(run, slot, INGEST_WOULD_QUEUE, INGEST_REASON_NONE);
    } else {
        slot->upload = file->origin == HASH_COMPUTED;
    }
}

/* ---- upload ---- */

/* A raw object that does not hold what its key says, by a file that changed under us. Only our own
 * sending is taken back: another's has another ETag. */
static void take_back(struct run *run, const struct slot *slot, const struct store_op *put)
{
    const struct store_properties *can = store_properties(run->queue->store);
    struct store_op op;

    if (put->status != STORE_OK)
        return;
    store_op_init(&op, STORE_HEAD, slot->key);
    store_run(run->queue->store, &op, 1);
    if (op.status == STORE_OK && strcmp(op.etag_r, put->etag_r) == 0) {
        int64_t date = op.date_ms_r;

        store_op_release(&op);
        store_op_init(&op, STORE_DELETE, slot->key);
        memcpy(op.etag, put->etag_r, sizeof(op.etag));
        op.cond = can->conditional_delete ? STORE_IF_MATCH : STORE_ALWAYS;
        op.expires_ms = can->conditional_delete || date == 0 ? 0 : date + TAKE_BACK_MS;
        store_run(run->queue->store, &op, 1);
    }
    store_op_release(&op);
}

/* The answer to one upload. true: the raw object stands. */
static bool settle_upload(struct run *run, struct slot *slot, struct store_op *put)
{
    if (!file_is_unchanged(slot->file)) {
        take_back(run, slot, put);
        file_refuse(slot->file, INGEST_CHANGED,
                    "the file changed while it was uploaded; ingest it again when it is complete");
        refuse(run, slot);
        return false;
    }
    if (put->status != STORE_OK) {
        run_report_store_error(run, slot->file, put->error);
        put->error = NULL;
        slot->file = NULL;
        return false;
    }
    run->summary->uploaded++;
    return true;
}

static void prepare_upload(struct run *run, struct slot *slot, struct store_op *op)
{
    struct tag_list tags;

    store_op_init(op, STORE_PUT, key_raw(&run->queue->keys, slot->file->hash, slot->key));
    op->body_fd = slot->file->fd;
    op->body_size = slot->file->size;
    op->content_type = "application/pdf";
    describe_tags(slot->file->relative, run->options->tags, run->options->tag_count, &tags);
    describe_meta(slot->file->relative, &tags, slot->file->size, slot->meta);
    tag_list_release(&tags);
    op->put_meta = slot->meta;
    op->put_meta_count = DESCRIBE_META_COUNT;
}

static void upload(struct run *run, struct slot *slots, size_t count)
{
    struct store_op *ops = mem_alloc(BATCH_MAX * sizeof(*ops));
    struct slot *owners[BATCH_MAX];
    size_t op_count = 0, stands = 0;
    enum store_status worst = STORE_AGAIN;
    char *error = NULL;

    for (size_t i = 0; i < count; i++) {
        if (slots[i].file == NULL || !slots[i].upload)
            continue;
        prepare_upload(run, &slots[i], &ops[op_count]);
        owners[op_count++] = &slots[i];
    }
    store_run(run->queue->store, ops, op_count);
    for (size_t i = 0; i < op_count; i++) {
        if (ops[i].status != STORE_OK && error == NULL)
            error = mem_strdup(ops[i].error);
        if (ops[i].status == STORE_FATAL)
            worst = STORE_FATAL;
        if (settle_upload(run, owners[i], &ops[i]))
            stands++;
        describe_meta_release(owners[i]->meta);
        store_op_release(&ops[i]);
    }
    /* One refused body may be the file's fault, a whole batch is the store's. */
    if (op_count > 0 && stands == 0 && error != NULL)
        run_store_failed(run, worst == STORE_FATAL && op_count > 1 ? QUEUE_FATAL : QUEUE_AGAIN,
                         error);
    free(error);
    free(ops);
}

/* ---- marker ---- */

static void enqueue(struct run *run, struct slot *slots, size_t count)
{
    struct slot *owners[BATCH_MAX];
    char hashes[BATCH_MAX][65];
    enum queue_result results[BATCH_MAX], failed = QUEUE_OK;
    size_t wanted = 0;
    char *error = NULL;

    for (size_t i = 0; i < count; i++) {
        if (slots[i].file == NULL)
            continue;
        memcpy(hashes[wanted], slots[i].hash, sizeof(hashes[wanted]));
        owners[wanted++] = &slots[i];
    }
    if (wanted == 0)
        return;
    queue_enqueue_many(run->queue, (const char(*)[65])hashes, wanted, run->options->tier, results,
                       &error);
    for (size_t i = 0; i < wanted; i++) {
        if (results[i] == QUEUE_OK) {
            accept(run, owners[i], INGEST_QUEUED, INGEST_REASON_NONE);
            continue;
        }
        failed = results[i];
        run_report_store_error(run, owners[i]->file, mem_strdup(error));
        owners[i]->file = NULL;
    }
    if (failed == QUEUE_OK)
        run->store_failures = 0;
    else
        run_store_failed(run, failed, error);
    free(error);
}

/* Twins of what was accepted are duplicates; the others try their own luck in the next batch. */
static void settle_twins(struct run *run, const struct slot *slots, size_t count)
{
    struct file *twins = run->deferred;

    run->deferred = NULL;
    while (twins != NULL) {
        struct file *twin = twins;
        bool accepted = false;

        twins = twin->next;
        for (size_t i = 0; i < count && !accepted; i++)
            accepted = slots[i].accepted && strcmp(slots[i].hash, twin->hash) == 0;
        if (accepted) {
            struct slot slot = {.file = twin};
            accept(run, &slot, INGEST_SKIPPED, INGEST_DUPLICATE);
        } else {
            twin->next = run->deferred;
            run->deferred = twin;
        }
    }
}

void batch_process(struct run *run, struct file **files, size_t count)
{
    struct slot *slots = mem_alloc(BATCH_MAX * sizeof(*slots));
    size_t filled = fill_slots(run, files, count, slots);

    look_up(run, slots, filled);
    for (size_t i = 0; i < filled; i++)
        if (slots[i].file != NULL)
            decide(run, &slots[i]);
    upload(run, slots, filled);
    enqueue(run, slots, filled);
    settle_twins(run, slots, filled);
    free(slots);
}
