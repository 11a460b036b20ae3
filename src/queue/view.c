/* See view.h: looking at jobs without changing them. */
#include "queue/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "queue/scan.h"
#include "queue/step.h"
#include "queue/view_look.h"

static const char *const state_names[JOB_STATE_COUNT] = {"todo", "processing", "failed", "dead",
                                                         "done", "raw",        "unknown"};

const char *job_state_name(enum job_state state)
{
    return state_names[state];
}

bool job_state_parse(const char *text, enum job_state *state_r)
{
    for (size_t i = 0; i < JOB_STATE_COUNT; i++) {
        if (strcmp(state_names[i], text) == 0) {
            *state_r = (enum job_state)i;
            return true;
        }
    }
    return false;
}

enum job_state view_state_of(unsigned has, bool over_result, bool over_dead)
{
    if ((has & SCAN_BIT(SCAN_OUT)) != 0 && !over_result)
        return JOB_DONE;
    if ((has & SCAN_BIT(SCAN_DEAD)) != 0 && !over_dead)
        return JOB_DEAD;
    if ((has & SCAN_BIT(SCAN_LOCK)) != 0)
        return JOB_PROCESSING;
    if ((has & SCAN_BIT(SCAN_FAILED)) != 0)
        return JOB_FAILED;
    if ((has & (SCAN_MARKERS | SCAN_BIT(SCAN_TODO_UNKNOWN))) != 0)
        return JOB_TODO;
    return (has & SCAN_BIT(SCAN_RAW)) != 0 ? JOB_RAW : JOB_UNKNOWN;
}

/* ---- one job ---- */

static void name_damaged(struct job_view *view, const char *what)
{
    if (view->damaged == NULL)
        view->damaged = mem_strdup(what);
}

static void read_raw(struct job_view *view, const struct store_op *op)
{
    view->size_bytes = op->size_r;
    view->name = record_meta_text(op, "original-name");
    view->tags_json = record_meta_text(op, "tags");
}

/* The highest tier's marker speaks for the job; of twins it is the one that stays. */
static void read_marker(struct job_view *view, enum tier tier, const struct store_op *op)
{
    if (view->has_marker)
        return;
    view->has_marker = true;
    view->tier = tier;
    view->tier_known = true;
    if (record_todo_read(buf_text(&op->data), op->data.len, &view->todo) == RECORD_DAMAGED)
        name_damaged(view, "todo");
    if (view->todo.queued_at == 0) /* a fresh one is empty: it was queued when it was written */
        view->todo.queued_at = op->modified_ms_r;
}

static void read_lock(struct queue *queue, struct job_view *view, const struct store_op *op)
{
    view->has_lock = true;
    if (record_lock_read(buf_text(&op->data), op->data.len, &view->lock) != RECORD_OK)
        name_damaged(view, "processing");
    view->stale = op->date_ms_r - op->modified_ms_r > queue->limits.stale_ms;
    if (!view->tier_known && view->lock.tier_known) {
        view->tier = view->lock.tier;
        view->tier_known = true;
    }
}

static void read_place(struct queue *queue, struct job_view *view, enum scan_place place,
                       const struct store_op *op)
{
    const char *bytes = buf_text(&op->data);
    size_t len = op->data.len;

    switch (place) {
    case SCAN_LOCK:
        read_lock(queue, view, op);
        return;
    case SCAN_FAILED:
        view->has_failed = true;
        if (record_failed_read(bytes, len, &view->failed) != RECORD_OK)
            name_damaged(view, "failed");
        return;
    case SCAN_DEAD:
        view->has_dead = true;
        if (record_dead_read(bytes, len, &view->dead) != RECORD_OK)
            name_damaged(view, "dead");
        return;
    case SCAN_OUT:
        view->has_result = true;
        view->result_bytes = op->size_r;
        view->done_ms = op->modified_ms_r;
        return;
    case SCAN_RAW:
        view->has_raw = true;
        read_raw(view, op);
        return;
    case SCAN_TODO_UNKNOWN:
        view->has_marker = true;
        return;
    case SCAN_TODO:
    case SCAN_COUNT:
        break;
    }
    read_marker(view, (enum tier)place, op);
}

void view_look_init(struct queue *queue, const char *hash, enum scan_place place,
                    struct store_op *op, char key[static KEY_SIZE])
{
    bool large = place == SCAN_OUT || place == SCAN_RAW;

    scan_key(&queue->keys, place, hash, key);
    if (place == SCAN_OUT)
        key_out(&queue->keys, hash, key);
    else if (place == SCAN_RAW)
        key_raw(&queue->keys, hash, key);
    store_op_init(op, large ? STORE_HEAD : STORE_GET, key);
}

static void view_init(struct job_view *view, const char *hash)
{
    memset(view, 0, sizeof(*view));
    snprintf(view->hash, sizeof(view->hash), "%s", hash);
    view->state = JOB_UNKNOWN;
    view->tier = TIER_DEFAULT;
    view->size_bytes = view->result_bytes = -1;
}

/* `ops`: one of each place; where there was nothing, or nobody asked, its status is not OK. */
static void view_fill(struct queue *queue, struct job_view *view, const struct store_op *ops)
{
    bool over_result, over_dead;
    unsigned has = 0;

    for (unsigned place = 0; place < SCAN_COUNT; place++) {
        if (ops[place].status == STORE_OK) {
            has |= SCAN_BIT(place);
            read_place(queue, view, (enum scan_place)place, &ops[place]);
        }
    }
    over_result = record_todo_over_result(&view->todo, ops[SCAN_OUT].etag_r);
    over_dead = record_todo_over_dead(&view->todo, ops[SCAN_DEAD].etag_r, view->dead.generation);
    view->state = view_state_of(has, over_result, over_dead);
    if (!view->tier_known && view->has_failed && view->failed.tier_known)
        view->tier = view->failed.tier;
}

/* Reads, of each job, the places in its mask; all at once. */
static enum queue_result read_views(struct queue *queue, const char (*hashes)[65],
                                    const unsigned *masks, size_t count, struct job_view *views_r,
                                    char **error_r)
{
    size_t most = count * SCAN_COUNT, asked = 0;
    struct store_op *asks = mem_alloc((most + 1) * sizeof(*asks));
    struct store_op *ops = mem_alloc((most + 1) * sizeof(*ops));
    char(*keys)[KEY_SIZE] = mem_alloc((most + 1) * KEY_SIZE);
    enum queue_result result;

    for (size_t at = 0; at < most; at++) {
        store_op_init(&ops[at], STORE_GET, "");
        ops[at].status = STORE_NOT_FOUND;
        if ((masks[at / SCAN_COUNT] & SCAN_BIT(at % SCAN_COUNT)) != 0) {
            view_look_init(queue, hashes[at / SCAN_COUNT], (enum scan_place)(at % SCAN_COUNT),
                           &asks[asked], keys[asked]);
            asked++;
        }
    }
    result = step_read(queue, NULL, asks, asked, error_r);
    asked = 0;
    for (size_t at = 0; at < most; at++) /* moved: what an answer holds is the place's now */
        if ((masks[at / SCAN_COUNT] & SCAN_BIT(at % SCAN_COUNT)) != 0)
            ops[at] = asks[asked++];
    for (size_t i = 0; i < count; i++) {
        view_init(&views_r[i], hashes[i]);
        if (result == QUEUE_OK)
            view_fill(queue, &views_r[i], &ops[i * SCAN_COUNT]);
    }
    for (size_t at = 0; at < most; at++)
        store_op_release(&ops[at]);
    free(keys);
    free(ops);
    free(asks);
    return result;
}

enum queue_result view_jobs(struct queue *queue, const char (*hashes)[65], size_t count,
                            struct job_view *views_r, char **error_r)
{
    unsigned *masks = mem_alloc((count + 1) * sizeof(*masks));
    enum queue_result result;

    *error_r = NULL;
    for (size_t i = 0; i < count; i++)
        masks[i] = SCAN_ALL;
    result = read_views(queue, hashes, masks, count, views_r, error_r);
    free(masks);
    return result;
}

enum queue_result view_job(struct queue *queue, const char *hash, struct job_view *view_r,
                           char **error_r)
{
    char hashes[1][65];

    snprintf(hashes[0], sizeof(hashes[0]), "%s", hash);
    return view_jobs(queue, (const char(*)[65])hashes, 1, view_r, error_r);
}

void job_view_release(struct job_view *view)
{
    free(view->name);
    free(view->tags_json);
    free(view->damaged);
    record_todo_release(&view->todo);
    record_lock_release(&view->lock);
    record_failed_release(&view->failed);
    record_dead_release(&view->dead);
    memset(view, 0, sizeof(*view));
}

/* ---- listings ---- */

static enum queue_result read_generation(struct queue *queue, const char *hash,
                                         int64_t *generation_r, char **error_r)
{
    char key[KEY_SIZE];
    struct store_op op;
    enum queue_result result;

    *generation_r = -1;
    store_op_init(&op, STORE_GET, key_dead(&queue->keys, hash, key));
    result = step_read(queue, NULL, &op, 1, error_r);
    if (result == QUEUE_OK && op.status == STORE_OK)
        *generation_r = record_dead_generation(buf_text(&op.data), op.data.len);
    store_op_release(&op);
    return result;
}

enum queue_result view_over(struct queue *queue, const char *hash, const struct store_op *marker,
                            const char *out_etag, const char *dead_etag, bool *over_result,
                            bool *over_dead, char **error_r)
{
    struct record_todo todo;
    int64_t generation = -1;
    enum queue_result result = QUEUE_OK;

    if (marker->status != STORE_OK ||
        record_todo_read(buf_text(&marker->data), marker->data.len, &todo) != RECORD_OK)
        return QUEUE_OK;
    if (out_etag[0] != '\0' && record_todo_over_result(&todo, out_etag))
        *over_result = true;
    if (dead_etag[0] != '\0' && todo.generation > 0)
        result = read_generation(queue, hash, &generation, error_r);
    if (dead_etag[0] != '\0' && record_todo_over_dead(&todo, dead_etag, generation))
        *over_dead = true;
    record_todo_release(&todo);
    return result;
}

struct listing {
    struct queue *queue;
    struct job_counts *counts; /* counting, or ... */
    unsigned wanted;           /* ... listing what is in one of these states */
    bool (*each)(void *arg, const struct view_line *line);
    struct viewing *viewing; /* listing with all that is known: those to be read next */
    void *arg;
    char **error_r;
};

#define VIEWS 64 /* jobs read at once: hardly more than three requests each */

struct viewing {
    bool (*each)(void *arg, struct job_view *view);
    char hashes[VIEWS][65];
    unsigned masks[VIEWS];
    struct job_view views[VIEWS];
    size_t count;
    bool ended; /* `each` has enough */
};

/* A marker with a body beside a result or dead record: only its `over` says which one stands. */
static enum queue_result look_over(struct listing *listing, const struct scan_job *job,
                                   bool *over_result, bool *over_dead)
{
    const struct store_entry *out = job->at[SCAN_OUT], *dead = job->at[SCAN_DEAD];
    enum queue_result result = QUEUE_OK;

    for (unsigned tier = 0; tier < TIER_COUNT && result == QUEUE_OK; tier++) {
        struct store_op op;

        if ((out == NULL && dead == NULL) || job->at[tier] == NULL || job->at[tier]->size == 0)
            continue;
        store_op_init(&op, STORE_GET, job->at[tier]->key);
        result = step_read(listing->queue, NULL, &op, 1, listing->error_r);
        if (result == QUEUE_OK)
            result =
                view_over(listing->queue, job->hash, &op, out != NULL ? out->etag : "",
                          dead != NULL ? dead->etag : "", over_result, over_dead, listing->error_r);
        store_op_release(&op);
    }
    return result;
}

static enum tier listed_tier(const struct scan_job *job)
{
    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        if (job->at[tier] != NULL)
            return (enum tier)tier;
    return TIER_DEFAULT;
}

static void count_job(struct job_counts *counts, enum job_state state, enum tier tier)
{
    switch (state) {
    case JOB_TODO:
        counts->todo[tier]++;
        return;
    case JOB_PROCESSING:
        counts->processing++;
        return;
    case JOB_FAILED:
        counts->failed++;
        return;
    case JOB_DEAD:
        counts->dead++;
        return;
    case JOB_DONE:
        counts->done++;
        return;
    case JOB_RAW:
    case JOB_UNKNOWN:
        return;
    }
}

/* When the object came that puts the job into its state. */
static int64_t listed_since(const struct scan_job *job, enum job_state state)
{
    const struct store_entry *entry = NULL;

    switch (state) {
    case JOB_DONE:
        entry = job->at[SCAN_OUT];
        break;
    case JOB_DEAD:
        entry = job->at[SCAN_DEAD];
        break;
    case JOB_PROCESSING:
        entry = job->at[SCAN_LOCK];
        break;
    case JOB_FAILED:
        entry = job->at[SCAN_FAILED];
        break;
    case JOB_TODO:
        for (unsigned place = 0; place <= SCAN_TODO_UNKNOWN && entry == NULL; place++)
            entry = job->at[place];
        break;
    case JOB_RAW:
        entry = job->at[SCAN_RAW];
        break;
    case JOB_UNKNOWN:
        break;
    }
    return entry != NULL ? entry->modified_ms : 0;
}

/* Reads and hands out the jobs that were collected. Who has changed his state since he was listed
 * is left out: he is another listing's. */
static enum queue_result flush_views(struct listing *listing)
{
    struct viewing *v = listing->viewing;
    enum queue_result result;

    if (v->count == 0)
        return QUEUE_OK;
    result = read_views(listing->queue, (const char(*)[65])v->hashes, v->masks, v->count, v->views,
                        listing->error_r);
    for (size_t i = 0; i < v->count; i++) {
        if (result == QUEUE_OK && !v->ended &&
            (listing->wanted & JOB_STATE_BIT(v->views[i].state)) != 0)
            v->ended = !v->each(listing->arg, &v->views[i]);
        job_view_release(&v->views[i]);
    }
    v->count = 0;
    return result == QUEUE_OK && v->ended ? QUEUE_NONE : result;
}

static enum queue_result collect(struct listing *listing, const struct scan_job *job)
{
    struct viewing *v = listing->viewing;

    memcpy(v->hashes[v->count], job->hash, sizeof(v->hashes[0]));
    v->masks[v->count++] = job->has | SCAN_BIT(SCAN_RAW); /* its name */
    return v->count == VIEWS ? flush_views(listing) : QUEUE_OK;
}

static enum queue_result list_job(void *arg, const struct scan_job *job)
{
    struct listing *listing = arg;
    bool over_result = false, over_dead = false;
    enum queue_result result = look_over(listing, job, &over_result, &over_dead);
    enum job_state state = view_state_of(job->has, over_result, over_dead);

    if (result != QUEUE_OK)
        return result;
    if (listing->counts != NULL) {
        count_job(listing->counts, state, listed_tier(job));
    } else if ((listing->wanted & JOB_STATE_BIT(state)) != 0) {
        struct view_line line = {job->hash, state, listed_tier(job), listed_since(job, state)};
        if (listing->viewing != NULL)
            return collect(listing, job);
        if (!listing->each(listing->arg, &line))
            return QUEUE_NONE;
    }
    return QUEUE_OK;
}

enum queue_result view_counts(struct queue *queue, struct job_counts *counts_r, char **error_r)
{
    struct listing listing = {.queue = queue, .counts = counts_r, .error_r = error_r};

    *error_r = NULL;
    memset(counts_r, 0, sizeof(*counts_r));
    return scan_jobs(queue, SCAN_ALL & ~SCAN_BIT(SCAN_RAW), list_job, &listing, error_r);
}

enum queue_result view_select(struct queue *queue, unsigned states,
                              bool (*each)(void *arg, const struct view_line *line), void *arg,
                              char **error_r)
{
    struct listing listing = {
        .queue = queue, .wanted = states, .each = each, .arg = arg, .error_r = error_r};
    bool raw = (states & JOB_STATE_BIT(JOB_RAW)) != 0;

    *error_r = NULL;
    return scan_jobs(queue, raw ? SCAN_ALL : SCAN_ALL & ~SCAN_BIT(SCAN_RAW), list_job, &listing,
                     error_r);
}

struct one_state {
    bool (*each)(void *arg, const char *hash, enum tier tier);
    void *arg;
};

static bool pass_on(void *arg, const struct view_line *line)
{
    const struct one_state *one = arg;

    return one->each(one->arg, line->hash, line->tier);
}

enum queue_result view_list(struct queue *queue, enum job_state state,
                            bool (*each)(void *arg, const char *hash, enum tier tier), void *arg,
                            char **error_r)
{
    struct one_state one = {each, arg};

    return view_select(queue, JOB_STATE_BIT(state), pass_on, &one, error_r);
}

enum queue_result view_list_jobs(struct queue *queue, enum job_state state,
                                 bool (*each)(void *arg, struct job_view *view), void *arg,
                                 char **error_r)
{
    struct viewing *viewing = mem_alloc(sizeof(*viewing));
    struct listing listing = {.queue = queue,
                              .wanted = JOB_STATE_BIT(state),
                              .viewing = viewing,
                              .arg = arg,
                              .error_r = error_r};
    unsigned places = state == JOB_RAW ? SCAN_ALL : SCAN_ALL & ~SCAN_BIT(SCAN_RAW);
    enum queue_result result;

    *error_r = NULL;
    viewing->each = each;
    result = scan_jobs(queue, places, list_job, &listing, error_r);
    if (result == QUEUE_OK && !viewing->ended)
        result = flush_views(&listing);
    free(viewing);
    return result == QUEUE_NONE ? QUEUE_OK : result;
}

/* ---- names and histories ---- */

#define RESOLVE_SHOWN 5 /* candidates that a message names */

static int compare_hashes(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Sorts, drops doubles; returns how many are left. */
static size_t unique(char (*hashes)[65], size_t count)
{
    size_t kept = 0;

    if (count > 1)
        qsort(hashes, count, sizeof(hashes[0]), compare_hashes);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || strcmp(hashes[kept - 1], hashes[i]) != 0)
            memmove(hashes[kept++], hashes[i], sizeof(hashes[0]));
    return kept;
}

static void name_candidates(char (*hashes)[65], size_t count, const char *text, char **error_r)
{
    struct buf line = BUF_INIT;

    buf_printf(&line, "%s is ambiguous:", text);
    for (size_t i = 0; i < count && i < RESOLVE_SHOWN; i++)
        buf_printf(&line, " %.16s", hashes[i]);
    if (count > RESOLVE_SHOWN)
        buf_puts(&line, " and more");
    *error_r = buf_steal(&line);
}

enum queue_result view_resolve(struct queue *queue, const char *text, char hash_r[static 65],
                               int *matches_r, char **error_r)
{
    size_t len = strlen(text), count = 0;
    struct store_op ops[SCAN_COUNT];
    char(*keys)[KEY_SIZE], (*hashes)[65];
    enum queue_result result;

    *error_r = NULL;
    *matches_r = 0;
    hash_r[0] = '\0';
    if (len < 4 || len > 64 || strspn(text, "0123456789abcdef") != len)
        return QUEUE_NONE;
    keys = mem_alloc(SCAN_COUNT * KEY_SIZE);
    hashes = mem_alloc((size_t)SCAN_COUNT * (RESOLVE_SHOWN + 1) * sizeof(hashes[0]));
    for (unsigned place = 0; place < SCAN_COUNT; place++) {
        scan_key(&queue->keys, (enum scan_place)place, text, keys[place]);
        store_op_init(&ops[place], STORE_LIST, keys[place]);
        ops[place].max_keys = RESOLVE_SHOWN + 1;
    }
    result = step_read(queue, NULL, ops, SCAN_COUNT, error_r);
    for (unsigned place = 0; place < SCAN_COUNT; place++) {
        for (size_t i = 0; i < ops[place].entry_count && i <= RESOLVE_SHOWN; i++)
            if (key_hash(ops[place].entries[i].key, hashes[count]))
                count++;
        store_op_release(&ops[place]);
    }
    count = unique(hashes, count);
    if (result == QUEUE_OK) {
        *matches_r = (int)count;
        if (count == 0)
            result = QUEUE_NONE;
        if (count > 0)
            memcpy(hash_r, hashes[0], 65);
        if (count > 1)
            name_candidates(hashes, count, text, error_r);
    }
    free(hashes);
    free(keys);
    return result;
}
