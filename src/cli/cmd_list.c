/* blobforge list: jobs counted by state and tier, or the jobs of one state. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/human.h"
#include "base/quote.h"
#include "cli/cmd.h"
#include "cli/jobs.h"
#include "cli/table.h"

#define WIDE 160       /* columns from which a terminal has room for whole hashes */
#define TEXT_LIMIT 100 /* a screen or two; programs get all */

struct listing {
    struct cli *cli;
    struct queue *queue;
    enum job_state state;
    int64_t limit; /* 0: none */
    int64_t shown;
    bool more; /* the limit cut it short */
    bool with_paths;
    struct manifest *manifest;
    struct table *table; /* NULL: JSON */
    enum queue_result result;
    char *error;
};

static void add_row(struct listing *listing, const struct job_view *view)
{
    char size[HUMAN_SIZE], when[HUMAN_SIZE], short_hash[13], retries[24] = "-", *progress;
    struct job_facts facts;
    int64_t ms;

    job_facts_gather(listing->queue, view, &facts);
    if (facts.error == NULL && view->damaged != NULL)
        facts.error = "a record of it is damaged";
    snprintf(short_hash, sizeof(short_hash), "%.12s", view->hash);
    if (facts.retries >= 0)
        snprintf(retries, sizeof(retries), "%" PRId64, facts.retries);
    if (!listing->with_paths) {
        table_add(listing->table,
                  (const char *[]){short_hash, view->name, retries,
                                   human_show_size(view->size_bytes, size), facts.error});
        return;
    }
    ms = view->state == JOB_DONE         ? view->done_ms
         : view->state == JOB_PROCESSING ? facts.started_ms
         : view->state == JOB_DEAD       ? view->dead.moved_at
         : facts.not_before_ms > 0       ? facts.not_before_ms
                                         : facts.queued_ms;
    progress = view->state == JOB_PROCESSING ? job_progress_text(&facts) : NULL;
    table_add(listing->table,
              (const char *[]){cli_terminal_out() && cli_columns() < WIDE ? short_hash : view->hash,
                               view->tier_known ? tier_name(view->tier) : NULL, view->name, retries,
                               human_show_size(view->size_bytes, size), human_show_time(ms, when),
                               facts.worker, progress, facts.cause, facts.error});
    free(progress);
}

static void show_json(struct listing *listing, const struct job_view *view)
{
    struct manifest_entry entry = {0};
    char *error = NULL;
    bool has_entry = false;

    if (listing->with_paths) {
        enum queue_result result = manifest_lookup(listing->manifest, view->hash, &entry, &error);
        has_entry = result == QUEUE_OK;
        free(error);
    }
    cli_print_json(job_json(listing->queue, view, has_entry ? &entry : NULL));
    if (has_entry)
        manifest_entry_release(&entry);
}

static bool show_one(void *arg, struct job_view *view)
{
    struct listing *listing = arg;

    if (listing->limit > 0 && listing->shown >= listing->limit) {
        listing->more = true;
        return false;
    }
    listing->shown++;
    if (listing->table != NULL)
        add_row(listing, view);
    else
        show_json(listing, view);
    return true;
}

static struct table *make_table(const struct listing *listing)
{
    static const struct table_column brief[] = {{"JOB", false, false, false},
                                                {"NAME", false, true, false},
                                                {"RETRIES", true, false, false},
                                                {"SIZE", true, false, false},
                                                {"ERROR", false, true, false}};
    static const struct table_column full[] = {
        {"HASH", false, false, false},  {"TIER", false, false, false},
        {"NAME", false, true, false},   {"RETRIES", true, false, false},
        {"SIZE", true, false, false},   {"WHEN", false, false, false},
        {"WORKER", false, true, false}, {"PROGRESS", false, false, false},
        {"CAUSE", false, false, false}, {"ERROR", false, true, false}};

    struct table *table;

    if (cli_json(listing->cli))
        return NULL;
    table = listing->with_paths ? table_create(full, ARRAY_LEN(full))
                                : table_create(brief, ARRAY_LEN(brief));
    table_drop_columns(table);
    return table;
}

static enum exitcode list_jobs(struct cli *cli, struct queue *queue, enum job_state state,
                               int64_t limit)
{
    struct listing listing = {.cli = cli, .queue = queue, .state = state, .limit = limit};
    enum exitcode code = EXITCODE_OK;
    enum queue_result result;
    char *error = NULL;

    listing.with_paths = cli_flag(cli, "long");
    listing.manifest = manifest_create(queue);
    listing.table = make_table(&listing);
    result = view_list_jobs(queue, state, show_one, &listing, &error);
    if (listing.table != NULL && table_rows(listing.table) > 0)
        table_print(listing.table);
    if (result != QUEUE_OK) {
        code = cli_queue_failed(cli, result, "listing jobs", error);
    } else if (listing.shown == 0) {
        cli_note(cli, "no job is %s", job_state_name(state));
    } else if (listing.more && !cli_json(cli)) {
        cli_note(cli, "the first %" PRId64 " are shown; --limit 0 shows all", listing.shown);
    }
    table_destroy(listing.table);
    manifest_destroy(listing.manifest);
    return code;
}

static enum exitcode list_counts(struct cli *cli, struct queue *queue)
{
    struct job_counts counts;
    char *error = NULL;
    enum queue_result result = view_counts(queue, &counts, &error);

    if (result != QUEUE_OK)
        return cli_queue_failed(cli, result, "counting jobs", error);
    counts_print(cli, &counts);
    return EXITCODE_OK;
}

static enum exitcode run(struct cli *cli)
{
    const char *text = cli_value(cli, "state");
    enum job_state state = JOB_TODO;
    struct queue *queue;
    int64_t limit;
    enum exitcode code;

    if (text != NULL && (!job_state_parse(text, &state) || state == JOB_UNKNOWN)) {
        char *quoted = quote_name(text);
        code = cli_usage(cli,
                         "--state: %s is no state; give todo, processing, failed, dead, done or "
                         "raw",
                         quoted);
        free(quoted);
        return code;
    }
    if (text == NULL && (cli_flag(cli, "long") || cli_value(cli, "limit") != NULL))
        return cli_usage(cli, "--long and --limit go with --state");
    if (!cli_number(cli, "limit", 0, INT64_MAX, cli_json(cli) ? 0 : TEXT_LIMIT, &limit))
        return EXITCODE_USAGE;
    code = cli_open(cli, CLI_READ | CLI_FLEET, &queue);
    if (code != EXITCODE_OK)
        return code;
    return text != NULL ? list_jobs(cli, queue, state, limit) : list_counts(cli, queue);
}

static const struct cli_option options[] = {
    {'s', "state", "STATE", "jobs that are todo, processing, failed, dead, done or raw"},
    {'n', "limit", "N", "at most N jobs; 0: all (default: 100, with --json all)"},
    {'l', "long", NULL, "more about each; with --json also its paths"},
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_list = {
    .name = "list",
    .operands = "",
    .summary = "jobs counted by state and tier, or the jobs of one state",
    .help = "Without --state: how many jobs are in each state, the waiting ones by tier.\n"
            "With it: these jobs, in the order of their hashes.\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_NOW,
    .resume = "nothing was changed",
    .run = run,
};
