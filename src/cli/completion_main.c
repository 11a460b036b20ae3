/* Prints the completion for a shell, or the synopses of all commands, from the table of commands:
 * `table bash|zsh|fish|synopses`. Built and run while BlobForge is built; not installed. */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/help.h"

/* A line a command: its name, then its options and operands as --help shows them. */
static void synopses(struct buf *out)
{
    for (const struct cli_command *const *c = cli_commands; *c != NULL; c++) {
        if ((*c)->hidden)
            continue;
        help_synopsis(out, *c);
        buf_putc(out, '\n');
    }
}

int main(int argc, char **argv)
{
    struct buf out = BUF_INIT;
    bool ok;

    if (argc == 2 && strcmp(argv[1], "bash") == 0)
        completion_bash(&out);
    else if (argc == 2 && strcmp(argv[1], "zsh") == 0)
        completion_zsh(&out);
    else if (argc == 2 && strcmp(argv[1], "fish") == 0)
        completion_fish(&out);
    else if (argc == 2 && strcmp(argv[1], "synopses") == 0)
        synopses(&out);
    else
        return 64;
    ok = fwrite(buf_text(&out), 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    buf_release(&out);
    return ok ? 0 : 74;
}
