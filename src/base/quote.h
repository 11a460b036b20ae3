/* The one escaping function for names from outside.
 *
 * File names, keys, error texts of a converter and titles of documents may hold any byte: control
 * characters that move a cursor, newlines that forge log lines, bytes that are no UTF-8. Whatever
 * is shown to a person or written to a log passes here first. Any thread. */
#ifndef BF_BASE_QUOTE_H
#define BF_BASE_QUOTE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Appends the bytes so that a terminal shows them harmlessly: printable UTF-8 stays (bidirectional
 * controls do not), everything else becomes \n, \t, \\ or \xHH. */
void quote_append(struct buf *out, const void *bytes, size_t len);
/* The same within '…' , for messages: 'my file.pdf'. A quote inside becomes \x27. */
void quote_append_name(struct buf *out, const void *bytes, size_t len);
/* A copy for a message. The caller frees. `text` NULL gives "(none)". */
char *quote_name(const char *text) MUST_CHECK;

/* Length of the valid UTF-8 sequence at p (1 to 4), 0 when there is none: overlong forms,
 * surrogates and values above U+10FFFF are not valid (RFC 3629). *rune_r may be NULL. */
size_t utf8_sequence(const unsigned char *p, size_t len, unsigned *rune_r);
bool utf8_is_valid(const void *bytes, size_t len);

#endif
