/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Printed page labels ("xii", "A-3") from a document's PageLabels tree.
 */
#ifndef CONVERTER_LABELS_H
#define CONVERTER_LABELS_H

#include <mupdf/fitz.h>

#include "document.h"

/* Fills doc->labels for doc->pages pages, when the document has labels. Throws on damage. */
void labels_load(fz_context *ctx, fz_document *fzdoc, struct document *doc);

#endif
