/* See tail.h: keeps up to twice the maximum, so that most bytes are moved once at most. */
#include "convert/tail.h"

#include <string.h>

static void tail_cut(struct tail *tail)
{
    size_t surplus;

    if (tail->bytes.len <= tail->max)
        return;
    surplus = tail->bytes.len - tail->max;
    memmove(tail->bytes.data, tail->bytes.data + surplus, tail->max + 1);
    tail->bytes.len = tail->max;
}

void tail_append(struct tail *tail, const void *bytes, size_t len)
{
    const char *p = bytes;

    if (len > tail->max) {
        p += len - tail->max;
        len = tail->max;
    }
    buf_append(&tail->bytes, p, len);
    if (tail->bytes.len > 2 * tail->max)
        tail_cut(tail);
}

char *tail_steal(struct tail *tail)
{
    char *p;

    tail_cut(tail);
    p = tail->bytes.data;
    while (p != NULL && (p = memchr(p, '\0', tail->bytes.len - (size_t)(p - tail->bytes.data))))
        *p = '?';
    return buf_steal(&tail->bytes);
}
