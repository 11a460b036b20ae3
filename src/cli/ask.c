/* What a command was asked: its options, operands and settings (cli.h). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/human.h"
#include "base/quote.h"
#include "cli/cli_private.h"
#include "cli/commands.h"

/* A command that asks for an option it does not declare is our bug. */
static void must_know(const struct cli *cli, const char *name)
{
    for (const struct cli_option *o = cli->command->options; o != NULL && o->name != NULL; o++) {
        if (strcmp(o->name, name) == 0)
            return;
    }
    for (const struct cli_option *o = cli_global_options; o->name != NULL; o++) {
        if (strcmp(o->name, name) == 0)
            return;
    }
    cli_error("%s: option --%s is not in its table: a bug", cli->command->name, name);
    abort();
}

const char *cli_value(const struct cli *cli, const char *name)
{
    const struct args_found *found;

    must_know(cli, name);
    found = args_find(&cli->args, name);
    return found != NULL ? found->value : NULL;
}

bool cli_flag(const struct cli *cli, const char *name)
{
    must_know(cli, name);
    return args_find(&cli->args, name) != NULL;
}

const char *const *cli_values(const struct cli *cli, const char *name, size_t *count_r)
{
    struct cli *own = (struct cli *)cli; /* the list is ours to keep */
    size_t count = 0;

    must_know(cli, name);
    own->values = mem_resize(own->values, cli->args.found_count + 1, sizeof(*own->values));
    for (size_t i = 0; i < cli->args.found_count; i++) {
        if (strcmp(cli->args.found[i].option->name, name) == 0)
            own->values[count++] = cli->args.found[i].value;
    }
    *count_r = count;
    return own->values;
}

bool cli_number(const struct cli *cli, const char *name, int64_t min, int64_t max,
                int64_t otherwise, int64_t *value_r)
{
    const char *text = cli_value(cli, name);
    char *quoted;

    *value_r = otherwise;
    if (text == NULL || (human_parse_int(text, value_r) && *value_r >= min && *value_r <= max))
        return true;
    quoted = quote_name(text);
    cli_usage(cli, "--%s: %s is no number from %lld to %lld", name, quoted, (long long)min,
              (long long)max);
    free(quoted);
    return false;
}

bool cli_tier(const struct cli *cli, const char *name, enum tier *tier_r)
{
    const char *text = cli_value(cli, name);
    char *quoted;

    if (text == NULL || tier_parse(text, tier_r))
        return true;
    quoted = quote_name(text);
    cli_usage(cli, "--%s: %s is no tier; give critical, high, normal, low or background (1 to 5)",
              name, quoted);
    free(quoted);
    return false;
}

char *const *cli_operands(const struct cli *cli, size_t *count_r)
{
    *count_r = cli->args.operand_count;
    return cli->args.operands;
}

bool cli_json(const struct cli *cli)
{
    return args_find(&cli->args, "json") != NULL;
}

bool cli_quiet(const struct cli *cli)
{
    return args_find(&cli->args, "quiet") != NULL;
}

int cli_verbose(const struct cli *cli)
{
    int count = 0;

    for (size_t i = 0; i < cli->args.found_count; i++)
        count += strcmp(cli->args.found[i].option->name, "verbose") == 0;
    return count;
}

const struct settings *cli_settings(const struct cli *cli)
{
    return cli->settings;
}

enum exitcode cli_usage(const struct cli *cli, const char *fmt, ...)
{
    va_list ap;
    char *text = NULL;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    va_end(ap);
    if (text != NULL && *text != '\0' && text[strlen(text) - 1] == '?') /* a hint says enough */
        cli_error("%s%s%s", cli->command != NULL ? cli->command->name : "",
                  cli->command != NULL ? ": " : "", text);
    else if (cli->command != NULL)
        cli_error("%s: %s; `blobforge %s --help` says more", cli->command->name, text,
                  cli->command->name);
    else
        cli_error("%s; `blobforge --help` says more", text);
    free(text);
    return EXITCODE_USAGE;
}
