/* --help and synopses, made from the tables. */
#ifndef BF_CLI_HELP_H
#define BF_CLI_HELP_H

#include "cli/cli.h"

void help_program(void);
void help_command(const struct cli_command *command);
/* "blobforge status [--long] [HASH]", appended without a newline. */
void help_synopsis(struct buf *out, const struct cli_command *command);

#endif
