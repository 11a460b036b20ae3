/* Copying a library from one store to another, a folder after the other.
 *
 * The order is the promise: documents first, then results, logs and settings, the manifest, and
 * only then what makes jobs of them: dead records, markers, failed records. So a marker stands in
 * the target only where its document stands, whenever the copying ends. Everything but documents
 * goes in by If-None-Match: what the target has is never replaced, and the same copy again goes on
 * where the last one ended. Documents are equal where their hash is equal; what is copied is
 * hashed.
 *
 * A job that the target knows in any state keeps the target's records. Locks are not copied: a job
 * that is being converted has its marker, and is a waiting one in the target. What belongs to one
 * store alone (cards of workers, the gate's verdict, the audit's stamp) stays.
 *
 * One thread calls; others copy, each with two stores of its own. */
#ifndef BF_CLI_COPY_H
#define BF_CLI_COPY_H

#include "cli/cli.h"

struct copy_totals {
    int64_t copied, present, kept, errors, bytes;
    int64_t documents, results, jobs; /* of what was copied */
    int64_t processing;               /* locks seen in the source */
};

/* `from` and `to` are programs around the two stores (cli_other()). Unless OK the reason was said;
 * PARTIAL: single objects were not copied. */
enum exitcode copy_run(struct cli *cli, struct cli *from, struct cli *to, bool dry_run,
                       struct copy_totals *totals_r) MUST_CHECK;

#endif
