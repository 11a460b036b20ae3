/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * UTF-8, as little as is needed.
 */
#ifndef CONVERTER_UTF8_H
#define CONVERTER_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Writes `ucs` (a scalar value) to out[0..3]; returns the number of bytes. */
static inline size_t utf8_put(char *out, uint32_t ucs)
{
    if (ucs < 0x80) {
        out[0] = (char)ucs;
        return 1;
    }
    if (ucs < 0x800) {
        out[0] = (char)(0xc0 | ucs >> 6);
        out[1] = (char)(0x80 | (ucs & 63));
        return 2;
    }
    if (ucs < 0x10000) {
        out[0] = (char)(0xe0 | ucs >> 12);
        out[1] = (char)(0x80 | (ucs >> 6 & 63));
        out[2] = (char)(0x80 | (ucs & 63));
        return 3;
    }
    out[0] = (char)(0xf0 | ucs >> 18);
    out[1] = (char)(0x80 | (ucs >> 12 & 63));
    out[2] = (char)(0x80 | (ucs >> 6 & 63));
    out[3] = (char)(0x80 | (ucs & 63));
    return 4;
}

/* Reads one character of [at, at + len), len > 0; sets the bytes it took. A broken sequence is
 * U+FFFD of one byte. */
static inline uint32_t utf8_get(const char *at, size_t len, size_t *took)
{
    const unsigned char *p = (const unsigned char *)at;
    size_t n = p[0] < 0x80   ? 1
               : p[0] < 0xc2 ? 0
               : p[0] < 0xe0 ? 2
               : p[0] < 0xf0 ? 3
               : p[0] < 0xf5 ? 4
                             : 0;
    uint32_t ucs = p[0];

    *took = 1;
    if (n == 0 || n > len) {
        return 0xfffd;
    }
    if (n == 1) {
        return ucs;
    }
    ucs = p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0xfffd;
        }
        ucs = ucs << 6 | (p[i] & 63);
    }
    if ((n == 3 && ucs < 0x800) || (n == 4 && ucs < 0x10000) || ucs > 0x10ffff ||
        (ucs >= 0xd800 && ucs < 0xe000)) {
        return 0xfffd;
    }
    *took = n;
    return ucs;
}

#endif
