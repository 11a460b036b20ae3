/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Messages of pdf2md: one line each, foreign names escaped so that they cannot forge lines or
 * steer a terminal.
 */
#include "exits.h"

#include <stdio.h>
#include <string.h>

void escape_name(char *out, unsigned long size, const char *text)
{
    unsigned long n = 0;

    for (const unsigned char *p = (const unsigned char *)text; *p != 0 && n + 5 < size; p++) {
        if (*p < 0x20 || *p == 0x7f || *p == '\\' || *p == '\'') {
            n += (unsigned long)snprintf(out + n, size - n, "\\x%02x", *p);
        } else {
            out[n++] = (char)*p;
        }
    }
    out[n] = 0;
}

void say(const char *what, const char *why, const char *remedy)
{
    char name[512];

    escape_name(name, sizeof name, what);
    fprintf(stderr, "pdf2md: %s: %s%s%s\n", name, why, remedy != NULL ? "; " : "",
            remedy != NULL ? remedy : "");
}
