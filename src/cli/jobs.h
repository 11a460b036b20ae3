/* A job as `status` and `list` show it: the object of --json, and its page of text. */
#ifndef BF_CLI_JOBS_H
#define BF_CLI_JOBS_H

#include <json-c/json.h>

#include "cli/cli.h"
#include "index/manifest.h"

/* What is said about a job from several records at once. Borrowed from the view. Unknown: -1,
 * NULL. */
struct job_facts {
    int64_t retries, queued_ms, started_ms, heartbeat_ms, not_before_ms, slot, page, pages;
    double elapsed_seconds, eta_seconds; /* -1: unknown */
    const char *worker, *phase, *stage, *cause, *reason, *error;
};
void job_facts_gather(const struct queue *queue, const struct job_view *view,
                      struct job_facts *facts_r);

/* The whole job object; `entry` (paths, NULL: not asked for) is borrowed. The caller drops it. */
struct json_object *job_json(const struct queue *queue, const struct job_view *view,
                             const struct manifest_entry *entry) MUST_CHECK;
/* A page of "name  value" lines. */
void job_print(const struct queue *queue, const struct job_view *view,
               const struct manifest_entry *entry);
/* What helps a dead job: another try, or, where that would end alike, something else. For the end
 * of a message. The caller frees. */
char *job_dead_remedy(const struct job_view *view) MUST_CHECK;
/* Counts: a line per state and tier as JSON, or a table. */
void counts_print(struct cli *cli, const struct job_counts *counts);
/* "convert 12/320", "starting" before the first sign of life: how far a conversion is. The caller
 * frees. */
char *job_progress_text(const struct job_facts *facts) MUST_CHECK;

#endif
