/* The manifest: which hash came from which files.
 *
 * An index, not the truth: that is the raw object, its metadata and the queue, and every entry can
 * be made again by another ingest. Two forms, and the bucket says which it has:
 *   shards  256 objects registry/manifest/<first two digits>.json; registry/manifest.json is there
 *           *without* `entries`, so that a v1 writer fails aloud instead of starting a second index
 *   v1      all entries in registry/manifest.json
 * A new bucket gets shards. Either is changed by If-Match alone: read, merge by hash (union of
 * paths and tags), write; on a lost race or an unsettled write it is read and merged again, since
 * merging twice changes nothing. A failed read is never taken for empty, a damaged object is
 * reported and left as it is. Fields that we do not know are kept.
 *
 * A manifest belongs to one thread, that of its queue. */
#ifndef BF_INDEX_MANIFEST_H
#define BF_INDEX_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "queue/queue.h"

#define MANIFEST_SHARD_MAX (64u << 20) /* bytes of a shard that we read */
#define MANIFEST_V1_MAX (1u << 30)     /* bytes of v1's one object */
#define MANIFEST_PENDING_MAX 1000      /* files between two flushes ... */
#define MANIFEST_KNOWN_MAX 16384 /* a flush reads every shard: files that are known share one */
#define MANIFEST_FLUSH_MS 30000  /* ... and time */

enum manifest_form {
    MANIFEST_UNKNOWN,
    MANIFEST_ABSENT,
    MANIFEST_SHARDS,
    MANIFEST_V1
};
const char *manifest_form_name(enum manifest_form form); /* "shards", "v1" */

/* One hash's entry. Texts may be NULL when the bucket's entry lacks them. */
struct manifest_entry {
    char hash[65];
    char **paths;
    size_t path_count;
    char **paths_raw; /* those whose bytes are no UTF-8, percent-encoded */
    size_t path_raw_count;
    char **tags;
    size_t tag_count;
    int64_t size_bytes;  /* -1: unknown */
    int64_t ingested_ms; /* 0: unknown */
    char *source;
};
void manifest_entry_release(struct manifest_entry *entry);

struct manifest;

struct manifest *manifest_create(struct queue *queue) MUST_CHECK;
/* Notes that were not flushed are dropped. NULL is fine. */
void manifest_destroy(struct manifest *manifest);

/* Reads which form the bucket has (once; later calls are free). ABSENT: a new bucket. DAMAGED:
 * manifest.json is there and cannot be understood. */
enum queue_result manifest_find_form(struct manifest *manifest, enum manifest_form *form_r,
                                     char **error_r) MUST_CHECK;

/* ---- writing ---- */

/* A file that stands for `hash`: kept in memory until the next flush. `path` and `tags` may be any
 * bytes; what is no UTF-8 goes in with U+FFFD, and percent-encoded whole into paths_raw. */
struct manifest_note {
    const char *hash;
    const char *path;
    const char *source;
    const char *const *tags;
    size_t tag_count;
    int64_t size_bytes;
    bool known; /* the bucket knows the hash, so most likely the path too: it can wait for a flush
                   that is due for others, or for MANIFEST_KNOWN_MAX of its kind */
};
void manifest_note_file(struct manifest *manifest, const struct manifest_note *note);
/* Is it time (1000 new files, or 30 s since the first of them, or very many known ones)? */
bool manifest_flush_due(const struct manifest *manifest);
size_t manifest_pending(const struct manifest *manifest);
/* Writes the notes. OK: all recorded. Else *error_r names the first object that failed and why;
 * notes of the other objects are recorded. Those of the failed ones are kept for the next flush
 * when the store was in trouble (AGAIN, UNKNOWN), and dropped when no repetition helps. */
enum queue_result manifest_flush(struct manifest *manifest, char **error_r) MUST_CHECK;
/* Takes the entry of `hash` out. OK also when there was none. */
enum queue_result manifest_remove(struct manifest *manifest, const char *hash,
                                  char **error_r) MUST_CHECK;

/* ---- looking ---- */

/* OK: *entry_r, which the caller releases. NONE: no entry. One GET for a shard. */
enum queue_result manifest_lookup(struct manifest *manifest, const char *hash,
                                  struct manifest_entry *entry_r, char **error_r) MUST_CHECK;
/* Every entry, shard by shard (memory: one shard), until `each` returns false. Entries are borrowed
 * by `each`. */
enum queue_result manifest_each(struct manifest *manifest,
                                bool (*each)(void *arg, const struct manifest_entry *entry),
                                void *arg, char **error_r) MUST_CHECK;

#endif
