/* System calls that a converter has no business with, as a seccomp program made by libseccomp.
 *
 * A list of what is refused, not of what is allowed: converters are other people's programs.
 * Refused calls fail with EPERM (EACCES for sockets), so that a program that only tries goes on. */
#ifndef BF_CONVERT_FILTER_H
#define BF_CONVERT_FILTER_H

#include <stdbool.h>

#include "base/compiler.h"

struct filter;

/* Built with libseccomp, and this kernel filters. */
bool filter_available(void);

struct filter_doors { /* what is let through all the same */
    bool network;     /* sockets of the internet */
    bool sharing;     /* connecting to AF_UNIX sockets, System V objects, memory files */
};
/* NULL with *error_r (the caller frees). */
struct filter *filter_create(const struct filter_doors *doors, char **error_r) MUST_CHECK;
/* Holds for this process from now on; no_new_privs must be set. Async-signal-safe. 0 or an errno.
 */
int filter_enter(const struct filter *filter) MUST_CHECK;
void filter_destroy(struct filter *filter); /* NULL is fine */

#endif
