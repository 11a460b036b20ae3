/* The audit: once a day per bucket, everything against everything. The net below the protocol.
 *
 * Finds what no listing of a single folder shows: a PDF of which nothing else is left (queued again
 * after it was seen twice, half an hour apart), twins, notes beside a settled state, failed records
 * without a marker. A healthy bucket has none of these. Inside of janitor/ only. */
#ifndef BF_JANITOR_AUDIT_H
#define BF_JANITOR_AUDIT_H

#include "janitor/janitor.h"

struct audit;

struct audit *audit_create(struct queue *queue) MUST_CHECK;
void audit_destroy(struct audit *audit); /* NULL is fine */
/* Does the day's audit when nobody has, and looks again at what an earlier one suspected. */
enum queue_result audit_pass(struct audit *audit, struct janitor_report *report,
                             char **error_r) MUST_CHECK;
/* The scan alone, now, without the stamp; a job with nothing but its PDF is only counted. */
enum queue_result audit_once(struct queue *queue, bool dry_run, struct janitor_report *report,
                             char **error_r) MUST_CHECK;

/* janitor.c: a job put right under a fresh lock; one that is locked is left. */
enum queue_result janitor_heal(struct queue *queue, const char *hash, bool requeue_raw,
                               struct janitor_report *report, char **error_r) MUST_CHECK;
/* janitor.c: one more of these is looked at. */
void janitor_count_look(struct janitor_report *report, const char *what);

#endif
