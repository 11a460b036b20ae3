/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Markers at the start of a line: bullets, item numbers, section numbers.
 */
#ifndef CONVERTER_MARKER_H
#define CONVERTER_MARKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum marker_kind {
    MARKER_NONE,
    MARKER_BULLET,
    MARKER_NUMBER,    /* 1.  1)  (1) */
    MARKER_LETTER,    /* a.  a)  (a) */
    MARKER_ROMAN,     /* ii. ii) (ii) */
    MARKER_SECTION,   /* 1.2  A.3  4.1.2.  */
    MARKER_REFERENCE, /* [12] */
};

struct marker {
    enum marker_kind kind;
    uint32_t number; /* of a number, letter, roman or reference marker; depth of a section */
    size_t len;      /* bytes of the marker without the blank behind it */
};

/* What the UTF-8 text [at, at + len) starts with. A marker must be followed by a blank or the end.
 */
struct marker marker_parse(const char *at, size_t len);

/* Is this character a bullet, in fonts that say what they draw and in those that do not? */
bool marker_is_bullet(uint32_t ucs);

#endif
