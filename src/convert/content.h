/* Is this Markdown? Checked as it streams by, in any pieces. Pure. */
#ifndef BF_CONVERT_CONTENT_H
#define BF_CONVERT_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

enum content_fault {
    CONTENT_FINE,
    CONTENT_NOT_UTF8,
    CONTENT_NUL,
    CONTENT_BLANK, /* nothing but white space */
    CONTENT_PDF    /* the document itself under another name */
};

struct content { /* all zero is the beginning */
    enum content_fault fault;
    int64_t fault_at;       /* offset of the byte in question */
    int64_t offset;         /* bytes taken */
    unsigned char carry[4]; /* a sequence cut by the end of a piece */
    size_t carry_len;
    unsigned char head[8]; /* the first bytes that are no white space */
    size_t head_len;
};

/* false: a fault is found, more bytes change nothing. */
bool content_feed(struct content *content, const void *bytes, size_t len);
/* After the last byte. */
enum content_fault content_end(struct content *content);
const char *content_fault_text(enum content_fault fault);

#endif
