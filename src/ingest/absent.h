/* Which hashes a bucket surely knows nothing of: the quick answer for what is new.
 *
 * Asking for one hash takes a request for each place where it could be. A page of a listing answers
 * for every hash up to its last line at once, and most folders of a bucket fit one page: so a batch
 * of new files costs a page a folder, and single requests only where a folder goes on behind its
 * page. A listing proves absence as well as a GET does.
 *
 * Only for stores where a request is a round trip: in a directory a single look costs less than a
 * page. One thread, the store's. */
#ifndef BF_INGEST_ABSENT_H
#define BF_INGEST_ABSENT_H

#include <stdbool.h>
#include <stddef.h>

#include "queue/queue.h"

#define ABSENT_MAX 128 /* hashes at a time */

/* Is it worth while on this store? */
bool absent_helps(const struct queue *queue);
/* absent_r[i]: hashes[i] has no marker, lock, failed or dead record, result or raw object. false
 * says nothing: there is something, or the store gave no answer. */
void absent_find(struct queue *queue, const char (*hashes)[65], size_t count, bool *absent_r);

#endif
