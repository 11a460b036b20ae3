/* See width.h: columns that text takes. */
#include "cli/width.h"

#include <locale.h>
#include <string.h>
#include <wchar.h>

#include "base/quote.h"

static locale_t utf8, before;
static unsigned depth;

void width_begin(void)
{
    if (depth++ > 0)
        return;
    if (utf8 == (locale_t)0)
        utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    before = utf8 != (locale_t)0 ? uselocale(utf8) : (locale_t)0;
}

void width_end(void)
{
    if (--depth > 0 || utf8 == (locale_t)0)
        return;
    uselocale(before);
    freelocale(utf8);
    utf8 = (locale_t)0;
}

size_t width_of_rune(unsigned rune)
{
    int w = rune < 0x80 ? 1 : wcwidth((wchar_t)rune);

    return w < 0 ? 1 : (size_t)w;
}

size_t width_of(const char *text, size_t len)
{
    size_t width = 0;

    while (len > 0) {
        unsigned rune = 0;
        size_t n = utf8_sequence((const unsigned char *)text, len, &rune);

        width += width_of_rune(rune);
        if (n == 0)
            n = 1;
        text += n;
        len -= n;
    }
    return width;
}

size_t width_within(const char *text, size_t width)
{
    size_t len = strlen(text), used = 0, columns = 0;

    while (used < len) {
        unsigned rune = 0;
        size_t n = utf8_sequence((const unsigned char *)text + used, len - used, &rune);

        columns += width_of_rune(rune);
        if (columns > width)
            break;
        used += n == 0 ? 1 : n;
    }
    return used;
}
