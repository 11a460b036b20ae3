/* See buf.h: growing byte buffers. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void buf_reserve(struct buf *b, size_t more)
{
    size_t need = b->len + more + 1;
    size_t room = b->room ? b->room : 64;

    if (need <= b->room)
        return;
    while (room < need)
        room *= 2;
    b->data = mem_resize(b->data, room, 1);
    b->room = room;
}

void buf_append(struct buf *b, const void *bytes, size_t len)
{
    buf_reserve(b, len);
    if (len > 0)
        memcpy(b->data + b->len, bytes, len);
    b->len += len;
    b->data[b->len] = '\0';
}

bool buf_append_max(struct buf *b, const void *bytes, size_t len, size_t max)
{
    if (len > max || b->len > max - len)
        return false;
    buf_append(b, bytes, len);
    return true;
}

void buf_puts(struct buf *b, const char *text)
{
    buf_append(b, text, strlen(text));
}

void buf_putc(struct buf *b, char c)
{
    buf_append(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    int len;

    va_start(ap, fmt);
    va_copy(again, ap);
    len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (len > 0) {
        buf_reserve(b, (size_t)len);
        vsnprintf(b->data + b->len, (size_t)len + 1, fmt, again);
        b->len += (size_t)len;
    }
    va_end(again);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    if (b->data != NULL)
        b->data[0] = '\0';
}

void buf_release(struct buf *b)
{
    free(b->data);
    b->data = NULL;
    b->len = b->room = 0;
}

const char *buf_text(const struct buf *b)
{
    return b->data == NULL ? "" : b->data;
}

char *buf_steal(struct buf *b)
{
    char *data = b->data == NULL ? mem_strdup("") : b->data;

    b->data = NULL;
    b->len = b->room = 0;
    return data;
}
