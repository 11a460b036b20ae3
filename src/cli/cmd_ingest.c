/* blobforge ingest: PDFs from disk become jobs. Options, progress line and report; the work is
 * ingest/ingest.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/human.h"
#include "base/json.h"
#include "base/quote.h"
#include "cli/cmd.h"
#include "ingest/crew.h"
#include "ingest/ingest.h"

#define BAR_EVERY_MS 100 /* how often the progress line is drawn */
#define PATIENCE_MS 2000 /* no ETA before: the first seconds say little */

struct show {
    struct cli *cli;
    bool bar; /* draw a progress line */
    bool follows, flush;
    bool drawn; /* one stands on the terminal */
    int64_t began_ms, drawn_ms;
};

/* ---- the progress line ---- */

static void bar_clear(struct show *show)
{
    if (show->drawn)
        fputs("\r\033[K", stderr);
    show->drawn = false;
}

static void append_bar(struct buf *out, int percent, int width)
{
    buf_putc(out, '[');
    for (int i = 0; i < width; i++)
        buf_putc(out, i < percent * width / 100 ? '#' : '.');
    buf_printf(out, "] %3d %% ", percent);
}

static void bar_line(const struct ingest_progress *progress, int64_t elapsed_ms, int columns,
                     struct buf *out)
{
    double rate = elapsed_ms > 0 ? (double)progress->bytes_done * 1000 / (double)elapsed_ms : 0;
    int64_t left = progress->bytes_total - progress->bytes_done;
    char text[HUMAN_SIZE];

    if (progress->counted && progress->bytes_total > 0 && columns >= 70) {
        int64_t percent = progress->bytes_done * 100 / progress->bytes_total;
        append_bar(out, percent > 100 ? 100 : (int)percent, columns >= 100 ? 30 : 16);
    }
    buf_printf(out, "%lld/%lld%s files, ", (long long)progress->files_done,
               (long long)progress->files_total, progress->counted ? "" : "+");
    buf_printf(out, "%s, ", human_show_size(progress->bytes_done, text));
    buf_printf(out, "%s/s", human_show_size((int64_t)rate, text));
    if (progress->counted && rate > 0 && left > 0 && elapsed_ms > PATIENCE_MS)
        buf_printf(out, ", ETA %s",
                   human_show_duration((int64_t)((double)left / rate * 1000) + 1000, text));
}

static void on_progress(void *arg, const struct ingest_progress *progress)
{
    struct show *show = arg;
    int64_t now = clock_boot_ms(clock_system());
    int columns = cli_columns();
    struct buf line = BUF_INIT;

    if (!show->bar || now - show->drawn_ms < BAR_EVERY_MS)
        return;
    bar_line(progress, now - show->began_ms, columns, &line);
    fprintf(stderr, "\r%.*s\033[K", columns > 1 ? columns - 1 : 79, buf_text(&line));
    fflush(stderr);
    show->drawn = true;
    show->drawn_ms = now;
    buf_release(&line);
}

/* ---- files ---- */

static void print_file_json(const struct ingest_outcome *outcome)
{
    struct json_object *object = json_object_new_object();

    json_set_text(object, "path", outcome->path);
    json_set_text(object, "hash", outcome->hash);
    json_set_text(object, "action", ingest_action_name(outcome->action));
    json_set_text(object, "reason", ingest_reason_name(outcome->reason));
    if (outcome->size_bytes >= 0)
        json_set_int(object, "size_bytes", outcome->size_bytes);
    else
        json_set_null(object, "size_bytes");
    json_set_text(object, "error", outcome->error);
    cli_print_json(object);
}

static void print_file(const struct ingest_outcome *outcome, const char *name)
{
    const char *reason = ingest_reason_name(outcome->reason);

    cli_printf("%-11s  %.12s  %s%s%s%s\n", ingest_action_name(outcome->action),
               outcome->hash != NULL ? outcome->hash : "-", name, reason != NULL ? " (" : "",
               reason != NULL ? reason : "", reason != NULL ? ")" : "");
}

static void on_file(void *arg, const struct ingest_outcome *outcome)
{
    struct show *show = arg;
    bool json = cli_json(show->cli);
    bool error = outcome->error != NULL;
    char *name;

    if (!json && !error && cli_verbose(show->cli) == 0)
        return;
    if (show->follows) /* who reads along wants it now */
        show->flush = true;
    bar_clear(show);
    name = quote_name(outcome->path);
    if (error)
        cli_error("%s: %s", name, outcome->error);
    if (json)
        print_file_json(outcome);
    else if (cli_verbose(show->cli) > 0)
        print_file(outcome, name);
    free(name);
    if (show->flush)
        (void)!cli_flush();
}

static void on_warning(void *arg, const char *text)
{
    struct show *show = arg;

    bar_clear(show);
    cli_error("%s", text);
}

/* ---- summary ---- */

static void print_summary_json(const struct ingest_summary *summary)
{
    struct json_object *object = json_object_new_object();
    struct json_object *inner = json_object_new_object();
    struct json_object *skipped = json_object_new_object();

    for (int i = 1; i < INGEST_REASON_COUNT; i++)
        if (summary->skipped_by[i] > 0)
            json_set_int(skipped, ingest_reason_name((enum ingest_reason)i),
                         summary->skipped_by[i]);
    json_set_int(inner, "found", summary->found);
    json_set_int(inner, "uploaded", summary->uploaded);
    json_set_int(inner, "queued", summary->queued);
    json_set_object(inner, "skipped", skipped);
    json_set_int(inner, "errors", summary->errors);
    json_set_int(inner, "bytes", summary->bytes);
    json_set_double(inner, "seconds", (double)summary->milliseconds / 1000);
    json_set_object(object, "summary", inner);
    cli_print_json(object);
}

/* " (2 done, 1 duplicate)", or nothing. */
static void append_reasons(struct buf *out, const struct ingest_summary *summary, bool skipped)
{
    const char *before = " (";

    for (int i = 1; i < INGEST_REASON_COUNT; i++) {
        int64_t n =
            skipped ? summary->skipped_by[i] : summary->by_reason[i] - summary->skipped_by[i];

        if (n == 0)
            continue;
        buf_printf(out, "%s%lld %s", before, (long long)n,
                   ingest_reason_name((enum ingest_reason)i));
        before = ", ";
    }
    if (before[0] == ',')
        buf_putc(out, ')');
}

static void print_summary(const struct ingest_summary *summary, bool dry_run)
{
    double seconds = (double)summary->milliseconds / 1000;
    struct buf line = BUF_INIT;
    char text[HUMAN_SIZE];

    buf_printf(&line, "%lld found (%s), %lld %s, %lld uploaded, %lld skipped",
               (long long)summary->found, human_show_size(summary->bytes, text),
               (long long)summary->queued, dry_run ? "would be queued" : "queued",
               (long long)summary->uploaded, (long long)summary->skipped);
    append_reasons(&line, summary, true);
    buf_printf(&line, ", %lld %s", (long long)summary->errors,
               summary->errors == 1 ? "error" : "errors");
    append_reasons(&line, summary, false);
    buf_printf(&line, " in %s", human_show_duration(summary->milliseconds, text));
    if (seconds >= 0.1)
        buf_printf(&line, ", %s/s",
                   human_show_size((int64_t)((double)summary->bytes / seconds), text));
    cli_printf("%s\n", buf_text(&line));
    buf_release(&line);
}

static void say_what_was_passed(struct cli *cli, const struct ingest_summary *summary)
{
    if (summary->links_passed > 0)
        cli_note(cli, "symbolic links: %lld passed over; --follow-symlinks takes them",
                 (long long)summary->links_passed);
    if (summary->found == 0 && !summary->stopped)
        cli_note(cli, "ingest: no name ending in .pdf was found; name files of other names "
                      "themselves");
}

/* ---- the command ---- */

static enum exitcode status_of(const struct ingest_summary *summary)
{
    if (summary->stopped)
        return EXITCODE_INTERRUPTED;
    if (summary->roots_opened == 0)
        return EXITCODE_NOINPUT;
    return summary->errors > 0 ? EXITCODE_PARTIAL : EXITCODE_OK;
}

static enum exitcode check_sources(struct cli *cli, const struct ingest_options *options)
{
    size_t paths, follow;

    cli_operands(cli, &paths);
    cli_values(cli, "follow", &follow);
    if (paths == 0 && follow == 0 && cli_value(cli, "from-file") == NULL)
        return cli_usage(cli, "operand missing: PATH ..., --from-file FILE or --follow DIR");
    if (follow > 0 && options->follow_symlinks)
        return cli_usage(cli, "--follow: does not follow symbolic links; leave --follow-symlinks "
                              "out");
    if (cli_flag(cli, "null") && cli_value(cli, "from-file") == NULL)
        return cli_usage(cli, "--null: says how the names of --from-file end; give that too");
    return EXITCODE_OK;
}

/* --from-file: "-" is standard input. */
static enum exitcode open_list(struct cli *cli, struct ingest_options *options)
{
    char *quoted;

    options->names_path = cli_value(cli, "from-file");
    options->names_nul = cli_flag(cli, "null");
    options->names_fd = STDIN_FILENO;
    if (options->names_path == NULL || strcmp(options->names_path, "-") == 0)
        return EXITCODE_OK;
    options->names_fd = open(options->names_path, O_RDONLY | O_CLOEXEC);
    if (options->names_fd >= 0)
        return EXITCODE_OK;
    quoted = quote_name(options->names_path);
    cli_error("%s: %s; name a file that lists paths, or - for standard input", quoted,
              strerror(errno));
    free(quoted);
    return EXITCODE_NOINPUT;
}

static const char **copy_values(const struct cli *cli, const char *name, size_t *count_r)
{
    const char *const *values = cli_values(cli, name, count_r);
    const char **copy = mem_alloc((*count_r + 1) * sizeof(*copy));

    for (size_t i = 0; i < *count_r; i++)
        copy[i] = values[i];
    return copy;
}

static enum exitcode run_ingest(struct cli *cli)
{
    struct show show = {.cli = cli, .began_ms = clock_boot_ms(clock_system())};
    struct ingest_options options = {
        .tier = TIER_DEFAULT,
        .dry_run = cli_flag(cli, "dry-run"),
        .follow_symlinks = cli_flag(cli, "follow-symlinks"),
        .max_pdf_size = settings_number(cli_settings(cli), SETTING_MAX_PDF_SIZE),
        .stop = cli_stop_flag(),
        .each = on_file,
        .progress = on_progress,
        .warning = on_warning,
        .arg = &show,
    };
    struct ingest_summary summary;
    enum queue_result result;
    enum exitcode status, failed;
    const char **follow;
    struct queue *queue;
    char *error;

    status = check_sources(cli, &options);
    if (status != EXITCODE_OK)
        return status;
    if (!cli_tier(cli, "tier", &options.tier))
        return EXITCODE_USAGE;
    options.paths = cli_operands(cli, &options.path_count);
    /* A dry run is often the first command of all: it makes the directory store, and no more. */
    status = cli_open(cli, options.dry_run ? CLI_CREATE : CLI_CREATE | CLI_WRITE, &queue);
    if (status != EXITCODE_OK)
        return status;
    status = open_list(cli, &options);
    if (status != EXITCODE_OK)
        return status;
    /* cli_values() lends its array until the next call. */
    follow = copy_values(cli, "follow", &options.follow_count);
    options.follow = (char *const *)follow;
    options.tags = cli_values(cli, "tag", &options.tag_count);
    show.follows = options.follow_count > 0;
    show.bar = cli_terminal_err() && !cli_quiet(cli);
    options.count_ahead = show.bar && options.names_path == NULL && !show.follows;
    crew_raise_open_files();

    result = ingest_run(queue, &options, &summary, &error);
    bar_clear(&show);
    free(follow);
    if (options.names_path != NULL && options.names_fd != STDIN_FILENO)
        close(options.names_fd);
    if (cli_json(cli))
        print_summary_json(&summary);
    else if (!cli_quiet(cli) && (result == QUEUE_OK || summary.found > 0))
        print_summary(&summary, options.dry_run);
    if (result != QUEUE_OK) {
        failed = cli_queue_failed(cli, result, "ingest", error);
        return failed;
    }
    say_what_was_passed(cli, &summary);
    return status_of(&summary);
}

static const struct cli_option options_ingest[] = {
    {'t', "tier", "TIER", "priority: critical, high, normal (default), low, background"},
    {0, "from-file", "FILE", "take more PATHs from FILE (- for standard input)"},
    {'0', "null", NULL, "those end with NUL, not with newlines"},
    {0, "follow", "DIR", "then watch DIR: files are taken as they are completed; repeatable"},
    {0, "tag", "TAG", "add a tag to every file's; may be repeated"},
    {'n', "dry-run", NULL, "say what would be queued; change nothing"},
    {'L', "follow-symlinks", NULL, "follow symbolic links inside folders"},
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_ingest = {
    .name = "ingest",
    .operands = "[PATH ...]",
    .operands_min = 0,
    .operands_max = CLI_ANY_NUMBER,
    .summary = "queue PDF files and folders of them for conversion",
    .help = "Folders are searched for names ending in .pdf, in any case; a file that is\n"
            "named itself may have any name. Files must have %PDF within their first\n"
            "1024 bytes. What the bucket knows already is skipped with its state as the\n"
            "reason, and its new path is recorded.",
    .options = options_ingest,
    .interrupt = CLI_INTERRUPT_BETWEEN,
    .resume = "what was queued stays queued; the same command again goes on from there",
    .run = run_ingest,
};
