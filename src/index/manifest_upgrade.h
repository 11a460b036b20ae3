/* From v1's one object to shards.
 *
 * The entries are merged into the shards, each shard read, merged and written by If-Match; then
 * manifest.json is closed (it stays, without `entries`) by If-Match on the very version that was
 * copied. Whoever wrote to it meanwhile makes that fail, and the copying begins again: merging
 * twice changes nothing. An end anywhere leaves v1's manifest as it was, and a second run goes on.
 * Nothing that an entry holds is lost, fields that we do not know included. */
#ifndef BF_INDEX_MANIFEST_UPGRADE_H
#define BF_INDEX_MANIFEST_UPGRADE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "queue/queue.h"

struct manifest_upgrade_report {
    size_t entries; /* of v1's object */
    size_t shards;  /* written */
};

/* OK: the bucket has shards. NONE: it had them, or has no manifest: nothing was done. Else
 * *error_r; AGAIN also when `stop` (may be NULL) turned true between two shards. */
enum queue_result manifest_upgrade(struct queue *queue, const volatile sig_atomic_t *stop,
                                   void (*progress)(void *arg, size_t done, size_t total),
                                   void *arg, struct manifest_upgrade_report *report_r,
                                   char **error_r) MUST_CHECK;
/* A manifest.json with entries beside shards: version 1's rebuild or forced update put it there, or
 * an upgrade was begun and not ended. Until it is merged it is what manifest_find_form() goes by.
 * OK: *reopened_r says whether. Costs a LIST and a GET. */
enum queue_result manifest_is_reopened(struct queue *queue, bool *reopened_r,
                                       char **error_r) MUST_CHECK;
/* Merges such a manifest.json into the shards and closes it again, as manifest_upgrade(). NONE:
 * there is none; a bucket that has version 1's form alone is left alone. */
enum queue_result manifest_rejoin(struct queue *queue, struct manifest_upgrade_report *report_r,
                                  char **error_r) MUST_CHECK;
/* Puts an empty shard in the place of one that cannot be read, by If-Match on what is there now.
 * NONE: it can be read. */
enum queue_result manifest_reset_shard(struct queue *queue, unsigned shard,
                                       char **error_r) MUST_CHECK;

#endif
