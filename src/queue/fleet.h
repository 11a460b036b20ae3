/* Fleet settings: what lives in the bucket and holds for all daemons.
 *
 * registry/config.json (v1's keys) and registry/blobforge.json (ours). They win over file and
 * environment. Refreshed by ETag at most once a minute; a failed read keeps the last value. Whoever
 * charges, buries or takes over waits until they were read once: there is no last value before. */
#ifndef BF_QUEUE_FLEET_H
#define BF_QUEUE_FLEET_H

#include "queue/queue.h"

#define FLEET_FORMAT 1

struct fleet {
    char config_etag[STORE_ETAG_SIZE], ours_etag[STORE_ETAG_SIZE];
    int64_t read_boot_ms; /* last good read; 0: never (a zeroed struct begins) */
    int64_t deadline_ms;  /* of a read; 0: the store's patience */
    int64_t format;
    /* as last read; INT64_MIN: not set in the bucket */
    int64_t max_retries, heartbeat_ms, config_stale_ms, conversion_timeout_ms;
    int64_t stale_ms, retry_base_ms, retry_max_ms;
};
void fleet_init(struct fleet *fleet); /* nothing set */

/* Is the bucket's format one that this program knows? For who asks nothing else of the settings.
 * FATAL with a format above FLEET_FORMAT; DAMAGED: registry/blobforge.json cannot be read. */
enum queue_result fleet_check_format(struct queue *queue, char **error_r) MUST_CHECK;

/* What a GET of one of the two objects brought; one that is not there or empty has no settings:
 * *object_r is NULL. DAMAGED: it cannot be read. */
enum queue_result fleet_parse(const struct store_op *op, struct json_object **object_r,
                              char **error_r) MUST_CHECK;

/* Reads both when due and lays what was last read over *limits (which holds the local values).
 * DAMAGED with read_boot_ms 0: unreadable; *limits is untouched. DAMAGED else: unreadable, the last
 * values hold; or the stale timeout does not hold three heartbeats and the margin: those two stay
 * local, but a longer stale timeout counts, so that nobody is taken over too early. FATAL with a
 * format above FLEET_FORMAT, whatever else is damaged. */
enum queue_result fleet_refresh(struct queue *queue, struct fleet *fleet,
                                struct queue_limits *limits, char **error_r) MUST_CHECK;

/* What was last read, for another program of the same machine's run; NULL: nothing was. */
struct json_object *fleet_state_write(const struct fleet *fleet);
void fleet_state_read(struct json_object *object, struct fleet *fleet_r);

#endif
