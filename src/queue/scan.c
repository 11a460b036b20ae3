/* See scan.h: listings of all folders, merged by hash. */
#include "queue/scan.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "queue/step.h"

#define FANOUT 16   /* children of a shard: one more digit */
#define DEPTH_MAX 3 /* 4096 shards; beyond, pages are read one after the other */
/* Lines of a shard that are read page by page beside its siblings', rather than cut further: a page
 * a thousand lines is what a listing costs, a cut costs sixteen. 16 × 8192 lines are some 30 MB. */
#define PAGED_MAX 8192

/* What is known of one place in one shard: a run of lines, and whether more follow. */
struct stream {
    struct store_op *ops; /* one per page read; owned */
    size_t op_count;
    const struct store_entry **lines;
    size_t count, next;
    bool more;
    char *after; /* where the next page begins; owned */
};

struct shard {
    char digits[DEPTH_MAX + 1];
    bool paged; /* read page by page, not cut */
    struct stream streams[SCAN_COUNT];
};

struct scan {
    struct queue *queue;
    unsigned places;
    enum queue_result (*each)(void *arg, const struct scan_job *job);
    void *arg;
    char **error_r;
};

const char *scan_key(const struct keys *keys, enum scan_place place, const char *hash,
                     char key_r[static KEY_SIZE])
{
    switch (place) {
    case SCAN_TODO_UNKNOWN:
        return key_folder(keys, KEY_FOLDER_TODO_UNKNOWN, TIER_DEFAULT, hash, key_r);
    case SCAN_LOCK:
        return key_folder(keys, KEY_FOLDER_PROCESSING, TIER_DEFAULT, hash, key_r);
    case SCAN_FAILED:
        return key_folder(keys, KEY_FOLDER_FAILED, TIER_DEFAULT, hash, key_r);
    case SCAN_DEAD:
        return key_folder(keys, KEY_FOLDER_DEAD, TIER_DEFAULT, hash, key_r);
    case SCAN_OUT:
        return key_folder(keys, KEY_FOLDER_OUT, TIER_DEFAULT, hash, key_r);
    case SCAN_RAW:
        return key_folder(keys, KEY_FOLDER_RAW, TIER_DEFAULT, hash, key_r);
    case SCAN_TODO:
    case SCAN_COUNT:
        break;
    }
    return key_folder(keys, KEY_FOLDER_TODO, (enum tier)place, hash, key_r);
}

static void stream_release(struct stream *stream)
{
    for (size_t i = 0; i < stream->op_count; i++)
        store_op_release(&stream->ops[i]);
    free(stream->ops);
    free(stream->lines);
    free(stream->after);
    memset(stream, 0, sizeof(*stream));
}

static void shard_release(struct shard *shard)
{
    for (size_t i = 0; i < SCAN_COUNT; i++)
        stream_release(&shard->streams[i]);
}

static void add_line(struct stream *stream, const struct store_entry *line)
{
    char hash[65];

    if (!key_hash(line->key, hash))
        return; /* a helper object or a folder's own key: no job */
    if ((stream->count & (stream->count - 1)) == 0)
        stream->lines = mem_resize(stream->lines, stream->count ? stream->count * 2 : 1,
                                   sizeof(*stream->lines));
    stream->lines[stream->count++] = line;
}

/* Takes the page's lines and memory over. */
static void add_page(struct stream *stream, struct store_op *op)
{
    struct store_op *page;

    stream->ops = mem_resize(stream->ops, stream->op_count + 1, sizeof(*stream->ops));
    page = &stream->ops[stream->op_count++];
    *page = *op;
    store_op_init(op, STORE_LIST, "");
    page->key = page->start_after = NULL; /* were borrowed */
    for (size_t i = 0; i < page->entry_count; i++)
        add_line(stream, &page->entries[i]);
    free(stream->after);
    stream->after = mem_strdup(page->next_after_r);
    stream->more = page->more_r;
}

/* The lines of a whole parent stream that belong to a child: borrowed from the parent's pages. */
static void inherit(struct stream *child, const struct stream *parent, const char *digits)
{
    char hash[65];

    for (size_t i = 0; i < parent->count; i++)
        if (key_hash(parent->lines[i]->key, hash) && strncmp(hash, digits, strlen(digits)) == 0)
            add_line(child, parent->lines[i]);
}

/* First pages of `count` shards, all at once. Whole streams of the parent are not listed again. */
static enum queue_result load(struct scan *scan, struct shard *shards, size_t count,
                              const struct shard *parent)
{
    size_t most = count * SCAN_COUNT, used = 0;
    struct store_op *ops = mem_alloc(most * sizeof(*ops));
    char(*keys)[KEY_SIZE] = mem_alloc(most * KEY_SIZE);
    struct stream **targets = mem_alloc(most * sizeof(struct stream *));
    enum queue_result result;

    for (size_t i = 0; i < count; i++) {
        for (unsigned place = 0; place < SCAN_COUNT; place++) {
            if ((scan->places & SCAN_BIT(place)) == 0)
                continue;
            if (parent != NULL && !parent->streams[place].more) {
                inherit(&shards[i].streams[place], &parent->streams[place], shards[i].digits);
                continue;
            }
            scan_key(&scan->queue->keys, (enum scan_place)place, shards[i].digits, keys[used]);
            store_op_init(&ops[used], STORE_LIST, keys[used]);
            targets[used++] = &shards[i].streams[place];
        }
    }
    result = step_read(scan->queue, NULL, ops, used, scan->error_r);
    for (size_t i = 0; i < used; i++) {
        if (result == QUEUE_OK)
            add_page(targets[i], &ops[i]);
        store_op_release(&ops[i]);
    }
    free(targets);
    free(keys);
    free(ops);
    return result;
}

/* How many lines the shard has, as far as a first page tells: hashes are spread evenly. */
static double estimate(const struct shard *shard)
{
    size_t depth = strlen(shard->digits);
    double sum = 0;

    for (size_t i = 0; i < SCAN_COUNT; i++) {
        const struct stream *stream = &shard->streams[i];
        char hash[65], digits[7];

        if (!stream->more) {
            sum += (double)stream->count;
        } else if (stream->count == 0 || !key_hash(stream->lines[stream->count - 1]->key, hash)) {
            sum += PAGED_MAX + 1; /* a page without a job: nothing is known */
        } else {
            memcpy(digits, hash + depth, 6);
            digits[6] = '\0';
            sum += (double)stream->count * 0x1000000 / (double)(strtoul(digits, NULL, 16) + 1);
        }
    }
    return sum;
}

/* The further pages of those siblings that are not worth a cut: one page of each at once. */
static enum queue_result load_pages(struct scan *scan, struct shard *shards, size_t count)
{
    size_t most = count * SCAN_COUNT, used;
    struct store_op *ops = mem_alloc(most * sizeof(*ops));
    char(*keys)[KEY_SIZE] = mem_alloc(most * KEY_SIZE);
    struct stream **targets = mem_alloc(most * sizeof(struct stream *));
    enum queue_result result = QUEUE_OK;

    for (size_t i = 0; i < count; i++)
        shards[i].paged = estimate(&shards[i]) <= PAGED_MAX;
    do {
        used = 0;
        for (size_t i = 0; i < count; i++) {
            for (unsigned place = 0; place < SCAN_COUNT && shards[i].paged; place++) {
                struct stream *stream = &shards[i].streams[place];

                if (!stream->more)
                    continue;
                scan_key(&scan->queue->keys, (enum scan_place)place, shards[i].digits, keys[used]);
                store_op_init(&ops[used], STORE_LIST, keys[used]);
                ops[used].start_after = stream->after;
                targets[used++] = stream;
            }
        }
        if (used > 0)
            result = step_read(scan->queue, NULL, ops, used, scan->error_r);
        for (size_t i = 0; i < used; i++) {
            if (result == QUEUE_OK)
                add_page(targets[i], &ops[i]);
            store_op_release(&ops[i]);
        }
    } while (used > 0 && result == QUEUE_OK);
    free(targets);
    free(keys);
    free(ops);
    return result;
}

/* The rest of a stream's pages. */
static enum queue_result load_rest(struct scan *scan, const char *digits, enum scan_place place,
                                   struct stream *stream)
{
    char key[KEY_SIZE];
    enum queue_result result = QUEUE_OK;

    scan_key(&scan->queue->keys, place, digits, key);
    while (stream->more && result == QUEUE_OK) {
        struct store_op op;

        store_op_init(&op, STORE_LIST, key);
        op.start_after = stream->after;
        result = step_read(scan->queue, NULL, &op, 1, scan->error_r);
        if (result == QUEUE_OK)
            add_page(stream, &op);
        store_op_release(&op);
    }
    return result;
}

/* The next hash of the shard with all its lines; false: none is left. */
static bool next_job(struct shard *shard, struct scan_job *job)
{
    char hash[65];

    memset(job, 0, sizeof(*job));
    for (size_t i = 0; i < SCAN_COUNT; i++) {
        struct stream *stream = &shard->streams[i];

        if (stream->next < stream->count && key_hash(stream->lines[stream->next]->key, hash) &&
            (job->hash[0] == '\0' || strcmp(hash, job->hash) < 0))
            memcpy(job->hash, hash, sizeof(job->hash));
    }
    if (job->hash[0] == '\0')
        return false;
    for (size_t i = 0; i < SCAN_COUNT; i++) {
        struct stream *stream = &shard->streams[i];

        if (stream->next < stream->count && key_hash(stream->lines[stream->next]->key, hash) &&
            strcmp(hash, job->hash) == 0) {
            job->at[i] = stream->lines[stream->next++];
            job->has |= SCAN_BIT(i);
        }
    }
    return true;
}

static enum queue_result merge(struct scan *scan, struct shard *shard)
{
    enum queue_result result = QUEUE_OK;
    struct scan_job job;

    for (unsigned place = 0; place < SCAN_COUNT && result == QUEUE_OK; place++)
        result = load_rest(scan, shard->digits, (enum scan_place)place, &shard->streams[place]);
    while (result == QUEUE_OK && next_job(shard, &job))
        result = scan->each(scan->arg, &job);
    return result;
}

static bool has_more(const struct shard *shard)
{
    for (size_t i = 0; i < SCAN_COUNT; i++)
        if (shard->streams[i].more)
            return true;
    return false;
}

static enum queue_result scan_shard(struct scan *scan, struct shard *shard)
{
    size_t depth = strlen(shard->digits);
    struct shard *children;
    enum queue_result result;

    if (!has_more(shard) || depth == DEPTH_MAX)
        return merge(scan, shard);
    children = mem_alloc(FANOUT * sizeof(*children));
    for (size_t i = 0; i < FANOUT; i++) {
        memcpy(children[i].digits, shard->digits, depth);
        children[i].digits[depth] = "0123456789abcdef"[i];
    }
    result = load(scan, children, FANOUT, shard);
    if (result == QUEUE_OK)
        result = load_pages(scan, children, FANOUT);
    for (size_t i = 0; i < FANOUT; i++) {
        if (result == QUEUE_OK)
            result = scan_shard(scan, &children[i]);
        shard_release(&children[i]);
    }
    free(children);
    return result;
}

enum queue_result scan_jobs(struct queue *queue, unsigned places,
                            enum queue_result (*each)(void *arg, const struct scan_job *job),
                            void *arg, char **error_r)
{
    struct scan scan = {queue, places, each, arg, error_r};
    struct shard *all = mem_alloc(sizeof(*all));
    enum queue_result result = load(&scan, all, 1, NULL);

    if (result == QUEUE_OK)
        result = scan_shard(&scan, all);
    shard_release(all);
    free(all);
    return result == QUEUE_NONE ? QUEUE_OK : result;
}

enum queue_result scan_folder(struct queue *queue, enum scan_place place,
                              enum queue_result (*each)(void *arg, const char *hash,
                                                        const struct store_entry *entry),
                              void *arg, char **error_r)
{
    enum queue_result result = QUEUE_OK;
    char key[KEY_SIZE], hash[65];
    char *after = NULL;
    bool more = true;

    scan_key(&queue->keys, place, "", key);
    while (more && result == QUEUE_OK) {
        struct store_op op;

        store_op_init(&op, STORE_LIST, key);
        op.start_after = after;
        result = step_read(queue, NULL, &op, 1, error_r);
        for (size_t i = 0; i < op.entry_count && result == QUEUE_OK; i++)
            if (key_hash(op.entries[i].key, hash))
                result = each(arg, hash, &op.entries[i]);
        more = op.more_r;
        free(after);
        after = mem_strdup(op.next_after_r);
        store_op_release(&op);
    }
    free(after);
    return result == QUEUE_NONE ? QUEUE_OK : result;
}
