/* Growing byte buffers.
 *
 * A buf owns `data`; `data[len]` is always a NUL that is not counted, so a buf of text can be
 * used as a C string. Initialise with BUF_INIT, give back with buf_release(). Growth ends the
 * process when memory is gone (alloc.h); what comes from outside is bounded by `buf_append_max`. */
#ifndef BF_BASE_BUF_H
#define BF_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

struct buf {
    char *data; /* never NULL after the first append or buf_text() */
    size_t len;
    size_t room; /* bytes allocated, 0 or > len */
};

#define BUF_INIT                                                                                   \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }

void buf_reserve(struct buf *b, size_t more);
void buf_append(struct buf *b, const void *bytes, size_t len);
/* Appends only while the whole stays within `max` bytes; false (and nothing appended) beyond. */
bool buf_append_max(struct buf *b, const void *bytes, size_t len, size_t max) MUST_CHECK;
void buf_puts(struct buf *b, const char *text);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_clear(struct buf *b);   /* length 0, memory kept */
void buf_release(struct buf *b); /* memory given back, usable again */
/* The bytes as a C string; "" for an empty buf. Borrowed until the next change of b. */
const char *buf_text(const struct buf *b);
/* Hands the memory over: the caller frees it; b is empty afterwards. Never NULL. */
char *buf_steal(struct buf *b) MUST_CHECK;

#endif
