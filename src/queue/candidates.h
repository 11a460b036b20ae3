/* Which job to try next: LIST pages of the tiers, shared by all slots of a master.
 *
 * Strict priority between tiers; within one a random first shard (256) and round from there, so
 * that no fixed window hides jobs; hashes that the last LIST of processing/ showed locked are
 * passed over; a marker with a body is read first (once per ETag) for its count and not_before.
 * Pages are at most a minute old. One thread. */
#ifndef BF_QUEUE_CANDIDATES_H
#define BF_QUEUE_CANDIDATES_H

#include "queue/queue.h"

struct candidates;

struct candidates *candidates_create(struct queue *queue) MUST_CHECK;
void candidates_destroy(struct candidates *candidates); /* NULL is fine */
/* OK: *candidate_r is one to try. NONE: nothing is due; *next_due_ms_r (wall ms of the server; 0:
 * unknown) says when the next back-off ends. AGAIN, FATAL: the store. */
enum queue_result candidates_next(struct candidates *candidates, struct candidate *candidate_r,
                                  int64_t *next_due_ms_r, char **error_r) MUST_CHECK;
/* Forget the pages: something new may be there (a poll interval went by, a job was given back). */
void candidates_refresh(struct candidates *candidates);
/* Are todo/ and processing/ empty, and does no failed record of version 1 wait for its marker? For
 * --until-empty; asks the store afresh. */
enum queue_result candidates_all_empty(struct candidates *candidates, bool *empty_r,
                                       char **error_r) MUST_CHECK;

#endif
