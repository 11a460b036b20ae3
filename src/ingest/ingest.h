/* Ingest: PDFs from disk become jobs in a bucket.
 *
 * For each file: header and size are checked, the SHA-256 is computed (or taken from the file's
 * attributes, or from a Git LFS pointer), the queue is asked whether the hash is known in any
 * state, and what is new is uploaded; only when the raw object stands is the marker made, by
 * If-None-Match. The path of a known hash is added to the manifest. A run that ends anywhere, even
 * by SIGKILL, leaves what the next run completes: a raw object without a marker is uploaded again
 * and queued, a marker without a manifest entry gets its entry.
 *
 * Of a pointer whose content the bucket lacks, the content is fetched by `git lfs pull` into its
 * working tree, uploaded, and turned back into the pointer (ingest/lfs_pull.h).
 *
 * Threads: one walks, a few hash, one runs git-lfs when it is needed, and the caller's thread alone
 * talks to the store, in batches, so that hashing and uploading overlap. All callbacks come on the
 * caller's thread. Memory does not grow with the number of files, but for 8 bytes a file to tell
 * duplicates. */
#ifndef BF_INGEST_INGEST_H
#define BF_INGEST_INGEST_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "queue/queue.h"

enum ingest_action {
    INGEST_QUEUED,
    INGEST_WOULD_QUEUE,
    INGEST_SKIPPED,
    INGEST_ERROR
};
const char *ingest_action_name(enum ingest_action action);

enum ingest_reason {
    INGEST_REASON_NONE,
    INGEST_DONE, /* known, in this state */
    INGEST_PROCESSING,
    INGEST_TODO,
    INGEST_FAILED,
    INGEST_DEAD,
    INGEST_DUPLICATE,   /* the same content came earlier in this run */
    INGEST_NOT_PDF,     /* no %PDF within the first 1024 bytes; also an empty file */
    INGEST_TOO_LARGE,   /* above max_pdf_size */
    INGEST_CHANGED,     /* it changed while it was read */
    INGEST_LFS_MISSING, /* a Git LFS pointer whose content is not in the bucket, nor to be had */
    INGEST_UNREADABLE
};
#define INGEST_REASON_COUNT 12
const char *ingest_reason_name(enum ingest_reason reason); /* NULL for INGEST_REASON_NONE */

/* What became of one file. Borrowed during the callback. */
struct ingest_outcome {
    const char *path; /* any bytes */
    const char *hash; /* NULL: not known */
    enum ingest_action action;
    enum ingest_reason reason;
    int64_t size_bytes; /* -1: not known */
    const char *error;  /* NULL unless INGEST_ERROR (and too_large): WHY; REMEDY */
};

struct ingest_progress {
    int64_t files_done, bytes_done;
    int64_t files_total, bytes_total; /* found so far; final when counted is true */
    bool counted;
};

struct ingest_options {
    char *const *paths;
    size_t path_count;
    /* PATHs after those, from an open file; names_path: what it is called, NULL: there is none. */
    const char *names_path;
    int names_fd;
    bool names_nul;      /* they end with NUL; else the first bytes decide (ingest/names.h) */
    char *const *follow; /* folders to be watched then, until the flag (ingest/follow.h) */
    size_t follow_count;
    enum tier tier;
    bool dry_run;
    bool follow_symlinks;
    const char *const *tags; /* added to every file's */
    size_t tag_count;
    int64_t max_pdf_size;              /* bytes */
    int threads;                       /* for hashing; 0: by the number of cores */
    int64_t batch_wait_ms;             /* how long a batch waits to be filled; 0: by the store */
    int64_t lfs_limit_ms;              /* for one `git lfs pull`; 0: by the size of the file */
    bool count_ahead;                  /* a thread counts the tree, so that progress has an end */
    const volatile sig_atomic_t *stop; /* not 0: finish the files in hand, flush, return; or NULL */

    void (*each)(void *arg, const struct ingest_outcome *outcome);       /* may be NULL */
    void (*progress)(void *arg, const struct ingest_progress *progress); /* may be NULL; often */
    void (*warning)(void *arg, const char *text); /* manifest trouble; may be NULL */
    void *arg;
};

struct ingest_summary {
    int64_t found;    /* files and PATHs that came to an outcome */
    int64_t uploaded; /* raw objects written */
    int64_t queued;   /* markers made; in a dry run those that would be */
    int64_t skipped;
    int64_t errors;                          /* files, and manifest parts not recorded */
    int64_t by_reason[INGEST_REASON_COUNT];  /* skipped and errors, by reason */
    int64_t skipped_by[INGEST_REASON_COUNT]; /* skipped alone */
    int64_t bytes;                           /* of the files found */
    int64_t milliseconds;
    int64_t links_passed; /* symbolic links that were not followed */
    size_t roots_opened;  /* PATHs that could be opened */
    bool stopped;         /* by the flag */
};

/* Runs to the end. OK: every file came to an outcome (errors of single files are in the summary).
 * AGAIN, UNKNOWN, FATAL: the store gave out on the way: *error_r says what, why and what to do, the
 * summary says how far it got, and a second run goes on from there. A damaged manifest stops
 * nothing: it is a warning and counts as an error. */
enum queue_result ingest_run(struct queue *queue, const struct ingest_options *options,
                             struct ingest_summary *summary_r, char **error_r) MUST_CHECK;

#endif
