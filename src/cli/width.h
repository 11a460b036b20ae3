/* How many columns of a terminal text takes. Runes are UTF-8 whatever the locale says, since that
 * is what base/quote.h makes of any bytes. One thread. */
#ifndef BF_CLI_WIDTH_H
#define BF_CLI_WIDTH_H

#include <stddef.h>

#include "base/compiler.h"

/* The C library's idea of wide and combining characters belongs to a locale: between these two it
 * is that of UTF-8. They may be nested. */
void width_begin(void);
void width_end(void);

/* Columns of one rune: 0, 1 or 2; 1 for what is not known. */
size_t width_of_rune(unsigned rune) MUST_CHECK;
/* Columns of the first `len` bytes; a byte that is no UTF-8 counts 1. */
size_t width_of(const char *text, size_t len) MUST_CHECK;
/* Bytes of `text` that fit into `width` columns. */
size_t width_within(const char *text, size_t width) MUST_CHECK;

#endif
