/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * For people who ask why: what a stage made of a page, as text (pagetext.h) or drawn over the
 * page. Runs the stages in this process, without limits: not for documents one does not trust.
 */
#ifndef CONVERTER_DUMP_H
#define CONVERTER_DUMP_H

#include "exits.h"
#include "options.h"
#include "page.h"

/* --dump-stage, --draw and --from-dump of the command line. The pages come from a PDF, or from a
 * dump and then go through the stages behind the one they were printed after. */
enum exit_status dump_run(const struct options *options, const char *password) MUST_LOOK;

#endif
