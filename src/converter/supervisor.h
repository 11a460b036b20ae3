/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Supervision of the workers: who converts which pages, and what happens when one dies or hangs.
 */
#ifndef CONVERTER_SUPERVISOR_H
#define CONVERTER_SUPERVISOR_H

#include "document.h"
#include "exits.h"
#include "options.h"
#include "spool.h"

struct outcome {
    enum exit_status status; /* EXIT_OK when the document was opened */
    char why[200];
    uint32_t wanted, read, failed; /* pages */
};

/* Opens the document in a worker and has all wanted pages converted into `spool`, which it opens in
 * options->outdir; `doc` is filled. Always returns: every worker has a deadline. When the status is
 * not EXIT_OK nothing was converted and the spool is closed. */
void supervisor_run(const struct options *options, const char *password, int assets,
                    struct document *doc, struct spool *spool, struct outcome *outcome);

#endif
