/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Escapes only what CommonMark and GFM would take for markup, so that ordinary text stays
 * readable. When in doubt it escapes. No output of ours defines link references, so brackets are
 * literal unless an address, a definition or a footnote mark could follow.
 */
#include "escape.h"

#include <ctype.h>
#include <string.h>

static void put(struct bytes *out, const char *s)
{
    bytes_add(out, s, strlen(s));
}

static bool is_word(const char *text, size_t len, size_t i)
{
    return i < len && (isalnum((unsigned char)text[i]) || (unsigned char)text[i] >= 0x80);
}

static bool is_space(const char *text, size_t len, size_t i)
{
    return i >= len || text[i] == ' ';
}

static bool inline_needs(const char *text, size_t len, size_t i)
{
    char c = text[i], next = i + 1 < len ? text[i + 1] : 0;

    switch (c) {
    case '\\':
        return next == 0 || ispunct((unsigned char)next);
    case '`':
        return true;
    case '*':
        return !((i == 0 || text[i - 1] == ' ') && is_space(text, len, i + 1) && i > 0);
    case '_':
        return !(i > 0 && is_word(text, len, i - 1) && is_word(text, len, i + 1));
    case '~':
        return next == '~' || (i > 0 && text[i - 1] == '~');
    case '[':
        return next == '^' || next == ']' ||
               ((next == ' ' || next == 'x' || next == 'X') && i + 2 < len && text[i + 2] == ']');
    case ']':
        return next == '(' || next == ':';
    case '!':
        return next == '[';
    case '<':
        return isalpha((unsigned char)next) || next == '/' || next == '!' || next == '?';
    case '&':
        return next == '#' || isalpha((unsigned char)next);
    default:
        return false;
    }
}

/* Bytes at the start of a line that would open a block: how many of them stand before the one that
 * must be escaped, or -1. */
static int line_start_needs(const char *text, size_t len)
{
    size_t n = 0;

    if (len == 0) {
        return -1;
    }
    switch (text[0]) {
    case '#':
        while (n < len && text[n] == '#') {
            n++;
        }
        return n <= 6 && is_space(text, len, n) ? 0 : -1;
    case '>':
    case '|':
    case '=':
        return 0;
    case '+':
        return is_space(text, len, 1) ? 0 : -1;
    case '-':
        return is_space(text, len, 1) || text[1] == '-' ? 0 : -1;
    case '~':
        return len > 2 && text[1] == '~' && text[2] == '~' ? 0 : -1;
    default:
        break;
    }
    while (n < len && isdigit((unsigned char)text[n])) {
        n++;
    }
    if (n > 0 && n <= 9 && n < len && (text[n] == '.' || text[n] == ')') &&
        is_space(text, len, n + 1)) {
        return (int)n;
    }
    return -1;
}

void escape_text(struct bytes *out, const char *text, size_t len, size_t from, size_t to,
                 enum escape_place place)
{
    int start = place == ESCAPE_LINE_START ? line_start_needs(text + from, len - from) : -1;

    for (size_t i = from; i < to; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == 0) {
            continue;
        }
        if (place == ESCAPE_HTML) {
            if (c == '<') {
                put(out, "&lt;");
            } else if (c == '>') {
                put(out, "&gt;");
            } else if (c == '&') {
                put(out, "&amp;");
            } else {
                bytes_add(out, &text[i], 1);
            }
            continue;
        }
        if (inline_needs(text, len, i) || (start >= 0 && i == from + (size_t)start) ||
            (place == ESCAPE_CELL && c == '|')) {
            put(out, "\\");
        }
        bytes_add(out, &text[i], 1);
    }
}

void escape_address(struct bytes *out, const char *uri)
{
    static const char hex[] = "0123456789ABCDEF";

    for (const unsigned char *p = (const unsigned char *)uri; *p != 0; p++) {
        if (*p <= 0x20 || *p >= 0x7f || strchr("()<>\\\"`[]|", *p) != NULL) {
            char code[4] = {'%', hex[*p >> 4], hex[*p & 15], 0};
            put(out, code);
        } else {
            bytes_add(out, p, 1);
        }
    }
}
