/* The one table of commands. Completion, synopses and --help are made from it. */
#ifndef BF_CLI_COMMANDS_H
#define BF_CLI_COMMANDS_H

#include "cli/cli.h"

/* NULL-terminated, in the order of `blobforge --help`. */
extern const struct cli_command *const cli_commands[];
/* Accepted before and after the command. */
extern const struct cli_option cli_global_options[];

const struct cli_command *cli_command_find(const char *name);
/* The one that may have been meant; NULL: none is near. */
const struct cli_command *cli_command_nearest(const char *name);

#endif
