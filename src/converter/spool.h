/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Pages on their way from the workers to the writer: a file without a name.
 */
#ifndef CONVERTER_SPOOL_H
#define CONVERTER_SPOOL_H

#include "page.h"

enum page_state {
    PAGE_MISSING, /* not wanted, or never reached */
    PAGE_READ,    /* a record is in the spool */
    PAGE_DAMAGED, /* could not be loaded */
    PAGE_CRASHED, /* its worker died */
    PAGE_TIMED_OUT,
    PAGE_TOO_BIG, /* its worker ran out of memory */
};

struct spool_entry {
    uint64_t at;
    uint32_t len;
    uint8_t state; /* enum page_state */
};

struct spool {
    int fd;
    uint64_t end;
    struct spool_entry *pages;
    uint32_t pages_n;
    struct bytes buffer;
};

/* Opens the spool in directory `dir` for pages numbered 0 to pages - 1. False with errno set. */
bool spool_open(struct spool *spool, const char *dir, uint32_t pages) MUST_LOOK;
void spool_close(struct spool *spool);
/* Keeps the record of a page. False with errno set when the disk does not take it. */
bool spool_put(struct spool *spool, uint32_t page, const void *record, uint32_t len) MUST_LOOK;
/* Reads a page back. False when its record is missing or not sound. */
bool spool_get(struct spool *spool, uint32_t number, struct page *page) MUST_LOOK;

#endif
