/* Manifest against raw documents: both in the order of their hashes, side by side, so that memory
 * does not grow with the library. What the manifest lacks is put back from the raw objects'
 * metadata; what it has too much is taken out. The manifest is an index: nothing of a job is
 * touched. */
#ifndef BF_INDEX_RECONCILE_H
#define BF_INDEX_RECONCILE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "index/index.h"

enum reconcile_kind {
    RECONCILE_MISSING,  /* a document without an entry */
    RECONCILE_ORPHANED, /* an entry without a document */
    RECONCILE_DIFFERING /* their sizes differ */
};
const char *reconcile_kind_name(enum reconcile_kind kind); /* "missing" "orphaned" "differing" */

struct reconcile_options {
    bool add;    /* make entries that are missing */
    bool remove; /* take orphaned ones out, after another look for the document */
    const volatile sig_atomic_t *stop; /* not 0: ends after what is in hand; or NULL */
    void (*each)(void *arg, enum reconcile_kind kind, const char *hash); /* may be NULL */
    void (*progress)(void *arg, int64_t documents);                      /* may be NULL */
    void *arg;
};

struct reconcile_report {
    int64_t documents, entries;
    int64_t missing, orphaned, differing;
    int64_t added, removed;
};

/* `index` is fresh. OK: all was looked at (or stopped). Else the store gave out: *error_r. */
enum queue_result reconcile_run(struct index *index, struct queue *queue,
                                const struct reconcile_options *options,
                                struct reconcile_report *report_r, char **error_r) MUST_CHECK;

#endif
