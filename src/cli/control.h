/* A word to this host's daemon, from where the screen is taken. */
#ifndef BF_CLI_CONTROL_H
#define BF_CLI_CONTROL_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/settings.h"

/* Runs `blobforge ctl WORD` and keeps what it says. Waits for it. true: *text_r says so in a line;
 * false: *error_r. The caller frees. */
bool control_tell(const struct settings *settings, const char *word, char **text_r,
                  char **error_r) MUST_CHECK;

#endif
