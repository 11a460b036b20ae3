/* See known.h. */
#include "ingest/known.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "queue/scan.h"
#include "queue/view_look.h"

/* 128 bits of a hash tell any two documents apart that were not made to be taken for each other;
 * and those who could make such a pair would only have their own second one passed over. */
struct known_entry {
    unsigned char hash[16];
    uint32_t seconds; /* LastModified of the result */
    uint16_t has;     /* SCAN_BIT of each place and HAS_BODY; after the pass: enum job_state */
};
#define HAS_BODY (1u << 15) /* a marker that is not empty */

void known_init(struct known *known, struct queue *queue, unsigned places)
{
    memset(known, 0, sizeof(*known));
    known->queue = queue;
    known->places = places;
}

void known_release(struct known *known)
{
    free(known->entries);
    known->entries = NULL;
    known->count = known->room = 0;
}

static unsigned digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10;
}

static void shorten(const char *hash, unsigned char short_r[static 16])
{
    for (size_t i = 0; i < 16; i++)
        short_r[i] = (unsigned char)(digit(hash[2 * i]) << 4 | digit(hash[2 * i + 1]));
}

static uint64_t lists(const struct known *known)
{
    return store_meter(known->queue->store)->requests[STORE_LIST];
}

/* ---- the pass ---- */

/* One folder, or the part of it whose hashes begin with a digit, page by page. */
struct stream {
    enum scan_place place;
    char digit[2]; /* "": all of it */
    char prefix[KEY_SIZE];
    char *after; /* NULL: from the start */
    bool ended;
};

static void keep(struct known *known, enum scan_place place, const struct store_entry *line)
{
    struct known_entry *entry;
    char hash[65];

    if (!key_hash(line->key, hash))
        return;
    if (known->count == known->room) {
        known->room = known->room > 0 ? known->room * 2 : 1024;
        known->entries = mem_resize(known->entries, known->room, sizeof(*known->entries));
    }
    entry = &known->entries[known->count++];
    shorten(hash, entry->hash);
    entry->has = (uint16_t)SCAN_BIT(place);
    entry->seconds = place == SCAN_OUT ? (uint32_t)(line->modified_ms / 1000) : 0;
    if (place < SCAN_LOCK && line->size > 0)
        entry->has |= HAS_BODY;
}

/* The next page of each stream that goes on. false: the pass is given up. */
static bool read_round(struct known *known, struct stream *streams, size_t count)
{
    struct store_op *ops = mem_alloc(count * sizeof(*ops));
    struct stream **owners = mem_alloc(count * sizeof(struct stream *));
    size_t used = 0;
    bool ok = true;

    for (size_t i = 0; i < count; i++) {
        struct stream *stream = &streams[i];

        if (stream->ended)
            continue;
        store_op_init(&ops[used], STORE_LIST,
                      scan_key(&known->queue->keys, stream->place, stream->digit, stream->prefix));
        ops[used].start_after = stream->after;
        owners[used++] = stream;
    }
    store_run(known->queue->store, ops, used);
    for (size_t i = 0; i < used; i++) {
        ok = ok && ops[i].status == STORE_OK;
        for (size_t k = 0; k < ops[i].entry_count && ok; k++)
            keep(known, owners[i]->place, &ops[i].entries[k]);
        owners[i]->ended = !ops[i].more_r;
        free(owners[i]->after);
        owners[i]->after = mem_strdup(ops[i].next_after_r);
        store_op_release(&ops[i]);
    }
    free(owners);
    free(ops);
    return ok && known->count <= KNOWN_MAX;
}

static size_t going_on(const struct stream *streams, size_t count)
{
    size_t open = 0;

    for (size_t i = 0; i < count; i++)
        open += !streams[i].ended;
    return open;
}

/* What is left of folders that one page did not show goes on as sixteen streams each, so that pages
 * are fetched at once and still are full. */
static size_t split(struct stream *all, struct stream *parts_r)
{
    size_t count = 0;

    for (size_t i = 0; i < SCAN_COUNT; i++) {
        char last = '\0';

        if (all[i].ended)
            continue;
        last = all[i].after[strlen(all[i].prefix)];
        for (const char *digit = "0123456789abcdef"; *digit != '\0'; digit++) {
            struct stream *part = &parts_r[count];

            if (*digit < last)
                continue;
            part->place = all[i].place;
            part->digit[0] = *digit;
            part->after = *digit == last ? mem_strdup(all[i].after) : NULL;
            count++;
        }
    }
    return count;
}

static bool read_all(struct known *known, uint64_t at_most)
{
    struct stream *all = mem_alloc(SCAN_COUNT * sizeof(*all));
    struct stream *parts = mem_alloc((size_t)SCAN_COUNT * 16 * sizeof(*parts));
    size_t part_count = 0, open;
    bool ok;

    for (unsigned place = 0; place < SCAN_COUNT; place++) {
        all[place].place = (enum scan_place)place;
        all[place].ended = (known->places & SCAN_BIT(place)) == 0;
    }
    ok = read_round(known, all, SCAN_COUNT);
    if (ok)
        part_count = split(all, parts);
    while (ok && (open = going_on(parts, part_count)) > 0)
        ok = lists(known) + open <= at_most && read_round(known, parts, part_count);
    for (size_t i = 0; i < SCAN_COUNT; i++)
        free(all[i].after);
    for (size_t i = 0; i < part_count; i++)
        free(parts[i].after);
    free(parts);
    free(all);
    return ok;
}

static int compare_entries(const void *a, const void *b)
{
    return memcmp(a, b, 16);
}

/* One entry a hash, with its state; those that need a look, and those without a record, go. */
static void settle(struct known *known)
{
    size_t kept = 0;

    if (known->count > 1)
        qsort(known->entries, known->count, sizeof(*known->entries), compare_entries);
    for (size_t i = 0, next; i < known->count; i = next) {
        struct known_entry entry = known->entries[i];
        unsigned has = entry.has;

        for (next = i + 1; next < known->count &&
                           memcmp(known->entries[next].hash, entry.hash, sizeof(entry.hash)) == 0;
             next++) {
            has |= known->entries[next].has;
            entry.seconds |= known->entries[next].seconds; /* one of them has any */
        }
        if ((has & HAS_BODY) != 0 && (has & (SCAN_BIT(SCAN_OUT) | SCAN_BIT(SCAN_DEAD))) != 0)
            continue;
        entry.has = (uint16_t)view_state_of(has & ~HAS_BODY, false, false);
        if (entry.has != JOB_RAW && entry.has != JOB_UNKNOWN)
            known->entries[kept++] = entry;
    }
    known->count = kept;
}

void known_prepare(struct known *known)
{
    uint64_t before = lists(known);

    if (known->done || known->spent < known->enough)
        return;
    known->done = read_all(known, before + known->spent + KNOWN_CREDIT);
    if (known->done)
        settle(known);
    else
        known_release(known);
    known->enough = 2 * (known->spent + lists(known) - before);
}

static const struct known_entry *find(const struct known *known, const char *hash)
{
    unsigned char key[16];

    if (known->count == 0)
        return NULL;
    shorten(hash, key);
    return bsearch(key, known->entries, known->count, sizeof(*known->entries), compare_entries);
}

enum job_state known_state(const struct known *known, const char *hash)
{
    const struct known_entry *entry = find(known, hash);

    return entry != NULL ? (enum job_state)entry->has : JOB_UNKNOWN;
}

int64_t known_result_seconds(const struct known *known, const char *hash)
{
    const struct known_entry *entry = find(known, hash);

    return entry != NULL && entry->has == JOB_DONE ? (int64_t)entry->seconds : -1;
}

bool known_complete(const struct known *known)
{
    return known->done;
}

void known_spent(struct known *known, uint64_t requests)
{
    known->spent += requests;
}
