/* The local index: a copy of the bucket's manifest to search in.
 *
 * The manifest is the index that the bucket keeps (index/manifest.h); this is what one user's
 * commands remember of it in ~/.cache/blobforge, as a SQLite file with full-text search. It is
 * brought up to date by one LIST, which shows by ETag what has changed, and a GET of each part that
 * has: with nothing changed it costs that one LIST. Both forms are read, and both at once, as a
 * bucket has them while it is upgraded: a hash is told once.
 *
 * The file is a cache: damaged, missing, of another version, it is made again without a word, in
 * the midst of a search if need be; where no file can be, the index is made in memory for this one
 * run. Any number of processes use one file at once. A part of the manifest that cannot be read
 * keeps what was last known of it, and index_damaged() names it.
 *
 * An index belongs to one thread. Entries come from the bucket: names are any text. */
#ifndef BF_INDEX_INDEX_H
#define BF_INDEX_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "index/manifest.h"
#include "queue/queue.h"

struct index;

/* `folder`: for its file, made when it is not there; NULL: in memory. `bucket`: what tells this
 * bucket from others (store, endpoint, prefix). NULL: SQLite refuses even memory. */
struct index *index_open(const char *folder, const char *bucket) MUST_CHECK;
void index_close(struct index *index); /* NULL is fine */

struct index_progress {
    size_t parts_done, parts_total; /* parts that had changed */
    int64_t entries;                /* taken in so far */
};
/* Brings it up to date. Another process that does so already is waited for. `progress` may be NULL.
 * Not OK: the store gave out, *error_r says how; what is there is as old as it was. */
enum queue_result index_refresh(struct index *index, struct queue *queue,
                                void (*progress)(void *arg, const struct index_progress *progress),
                                void *arg, char **error_r) MUST_CHECK;
/* Was the manifest ever read whole? */
bool index_is_filled(struct index *index);

struct index_stats {
    enum manifest_form form;
    int64_t entries, parts, bytes; /* of the manifest's objects */
    int64_t updated_ms;            /* LastModified of the youngest; 0: none */
    size_t damaged;                /* parts that cannot be read */
};
enum queue_result index_stats(struct index *index, struct index_stats *stats_r,
                              char **error_r) MUST_CHECK;
/* Calls `each` for every part that could not be read, with why. */
void index_damaged(struct index *index, void (*each)(void *arg, const char *part, const char *why),
                   void *arg);

/* ---- asking ----
 *
 * `each` borrows the entry and returns false to end. When the file turns out to be damaged, it is
 * made again from `queue` (NULL: no store to ask; then DAMAGED) and the question goes on where it
 * was: no entry is told twice. */

struct index_query {
    /* Words that must all be there; each may be the beginning of a word, letters' case and accents
     * do not matter: anywhere, in the name, in the folders. Any bytes. */
    const char *const *words, *const *names, *const *paths;
    size_t word_count, name_count, path_count;
    const char *const *tags; /* whole tags, ASCII case does not matter */
    size_t tag_count;
    bool anywhere; /* also in the midst of words: looks at every entry; only ASCII case is equal */
    int64_t limit; /* 0: all. Up to 2000 matches come best first */
};
#define INDEX_WORD_MAX 1000 /* bytes; longer words match nothing */

enum queue_result index_search(struct index *index, struct queue *queue,
                               const struct index_query *query,
                               bool (*each)(void *arg, const struct manifest_entry *entry),
                               void *arg, char **error_r) MUST_CHECK;
/* Entries whose hash begins with `digits` (1 to 64, lower case), in the order of the hashes. */
enum queue_result index_lookup_hash(struct index *index, struct queue *queue, const char *digits,
                                    int64_t limit,
                                    bool (*each)(void *arg, const struct manifest_entry *entry),
                                    void *arg, char **error_r) MUST_CHECK;
/* Entries that were ingested from `path`: theirs or it may begin further down (`b/c.pdf` is found
 * by `/a/b/c.pdf` and by `c.pdf`), name by name. Any bytes. */
enum queue_result index_lookup_path(struct index *index, struct queue *queue, const char *path,
                                    bool (*each)(void *arg, const struct manifest_entry *entry),
                                    void *arg, char **error_r) MUST_CHECK;
/* The youngest entries first. */
enum queue_result index_recent(struct index *index, struct queue *queue, int64_t limit,
                               bool (*each)(void *arg, const struct manifest_entry *entry),
                               void *arg, char **error_r) MUST_CHECK;
/* Every entry, in the order of the hashes. */
enum queue_result index_each(struct index *index, struct queue *queue,
                             bool (*each)(void *arg, const struct manifest_entry *entry), void *arg,
                             char **error_r) MUST_CHECK;
/* Up to `max` entries behind hash `after` ("": the first), in the order of the hashes, for going
 * through two lists at once. The caller releases each. *count_r 0: no more. */
enum queue_result index_page(struct index *index, struct queue *queue, const char *after,
                             size_t max, struct manifest_entry *entries_r, size_t *count_r,
                             char **error_r) MUST_CHECK;

#endif
