/* See reconcile.h: manifest against raw documents. */
#include "index/reconcile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "queue/record.h"
#include "queue/scan.h"

#define PAGE 512
#define LOOKS 32 /* documents whose metadata is asked for at once */

struct reconcile {
    struct index *index;
    struct queue *queue;
    const struct reconcile_options *options;
    struct reconcile_report *report;
    struct manifest *manifest;
    struct manifest_entry *entries; /* a page of the index */
    size_t count, next;
    bool ended;
    char after[65];
    char (*missing)[65]; /* not asked about yet */
    size_t missing_count;
    char **error_r;
};

const char *reconcile_kind_name(enum reconcile_kind kind)
{
    static const char *const names[] = {"missing", "orphaned", "differing"};

    return names[kind];
}

static bool is_stopped(const struct reconcile *r)
{
    return r->options->stop != NULL && *r->options->stop != 0;
}

static void tell(struct reconcile *r, enum reconcile_kind kind, const char *hash)
{
    if (r->options->each != NULL)
        r->options->each(r->options->arg, kind, hash);
}

/* ---- the index, entry by entry ---- */

static void drop_page(struct reconcile *r)
{
    for (; r->next < r->count; r->next++)
        manifest_entry_release(&r->entries[r->next]);
}

/* The next entry; NULL at the end (or with *result_r not OK). */
static const struct manifest_entry *peek(struct reconcile *r, enum queue_result *result_r)
{
    *result_r = QUEUE_OK;
    if (r->next == r->count && !r->ended) {
        *result_r =
            index_page(r->index, r->queue, r->after, PAGE, r->entries, &r->count, r->error_r);
        r->next = 0;
        r->ended = r->count == 0;
        if (r->count > 0)
            memcpy(r->after, r->entries[r->count - 1].hash, sizeof(r->after));
    }
    return *result_r == QUEUE_OK && r->next < r->count ? &r->entries[r->next] : NULL;
}

static void pass(struct reconcile *r)
{
    r->report->entries++;
    manifest_entry_release(&r->entries[r->next++]);
}

/* ---- what is missing ---- */

/* Tags from the metadata: a JSON list as text. The caller drops the array, whose texts they are. */
static size_t read_tags(const char *json, struct json_object **array_r, const char ***tags_r)
{
    size_t count = 0, length;

    *array_r = json != NULL ? json_tokener_parse(json) : NULL;
    length =
        json_object_is_type(*array_r, json_type_array) ? json_object_array_length(*array_r) : 0;
    *tags_r = mem_alloc((length + 1) * sizeof(**tags_r));
    for (size_t i = 0; i < length; i++) {
        struct json_object *tag = json_object_array_get_idx(*array_r, i);
        if (json_object_is_type(tag, json_type_string))
            (*tags_r)[count++] = json_object_get_string(tag);
    }
    return count;
}

/* An entry from what the raw object says of itself; without a name it is called by its hash. */
static void note_document(struct reconcile *r, const char *hash, const struct store_op *op)
{
    char *name = record_meta_text(op, "original-name"), *tags_json = record_meta_text(op, "tags");
    struct json_object *array;
    const char **tags;
    size_t count = read_tags(tags_json, &array, &tags);

    if (name == NULL || name[0] == '\0') {
        free(name);
        name = mem_printf("%.12s.pdf", hash);
    }
    manifest_note_file(r->manifest, &(struct manifest_note){.hash = hash,
                                                            .path = name,
                                                            .source = "bucket",
                                                            .tags = tags,
                                                            .tag_count = count,
                                                            .size_bytes = op->size_r});
    r->report->added++;
    free(tags);
    json_object_put(array);
    free(tags_json);
    free(name);
}

static enum queue_result add_missing(struct reconcile *r)
{
    struct store_op *ops = mem_alloc(LOOKS * sizeof(*ops));
    char(*keys)[KEY_SIZE] = mem_alloc((size_t)LOOKS * KEY_SIZE);
    enum queue_result result = QUEUE_OK;

    for (size_t i = 0; i < r->missing_count; i++)
        store_op_init(&ops[i], STORE_HEAD, key_raw(&r->queue->keys, r->missing[i], keys[i]));
    store_run(r->queue->store, ops, r->missing_count);
    for (size_t i = 0; i < r->missing_count; i++) {
        if (ops[i].status == STORE_OK && result == QUEUE_OK) {
            note_document(r, r->missing[i], &ops[i]);
        } else if (ops[i].status != STORE_NOT_FOUND && result == QUEUE_OK) {
            result = ops[i].status == STORE_FATAL ? QUEUE_FATAL : QUEUE_AGAIN;
            *r->error_r = mem_strdup(ops[i].error);
        }
        store_op_release(&ops[i]);
    }
    r->missing_count = 0;
    if (result == QUEUE_OK && manifest_flush_due(r->manifest))
        result = manifest_flush(r->manifest, r->error_r);
    free(keys);
    free(ops);
    return result;
}

static enum queue_result on_missing(struct reconcile *r, const char *hash)
{
    r->report->missing++;
    tell(r, RECONCILE_MISSING, hash);
    if (!r->options->add)
        return QUEUE_OK;
    memcpy(r->missing[r->missing_count++], hash, sizeof(r->missing[0]));
    return r->missing_count == LOOKS ? add_missing(r) : QUEUE_OK;
}

/* ---- what is too much ---- */

static enum queue_result on_orphaned(struct reconcile *r, const char *hash)
{
    char key[KEY_SIZE];
    enum queue_result result = QUEUE_OK;
    struct store_op op;

    r->report->orphaned++;
    tell(r, RECONCILE_ORPHANED, hash);
    if (!r->options->remove)
        return QUEUE_OK;
    /* The listing is a while old: ingest may have brought it back. Absence is proven by LIST. */
    store_op_init(&op, STORE_LIST, key_raw(&r->queue->keys, hash, key));
    op.max_keys = 1;
    store_run(r->queue->store, &op, 1);
    if (op.status != STORE_OK) {
        result = op.status == STORE_FATAL ? QUEUE_FATAL : QUEUE_AGAIN;
        *r->error_r = mem_strdup(op.error);
    } else if (op.entry_count == 0) {
        result = manifest_remove(r->manifest, hash, r->error_r);
        r->report->removed += result == QUEUE_OK;
    }
    store_op_release(&op);
    return result;
}

/* ---- side by side ---- */

/* Entries before `hash` have no document. "": all that are left. */
static enum queue_result pass_until(struct reconcile *r, const char *hash)
{
    const struct manifest_entry *entry;
    enum queue_result result;

    while ((entry = peek(r, &result)) != NULL && result == QUEUE_OK && !is_stopped(r) &&
           (hash[0] == '\0' || strcmp(entry->hash, hash) < 0)) {
        char orphan[65];

        memcpy(orphan, entry->hash, sizeof(orphan));
        pass(r);
        result = on_orphaned(r, orphan);
        if (result != QUEUE_OK)
            return result;
    }
    return result;
}

static enum queue_result on_document(void *arg, const struct scan_job *job)
{
    struct reconcile *r = arg;
    const struct manifest_entry *entry;
    enum queue_result result;

    if (is_stopped(r))
        return QUEUE_NONE;
    r->report->documents++;
    if (r->options->progress != NULL)
        r->options->progress(r->options->arg, r->report->documents);
    result = pass_until(r, job->hash);
    if (result != QUEUE_OK)
        return result;
    entry = peek(r, &result);
    if (result != QUEUE_OK)
        return result;
    if (entry == NULL || strcmp(entry->hash, job->hash) != 0)
        return on_missing(r, job->hash);
    if (entry->size_bytes >= 0 && job->at[SCAN_RAW] != NULL &&
        entry->size_bytes != job->at[SCAN_RAW]->size) {
        r->report->differing++;
        tell(r, RECONCILE_DIFFERING, job->hash);
    }
    pass(r);
    return QUEUE_OK;
}

enum queue_result reconcile_run(struct index *index, struct queue *queue,
                                const struct reconcile_options *options,
                                struct reconcile_report *report_r, char **error_r)
{
    struct reconcile r = {.index = index,
                          .queue = queue,
                          .options = options,
                          .report = report_r,
                          .manifest = manifest_create(queue),
                          .error_r = error_r};
    enum queue_result result;

    *error_r = NULL;
    *report_r = (struct reconcile_report){0};
    r.entries = mem_alloc(PAGE * sizeof(*r.entries));
    r.missing = mem_alloc((size_t)LOOKS * sizeof(r.missing[0]));
    result = scan_jobs(queue, SCAN_BIT(SCAN_RAW), on_document, &r, error_r);
    if (result == QUEUE_OK && !is_stopped(&r))
        result = pass_until(&r, "");
    if (result == QUEUE_OK && r.missing_count > 0)
        result = add_missing(&r);
    if (manifest_pending(r.manifest) > 0) { /* also when stopped, or when the rest failed */
        char *error = NULL;
        enum queue_result flushed = manifest_flush(r.manifest, &error);

        if (result == QUEUE_OK) {
            result = flushed;
            *error_r = error;
        } else {
            free(error);
        }
    }
    drop_page(&r);
    free(r.entries);
    free(r.missing);
    manifest_destroy(r.manifest);
    return result;
}
