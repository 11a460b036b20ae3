/* Completions for bash, zsh and fish, written from the table of commands (cli/commands.h): what is
 * offered is what the program takes. */
#ifndef BF_CLI_COMPLETION_H
#define BF_CLI_COMPLETION_H

#include "base/buf.h"

void completion_bash(struct buf *out);
void completion_zsh(struct buf *out);
void completion_fish(struct buf *out);

#endif
