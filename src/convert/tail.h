/* The last bytes of a stream, whatever its length. */
#ifndef BF_CONVERT_TAIL_H
#define BF_CONVERT_TAIL_H

#include <stddef.h>

#include "base/buf.h"
#include "base/compiler.h"

struct tail { /* all zero is empty */
    struct buf bytes;
    size_t max;
};

void tail_append(struct tail *tail, const void *bytes, size_t len);
/* The last `max` bytes as text, NUL bytes as '?'; the tail is empty afterwards. Never NULL; the
 * caller frees. */
char *tail_steal(struct tail *tail) MUST_CHECK;

#endif
