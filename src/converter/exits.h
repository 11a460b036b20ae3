/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Exit statuses of pdf2md (sysexits.h where it has the idea) and the one way to say an error.
 */
#ifndef CONVERTER_EXITS_H
#define CONVERTER_EXITS_H

enum exit_status {
    EXIT_OK = 0,
    EXIT_USAGE = 64,
    EXIT_BAD_DOCUMENT = 65,
    EXIT_CANNOT_OPEN = 66,
    EXIT_UNSUPPORTED = 69,
    EXIT_OUR_BUG = 70,
    EXIT_CANNOT_CREATE = 73,
    EXIT_IO = 74,
    EXIT_TEMPORARY = 75,
    EXIT_LIMIT = 76, /* the document needs more time or memory than it may have */
    EXIT_PASSWORD = 77,
};

/* `pdf2md: WHAT: WHY; REMEDY` on standard error. `what` is foreign text and is escaped; `remedy`
 * may be NULL. */
void say(const char *what, const char *why, const char *remedy);

/* Writes `text` without control characters, quotes or broken UTF-8 into `out` (always ended by
 * NUL), each such byte as \xHH. */
void escape_name(char *out, unsigned long size, const char *text);

#endif
