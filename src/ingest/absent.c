/* See absent.h. */
#include "ingest/absent.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "queue/keys.h"

static const struct place {
    enum key_folder folder;
    enum tier tier; /* of KEY_FOLDER_TODO */
} places[] = {
    {KEY_FOLDER_TODO, TIER_CRITICAL},     {KEY_FOLDER_TODO, TIER_HIGH},
    {KEY_FOLDER_TODO, TIER_NORMAL},       {KEY_FOLDER_TODO, TIER_LOW},
    {KEY_FOLDER_TODO, TIER_BACKGROUND},   {KEY_FOLDER_TODO_UNKNOWN, TIER_NORMAL},
    {KEY_FOLDER_PROCESSING, TIER_NORMAL}, {KEY_FOLDER_FAILED, TIER_NORMAL},
    {KEY_FOLDER_DEAD, TIER_NORMAL},       {KEY_FOLDER_OUT, TIER_NORMAL},
    {KEY_FOLDER_RAW, TIER_NORMAL},
};
#define PLACE_COUNT ARRAY_LEN(places)

bool absent_helps(const struct queue *queue)
{
    return store_properties(queue->store)->presigns;
}

static const char *place_key(const struct keys *keys, const struct place *place, const char *hash,
                             char key_r[static KEY_SIZE])
{
    if (place->folder == KEY_FOLDER_RAW)
        return key_raw(keys, hash, key_r);
    if (place->folder == KEY_FOLDER_OUT)
        return key_out(keys, hash, key_r);
    return key_folder(keys, place->folder, place->tier, hash, key_r);
}

/* What a page says of one hash. */
enum page_says {
    PAGE_LISTED,
    PAGE_ABSENT,
    PAGE_NOTHING
};

static enum page_says page_look(const struct store_op *page, const char *key)
{
    size_t low = 0, high = page->entry_count;

    while (low < high) { /* entries are sorted by key bytes */
        size_t middle = low + (high - low) / 2;
        int order = strcmp(key, page->entries[middle].key);

        if (order == 0)
            return PAGE_LISTED;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    /* Behind the last line of a page that is not the last. */
    return page->more_r && low == page->entry_count ? PAGE_NOTHING : PAGE_ABSENT;
}

/* Reads a page of each place. false: the store gave no answer. */
static bool read_pages(struct queue *queue, struct store_op *pages)
{
    char prefixes[PLACE_COUNT][KEY_SIZE];
    bool read = true;

    for (size_t p = 0; p < PLACE_COUNT; p++) {
        key_folder(&queue->keys, places[p].folder, places[p].tier, "", prefixes[p]);
        store_op_init(&pages[p], STORE_LIST, prefixes[p]);
    }
    store_run(queue->store, pages, PLACE_COUNT);
    for (size_t p = 0; p < PLACE_COUNT; p++) {
        read = read && pages[p].status == STORE_OK;
        pages[p].key = NULL; /* it was this function's */
    }
    return read;
}

/* Asks one by one where the pages said nothing. owners[i]: the hash that asks[i] is about. */
static void ask_singly(struct queue *queue, struct store_op *asks, const size_t *owners,
                       size_t count, bool *absent)
{
    store_run(queue->store, asks, count);
    for (size_t i = 0; i < count; i++) {
        if (asks[i].status != STORE_NOT_FOUND)
            absent[owners[i]] = false;
        store_op_release(&asks[i]);
    }
}

void absent_find(struct queue *queue, const char (*hashes)[65], size_t count, bool *absent_r)
{
    struct store_op pages[PLACE_COUNT];
    size_t most = count * PLACE_COUNT + 1, ask_count = 0;
    struct store_op *asks = mem_alloc(most * sizeof(*asks));
    char(*keys)[KEY_SIZE] = mem_alloc(most * KEY_SIZE);
    size_t *owners = mem_alloc(most * sizeof(*owners));
    bool read = read_pages(queue, pages);

    for (size_t i = 0; i < count; i++) {
        absent_r[i] = read;
        for (size_t p = 0; p < PLACE_COUNT && absent_r[i]; p++) {
            bool large = places[p].folder == KEY_FOLDER_RAW || places[p].folder == KEY_FOLDER_OUT;
            const char *key = place_key(&queue->keys, &places[p], hashes[i], keys[ask_count]);
            enum page_says says = page_look(&pages[p], key);

            absent_r[i] = says != PAGE_LISTED;
            if (says != PAGE_NOTHING)
                continue;
            store_op_init(&asks[ask_count], large ? STORE_HEAD : STORE_GET, key);
            owners[ask_count++] = i;
        }
    }
    ask_singly(queue, asks, owners, ask_count, absent_r);
    for (size_t p = 0; p < PLACE_COUNT; p++)
        store_op_release(&pages[p]);
    free(owners);
    free(keys);
    free(asks);
}
