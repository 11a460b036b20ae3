/* blobforge: the command line.
 *
 * main() reads the words, the settings and hands over to one command. Nothing here or before a
 * command asks for it touches the network: --version and --help answer within milliseconds. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/quote.h"
#include "cli/cli_private.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/interrupt.h"
#include "cli/paths.h"

#include "config.h"

/* ---- settings ---- */

static bool load_file(struct cli *cli, const char *path, bool must_exist, char **error_r)
{
    /* The system's file may be closed to us; a user can name everything elsewhere. */
    if (!must_exist && access(path, R_OK) != 0 && errno == EACCES) {
        cli->unreadable = mem_strdup(path);
        return true;
    }
    return settings_load_file(cli->settings, path, must_exist, error_r);
}

static bool load_user_file(struct cli *cli, char **error_r)
{
    char *path = paths_user_config();
    bool ok = true;

    if (path != NULL)
        ok = settings_load_file(cli->settings, path, false, error_r);
    free(path);
    return ok;
}

/* -o and --store, in the order in which they were given. */
static bool load_options(struct cli *cli, char **error_r)
{
    for (size_t i = 0; i < cli->args.found_count; i++) {
        const struct args_found *found = &cli->args.found[i];
        bool ok = true;

        if (strcmp(found->option->name, "option") == 0)
            ok = settings_set_option(cli->settings, found->value, error_r);
        else if (strcmp(found->option->name, "store") == 0)
            ok = settings_set(cli->settings, "store", found->value, SETTING_OPTION, error_r);
        if (!ok)
            return false;
    }
    return true;
}

/* `config set` makes the file that it is to write, as it makes the user's own. */
static bool makes_file(const struct cli *cli)
{
    return strcmp(cli->command->name, "config") == 0 && cli->args.operand_count > 0 &&
           strcmp(cli->args.operands[0], "set") == 0;
}

static enum exitcode load_settings(struct cli *cli)
{
    const struct args_found *file = args_find(&cli->args, "config");
    char *error = NULL;
    bool ok;

    cli->settings = settings_create();
    if (file != NULL)
        ok = load_file(cli, file->value, !makes_file(cli), &error);
    else
        ok = load_file(cli, BF_SYSCONFDIR "/blobforge/blobforge.conf", false, &error) &&
             load_user_file(cli, &error);
    ok = ok && settings_load_env(cli->settings, &error) && load_options(cli, &error);
    for (char *line = error; !ok && line != NULL;) {
        char *next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        cli_error("%s", line);
        line = next;
    }
    free(error);
    return ok ? EXITCODE_OK : EXITCODE_CONFIG;
}

static void set_up_log(const struct cli *cli)
{
    int verbose = cli_verbose(cli);

    log_set_level(verbose == 0 ? LOG_ERROR : verbose == 1 ? LOG_INFO : LOG_DEBUG);
}

/* ---- words ---- */

/* Names that version 1 had for something else. */
static const char *new_name(const char *name)
{
    if (strcmp(name, "test-s3") == 0)
        return "it is `blobforge doctor` now";
    if (strcmp(name, "worker") == 0)
        return "workers are run by blobforged(8) now";
    return NULL;
}

static enum exitcode say_unknown_command(const struct cli *cli, const char *name)
{
    const struct cli_command *near = cli_command_nearest(name);
    char *quoted = quote_name(name);

    if (new_name(name) != NULL)
        cli_error("%s: %s", quoted, new_name(name));
    else if (near != NULL)
        cli_error("%s: unknown command; did you mean '%s'?", quoted, near->name);
    else
        cli_usage(cli, "%s: unknown command", quoted);
    free(quoted);
    return EXITCODE_USAGE;
}

static enum exitcode check_operands(const struct cli *cli)
{
    const struct cli_command *command = cli->command;
    size_t count = cli->args.operand_count;
    char *quoted;

    if (count < command->operands_min)
        return cli_usage(cli, "operand missing: %s", command->operands);
    if (count <= command->operands_max)
        return EXITCODE_OK;
    quoted = quote_name(cli->args.operands[command->operands_max]);
    cli_usage(cli, "%s: one operand too many", quoted);
    free(quoted);
    return EXITCODE_USAGE;
}

static enum exitcode run_command(struct cli *cli)
{
    enum exitcode code = check_operands(cli);

    if (code == EXITCODE_OK)
        code = load_settings(cli);
    if (code != EXITCODE_OK)
        return code;
    set_up_log(cli);
    interrupt_arm(cli->command);
    code = cli->command->run(cli);
    if (cli_stopped() && code != EXITCODE_OK) {
        interrupt_say();
        code = EXITCODE_INTERRUPTED;
    }
    return code;
}

static enum exitcode print_version(void)
{
    cli_printf("blobforge %s\n", PACKAGE_VERSION);
    return EXITCODE_OK;
}

static enum exitcode read_words(struct cli *cli, char **words, size_t count)
{
    static const struct cli_option none[] = {{0, NULL, NULL, NULL}};
    const struct cli_option *tables[] = {cli_global_options, NULL, NULL};
    size_t used = 0;
    char *error = NULL;
    bool ask_help = false;
    enum exitcode code = EXITCODE_USAGE;

    if (!args_parse(words, count, tables, true, &cli->args, &used, &error))
        goto usage;
    if (args_find(&cli->args, "version") != NULL)
        return print_version();
    if (used < count && strcmp(words[used], "help") == 0) {
        ask_help = true;
        used++;
    }
    if (used == count) {
        if (!ask_help && args_find(&cli->args, "help") == NULL)
            return cli_usage(cli, "no command given");
        help_program();
        return EXITCODE_OK;
    }
    cli->command = cli_command_find(words[used]);
    if (cli->command == NULL)
        return say_unknown_command(cli, words[used]);
    words += used + 1;
    count -= used + 1;
    tables[1] = cli->command->options != NULL ? cli->command->options : none;
    if (!args_parse(words, count, tables, false, &cli->args, &used, &error))
        goto usage;
    if (args_find(&cli->args, "version") != NULL)
        return print_version();
    if (ask_help || args_find(&cli->args, "help") != NULL) {
        help_command(cli->command);
        return EXITCODE_OK;
    }
    return run_command(cli);
usage:
    code = cli_usage(cli, "%s", error);
    free(error);
    return code;
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    enum exitcode code;

    signal(SIGPIPE, SIG_IGN);
    code = argc > 0 ? read_words(&cli, argv + 1, (size_t)argc - 1) : EXITCODE_USAGE;
    if (!cli_flush() && code == EXITCODE_OK)
        code = EXITCODE_IOERR;
    cli_disconnect(&cli);
    settings_destroy(cli.settings);
    args_release(&cli.args);
    free(cli.values);
    free(cli.unreadable);
    return (int)code;
}
