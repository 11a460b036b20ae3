/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Memory stays constant because pages wait on disk (in practice in the page cache) until the
 * statistics of the whole document are known.
 */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool spool_open(struct spool *spool, const char *dir, uint32_t pages)
{
    char name[4096];

    memset(spool, 0, sizeof *spool);
    spool->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (spool->fd == -1) {
        snprintf(name, sizeof name, "%s/.spool.XXXXXX", dir);
        spool->fd = mkostemp(name, O_CLOEXEC);
        if (spool->fd == -1) {
            return false;
        }
        (void)unlink(name);
    }
    spool->pages = calloc(pages + 1, sizeof *spool->pages);
    if (spool->pages == NULL) {
        close(spool->fd);
        errno = ENOMEM;
        return false;
    }
    spool->pages_n = pages;
    return true;
}

void spool_close(struct spool *spool)
{
    if (spool->pages != NULL) {
        close(spool->fd);
    }
    free(spool->pages);
    bytes_release(&spool->buffer);
    memset(spool, 0, sizeof *spool);
}

bool spool_put(struct spool *spool, uint32_t page, const void *record, uint32_t len)
{
    const char *at = record;
    uint64_t where = spool->end;

    if (page >= spool->pages_n) {
        errno = EINVAL;
        return false;
    }
    for (uint32_t done = 0; done < len;) {
        ssize_t n = pwrite(spool->fd, at + done, len - done, (off_t)(where + done));
        if (n == -1 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        done += (uint32_t)n;
    }
    spool->end += len;
    spool->pages[page] = (struct spool_entry){where, len, PAGE_READ};
    return true;
}

bool spool_get(struct spool *spool, uint32_t number, struct page *page)
{
    const struct spool_entry *e = &spool->pages[number];

    page_reset(page);
    if (number >= spool->pages_n || e->state != PAGE_READ) {
        return false;
    }
    if (e->len > spool->buffer.cap) {
        spool->buffer.at = array_grow(spool->buffer.at, &spool->buffer.cap, e->len, 1);
    }
    for (uint32_t done = 0; done < e->len;) {
        ssize_t n = pread(spool->fd, spool->buffer.at + done, e->len - done, (off_t)(e->at + done));
        if (n == -1 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        done += (uint32_t)n;
    }
    return page_read(page, spool->buffer.at, e->len);
}
