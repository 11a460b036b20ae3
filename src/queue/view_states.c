/* See view.h: the states of many jobs at once.
 *
 * Asking for one hash takes a request for each of eleven places. On a store where a request is a
 * round trip, a page of a listing answers for every hash up to its last line, and most folders of a
 * bucket fit one page: so a page of each place is read first, more of a place as long as its pages
 * answer for many of the hashes asked about, and single looks only fill the gaps. A listing proves
 * absence as a GET does. In a directory a single look costs less than a page. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "queue/step.h"
#include "queue/view_look.h"

#define BATCH 128     /* hashes at a time */
#define PAGE_WORTH 16 /* hashes a page must answer for: it costs about as much as so many looks */

struct look {
    bool there;
    size_t ask; /* settled by its own request: number in `asks`, from 1; 0: by a page */
    char etag[STORE_ETAG_SIZE];
};

struct survey {
    struct queue *queue;
    const char (*hashes)[65];
    size_t count;
    struct look *looks; /* SCAN_COUNT of each hash */
    bool *settled;      /* one per look */
    char **error_r;
};

/* ---- pages ---- */

/* How far the pages of a place have come. */
struct walk {
    bool ended;
    char after[KEY_SIZE];
};

static void look_from_entry(struct look *look, const struct store_entry *entry, bool *settled)
{
    look->there = true;
    memcpy(look->etag, entry->etag, sizeof(look->etag));
    *settled = true;
}

static const struct store_entry *page_find(const struct store_op *page, const char *key)
{
    size_t low = 0, high = page->entry_count;

    while (low < high) { /* entries are sorted by key bytes */
        size_t middle = low + (high - low) / 2;
        int order = strcmp(key, page->entries[middle].key);

        if (order == 0)
            return &page->entries[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Settles the looks that the page answers; returns how many. A marker with a body is still to be
 * read: it may override what stands beside it. */
static size_t take_page(struct survey *survey, enum scan_place place, const struct store_op *page,
                        const char *after)
{
    const char *last = page->entry_count > 0 ? page->entries[page->entry_count - 1].key : page->key;
    size_t answered = 0;

    for (size_t i = 0; i < survey->count; i++) {
        size_t at = i * SCAN_COUNT + place;
        const struct store_entry *entry;
        struct store_op look;
        char key[KEY_SIZE];

        view_look_init(survey->queue, survey->hashes[i], place, &look, key);
        if (survey->settled[at] || strcmp(key, after) <= 0 ||
            (page->more_r && strcmp(key, last) > 0))
            continue;
        answered++;
        entry = page_find(page, key);
        if (entry == NULL)
            survey->settled[at] = true;
        else if (place >= SCAN_TODO_UNKNOWN || entry->size == 0)
            look_from_entry(&survey->looks[at], entry, &survey->settled[at]);
    }
    return answered;
}

/* The next page of every place that goes on; *any_r false: none does. */
static enum queue_result read_round(struct survey *survey, struct walk *walks, bool *any_r)
{
    struct store_op *pages = mem_alloc(SCAN_COUNT * sizeof(*pages));
    char(*keys)[KEY_SIZE] = mem_alloc(SCAN_COUNT * KEY_SIZE);
    enum scan_place places[SCAN_COUNT];
    enum queue_result result;
    size_t count = 0;

    for (unsigned place = 0; place < SCAN_COUNT; place++) {
        if (walks[place].ended)
            continue;
        scan_key(&survey->queue->keys, (enum scan_place)place, "", keys[count]);
        store_op_init(&pages[count], STORE_LIST, keys[count]);
        pages[count].start_after = walks[place].after[0] != '\0' ? walks[place].after : NULL;
        places[count++] = (enum scan_place)place;
    }
    *any_r = count > 0;
    result = step_read(survey->queue, NULL, pages, count, survey->error_r);
    for (size_t i = 0; i < count; i++) {
        struct walk *walk = &walks[places[i]];

        if (result == QUEUE_OK) {
            size_t answered = take_page(survey, places[i], &pages[i], walk->after);

            walk->ended = !pages[i].more_r || answered < PAGE_WORTH;
            if (!walk->ended)
                snprintf(walk->after, sizeof(walk->after), "%s", pages[i].next_after_r);
        }
        store_op_release(&pages[i]);
    }
    free(keys);
    free(pages);
    return result;
}

static enum queue_result read_pages(struct survey *survey)
{
    struct walk *walks = mem_alloc(SCAN_COUNT * sizeof(*walks));
    enum queue_result result = QUEUE_OK;
    bool any = true;

    while (any && result == QUEUE_OK)
        result = read_round(survey, walks, &any);
    free(walks);
    return result;
}

/* ---- single looks ---- */

static enum queue_result say_state(struct survey *survey, size_t job, const struct store_op *asks,
                                   enum job_state *state_r)
{
    const struct look *looks = &survey->looks[job * SCAN_COUNT];
    unsigned has = 0;
    bool over_result = false, over_dead = false;
    enum queue_result result = QUEUE_OK;

    for (unsigned place = 0; place < SCAN_COUNT; place++)
        if (looks[place].there)
            has |= SCAN_BIT(place);
    for (unsigned tier = 0; tier < TIER_COUNT && result == QUEUE_OK; tier++) {
        const struct store_op *marker = looks[tier].ask > 0 ? &asks[looks[tier].ask - 1] : NULL;

        if (marker != NULL) /* else none, or an empty one */
            result = view_over(survey->queue, survey->hashes[job], marker, looks[SCAN_OUT].etag,
                               looks[SCAN_DEAD].etag, &over_result, &over_dead, survey->error_r);
    }
    *state_r = view_state_of(has, over_result, over_dead);
    return result;
}

/* Asks one by one for what is not settled, and says the states. */
static enum queue_result fill_gaps(struct survey *survey, enum job_state *states_r)
{
    size_t most = survey->count * SCAN_COUNT, count = 0;
    struct store_op *asks;
    char(*keys)[KEY_SIZE];
    enum queue_result result;

    for (size_t at = 0; at < most; at++)
        if (!survey->settled[at])
            survey->looks[at].ask = ++count;
    asks = mem_alloc((count + 1) * sizeof(*asks));
    keys = mem_alloc((count + 1) * KEY_SIZE);
    for (size_t at = 0; at < most; at++) {
        size_t ask = survey->looks[at].ask;

        if (ask > 0)
            view_look_init(survey->queue, survey->hashes[at / SCAN_COUNT],
                           (enum scan_place)(at % SCAN_COUNT), &asks[ask - 1], keys[ask - 1]);
    }
    result = step_read(survey->queue, NULL, asks, count, survey->error_r);
    for (size_t at = 0; at < most && result == QUEUE_OK; at++) {
        struct look *look = &survey->looks[at];

        if (look->ask > 0 && asks[look->ask - 1].status == STORE_OK) {
            look->there = true;
            memcpy(look->etag, asks[look->ask - 1].etag_r, sizeof(look->etag));
        }
    }
    for (size_t i = 0; i < survey->count && result == QUEUE_OK; i++)
        result = say_state(survey, i, asks, &states_r[i]);
    for (size_t i = 0; i < count; i++)
        store_op_release(&asks[i]);
    free(keys);
    free(asks);
    return result;
}

static enum queue_result states_batch(struct queue *queue, const char (*hashes)[65], size_t count,
                                      enum job_state *states_r, char **error_r)
{
    bool paged = store_properties(queue->store)->presigns && count >= PAGE_WORTH;
    struct survey survey = {.queue = queue,
                            .hashes = hashes,
                            .count = count,
                            .looks = mem_alloc(count * SCAN_COUNT * sizeof(struct look)),
                            .settled = mem_alloc(count * SCAN_COUNT * sizeof(bool)),
                            .error_r = error_r};
    enum queue_result result = paged ? read_pages(&survey) : QUEUE_OK;

    if (result == QUEUE_OK)
        result = fill_gaps(&survey, states_r);
    free(survey.settled);
    free(survey.looks);
    return result;
}

enum queue_result view_states(struct queue *queue, const char (*hashes)[65], size_t count,
                              enum job_state *states_r, char **error_r)
{
    enum queue_result result = QUEUE_OK;

    *error_r = NULL;
    for (size_t done = 0; done < count && result == QUEUE_OK; done += BATCH) {
        size_t n = count - done < BATCH ? count - done : BATCH;

        result = states_batch(queue, hashes + done, n, states_r + done, error_r);
    }
    return result;
}
