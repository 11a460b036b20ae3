/* See board_pages.h: listing pages of the board. */
#include "cli/board_pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "queue/scan.h"

/* ---- requests ---- */

bool look_run(struct look *look, struct store_op *ops, size_t count)
{
    store_run(look->queue->store, ops, count);
    for (size_t i = 0; i < count; i++) {
        if (ops[i].status == STORE_OK || ops[i].status == STORE_NOT_FOUND)
            continue;
        if (look->result == QUEUE_OK) {
            look->result = ops[i].status == STORE_FATAL ? QUEUE_FATAL : QUEUE_AGAIN;
            if (ops[i].error != NULL && *look->error_r == NULL)
                *look->error_r = mem_strdup(ops[i].error);
        }
        return false;
    }
    return true;
}

/* ---- samples ---- */

static enum scan_place scan_place_of(enum place place)
{
    switch (place) {
    case PLACE_LOCK:
        return SCAN_LOCK;
    case PLACE_FAILED:
        return SCAN_FAILED;
    case PLACE_DEAD:
        return SCAN_DEAD;
    case PLACE_OUT:
        return SCAN_OUT;
    case PLACE_TODO:
    case PLACE_COUNT:
        break;
    }
    return (enum scan_place)place;
}

/* Where in the hash space, from 0 to 1. */
static double position(const char *key)
{
    char hash[65], digits[13];

    if (!key_hash(key, hash))
        return 0;
    memcpy(digits, hash, 12);
    digits[12] = '\0';
    return (double)strtoull(digits, NULL, 16) / (double)(1ULL << 48);
}

static void begin_page(struct look *look, enum place place, size_t i)
{
    struct sample *sample = &look->samples[place];
    char digits[2] = {"048c"[i], '\0'};

    scan_key(&look->queue->keys, scan_place_of(place), "", sample->keys[i]);
    store_op_init(&sample->pages[i], STORE_LIST, sample->keys[i]);
    if (i > 0) {
        scan_key(&look->queue->keys, scan_place_of(place), digits, sample->after[i]);
        sample->pages[i].start_after = sample->after[i];
    }
}

static void weigh(struct sample *sample)
{
    sample->lines = 0;
    sample->span = 0;
    for (size_t i = 0; i < sample->count; i++) {
        const struct store_op *page = &sample->pages[i];
        double from = (double)i / PAGES, to = 1;

        sample->lines += page->entry_count;
        if (page->more_r && page->entry_count > 0)
            to = position(page->entries[page->entry_count - 1].key);
        sample->span += to > from ? to - from : 0;
    }
}

/* Page `i` of the places that have one, all at once. */
static bool read_round(struct look *look, size_t from, size_t to)
{
    struct store_op *ops = mem_alloc((PLACE_COUNT * PAGES) * sizeof(*ops));
    struct store_op *targets[PLACE_COUNT * PAGES];
    size_t count = 0;
    bool ok;

    for (int place = 0; place < PLACE_COUNT; place++) {
        struct sample *sample = &look->samples[place];

        if (sample->whole)
            continue;
        for (size_t i = from; i < to; i++) {
            begin_page(look, (enum place)place, i);
            targets[count] = &sample->pages[i];
            ops[count++] = sample->pages[i];
        }
        sample->count = to;
    }
    ok = count == 0 || look_run(look, ops, count);
    for (size_t i = 0; i < count; i++)
        *targets[i] = ops[i];
    free(ops);
    return ok;
}

bool look_read_pages(struct look *look)
{
    bool ok = read_round(look, 0, 1);

    for (int place = 0; place < PLACE_COUNT; place++)
        look->samples[place].whole = !look->samples[place].pages[0].more_r;
    ok = ok && read_round(look, 1, PAGES);
    for (int place = 0; place < PLACE_COUNT; place++)
        weigh(&look->samples[place]);
    return ok;
}

int64_t sample_reckon(const struct sample *sample)
{
    if (sample->whole || sample->span <= 0)
        return (int64_t)sample->lines;
    return (int64_t)((double)sample->lines / sample->span);
}

/* ---- rows that may be leftovers ---- */

#define DOUBTS_MAX 16 /* asked about in a look; each costs some requests */

/* Is there an object of this hash in the pages that were read? */
static bool shows(const struct look *look, enum place place, const char *hash)
{
    const struct sample *sample = &look->samples[place];
    char key[KEY_SIZE];
    size_t len;

    scan_key(&look->queue->keys, scan_place_of(place), hash, key);
    len = strlen(key);
    for (size_t i = 0; i < sample->count; i++) {
        const struct store_op *page = &sample->pages[i];
        size_t low = 0, high = page->entry_count;

        while (low < high) {
            size_t middle = low + (high - low) / 2;

            if (strncmp(page->entries[middle].key, key, len) < 0)
                low = middle + 1;
            else
                high = middle;
        }
        if (low < page->entry_count && strncmp(page->entries[low].key, key, len) == 0)
            return true;
    }
    return false;
}

/* Locks and records of jobs that have come further lie about in buckets of version 1 (and for a
 * moment in ours). A result or a dead record beside them says so, unless the marker overrides it:
 * then all of the job is looked at. */
static bool is_doubtful(const struct look *look, enum job_state state, const char *hash)
{
    if (shows(look, PLACE_OUT, hash))
        return true;
    if (state != JOB_DEAD)
        return shows(look, PLACE_DEAD, hash);
    for (int tier = 0; tier < TIER_COUNT; tier++)
        if (shows(look, (enum place)tier, hash))
            return true;
    return false;
}

void look_settle(struct look *look, const char *const *hashes, const enum job_state *states,
                 size_t count, bool *keep)
{
    char asked[DOUBTS_MAX][65];
    enum job_state real[DOUBTS_MAX];
    size_t rows[DOUBTS_MAX], used = 0;
    enum queue_result result;

    for (size_t i = 0; i < count; i++) {
        keep[i] = true;
        if (used == DOUBTS_MAX || !is_doubtful(look, states[i], hashes[i]))
            continue;
        snprintf(asked[used], sizeof(asked[used]), "%s", hashes[i]);
        rows[used++] = i;
    }
    if (used == 0)
        return;
    result = view_states(look->queue, (const char(*)[65])asked, used, real, look->error_r);
    if (result != QUEUE_OK) {
        look->result = result;
        return;
    }
    for (size_t i = 0; i < used; i++)
        keep[rows[i]] = real[i] == states[rows[i]];
}
