/* Everything that a bucket holds of one job, read at once: what charges, heals and moves decide by.
 *
 * Inside of queue/ and janitor/ only. A sight is as old as its reading; what is done from it names
 * the ETags that it saw. */
#ifndef BF_QUEUE_SIGHT_H
#define BF_QUEUE_SIGHT_H

#include "queue/scan.h"
#include "queue/step.h"
#include "queue/view.h"

struct sight {
    char hash[65];
    unsigned has; /* SCAN_BIT of each place */
    struct store_op ops[SCAN_COUNT];
    char keys[SCAN_COUNT][KEY_SIZE];
    struct record_todo todo[TIER_COUNT]; /* of tiers that have a marker */
    bool todo_damaged[TIER_COUNT];
    int64_t unknown_retries; /* of v1's marker of no tier */
    struct record_failed failed;
    struct record_dead dead;
    struct record_lock lock;
    bool lock_damaged;
};

/* On the heap: a sight is too large for a fiber's stack. OK: *sight_r is the caller's. */
enum queue_result sight_read(struct queue *queue, struct claim *claim, const char *hash,
                             struct sight **sight_r, char **error_r) MUST_CHECK;
void sight_destroy(struct sight *sight); /* NULL is fine */

static inline bool sight_has(const struct sight *sight, enum scan_place place)
{
    return (sight->has & SCAN_BIT(place)) != 0;
}
bool sight_has_marker(const struct sight *sight);
/* The marker that stays when there are twins: of the highest tier. TIER_COUNT: there is none. */
unsigned sight_kept(const struct sight *sight);
/* A result, a dead record stands that no marker overrides: the job is settled. */
bool sight_result_stands(const struct sight *sight);
bool sight_dead_stands(const struct sight *sight);
/* The state by precedence; a lock counts only when it is another's than `claim`'s (NULL: any). */
enum job_state sight_state(const struct sight *sight, const struct claim *claim);
/* Highest count that markers and failed record tell; `but`: the failed record of this claim is left
 * out (it is about the attempt that is being counted). */
int64_t sight_count(const struct sight *sight, const char *but);
bool sight_charged(const struct sight *sight, const char *claim_id);
/* Highest generation that its markers tell. */
int64_t sight_generation(const struct sight *sight);

/* Deletes what the settled state makes superfluous: of a result: markers, dead, failed; of a dead
 * record: markers, failed. The caller holds the lock. */
enum queue_result sight_clear(struct queue *queue, struct claim *claim, struct sight *sight,
                              char **error_r) MUST_CHECK;
/* Deletes all markers but the one in `kept` (TIER_COUNT: all), in view of `evidence`. */
enum queue_result sight_clear_markers(struct queue *queue, struct claim *claim, struct sight *sight,
                                      unsigned kept, struct evidence *evidence,
                                      char **error_r) MUST_CHECK;
enum queue_result sight_clear_place(struct queue *queue, struct claim *claim, struct sight *sight,
                                    enum scan_place place, struct evidence *evidence,
                                    char **error_r) MUST_CHECK;
enum queue_result sight_clear_failed(struct queue *queue, struct claim *claim, struct sight *sight,
                                     struct evidence *evidence, char **error_r) MUST_CHECK;

#endif
