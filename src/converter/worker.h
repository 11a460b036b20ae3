/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * The process that parses. It is forked without any state, opens the document itself, and can be
 * killed at any time: what it made so far is with its supervisor.
 */
#ifndef CONVERTER_WORKER_H
#define CONVERTER_WORKER_H

#include <stdint.h>

#include "options.h"
#include "page.h"

/* Frames from worker to supervisor: this head, then `len` bytes. */
enum frame_kind {
    FRAME_DOCUMENT = 1, /* document_write; first, when opening succeeded */
    FRAME_FAILURE,      /* struct failure; the worker ends */
    FRAME_PAGE,         /* page_write of page `number` */
    FRAME_PAGE_FAILED,  /* text: why page `number` could not be loaded */
    FRAME_WARNING,      /* text for the user, once */
    FRAME_OCR,          /* page `number` goes to OCR now: it may take its own time */
};

struct frame {
    uint32_t kind, number, len;
};

struct failure {
    uint32_t status; /* enum exit_status */
    char why[200];
};

/* Command from supervisor to worker: convert these pages, one frame each. */
struct order {
    uint32_t first, n; /* 0 = first page */
};

enum {
    FRAME_MAX = 256 << 20
};

/* Runs in the forked child; reads orders from `in`, writes frames to `out`, ends the process. */
_Noreturn void worker_main(const struct options *options, const char *password, int assets, int in,
                           int out);

/* One stage of those from DUMP_LINES to DUMP_BLOCKS, on a page that the one before it left (the
 * text of the lines, runs.c, is part of the columns stage). */
void worker_stage(struct page *page, enum dump_stage stage);

/* All of them, after the pass. */
void worker_stages(struct page *page);

#endif
