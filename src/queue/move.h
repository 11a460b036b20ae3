/* What a user's move is to do, kept in its lock: so that whoever takes the lock of a dead mover
 * over can go on with it.
 *
 * Inside of queue/ and janitor/ only. A move counts as begun with the second beat of its lock: of a
 * first PUT that lands when its sender has long given up nobody concludes anything. The member
 * `wish` of the lock is {"do": "retry" | "tier" | "cancel" | "clear", "by", and of a retry "reset",
 * "reconvert", of a retry that changes the tier and of a move to another tier "tier"}. */
#ifndef BF_QUEUE_MOVE_H
#define BF_QUEUE_MOVE_H

#include "queue/queue.h"

/* The move that the claim (taken over, of a move that had begun) holds, done to its end. OK: done,
 * or nothing was left to do. NONE: the job is in no state for it, or the wish cannot be read: put
 * in order what there is. AGAIN, UNKNOWN: to be repeated. The lock stays. */
enum queue_result move_carry_on(struct queue *queue, struct claim *claim,
                                char **error_r) MUST_CHECK;

#endif
