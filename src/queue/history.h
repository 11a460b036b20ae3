/* The attempt records of a job: what its count can be told from when its marker cannot be read.
 *
 * Ordered by LastModified (whole seconds on S3), the server's clock. */
#ifndef BF_QUEUE_HISTORY_H
#define BF_QUEUE_HISTORY_H

#include "queue/queue.h"

#define HISTORY_MAX 256 /* the newest so many are read */

struct history_line {
    struct record_attempt attempt;
    int64_t modified_ms;
};
struct history {
    struct history_line *lines; /* oldest first; unreadable ones are left out */
    size_t count;
};

enum queue_result history_read(struct queue *queue, struct claim *claim, const char *hash,
                               struct history *history_r, char **error_r) MUST_CHECK;
void history_release(struct history *history);
/* Charged attempts since the user's last reset, that of `but` ("": none) left out. */
int64_t history_charged(const struct history *history, const char *but);
/* Highest number of a run that left a record (a user's resets and clearings are none); 0: none
 * did. A run that was given back has the number of the one that makes up for it. */
int64_t history_runs(const struct history *history);
/* Is this claim's charge in `count` (the highest that markers and failed record tell) already? Its
 * record is written before it is charged, and so says nothing alone; but others are charged once
 * each, and a count beyond theirs has it in. A late copy of a claim's first lock is told by this
 * from a lock whose owner died. */
bool history_counted(const struct history *history, const char *claim_id, int64_t count);
/* Attempts in a row at the end that ended for no fault of the document and without the owner's wish
 * (host and store trouble, a converter that does not start; not drain, window, kill-slot, cancel),
 * that of `but` left out. */
int64_t history_given_back(const struct history *history, const char *but);
/* The last word on the job is a burial or a user's cancel, retry excluded. */
bool history_ends_buried(const struct history *history);

#endif
