/* Worker cards: what each daemon says of itself in registry/workers/, as `workers`, `dashboard` and
 * `watch` show it. Cards are foreign bytes: nothing in them is trusted. Fixed sizes, no pointers: a
 * card is copied like a number. One thread. */
#ifndef BF_CLI_CARDS_H
#define BF_CLI_CARDS_H

#include <json-c/json.h>

#include "cli/cli.h"

struct card {
    char worker[128], host[80], instance[48], status[16], version[24]; /* "": unknown */
    char etag[STORE_ETAG_SIZE];
    int64_t current_jobs, slots, jobs_completed, jobs_failed;       /* -1: unknown */
    int64_t heartbeat_ms;                                           /* 0: unknown */
    double jobs_per_hour, avg_seconds, cpu_percent, memory_percent; /* -1: unknown */
    int64_t disk_free_bytes;                                        /* -1: unknown */
    bool v1;                                                        /* a worker of version 1 */
    bool damaged;                                                   /* it cannot be read */
    bool stopped;                                                   /* it has said so */
    bool silent; /* no heartbeat for the stale timeout, and not stopped */
};

struct cards {
    struct card *list; /* by name */
    size_t count;
    bool more; /* there are more than were read */
};
void cards_release(struct cards *cards);

/* Reads the cards, at most `max`: one listing page a thousand, and one request for each card whose
 * ETag is not among those of `*cards` (all zero: none), which is replaced. */
enum queue_result cards_read(struct queue *queue, size_t max, struct cards *cards,
                             char **error_r) MUST_CHECK;
/* "processing", "idle", "stopped"; "silent", "damaged". */
const char *card_health(const struct card *card);
bool card_alive(const struct card *card);
/* The contract's object. The caller drops it. */
struct json_object *card_json(const struct card *card) MUST_CHECK;

#endif
