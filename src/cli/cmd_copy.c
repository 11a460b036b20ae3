/* blobforge copy: a library from one store to another; the work is in copy.h. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/human.h"
#include "base/json.h"
#include "cli/cmd.h"
#include "cli/copy.h"

static void print_summary_json(const struct copy_totals *totals, int64_t milliseconds)
{
    struct json_object *object = json_object_new_object(), *inner = json_object_new_object();

    json_set_int(inner, "copied", totals->copied);
    json_set_int(inner, "documents", totals->documents);
    json_set_int(inner, "results", totals->results);
    json_set_int(inner, "jobs", totals->jobs);
    json_set_int(inner, "present", totals->present);
    json_set_int(inner, "kept", totals->kept);
    json_set_int(inner, "processing", totals->processing);
    json_set_int(inner, "errors", totals->errors);
    json_set_int(inner, "bytes", totals->bytes);
    json_set_double(inner, "seconds", (double)milliseconds / 1000);
    json_set_object(object, "summary", inner);
    cli_print_json(object);
}

static void print_summary(const struct copy_totals *totals, int64_t milliseconds, bool dry_run)
{
    char size[HUMAN_SIZE], time[HUMAN_SIZE];

    cli_printf("%lld %s (%lld documents, %lld results, %lld jobs; %s), %lld there already, %lld "
               "kept as the target has them, %lld %s in %s\n",
               (long long)totals->copied, dry_run ? "would be copied" : "copied",
               (long long)totals->documents, (long long)totals->results, (long long)totals->jobs,
               human_show_size(totals->bytes, size), (long long)totals->present,
               (long long)totals->kept, (long long)totals->errors,
               totals->errors == 1 ? "error" : "errors", human_show_duration(milliseconds, time));
}

static enum exitcode run(struct cli *cli)
{
    int64_t begun = clock_boot_ms(clock_system());
    size_t count, from_count, to_count;
    char *const *operands = cli_operands(cli, &count);
    const char *const *options;
    struct copy_totals totals;
    struct cli *from, *to = NULL;
    enum exitcode code = EXITCODE_CONFIG;
    bool dry_run = cli_flag(cli, "dry-run");

    if (strcmp(operands[0], operands[1]) == 0 && cli_value(cli, "from-option") == NULL &&
        cli_value(cli, "to-option") == NULL && cli_value(cli, "from-config") == NULL &&
        cli_value(cli, "to-config") == NULL)
        return cli_usage(cli, "source and target are the same store");
    options = cli_values(cli, "from-option", &from_count);
    from = cli_other(cli, operands[0], cli_value(cli, "from-config"), options, from_count);
    if (from != NULL) {
        options = cli_values(cli, "to-option", &to_count);
        to = cli_other(cli, operands[1], cli_value(cli, "to-config"), options, to_count);
    }
    if (to != NULL) {
        int64_t milliseconds;

        code = copy_run(cli, from, to, dry_run, &totals);
        milliseconds = clock_boot_ms(clock_system()) - begun;
        if (cli_json(cli))
            print_summary_json(&totals, milliseconds);
        else if (!cli_quiet(cli) && (code == EXITCODE_OK || totals.copied > 0))
            print_summary(&totals, milliseconds, dry_run);
        if (totals.processing > 0 && code == EXITCODE_OK)
            cli_note(cli,
                     "copy: %lld jobs are being converted in the source; in the target they wait. "
                     "Stop the daemons of the source and copy again for their results",
                     (long long)totals.processing);
    }
    cli_other_close(from);
    cli_other_close(to);
    return code;
}

static const struct cli_option options_copy[] = {
    {'n', "dry-run", NULL, "say what would be copied; change nothing"},
    {0, "from-config", "FILE", "settings for the source alone, as in blobforge.conf(5)"},
    {0, "to-config", "FILE", "settings for the target alone"},
    {0, "from-option", "NAME=VALUE", "a setting for the source alone; repeatable"},
    {0, "to-option", "NAME=VALUE", "a setting for the target alone; repeatable"},
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_copy = {
    .name = "copy",
    .operands = "STORE STORE",
    .operands_min = 2,
    .operands_max = 2,
    .summary = "copy a library from one store to another",
    .help = "From a directory to a bucket, back, or between buckets: documents, results,\n"
            "logs, manifest, and the queue last. What the target has is never replaced.\n"
            "Documents are verified by their SHA-256.",
    .options = options_copy,
    .interrupt = CLI_INTERRUPT_BETWEEN,
    .resume = "what was copied stands; the same command again goes on from there",
    .run = run,
};
