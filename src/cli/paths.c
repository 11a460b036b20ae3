/* See paths.h: where a user's own files are. */
#include "cli/paths.h"

#include <stdlib.h>

#include "base/alloc.h"

/* Relative names are to be ignored (XDG Base Directory Specification). */
static char *user_path(const char *variable, const char *in_home, const char *name)
{
    const char *folder = getenv(variable), *home = getenv("HOME");

    if (folder != NULL && folder[0] == '/')
        return mem_printf("%s/blobforge/%s", folder, name);
    if (home != NULL && home[0] == '/')
        return mem_printf("%s/%s/blobforge/%s", home, in_home, name);
    return NULL;
}

char *paths_user_config(void)
{
    return user_path("XDG_CONFIG_HOME", ".config", "blobforge.conf");
}

char *paths_user_cache(const char *name)
{
    return user_path("XDG_CACHE_HOME", ".cache", name);
}
