/* What the rooms of view.h share: a look at one place of a job, and what the looks add up to.
 *
 *   view.c         one job, counts, lists
 *   view_states.c  the states of many jobs
 *
 * Nobody else includes this. */
#ifndef BF_QUEUE_VIEW_LOOK_H
#define BF_QUEUE_VIEW_LOOK_H

#include "queue/scan.h"
#include "queue/view.h"

/* A GET of the place's key, or a HEAD of what is large. */
void view_look_init(struct queue *queue, const char *hash, enum scan_place place,
                    struct store_op *op, char key[static KEY_SIZE]);
/* Does the marker that was read override the result, the dead record with these ETags ("": there is
 * none)? Sets what is so, and leaves what is not. An empty or damaged marker overrides nothing. A
 * dead record that is not named is read: it may have buried an earlier generation. */
enum queue_result view_over(struct queue *queue, const char *hash, const struct store_op *marker,
                            const char *out_etag, const char *dead_etag, bool *over_result,
                            bool *over_dead, char **error_r) MUST_CHECK;
/* The order of precedence, from what is there. `over_*`: the marker stands although it is there. */
enum job_state view_state_of(unsigned has, bool over_result, bool over_dead);

#endif
