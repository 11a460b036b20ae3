/* What a converter says on descriptor 3: lines of at most 512 bytes.
 *
 *     pages N      the document has N pages
 *     page I       I pages are done
 *     stage WORD   [a-z0-9-]{1,32}
 *     warn TEXT    UTF-8
 *
 * Everything else is ignored, whatever it is and however long; the parser keeps at most one line.
 * Resident converters also end a job with `done STATUS`. Pure: bytes in, counters out. */
#ifndef BF_CONVERT_PROGRESS_H
#define BF_CONVERT_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define PROGRESS_LINE_MAX 512 /* without the newline */
#define PROGRESS_STAGE_SIZE 33
#define PROGRESS_PAGES_MAX 100000000

struct progress {
    int64_t page, pages;             /* -1: not said yet */
    char stage[PROGRESS_STAGE_SIZE]; /* "": none */
    char warning[PROGRESS_LINE_MAX]; /* the last `warn`, escaped bytes as they came; "": none */
    int64_t warnings;                /* how many */
    int64_t lines;                   /* valid lines: signs of life */
    int done_status;                 /* `done STATUS` of a resident converter; -1: none */
    int64_t answers;                 /* how many of those */

    /* the parser's own */
    char line[PROGRESS_LINE_MAX];
    size_t line_len;
    bool line_skipped; /* the rest of a line that is too long */
};

void progress_init(struct progress *progress);
/* Takes the next bytes. true: at least one valid line was among them. */
bool progress_feed(struct progress *progress, const void *bytes, size_t len);

#endif
