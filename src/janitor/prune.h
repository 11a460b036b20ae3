/* Things of the registry that nobody looks after any more: cards of workers that are gone, and what
 * a probe that was cut short left behind. Notes, all of them: losing one costs nothing. Inside of
 * janitor/ only. */
#ifndef BF_JANITOR_PRUNE_H
#define BF_JANITOR_PRUNE_H

#include "janitor/janitor.h"

/* Deletes cards that were not written for a week, v1's too, and probe objects older than a day, by
 * the server's clock. `dry_run`: only counts. */
enum queue_result prune(struct queue *queue, bool dry_run, struct janitor_report *report,
                        char **error_r) MUST_CHECK;

#endif
