/* See copy.h. A folder is two listings side by side: what the source has and the target lacks is
 * collected, a few thousand keys at a time, and copied by a gang. */
#include "cli/copy.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/quote.h"
#include "cli/fetch.h"
#include "cli/gang.h"
#include "cli/progress.h"
#include "index/manifest.h"
#include "ingest/known.h"
#include "ingest/seen.h"
#include "queue/scan.h"

#define CHUNK 2048         /* keys collected before they are copied */
#define NOTE_MAX (1 << 20) /* bytes of a record that we take */

enum kind {
    KIND_RAW,
    KIND_OUT,
    KIND_NOTE, /* logs, settings, shards of the manifest */
    KIND_DEAD, /* records of jobs: only of those that the target does not know */
    KIND_MARKER,
    KIND_FAILED
};

static const struct folder {
    const char *name; /* below the prefix */
    enum kind kind;
} folders[] = {
    {"store/raw/", KIND_RAW},
    {"store/out/", KIND_OUT},
    {"registry/logs/", KIND_NOTE},
    {"registry/config.json", KIND_NOTE},
    {"registry/blobforge.json", KIND_NOTE},
    {"registry/manifest", KIND_NOTE}, /* manifest.json and the shards */
    {"queue/dead/", KIND_DEAD},
    {"queue/todo/", KIND_MARKER},
    {"queue/failed/", KIND_FAILED},
};

struct item {
    char *name; /* below the prefixes */
    enum kind kind;
    int64_t size;
};

enum outcome {
    OUTCOME_COPIED,
    OUTCOME_KEPT, /* the target has its own */
    OUTCOME_GONE, /* not in the source any more */
    OUTCOME_ERROR
};

struct found {
    enum outcome outcome;
    int64_t bytes;
    char *error;
    enum store_status trouble; /* of a store; OK: none */
};

struct copy {
    struct cli *cli, *from, *to;
    struct queue *source, *target;
    bool dry_run;
    struct copy_totals *totals;
    struct known known; /* the target's jobs before this run */
    struct seen raws;   /* documents that stand in the target */
    bool manifest_kept; /* the target has parts of its own: to be merged */
    struct item *items;
    size_t item_count;
    int failures; /* of a store, in a row */
    enum exitcode verdict;
    struct progress_line line; /* of the folder in hand */
    const char *unit;          /* what its keys are */
    int64_t settled, moved;    /* of them: keys, copied or not; bytes copied */

    pthread_mutex_t lock;
    struct store *spare[16]; /* source stores that no thread has in hand */
    size_t spare_count;
};

/* ---- source stores, one a thread ---- */

static struct store *take_source(struct copy *copy)
{
    struct store *store = NULL;

    pthread_mutex_lock(&copy->lock);
    if (copy->spare_count > 0)
        store = copy->spare[--copy->spare_count];
    pthread_mutex_unlock(&copy->lock);
    return store != NULL ? store : cli_open_store(copy->from);
}

static void give_source(struct copy *copy, struct store *store)
{
    pthread_mutex_lock(&copy->lock);
    if (copy->spare_count < ARRAY_LEN(copy->spare)) {
        copy->spare[copy->spare_count++] = store;
        store = NULL;
    }
    pthread_mutex_unlock(&copy->lock);
    store_close(store);
}

/* ---- one object ---- */

static void fail(struct found *found, enum store_status trouble, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

static void fail(struct found *found, enum store_status trouble, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    free(found->error);
    found->error = mem_strdup(text);
    found->outcome = OUTCOME_ERROR;
    found->trouble = trouble;
}

static const char *why(const struct store_op *op)
{
    return op->error != NULL ? op->error : store_status_name(op->status);
}

static bool hash_file(int fd, int64_t size, char hex_r[static SHA256_HEX_SIZE])
{
    unsigned char sha256[SHA256_BYTES];
    struct digest *digest = digest_begin();
    char *block = mem_alloc(256 * 1024);
    int64_t at = 0;

    while (at < size) {
        ssize_t n = pread(fd, block, 256 * 1024, at);

        if (n <= 0)
            break;
        digest_update(digest, block, (size_t)n);
        at += n;
    }
    free(block);
    digest_end(digest, sha256);
    hex_encode(sha256, sizeof(sha256), hex_r);
    return at == size;
}

/* What an unanswered or refused PUT came to: what stands in the target now. */
static void settle_put(struct store *target, struct store_op *put, int64_t size,
                       struct found *found)
{
    struct store_op head;
    bool stands;

    if (put->status == STORE_PRECONDITION) {
        found->outcome = OUTCOME_KEPT;
        return;
    }
    store_op_init(&head, STORE_HEAD, put->key);
    store_run(target, &head, 1);
    stands = head.status == STORE_OK && head.size_r == size;
    store_op_release(&head);
    if (put->status == STORE_OK && stands)
        found->bytes = size;
    else if (put->status == STORE_UNKNOWN && stands)
        found->bytes = size;
    else if (put->status == STORE_OK)
        fail(found, STORE_OK, "the target does not hold what was written; copy it again");
    else
        fail(found, put->status, "target: %s", why(put));
}

/* Bodies of any size go by way of a file. */
static void copy_body(struct store *source, struct store *target, const struct item *item,
                      const char *from_key, const char *to_key, struct found *found)
{
    int fd = fetch_temporary();
    char hex[SHA256_HEX_SIZE], hash[65];
    struct store_op get, put;

    if (fd < 0) {
        fail(found, STORE_OK, "no temporary file; name another folder with TMPDIR");
        return;
    }
    store_op_init(&get, STORE_GET, from_key);
    get.sink_fd = fd;
    store_run(source, &get, 1);
    if (get.status == STORE_NOT_FOUND) {
        found->outcome = OUTCOME_GONE;
    } else if (get.status != STORE_OK) {
        fail(found, get.status, "source: %s", why(&get));
    } else if (item->kind == KIND_RAW && key_hash(from_key, hash) &&
               (!hash_file(fd, get.size_r, hex) || strcmp(hex, hash) != 0)) {
        fail(found, STORE_OK,
             "the source does not hold what the name says (SHA-256 %.12s); ingest the document "
             "again",
             hex);
    } else {
        store_op_init(&put, STORE_PUT, to_key);
        put.body_fd = fd;
        put.body_size = get.size_r;
        put.put_meta = get.meta_r;
        put.put_meta_count = get.meta_count_r;
        put.cond = item->kind == KIND_RAW ? STORE_ALWAYS : STORE_IF_ABSENT;
        put.content_type = item->kind == KIND_RAW ? "application/pdf" : "application/zip";
        store_run(target, &put, 1);
        settle_put(target, &put, get.size_r, found);
        store_op_release(&put);
    }
    store_op_release(&get);
    close(fd);
}

/* ---- markers ---- */

/* ETags differ from store to store: what a marker overrides in the source is named by what stands
 * for it in the target, when that is of the same size; else the name goes. */
static void translate_one(struct copy *copy, struct store *source, struct store *target,
                          const char *hash, bool dead, char etag[static STORE_ETAG_SIZE])
{
    char here[KEY_SIZE], there[KEY_SIZE];
    struct store_op from, to;

    if (etag[0] == '\0')
        return;
    if (dead) {
        key_dead(&copy->source->keys, hash, here);
        key_dead(&copy->target->keys, hash, there);
    } else {
        key_out(&copy->source->keys, hash, here);
        key_out(&copy->target->keys, hash, there);
    }
    store_op_init(&from, STORE_HEAD, here);
    store_op_init(&to, STORE_HEAD, there);
    store_run(source, &from, 1);
    store_run(target, &to, 1);
    if (from.status == STORE_OK && to.status == STORE_OK && from.size_r == to.size_r &&
        strcmp(from.etag_r, etag) == 0)
        memcpy(etag, to.etag_r, STORE_ETAG_SIZE);
    else
        etag[0] = '\0';
    store_op_release(&from);
    store_op_release(&to);
}

/* The marker's body as the target needs it. false: it is no wish of its own where the target knows
 * the job already. */
static bool translate_marker(struct copy *copy, struct store *source, struct store *target,
                             const char *hash, enum job_state state, struct buf *body)
{
    struct record_todo todo;
    bool wish;

    if (body->len == 0 || record_todo_read(body->data, body->len, &todo) != RECORD_OK)
        return state == JOB_UNKNOWN;
    if (todo.over_result[0] == '\0' && todo.over_dead[0] == '\0') {
        record_todo_release(&todo);
        return state == JOB_UNKNOWN;
    }
    translate_one(copy, source, target, hash, false, todo.over_result);
    translate_one(copy, source, target, hash, true, todo.over_dead);
    wish = todo.over_result[0] != '\0' || todo.over_dead[0] != '\0';
    buf_clear(body);
    record_todo_write(body, &todo);
    record_todo_release(&todo);
    return wish || state == JOB_UNKNOWN;
}

/* The job's state in the target before this run. */
static bool target_state(struct copy *copy, struct queue *target, const char *hash,
                         enum job_state *state_r, struct found *found)
{
    char hashes[1][65], *error = NULL;
    enum queue_result result;

    *state_r = known_state(&copy->known, hash);
    if (known_complete(&copy->known))
        return true;
    memcpy(hashes[0], hash, sizeof(hashes[0]));
    result = view_states(target, (const char(*)[65])hashes, 1, state_r, &error);
    if (result != QUEUE_OK)
        fail(found, STORE_AGAIN, "target: %s", error != NULL ? error : queue_result_name(result));
    if (*state_r == JOB_RAW)
        *state_r = JOB_UNKNOWN;
    free(error);
    return result == QUEUE_OK;
}

/* For what the memory of documents has let go: it is bounded. */
static bool document_stands(struct queue *target, const char *hash)
{
    char key[KEY_SIZE];
    struct store_op op;
    bool stands;

    store_op_init(&op, STORE_HEAD, key_raw(&target->keys, hash, key));
    store_run(target->store, &op, 1);
    stands = op.status == STORE_OK;
    store_op_release(&op);
    return stands;
}

/* May this record go into the target, with this body? Else *found says why not. */
static bool record_is_wanted(struct copy *copy, struct store *source, struct queue *target,
                             const struct item *item, struct buf *body, struct found *found)
{
    char hash[65];
    enum job_state state;
    bool wanted = false;

    if (item->kind == KIND_NOTE)
        return true;
    if (!key_hash(item->name, hash)) {
        found->outcome = OUTCOME_KEPT; /* a helper object: no job */
        return false;
    }
    if (!seen_has(&copy->raws, hash) && !document_stands(target, hash)) {
        fail(found, STORE_OK, "its document is not in the target; copy again");
        return false;
    }
    if (!target_state(copy, target, hash, &state, found))
        return false;
    if (item->kind == KIND_MARKER)
        wanted = (state == JOB_UNKNOWN || state == JOB_DONE || state == JOB_DEAD) &&
                 translate_marker(copy, source, target->store, hash, state, body);
    else if (item->kind == KIND_FAILED)
        wanted = state == JOB_UNKNOWN || state == JOB_TODO;
    else
        wanted = state == JOB_UNKNOWN;
    if (!wanted)
        found->outcome = OUTCOME_KEPT;
    return wanted;
}

static void copy_record(struct copy *copy, struct store *source, struct queue *target,
                        const struct item *item, const char *from_key, const char *to_key,
                        struct found *found)
{
    struct store_op get, put;

    store_op_init(&get, STORE_GET, from_key);
    get.max_bytes = item->kind == KIND_NOTE ? MANIFEST_V1_MAX : NOTE_MAX;
    store_run(source, &get, 1);
    if (get.status == STORE_NOT_FOUND) {
        found->outcome = OUTCOME_GONE;
    } else if (get.status != STORE_OK) {
        fail(found, get.status, "source: %s", why(&get));
    } else if (record_is_wanted(copy, source, target, item, &get.data, found)) {
        store_op_init(&put, STORE_PUT, to_key);
        put.body = buf_text(&get.data);
        put.body_len = get.data.len;
        put.put_meta = get.meta_r;
        put.put_meta_count = get.meta_count_r;
        put.cond = STORE_IF_ABSENT;
        put.content_type = "application/json";
        store_run(target->store, &put, 1);
        settle_put(target->store, &put, (int64_t)get.data.len, found);
        store_op_release(&put);
    }
    store_op_release(&get);
}

/* In a thread of the gang, with the target's queue. */
static void *work(void *arg, struct queue *target, size_t index)
{
    struct copy *copy = arg;
    const struct item *item = &copy->items[index];
    struct found *found = mem_alloc(sizeof(*found));
    struct store *source = take_source(copy);
    char *from_key, *to_key;

    if (source == NULL) {
        fail(found, STORE_AGAIN, "the source cannot be opened once more");
        return found;
    }
    from_key = mem_printf("%s%s", copy->source->keys.prefix, item->name);
    to_key = mem_printf("%s%s", copy->target->keys.prefix, item->name);
    if (item->kind == KIND_RAW || item->kind == KIND_OUT)
        copy_body(source, target->store, item, from_key, to_key, found);
    else
        copy_record(copy, source, target, item, from_key, to_key, found);
    give_source(copy, source);
    free(from_key);
    free(to_key);
    return found;
}

/* ---- telling ---- */

static const char *outcome_name(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_COPIED:
        return "copied";
    case OUTCOME_KEPT:
        return "kept";
    case OUTCOME_GONE:
        return "gone";
    case OUTCOME_ERROR:
        return "error";
    }
    return "?";
}

static void tell(struct copy *copy, const struct item *item, const char *action, int64_t bytes,
                 const char *error)
{
    char *name = quote_name(item->name);

    if (error != NULL || cli_json(copy->cli) || cli_verbose(copy->cli) > 0)
        progress_end(&copy->line);
    if (error != NULL)
        cli_error("%s: %s", name, error);
    if (cli_json(copy->cli)) {
        struct json_object *line = json_object_new_object();

        json_set_text(line, "key", item->name);
        json_set_text(line, "action", action);
        json_set_int(line, "bytes", bytes);
        json_set_text(line, "error", error);
        cli_print_json(line);
    } else if (cli_verbose(copy->cli) > 0) {
        cli_printf("%-10s  %s\n", action, name);
    }
    free(name);
}

static void count_copied(struct copy *copy, const struct item *item, int64_t bytes)
{
    char hash[65];

    copy->totals->copied++;
    copy->totals->bytes += bytes;
    copy->totals->documents += item->kind == KIND_RAW;
    copy->totals->results += item->kind == KIND_OUT;
    copy->totals->jobs += item->kind == KIND_MARKER || item->kind == KIND_DEAD;
    if (item->kind == KIND_RAW && key_hash(item->name, hash))
        seen_add(&copy->raws, hash);
}

/* The stores failed for many objects in a row: that is no matter of single objects. */
#define FAILURES_MAX 24

static bool done(void *arg, size_t index, void *result)
{
    struct copy *copy = arg;
    const struct item *item = &copy->items[index];
    struct found *found = result;

    copy->settled++;
    copy->moved += found->bytes;
    switch (found->outcome) {
    case OUTCOME_COPIED:
        count_copied(copy, item, found->bytes);
        break;
    case OUTCOME_KEPT:
        copy->totals->kept++;
        copy->manifest_kept |= strncmp(item->name, "registry/manifest", 17) == 0;
        break;
    case OUTCOME_GONE:
        break;
    case OUTCOME_ERROR:
        copy->totals->errors++;
        break;
    }
    copy->failures = found->trouble != STORE_OK ? copy->failures + 1 : 0;
    tell(copy, item, outcome_name(found->outcome), found->bytes, found->error);
    if (copy->failures >= FAILURES_MAX && copy->verdict == EXITCODE_OK)
        copy->verdict = cli_queue_failed(
            copy->to, found->trouble == STORE_FATAL ? QUEUE_FATAL : QUEUE_AGAIN, "copy",
            mem_strdup("a store fails for every object; the same command again goes on from here"));
    free(found->error);
    free(found);
    return copy->verdict == EXITCODE_OK;
}

/* ---- a folder ---- */

struct cursor { /* a listing, line by line */
    struct queue *queue;
    char *prefix;
    size_t skip; /* bytes of the store's own prefix */
    struct store_op page;
    size_t next;
    char *after;
    bool begun;
};

static void cursor_open(struct cursor *cursor, struct queue *queue, const char *folder)
{
    memset(cursor, 0, sizeof(*cursor));
    cursor->queue = queue;
    cursor->prefix = mem_printf("%s%s", queue->keys.prefix, folder);
    cursor->skip = strlen(queue->keys.prefix);
}

static void cursor_close(struct cursor *cursor)
{
    if (cursor->begun)
        store_op_release(&cursor->page);
    free(cursor->after);
    free(cursor->prefix);
}

/* NULL: the end, or a failure (*code_r, said). */
static const struct store_entry *cursor_peek(struct cursor *cursor, struct cli *cli,
                                             enum exitcode *code_r)
{
    while (*code_r == EXITCODE_OK) {
        if (cursor->begun && cursor->next < cursor->page.entry_count)
            return &cursor->page.entries[cursor->next];
        if (cursor->begun && !cursor->page.more_r)
            return NULL;
        if (cursor->begun) {
            free(cursor->after);
            cursor->after = mem_strdup(cursor->page.next_after_r);
            store_op_release(&cursor->page);
        }
        store_op_init(&cursor->page, STORE_LIST, cursor->prefix);
        cursor->page.start_after = cursor->after;
        cursor->begun = true;
        cursor->next = 0;
        if (store_do(cursor->queue->store, &cursor->page) != STORE_OK)
            *code_r = cli_queue_failed(
                cli, cursor->page.status == STORE_FATAL ? QUEUE_FATAL : QUEUE_AGAIN,
                store_url(cursor->queue->store), mem_strdup(cursor->page.error));
    }
    return NULL;
}

static void add_item(struct copy *copy, const char *name, const struct folder *folder, int64_t size)
{
    copy->items[copy->item_count++] =
        (struct item){.name = mem_strdup(name), .kind = folder->kind, .size = size};
}

/* How many there will be is not known before the folder's end. */
static void show(void *arg)
{
    struct copy *copy = arg;

    progress_flow(&copy->line, copy->settled, copy->unit, copy->moved);
}

static enum exitcode flush(struct copy *copy)
{
    struct gang gang = {
        .count = copy->item_count, .show = show, .work = work, .done = done, .arg = copy};
    enum exitcode code = EXITCODE_OK;

    if (copy->dry_run) {
        for (size_t i = 0; i < copy->item_count; i++) {
            copy->settled++;
            copy->moved += copy->items[i].size;
            count_copied(copy, &copy->items[i], copy->items[i].size);
            tell(copy, &copy->items[i], "would_copy", copy->items[i].size, NULL);
        }
    } else if (copy->item_count > 0) {
        code = gang_run(copy->to, copy->target, &gang);
    }
    for (size_t i = 0; i < copy->item_count; i++)
        free(copy->items[i].name);
    copy->item_count = 0;
    return code != EXITCODE_OK ? code : copy->verdict;
}

/* Is a key of the source something to look at? Names that end in '/' and the gate's are not. */
static bool is_ours(const struct folder *folder, const char *name)
{
    size_t len = strlen(name);
    char hash[65];

    if (len == 0 || name[len - 1] == '/')
        return false;
    return folder->kind == KIND_NOTE || key_hash(name, hash);
}

static const char *unit_name(enum kind kind)
{
    switch (kind) {
    case KIND_RAW:
        return "documents";
    case KIND_OUT:
        return "results";
    case KIND_MARKER:
        return "jobs";
    case KIND_NOTE:
    case KIND_DEAD:
    case KIND_FAILED:
        return "records";
    }
    return "keys";
}

static void note_present(struct copy *copy, const struct folder *folder, const char *name)
{
    char hash[65];

    copy->totals->present++;
    copy->settled++;
    show(copy);
    if (folder->kind == KIND_RAW && key_hash(name, hash))
        seen_add(&copy->raws, hash);
    copy->manifest_kept |= strncmp(name, "registry/manifest", 17) == 0;
}

static enum exitcode copy_folder(struct copy *copy, const struct folder *folder)
{
    struct cursor from, to;
    enum exitcode code = EXITCODE_OK;
    const struct store_entry *here, *there;

    progress_begin(&copy->line, copy->cli, folder->name);
    copy->unit = unit_name(folder->kind);
    copy->settled = copy->moved = 0;
    cursor_open(&from, copy->source, folder->name);
    cursor_open(&to, copy->target, folder->name);
    while ((here = cursor_peek(&from, copy->from, &code)) != NULL) {
        const char *name = here->key + from.skip;
        int order = 1;

        if (cli_stopped()) {
            code = EXITCODE_INTERRUPTED;
            break;
        }
        while ((there = cursor_peek(&to, copy->to, &code)) != NULL &&
               (order = strcmp(there->key + to.skip, name)) < 0)
            to.next++;
        if (code != EXITCODE_OK)
            break;
        from.next++;
        if (!is_ours(folder, name))
            continue;
        /* A document of another size cannot be what its name says: it is written anew. */
        if (there == NULL || order != 0 || (folder->kind == KIND_RAW && there->size != here->size))
            add_item(copy, name, folder, here->size);
        else
            note_present(copy, folder, name);
        if (copy->item_count == CHUNK)
            code = flush(copy);
    }
    cursor_close(&from);
    cursor_close(&to);
    code = code == EXITCODE_OK ? flush(copy) : code;
    progress_end(&copy->line);
    return code;
}

/* ---- the manifest, where the target has one ---- */

struct merging {
    struct copy *copy;
    struct manifest *into;
    enum queue_result result;
    char *error;
};

static bool merge_entry(void *arg, const struct manifest_entry *entry)
{
    struct merging *merging = arg;
    struct manifest_note note = {.hash = entry->hash,
                                 .source = entry->source,
                                 .tags = (const char *const *)entry->tags,
                                 .tag_count = entry->tag_count,
                                 .size_bytes = entry->size_bytes,
                                 .known = true};

    for (size_t i = 0; i < entry->path_count; i++) {
        note.path = entry->paths[i];
        manifest_note_file(merging->into, &note);
    }
    for (size_t i = 0; i < entry->path_raw_count; i++) {
        struct buf path = BUF_INIT;

        percent_decode(&path, entry->paths_raw[i]);
        note.path = buf_text(&path);
        manifest_note_file(merging->into, &note);
        buf_release(&path);
    }
    if (manifest_flush_due(merging->into))
        merging->result = manifest_flush(merging->into, &merging->error);
    return merging->result == QUEUE_OK && !cli_stopped();
}

static enum exitcode merge_manifest(struct copy *copy)
{
    struct merging merging = {.copy = copy, .into = manifest_create(copy->target)};
    struct manifest *from = manifest_create(copy->source);
    enum exitcode code = EXITCODE_OK;
    char *error = NULL;
    enum queue_result result = manifest_each(from, merge_entry, &merging, &error);

    if (result == QUEUE_OK && merging.result == QUEUE_OK)
        merging.result = manifest_flush(merging.into, &merging.error);
    if (result != QUEUE_OK) {
        code = cli_queue_failed(copy->from, result, "manifest of the source", error);
        error = NULL;
    } else if (merging.result != QUEUE_OK) {
        code = cli_queue_failed(copy->to, merging.result, "manifest of the target", merging.error);
        merging.error = NULL;
    }
    if (code == EXITCODE_DATAERR) { /* an index, not the truth: the rest goes on */
        copy->totals->errors++;
        code = EXITCODE_OK;
    }
    free(error);
    free(merging.error);
    manifest_destroy(from);
    manifest_destroy(merging.into);
    return code;
}

/* ---- all of it ---- */

static enum queue_result count_lock(void *arg, const char *hash, const struct store_entry *entry)
{
    struct copy *copy = arg;

    (void)hash;
    (void)entry;
    copy->totals->processing++;
    return QUEUE_OK;
}

static enum exitcode count_locks(struct copy *copy)
{
    char *error = NULL;
    enum queue_result result = scan_folder(copy->source, SCAN_LOCK, count_lock, copy, &error);

    return result == QUEUE_OK ? EXITCODE_OK
                              : cli_queue_failed(copy->from, result, "processing", error);
}

static enum exitcode run_folders(struct copy *copy)
{
    enum exitcode code = count_locks(copy);

    /* Before anything is written: what the target knows by itself. */
    known_init(&copy->known, copy->target, SCAN_ALL);
    known_spent(&copy->known, UINT32_MAX);
    known_prepare(&copy->known);
    for (size_t i = 0; i < ARRAY_LEN(folders) && code == EXITCODE_OK; i++) {
        bool last_of_manifest = strcmp(folders[i].name, "registry/manifest") == 0;

        code = copy_folder(copy, &folders[i]);
        if (code == EXITCODE_OK && last_of_manifest && copy->manifest_kept && !copy->dry_run)
            code = merge_manifest(copy);
    }
    return code;
}

enum exitcode copy_run(struct cli *cli, struct cli *from, struct cli *to, bool dry_run,
                       struct copy_totals *totals_r)
{
    struct copy *copy = mem_alloc(sizeof(*copy));
    enum exitcode code;

    memset(totals_r, 0, sizeof(*totals_r));
    copy->cli = cli;
    copy->from = from;
    copy->to = to;
    copy->dry_run = dry_run;
    copy->totals = totals_r;
    copy->items = mem_alloc(CHUNK * sizeof(*copy->items));
    pthread_mutex_init(&copy->lock, NULL);
    code = cli_open(from, CLI_READ, &copy->source);
    if (code == EXITCODE_OK)
        code = cli_open(to, dry_run ? CLI_CREATE : CLI_CREATE | CLI_WRITE, &copy->target);
    if (code == EXITCODE_OK)
        code = run_folders(copy);
    if (code == EXITCODE_OK && totals_r->errors > 0)
        code = EXITCODE_PARTIAL;
    for (size_t i = 0; i < copy->item_count; i++)
        free(copy->items[i].name);
    while (copy->spare_count > 0)
        store_close(copy->spare[--copy->spare_count]);
    known_release(&copy->known);
    seen_release(&copy->raws);
    pthread_mutex_destroy(&copy->lock);
    free(copy->items);
    free(copy);
    return code;
}
