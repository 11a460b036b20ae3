/* See candidates.h: which job to try next.
 *
 * First all of todo/ is listed. When that fits a page, each tier's lines are gone through from a
 * random one on, and an idle master has spent one request. Else each tier has a walk: it begins
 * behind a random pair of digits, goes on to the folder's end, and round from its beginning to
 * where it began. A page is kept until it is used up or a minute old; a walk that has gone round
 * rests until the pages are forgotten. */
#include "queue/candidates.h"

#include <bsd/sys/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "queue/scan.h"
#include "queue/step.h"

#define PAGE_AGE_MS (60 * 1000)
#define READ_BATCH 16       /* markers with a past read at once */
#define CACHE_MAX 65536     /* markers remembered; then forgotten all at once */
#define CACHE_AGE_MS 600000 /* one that no walk has met for so long is not worth its memory */

/* What a marker's body said; an ETag is a function of the content. */
struct remembered {
    RB_ENTRY(remembered) link;
    char etag[STORE_ETAG_SIZE];
    int64_t retries, attempt, not_before;
    int64_t met_boot_ms; /* by the last walk */
};
RB_HEAD(remembered_tree, remembered);

struct locked {
    RB_ENTRY(locked) link;
    char hash[65];
};
RB_HEAD(locked_tree, locked);

struct walk {
    enum tier tier;
    struct store_op page; /* LIST; its entries are the candidates */
    size_t next;          /* of the page's entries */
    char first[KEY_SIZE]; /* where the walk began: keys at or before it come last */
    char *after;          /* where the next page begins; NULL: at the folder's beginning */
    bool listing;         /* a walk is under way */
    bool wrapped;         /* it has passed the folder's end */
    bool rests;           /* it has gone round */
    size_t whole_first, whole_count, whole_turn; /* the tier's lines when all of todo/ fits a page:
                                                    where, how many, the one to begin with */
};

struct candidates {
    struct queue *queue;
    struct walk walks[TIER_COUNT];
    struct remembered_tree cache;
    size_t cached;
    struct locked_tree locked;
    struct store_op whole;  /* LIST of todo/ */
    bool whole_fits;        /* it is all there is */
    int64_t listed_boot_ms; /* when the oldest page, and processing/, was listed; 0: none is */
    int64_t next_due_ms;    /* earliest not_before that was passed over; 0: none */
};

static int compare_remembered(const struct remembered *a, const struct remembered *b)
{
    return strcmp(a->etag, b->etag);
}
static int compare_locked(const struct locked *a, const struct locked *b)
{
    return strcmp(a->hash, b->hash);
}
RB_GENERATE_INTERNAL(remembered_tree, remembered, link, compare_remembered,
                     __attribute__((unused)) static)
RB_GENERATE_INTERNAL(locked_tree, locked, link, compare_locked, __attribute__((unused)) static)

static void forget_marker(struct candidates *c, struct remembered *line)
{
    RB_REMOVE(remembered_tree, &c->cache, line);
    free(line);
    c->cached--;
}

/* Drops what no walk has met since. */
static void forget_markers(struct candidates *c, int64_t since_boot_ms)
{
    struct remembered *line, *next;

    for (line = RB_MIN(remembered_tree, &c->cache); line != NULL; line = next) {
        next = RB_NEXT(remembered_tree, &c->cache, line);
        if (line->met_boot_ms < since_boot_ms)
            forget_marker(c, line);
    }
}

static void forget_locked(struct candidates *c)
{
    struct locked *line;

    while ((line = RB_MIN(locked_tree, &c->locked)) != NULL) {
        RB_REMOVE(locked_tree, &c->locked, line);
        free(line);
    }
}

static void walk_reset(struct walk *walk)
{
    store_op_release(&walk->page);
    store_op_init(&walk->page, STORE_LIST, "");
    free(walk->after);
    walk->after = NULL;
    walk->next = 0;
    walk->listing = walk->wrapped = walk->rests = false;
    walk->whole_first = walk->whole_count = walk->whole_turn = 0;
}

struct candidates *candidates_create(struct queue *queue)
{
    struct candidates *c = mem_alloc(sizeof(*c));

    c->queue = queue;
    store_op_init(&c->whole, STORE_LIST, "");
    RB_INIT(&c->cache);
    RB_INIT(&c->locked);
    for (size_t i = 0; i < TIER_COUNT; i++) {
        c->walks[i].tier = (enum tier)i;
        walk_reset(&c->walks[i]);
    }
    return c;
}

void candidates_destroy(struct candidates *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < TIER_COUNT; i++)
        walk_reset(&c->walks[i]);
    store_op_release(&c->whole);
    forget_markers(c, INT64_MAX);
    forget_locked(c);
    free(c);
}

void candidates_refresh(struct candidates *c)
{
    for (size_t i = 0; i < TIER_COUNT; i++)
        walk_reset(&c->walks[i]);
    forget_locked(c);
    c->listed_boot_ms = 0;
    c->next_due_ms = 0;
}

/* ---- processing/ ---- */

static enum queue_result add_locked(void *arg, const char *hash, const struct store_entry *entry)
{
    struct candidates *c = arg;
    struct locked *line = mem_alloc(sizeof(*line));

    (void)entry;
    snprintf(line->hash, sizeof(line->hash), "%s", hash);
    if (RB_INSERT(locked_tree, &c->locked, line) != NULL)
        free(line);
    return QUEUE_OK;
}

static bool is_locked(struct candidates *c, const char *hash)
{
    struct locked wanted;

    snprintf(wanted.hash, sizeof(wanted.hash), "%s", hash);
    return RB_FIND(locked_tree, &c->locked, &wanted) != NULL;
}

/* Gives each walk its run of lines. */
static void divide_whole(struct candidates *c)
{
    char folder[KEY_SIZE];
    size_t next = 0;

    for (unsigned tier = 0; tier < TIER_COUNT; tier++) {
        struct walk *walk = &c->walks[tier];

        key_todo(&c->queue->keys, (enum tier)tier, "", folder);
        while (next < c->whole.entry_count && strcmp(c->whole.entries[next].key, folder) < 0)
            next++;
        walk->whole_first = next;
        while (next < c->whole.entry_count &&
               strncmp(c->whole.entries[next].key, folder, strlen(folder)) == 0)
            next++;
        walk->whole_count = next - walk->whole_first;
        walk->whole_turn = (size_t)rng_below(c->queue->rng, walk->whole_count);
    }
}

static enum queue_result list_whole(struct candidates *c, char **error_r)
{
    char key[KEY_SIZE];
    enum queue_result result;

    key_todo(&c->queue->keys, TIER_DEFAULT, "", key); /* …/todo/3_normal/ */
    key[strlen(key) - strlen(tier_name(TIER_DEFAULT)) - 1] = '\0';
    store_op_release(&c->whole);
    store_op_init(&c->whole, STORE_LIST, key);
    result = step_read(c->queue, NULL, &c->whole, 1, error_r);
    c->whole.key = "";
    c->whole_fits = result == QUEUE_OK && !c->whole.more_r;
    if (c->whole_fits)
        divide_whole(c);
    return result;
}

/* Pages older than a minute are forgotten; processing/ is listed anew with them, unless there is
 * nothing to do. */
static enum queue_result keep_fresh(struct candidates *c, char **error_r)
{
    int64_t now = clock_boot_ms(c->queue->clock);
    enum queue_result result;

    if (c->listed_boot_ms != 0 && now - c->listed_boot_ms < PAGE_AGE_MS)
        return QUEUE_OK;
    candidates_refresh(c);
    forget_markers(c, now - CACHE_AGE_MS);
    result = list_whole(c, error_r);
    if (result == QUEUE_OK && c->whole.entry_count > 0)
        result = scan_folder(c->queue, SCAN_LOCK, add_locked, c, error_r);
    if (result == QUEUE_OK)
        c->listed_boot_ms = now > 0 ? now : 1;
    return result;
}

/* ---- walking a tier ---- */

static void walk_begin(struct candidates *c, struct walk *walk)
{
    char digits[3];

    snprintf(digits, sizeof(digits), "%02x", (unsigned)rng_below(c->queue->rng, 256));
    key_todo(&c->queue->keys, walk->tier, digits, walk->first);
    walk->after = mem_strdup(walk->first);
    walk->listing = true;
}

/* The next page of the walk. */
static enum queue_result walk_page(struct candidates *c, struct walk *walk, char **error_r)
{
    char folder[KEY_SIZE];
    enum queue_result result;

    if (!walk->listing)
        walk_begin(c, walk);
    store_op_release(&walk->page);
    store_op_init(&walk->page, STORE_LIST, key_todo(&c->queue->keys, walk->tier, "", folder));
    walk->page.start_after = walk->after;
    walk->next = 0;
    result = step_read(c->queue, NULL, &walk->page, 1, error_r);
    walk->page.key = "";
    walk->page.start_after = NULL;
    if (result != QUEUE_OK)
        return result;
    free(walk->after);
    walk->after = mem_strdup(walk->page.next_after_r);
    return QUEUE_OK;
}

static bool behind_start(const struct walk *walk)
{
    return walk->wrapped && walk->next < walk->page.entry_count &&
           strcmp(walk->page.entries[walk->next].key, walk->first) > 0;
}

/* The next line of the tier, or NONE when the walk has gone round. */
static enum queue_result walk_next(struct candidates *c, struct walk *walk,
                                   const struct store_entry **entry_r, char **error_r)
{
    if (c->whole_fits && walk->next < walk->whole_count) {
        size_t line = (walk->whole_turn + walk->next++) % walk->whole_count;

        *entry_r = &c->whole.entries[walk->whole_first + line];
        return QUEUE_OK;
    }
    while (!walk->rests && !c->whole_fits) {
        enum queue_result result;

        if (behind_start(walk))
            break;
        if (walk->next < walk->page.entry_count) {
            *entry_r = &walk->page.entries[walk->next++];
            return QUEUE_OK;
        }
        if (walk->listing && walk->after == NULL) {
            if (walk->wrapped)
                break;
            walk->wrapped = true; /* from the folder's beginning */
        }
        result = walk_page(c, walk, error_r);
        if (result != QUEUE_OK)
            return result;
    }
    walk->rests = true;
    return QUEUE_NONE;
}

/* ---- markers with a past ---- */

static struct remembered *recall(struct candidates *c, const char *etag)
{
    struct remembered *line, wanted;

    snprintf(wanted.etag, sizeof(wanted.etag), "%s", etag);
    line = RB_FIND(remembered_tree, &c->cache, &wanted);
    if (line != NULL)
        line->met_boot_ms = clock_boot_ms(c->queue->clock);
    return line;
}

static void remember(struct candidates *c, const struct store_op *op)
{
    struct remembered *line;
    struct record_todo todo;

    if (op->status != STORE_OK)
        return;
    if (c->cached >= CACHE_MAX)
        forget_markers(c, INT64_MAX);
    line = mem_alloc(sizeof(*line));
    memcpy(line->etag, op->etag_r, sizeof(line->etag));
    line->met_boot_ms = clock_boot_ms(c->queue->clock);
    /* One that cannot be read has count 0 here; the claim counts it from its records. */
    if (record_todo_read(buf_text(&op->data), op->data.len, &todo) == RECORD_OK) {
        line->retries = todo.retries;
        line->attempt = todo.attempt;
        line->not_before = todo.not_before;
        record_todo_release(&todo);
    }
    if (RB_INSERT(remembered_tree, &c->cache, line) != NULL)
        free(line);
    else
        c->cached++;
}

/* Reads this marker and those behind it on the page that are not known yet, in one batch. */
static enum queue_result read_markers(struct candidates *c, struct walk *walk,
                                      const struct store_entry *entry, char **error_r)
{
    struct store_op *ops = mem_alloc(READ_BATCH * sizeof(*ops));
    const struct store_entry *end = c->whole_fits
                                        ? c->whole.entries + walk->whole_first + walk->whole_count
                                        : walk->page.entries + walk->page.entry_count;
    enum queue_result result;
    size_t count = 0;

    for (; entry < end && count < READ_BATCH; entry++)
        if (entry->size > 0 && recall(c, entry->etag) == NULL)
            store_op_init(&ops[count++], STORE_GET, entry->key);
    result = step_read(c->queue, NULL, ops, count, error_r);
    for (size_t i = 0; i < count; i++) {
        if (result == QUEUE_OK)
            remember(c, &ops[i]);
        store_op_release(&ops[i]);
    }
    free(ops);
    return result;
}

/* OK: it is due. NONE: passed over. */
static enum queue_result consider(struct candidates *c, struct walk *walk,
                                  const struct store_entry *entry, struct candidate *candidate_r,
                                  char **error_r)
{
    struct remembered *line;
    enum queue_result result;

    memset(candidate_r, 0, sizeof(*candidate_r));
    if (!key_hash(entry->key, candidate_r->hash) || is_locked(c, candidate_r->hash))
        return QUEUE_NONE;
    candidate_r->tier = walk->tier;
    memcpy(candidate_r->etag, entry->etag, sizeof(candidate_r->etag));
    if (entry->size == 0)
        return QUEUE_OK;
    candidate_r->with_past = true;
    line = recall(c, entry->etag);
    if (line == NULL) {
        result = read_markers(c, walk, entry, error_r);
        if (result != QUEUE_OK)
            return result;
        line = recall(c, entry->etag);
    }
    if (line == NULL)
        return QUEUE_NONE; /* gone or changed since it was listed */
    candidate_r->retries = line->retries;
    candidate_r->attempt = line->attempt;
    candidate_r->not_before = line->not_before;
    if (line->not_before > store_server_ms(c->queue->store, c->queue->clock)) {
        if (c->next_due_ms == 0 || line->not_before < c->next_due_ms)
            c->next_due_ms = line->not_before;
        return QUEUE_NONE;
    }
    forget_marker(c, line); /* whoever claims it writes another */
    return QUEUE_OK;
}

enum queue_result candidates_next(struct candidates *c, struct candidate *candidate_r,
                                  int64_t *next_due_ms_r, char **error_r)
{
    const struct store_entry *entry;
    enum queue_result result;

    *error_r = NULL;
    *next_due_ms_r = 0;
    result = keep_fresh(c, error_r);
    for (size_t i = 0; i < TIER_COUNT && result == QUEUE_OK; i++) {
        struct walk *walk = &c->walks[i];

        while ((result = walk_next(c, walk, &entry, error_r)) == QUEUE_OK) {
            result = consider(c, walk, entry, candidate_r, error_r);
            if (result != QUEUE_NONE)
                return result;
        }
        if (result == QUEUE_NONE)
            result = QUEUE_OK;
    }
    *next_due_ms_r = c->next_due_ms;
    if (result != QUEUE_OK) {
        c->listed_boot_ms = 0; /* what was read of the round is forgotten */
        return result;
    }
    return QUEUE_NONE;
}

/* ---- is there anything left? ---- */

static enum queue_result found_one(void *arg, const char *hash, const struct store_entry *entry)
{
    bool *empty = arg;

    (void)hash, (void)entry;
    *empty = false;
    return QUEUE_NONE;
}

struct waiting {
    struct queue *queue;
    bool *empty;
    char **error_r;
};

/* Ours stand beside their marker. One of version 1, or one that cannot be read, is a job that waits
 * for the janitor to give it its marker back or to bury it, unless the job is settled, or was
 * removed. */
static enum queue_result waits_for_marker(void *arg, const char *hash,
                                          const struct store_entry *entry)
{
    struct waiting *waiting = arg;
    const struct keys *names = &waiting->queue->keys;
    char keys[3][KEY_SIZE];
    struct store_op ops[4], *failed = &ops[0], *raw = &ops[1], *out = &ops[2], *dead = &ops[3];
    struct record_failed record;
    enum queue_result result;
    bool ours = false;

    store_op_init(failed, STORE_GET, entry->key);
    store_op_init(raw, STORE_HEAD, key_raw(names, hash, keys[0]));
    store_op_init(out, STORE_HEAD, key_out(names, hash, keys[1]));
    store_op_init(dead, STORE_HEAD, key_dead(names, hash, keys[2]));
    result = step_read(waiting->queue, NULL, ops, ARRAY_LEN(ops), waiting->error_r);
    if (result == QUEUE_OK && failed->status == STORE_OK) {
        if (record_failed_read(buf_text(&failed->data), failed->data.len, &record) == RECORD_OK) {
            ours = record.claim[0] != '\0';
            record_failed_release(&record);
        }
        if (!ours && raw->status == STORE_OK && out->status == STORE_NOT_FOUND &&
            dead->status == STORE_NOT_FOUND)
            *waiting->empty = false;
    }
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        store_op_release(&ops[i]);
    return result == QUEUE_OK && !*waiting->empty ? QUEUE_NONE : result;
}

enum queue_result candidates_all_empty(struct candidates *c, bool *empty_r, char **error_r)
{
    struct waiting waiting = {c->queue, empty_r, error_r};
    enum queue_result result;

    *error_r = NULL;
    *empty_r = true;
    /* First what leads to a marker, then the markers: a job on its way is seen in one place. */
    result = scan_folder(c->queue, SCAN_FAILED, waits_for_marker, &waiting, error_r);
    for (unsigned place = 0; place <= SCAN_LOCK && result == QUEUE_OK && *empty_r; place++)
        result = scan_folder(c->queue, (enum scan_place)place, found_one, empty_r, error_r);
    return result;
}
