/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Recognises what numbers and bullets at the start of a line are.
 */
#include "marker.h"
#include "utf8.h"

#include <ctype.h>
#include <string.h>

bool marker_is_bullet(uint32_t c)
{
    static const uint32_t bullets[] = {
        0x2022, 0x2023, 0x2043, 0x204c, 0x204d, 0x2219, 0x25a0, 0x25a1, 0x25aa, 0x25ab, 0x25b6,
        0x25b8, 0x25ba, 0x25cf, 0x25cb, 0x25c6, 0x25c7, 0x25e6, 0x25fc, 0x25fe, 0x2605, 0x2666,
        0x2713, 0x2714, 0x2751, 0x2752, 0x274f, 0x2756, 0x27a2, 0x27a4, 0x2192, 0x00b7, 0xf0b7,
        0xf0a7, 0xf0a8, 0xf0d8, 0xf0fc, 0xf076, 0xf06e, 0xf071, 0xf0a1, 0x2d1,  0x2794, 0x2b25};

    for (size_t i = 0; i < sizeof bullets / sizeof bullets[0]; i++) {
        if (bullets[i] == c) {
            return true;
        }
    }
    return false;
}

static bool ends_here(const char *at, size_t len, size_t n)
{
    return n == len || at[n] == ' ';
}

static uint32_t roman_value(const char *at, size_t n)
{
    static const char letters[] = "ivxlcdm";
    static const uint32_t values[] = {1, 5, 10, 50, 100, 500, 1000};
    uint32_t sum = 0, last = 0;

    for (size_t i = n; i-- > 0;) {
        const char *p = strchr(letters, tolower((unsigned char)at[i]));
        uint32_t v;
        if (p == NULL || *p == 0) {
            return 0;
        }
        v = values[p - letters];
        sum = v < last ? sum - v : sum + v;
        last = v > last ? v : last;
    }
    return sum < 4000 ? sum : 0;
}

/* 1.2  3.4.5.  A.1 : a number (or one capital) and at least one more number. */
static struct marker section_parse(const char *at, size_t len)
{
    struct marker none = {MARKER_NONE, 0, 0}, m = {MARKER_SECTION, 1, 0};
    size_t i = 0;

    if (isupper((unsigned char)at[0])) {
        i = 1;
    } else {
        while (i < len && i < 3 && isdigit((unsigned char)at[i])) {
            i++;
        }
    }
    if (i == 0) {
        return none;
    }
    while (i + 1 < len && at[i] == '.' && isdigit((unsigned char)at[i + 1])) {
        size_t digits = 0;
        i++;
        while (i < len && isdigit((unsigned char)at[i])) {
            i++;
            digits++;
        }
        if (digits > 3) {
            return none;
        }
        m.number++;
    }
    if (m.number < 2) {
        return none;
    }
    if (i < len && (at[i] == '.' || at[i] == ':')) {
        i++;
    }
    m.len = i;
    return ends_here(at, len, i) ? m : none;
}

static struct marker numbered_parse(const char *at, size_t len)
{
    struct marker none = {MARKER_NONE, 0, 0}, m = none;
    size_t i = 0, start, n;
    bool open = false, bracket = false;

    if (at[0] == '(' || at[0] == '[') {
        open = true;
        bracket = at[0] == '[';
        i = 1;
    }
    start = i;
    while (i < len && isdigit((unsigned char)at[i])) {
        m.number = m.number < 100000 ? m.number * 10 + (uint32_t)(at[i] - '0') : m.number;
        i++;
    }
    n = i - start;
    if (n > 0) {
        m.kind = bracket ? MARKER_REFERENCE : MARKER_NUMBER;
        if (n > 3) {
            return none;
        }
    } else {
        while (i < len && isalpha((unsigned char)at[i])) {
            i++;
        }
        n = i - start;
        if (n == 0 || n > 6 || bracket) {
            return none;
        }
        if (n == 1 && strchr("ivxIVX", at[start]) == NULL) {
            m.kind = MARKER_LETTER;
            m.number = (uint32_t)(tolower((unsigned char)at[start]) - 'a') + 1;
        } else if (n == 1 && strchr("ixIX", at[start]) == NULL) {
            m.kind = MARKER_LETTER; /* v: 22nd letter far more often than five */
            m.number = (uint32_t)(tolower((unsigned char)at[start]) - 'a') + 1;
        } else {
            m.kind = MARKER_ROMAN;
            m.number = roman_value(at + start, n);
            if (m.number == 0) {
                return none;
            }
        }
    }
    if (i >= len) {
        return none;
    }
    if (open ? at[i] != (bracket ? ']' : ')') : (at[i] != '.' && at[i] != ')')) {
        return none;
    }
    i++;
    if (!open && m.kind != MARKER_NUMBER && at[i - 1] == '.' && isupper((unsigned char)at[start]) &&
        m.kind != MARKER_ROMAN) {
        return none; /* the initial of a name */
    }
    m.len = i;
    return ends_here(at, len, i) ? m : none;
}

struct marker marker_parse(const char *at, size_t len)
{
    struct marker m = {MARKER_NONE, 0, 0};
    size_t took;
    uint32_t ucs;

    if (len == 0) {
        return m;
    }
    ucs = utf8_get(at, len, &took);
    if (marker_is_bullet(ucs)) {
        return (struct marker){MARKER_BULLET, 0, took};
    }
    if ((ucs == '-' || ucs == '*' || ucs == 0x2013 || ucs == 0x2014 || ucs == 'o' ||
         ucs == 0x2212) &&
        took < len && at[took] == ' ') {
        return (struct marker){MARKER_BULLET, 0, took};
    }
    m = section_parse(at, len);
    return m.kind != MARKER_NONE ? m : numbered_parse(at, len);
}
