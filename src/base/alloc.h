/* Memory that is there or the process ends.
 *
 * Running out of memory is not an outcome any caller could do something about: a daemon that
 * cannot allocate a few hundred bytes is restarted by its supervisor, and the protocol makes that
 * harmless. So these end the process (status 71) with one line on standard error and never
 * return NULL. Sizes that come from outside are checked against a maximum before they get here.
 * Release with free(). Any thread. */
#ifndef BF_BASE_ALLOC_H
#define BF_BASE_ALLOC_H

#include <stddef.h>

#include "base/compiler.h"

void *mem_alloc(size_t size) MUST_CHECK;                           /* zeroed */
void *mem_resize(void *old, size_t count, size_t size) MUST_CHECK; /* overflow checked */
char *mem_strdup(const char *text) MUST_CHECK;                     /* NULL stays NULL */
char *mem_strndup(const char *text, size_t len) MUST_CHECK;
char *mem_printf(const char *fmt, ...) PRINTF_LIKE(1, 2) MUST_CHECK;

#endif
