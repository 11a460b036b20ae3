/* Ctrl-C, for main(): what cli_stopped() and friends in cli.h go by. */
#ifndef BF_CLI_INTERRUPT_H
#define BF_CLI_INTERRUPT_H

#include "cli/cli.h"

/* From here on SIGINT does what the command's `interrupt` says, with its name and `resume`. */
void interrupt_arm(const struct cli_command *command);
/* The message, for a command that ended because cli_stopped(). */
void interrupt_say(void);

#endif
