/* See help.h: --help and synopses, made from the tables. */
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"

#define TEXT_COLUMN 28

static void append_option(struct buf *out, const struct cli_option *option)
{
    if (option->letter != '\0')
        buf_printf(out, "-%c, --%s", option->letter, option->name);
    else
        buf_printf(out, "    --%s", option->name);
    if (option->argument != NULL)
        buf_printf(out, " %s", option->argument);
}

static void print_row(const char *head, const char *text)
{
    if (strlen(head) + 4 > TEXT_COLUMN)
        cli_printf("  %s\n%*s%s\n", head, TEXT_COLUMN, "", text);
    else
        cli_printf("  %-*s%s\n", TEXT_COLUMN - 2, head, text);
}

static void print_options(const char *title, const struct cli_option *options)
{
    struct buf head = BUF_INIT;

    cli_printf("\n%s:\n", title);
    for (; options->name != NULL; options++) {
        buf_clear(&head);
        append_option(&head, options);
        print_row(buf_text(&head), options->text);
    }
    buf_release(&head);
}

void help_synopsis(struct buf *out, const struct cli_command *command)
{
    buf_printf(out, "blobforge %s", command->name);
    for (const struct cli_option *o = command->options; o != NULL && o->name != NULL; o++) {
        buf_puts(out, " [");
        if (o->letter != '\0')
            buf_printf(out, "-%c", o->letter);
        else
            buf_printf(out, "--%s", o->name);
        if (o->argument != NULL)
            buf_printf(out, " %s", o->argument);
        buf_putc(out, ']');
    }
    if (command->operands[0] != '\0')
        buf_printf(out, " %s", command->operands);
}

void help_program(void)
{
    cli_printf("usage: blobforge [-f FILE] [--store URL] [-o NAME=VALUE] [--json] [-q] [-v] "
               "COMMAND ...\n\n"
               "Turns libraries of PDFs into Markdown, coordinated by nothing but a bucket.\n"
               "\nCommands:\n");
    for (const struct cli_command *const *c = cli_commands; *c != NULL; c++)
        if (!(*c)->hidden)
            print_row((*c)->name, (*c)->summary);
    print_options("Options, before or after the command", cli_global_options);
    cli_printf("\n`blobforge COMMAND --help` says more; manuals: blobforge(1), "
               "blobforge-COMMAND(1).\n");
}

void help_command(const struct cli_command *command)
{
    struct buf synopsis = BUF_INIT;

    help_synopsis(&synopsis, command);
    cli_printf("usage: %s\n\n%s\n", buf_text(&synopsis), command->summary);
    if (command->help != NULL)
        cli_printf("\n%s%s", command->help,
                   command->help[strlen(command->help) - 1] == '\n' ? "" : "\n");
    if (command->options != NULL && command->options->name != NULL)
        print_options("Options", command->options);
    print_options("Options of every command", cli_global_options);
    cli_printf("\nManual: blobforge-%s(1)\n", command->name);
    buf_release(&synopsis);
}
