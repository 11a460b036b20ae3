/* blobforge janitor: one pass over what nobody looks after any more. Daemons do it by themselves;
 * this is for buckets without one, and for looking. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/cmd.h"
#include "cli/progress.h"
#include "index/manifest_upgrade.h"
#include "janitor/janitor.h"

static void print_json(const struct janitor_report *report, bool rejoined, int64_t ms)
{
    struct json_object *line = json_object_new_object();

    json_set_int(line, "recovered", report->recovered);
    json_set_int(line, "requeued", report->requeued);
    json_set_int(line, "buried", report->buried);
    json_set_int(line, "healed", report->healed);
    json_set_int(line, "pruned", report->pruned);
    json_set_int(line, "errors", report->errors);
    json_set_bool(line, "manifest_merged", rejoined);
    json_set_double(line, "seconds", (double)ms / 1000);
    cli_print_json(line);
}

static void print_text(const struct janitor_report *report, bool rejoined, bool dry_run)
{
    const struct {
        int64_t count;
        const char *text;
    } lines[] = {{report->recovered, "stale locks taken over"},
                 {report->requeued, "jobs got their marker back"},
                 {report->buried, "jobs whose retries were used up are dead now"},
                 {report->healed, "leftovers and twins cleared"},
                 {report->pruned, "old worker cards and probe objects removed"},
                 {report->errors, "could not be looked at or put right"}};
    bool any = false;

    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        if (lines[i].count > 0)
            cli_printf("%6" PRId64 "  %s\n", lines[i].count, lines[i].text);
        any = any || lines[i].count > 0;
    }
    if (rejoined)
        cli_printf("     1  manifest.json of version 1, beside shards, merged into them\n");
    if (!any && !rejoined)
        cli_printf("nothing to put right\n");
    else if (dry_run)
        cli_printf("nothing was changed: that is what a pass without --dry-run would do\n");
}

/* What version 1 wrote beside shards goes into them. true: something was, or would be, merged. */
static enum queue_result look_at_manifest(struct queue *queue, bool dry_run, bool *rejoined_r,
                                          char **error_r)
{
    struct manifest_upgrade_report report;
    enum queue_result result;

    if (dry_run)
        return manifest_is_reopened(queue, rejoined_r, error_r);
    result = manifest_rejoin(queue, &report, error_r);
    *rejoined_r = result == QUEUE_OK;
    return result == QUEUE_NONE ? QUEUE_OK : result;
}

/* How many there are is known when all were looked at. */
static void show_progress(void *arg, const struct janitor_report *report)
{
    progress_step(arg, report->looked, 0, report->looking_at);
}

static enum exitcode run(struct cli *cli)
{
    bool dry_run = cli_flag(cli, "dry-run");
    bool rejoined = false;
    struct progress_line line;
    struct janitor_report report = {.watch = show_progress, .watch_arg = &line};
    int64_t start = clock_boot_ms(clock_system());
    struct queue *queue;
    char *error = NULL;
    enum queue_result result;
    enum exitcode code = cli_open(cli, CLI_FLEET | (dry_run ? CLI_READ : CLI_WRITE), &queue);

    if (code != EXITCODE_OK)
        return code;
    progress_begin(&line, cli, "janitor");
    result = janitor_once(queue, dry_run, &report, &error);
    progress_end(&line);
    if (result == QUEUE_OK)
        result = look_at_manifest(queue, dry_run, &rejoined, &error);
    if (cli_json(cli))
        print_json(&report, rejoined, clock_boot_ms(clock_system()) - start);
    else if (!cli_quiet(cli))
        print_text(&report, rejoined, dry_run);
    if (result != QUEUE_OK)
        return cli_queue_failed(cli, result, error == NULL ? "janitor" : NULL, error);
    return report.errors > 0 ? EXITCODE_PARTIAL : EXITCODE_OK;
}

static const struct cli_option options[] = {
    {'n', "dry-run", NULL, "only count"},
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_janitor = {
    .name = "janitor",
    .operands = "",
    .summary = "put right what crashed workers left behind",
    .help = "Takes over locks that were not renewed for twice the stale timeout, gives jobs\n"
            "back their markers, clears leftovers. Every blobforged does this by itself;\n"
            "run it by hand where none runs, or with --dry-run to look.\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_NOW,
    .resume = "what was begun is finished by the next janitor; run it again",
    .run = run,
};
