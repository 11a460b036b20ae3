/* See quote.h: names from outside, shown harmlessly. */
#include "base/quote.h"

#include <string.h>

#include "base/alloc.h"

size_t utf8_sequence(const unsigned char *p, size_t len, unsigned *rune_r)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned rune;
    size_t n;

    if (len == 0)
        return 0;
    if (p[0] < 0x80) {
        n = 1;
        rune = p[0];
    } else if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        n = 2;
        rune = p[0] & 0x1f;
    } else if ((p[0] & 0xf0) == 0xe0) {
        n = 3;
        rune = p[0] & 0x0f;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        n = 4;
        rune = p[0] & 0x07;
    } else {
        return 0;
    }
    if (n > len)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        rune = rune << 6 | (p[i] & 0x3f);
    }
    if (rune < least[n] || rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff))
        return 0;
    if (rune_r != NULL)
        *rune_r = rune;
    return n;
}

bool utf8_is_valid(const void *bytes, size_t len)
{
    const unsigned char *p = bytes;

    while (len > 0) {
        size_t n = utf8_sequence(p, len, NULL);
        if (n == 0)
            return false;
        p += n;
        len -= n;
    }
    return true;
}

/* C0, C1, DEL, and what turns the direction of the text around it. */
static bool rune_is_harmless(unsigned rune)
{
    if (rune < 0x20 || (rune >= 0x7f && rune < 0xa0))
        return false;
    if (rune == 0x200e || rune == 0x200f || (rune >= 0x2028 && rune <= 0x202e) ||
        (rune >= 0x2066 && rune <= 0x2069) || rune == 0xfeff || rune == 0x061c)
        return false;
    return rune < 0xe0000;
}

static void append_bytes(struct buf *out, const void *bytes, size_t len, bool in_quotes)
{
    const unsigned char *p = bytes;

    while (len > 0) {
        unsigned rune = 0;
        size_t n = utf8_sequence(p, len, &rune);
        if (n == 0)
            n = 1;
        else if (rune == '\\')
            rune = 0;
        else if (in_quotes && rune == '\'')
            rune = 0;
        else if (!rune_is_harmless(rune))
            rune = 0;
        if (rune != 0) {
            buf_append(out, p, n);
        } else if (*p == '\n') {
            buf_puts(out, "\\n");
        } else if (*p == '\t') {
            buf_puts(out, "\\t");
        } else if (*p == '\\') {
            buf_puts(out, "\\\\");
        } else {
            for (size_t i = 0; i < n; i++)
                buf_printf(out, "\\x%02x", p[i]);
        }
        p += n;
        len -= n;
    }
}

void quote_append(struct buf *out, const void *bytes, size_t len)
{
    append_bytes(out, bytes, len, false);
}

void quote_append_name(struct buf *out, const void *bytes, size_t len)
{
    buf_putc(out, '\'');
    append_bytes(out, bytes, len, true);
    buf_putc(out, '\'');
}

char *quote_name(const char *text)
{
    struct buf out = BUF_INIT;

    if (text == NULL)
        return mem_strdup("(none)");
    quote_append_name(&out, text, strlen(text));
    return buf_steal(&out);
}
