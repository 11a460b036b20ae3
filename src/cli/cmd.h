/* Every command of the table in commands.c; each is defined in cmd_NAME.c. */
#ifndef BF_CLI_CMD_H
#define BF_CLI_CMD_H

#include "cli/cli.h"

extern const struct cli_command cmd_ingest;
extern const struct cli_command cmd_list;
extern const struct cli_command cmd_status;

#endif
