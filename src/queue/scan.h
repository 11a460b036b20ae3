/* Going through the folders of a bucket hash by hash: what counts, lists, the janitor's twins and
 * the audit look at.
 *
 * The hash space is cut into shards (first digits) until a shard's listings are a few pages; pages
 * of sibling shards are fetched at once, so that all pages together are hardly more than the keys
 * need; memory is bounded by the pages of sixteen shards.
 * Listings are a hint of what was there while they were made, hash by hash, never a snapshot of the
 * bucket. Every page is read; a listing that is cut is an error, not its end. */
#ifndef BF_QUEUE_SCAN_H
#define BF_QUEUE_SCAN_H

#include "queue/queue.h"

enum scan_place { /* the first five are the tiers' markers */
    SCAN_TODO = 0,
    SCAN_TODO_UNKNOWN = TIER_COUNT,
    SCAN_LOCK,
    SCAN_FAILED,
    SCAN_DEAD,
    SCAN_OUT,
    SCAN_RAW,
    SCAN_COUNT
};
#define SCAN_BIT(place) (1u << (place))
#define SCAN_MARKERS ((1u << TIER_COUNT) - 1)
#define SCAN_ALL (SCAN_BIT(SCAN_COUNT) - 1)

struct scan_job {
    char hash[65];
    unsigned has;                             /* SCAN_BIT of each place that lists the hash */
    const struct store_entry *at[SCAN_COUNT]; /* its line there; NULL: none. Borrowed */
};

/* Calls `each` for every hash that one of `places` lists, in hash order; `each` may use the queue.
 * It returns OK to go on, NONE to end the scan (which then is OK), anything else to end with that.
 */
enum queue_result scan_jobs(struct queue *queue, unsigned places,
                            enum queue_result (*each)(void *arg, const struct scan_job *job),
                            void *arg, char **error_r) MUST_CHECK;

/* Key of a hash in a place. */
const char *scan_key(const struct keys *keys, enum scan_place place, const char *hash,
                     char key_r[static KEY_SIZE]);
/* All lines of one folder, in key order, page by page; for folders that are small (processing/). */
enum queue_result scan_folder(struct queue *queue, enum scan_place place,
                              enum queue_result (*each)(void *arg, const char *hash,
                                                        const struct store_entry *entry),
                              void *arg, char **error_r) MUST_CHECK;

#endif
