/* A run of ingest, as ingest.c and batch.c share it. Private to ingest/. */
#ifndef BF_INGEST_RUN_H
#define BF_INGEST_RUN_H

#include "index/manifest.h"
#include "ingest/crew.h"
#include "ingest/ingest.h"
#include "ingest/known.h"
#include "ingest/seen.h"

/* Files that go through the store together: enough that a round trip is shared, few enough that
 * the hashing threads have files to go on with meanwhile. */
#define BATCH_MAX 128
/* Batches, or flushes of the manifest, in a row that came to nothing before the run gives up. */
#define STORE_FAILURES_MAX 3
/* How many files must be at hand for a pass over the bucket to be thought of. */
#define BATCH_OF_MANY 64
/* How long a batch waits to be filled where a request is a round trip. */
#define BATCH_WAIT_MS 20

struct run {
    struct queue *queue;
    const struct ingest_options *options;
    struct ingest_summary *summary;
    struct crew *crew;
    struct manifest *manifest; /* NULL: none in a dry run, or damaged */
    struct seen seen;
    struct known known;
    struct file *deferred; /* twins of a file in the same batch: they go with the next one */
    struct ingest_progress progress;
    int store_failures, flush_failures;
    /* Why the run ends early; QUEUE_OK: it does not. */
    enum queue_result verdict;
    char *verdict_error;
};

/* Tells the outcome of a file, counts it, and drops the file. */
void run_report(struct run *run, struct file *file, enum ingest_action action,
                enum ingest_reason reason);
/* Refuses with the store's error text (taken over, may be NULL) and reports. */
void run_report_store_error(struct run *run, struct file *file, char *error);
/* The store failed a whole batch: ends the run when it is final, or when it goes on like that. The
 * text is copied. */
void run_store_failed(struct run *run, enum queue_result result, const char *error);

/* Takes `count` examined files to their outcome, or back to the crew, or to run->deferred. */
void batch_process(struct run *run, struct file **files, size_t count);

#endif
