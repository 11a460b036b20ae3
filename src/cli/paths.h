/* Where a user's own files are. */
#ifndef BF_CLI_PATHS_H
#define BF_CLI_PATHS_H

#include "base/compiler.h"

/* $XDG_CONFIG_HOME/blobforge/blobforge.conf, else ~/.config/...; NULL: neither is known. The caller
 * frees. */
char *paths_user_config(void) MUST_CHECK;
/* $XDG_CACHE_HOME/blobforge/NAME, else ~/.cache/... */
char *paths_user_cache(const char *name) MUST_CHECK;

#endif
