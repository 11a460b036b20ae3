/* Fleet settings: what lives in the bucket and holds for all daemons.
 *
 * registry/config.json (v1's keys) and registry/blobforge.json (ours). They win over file and
 * environment. Refreshed by ETag at most once a minute; a failed read keeps the last value. */
#ifndef BF_QUEUE_FLEET_H
#define BF_QUEUE_FLEET_H

#include "queue/queue.h"

#define FLEET_FORMAT 1

struct fleet {
    char config_etag[STORE_ETAG_SIZE], ours_etag[STORE_ETAG_SIZE];
    int64_t read_boot_ms; /* 0: never */
    int64_t format;
};

/* Reads both when due and lays them over *limits (which holds the local values). DAMAGED:
 * unreadable or out of bounds (stale timeout that does not hold three heartbeats and the margin):
 * *limits is untouched. FATAL with a format above FLEET_FORMAT. */
enum queue_result fleet_refresh(struct queue *queue, struct fleet *fleet,
                                struct queue_limits *limits, char **error_r) MUST_CHECK;

#endif
