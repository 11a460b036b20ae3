/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * info.json: what the converter has to say about a document.
 */
#ifndef CONVERTER_INFO_H
#define CONVERTER_INFO_H

#include "document.h"
#include "exits.h"
#include "options.h"
#include "page.h"
#include "spool.h"

struct page_info {
    uint32_t characters, images, tables, unmapped;
    bool needs_ocr, ocr_done, cut;
};

/* Writes OUTDIR/info.json. `pages` has doc->pages elements and may be NULL, as may `spool`, when
 * the document was not opened. No times, no paths: the same input gives the same bytes. False with
 * errno set. */
bool info_write(int outdir, const struct options *options, const struct document *doc,
                const struct page_info *pages, const struct spool *spool, enum exit_status status,
                const char *why) MUST_LOOK;

#endif
