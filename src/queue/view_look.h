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
/* Does the marker override what has `etag`? Of an empty or damaged marker: no. */
bool view_marker_over(const struct store_op *op, const char *etag, bool dead);
/* The order of precedence, from what is there. `over_*`: the marker stands although it is there. */
enum job_state view_state_of(unsigned has, bool over_result, bool over_dead);

#endif
