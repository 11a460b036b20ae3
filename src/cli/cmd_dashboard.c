/* blobforge dashboard: the bucket at a glance, printed once. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/human.h"
#include "base/json.h"
#include "cli/board.h"
#include "cli/cmd.h"
#include "cli/table.h"

#define BAR_WIDTH 40
#define WAITING_SHOWN 5

/* ---- text ---- */

static const char *about(const struct board_show *show)
{
    return show->about ? "~" : "";
}

static void print_totals(const struct board_show *show)
{
    double share = board_done_share(show);
    const char *mark = about(show);
    char left[HUMAN_SIZE];

    cli_printf("[");
    for (int i = 0; i < BAR_WIDTH; i++)
        cli_printf("%c", i < (int)(share * BAR_WIDTH) ? '#' : '.');
    cli_printf("] %.1f %%\n", share * 100);
    cli_printf("todo %s%" PRId64 "  processing %" PRId64 "  failed %s%" PRId64 "  dead %s%" PRId64
               "  done %s%" PRId64 "\n",
               mark, board_todo(show), show->processing, mark, show->failed, mark, show->dead, mark,
               show->done);
    for (int tier = 0; tier < TIER_COUNT; tier++)
        if (show->todo[tier] > 0 && show->todo[tier] != board_todo(show))
            cli_printf("  %s %s%" PRId64 "\n", tier_name((enum tier)tier), mark, show->todo[tier]);
    if (show->jobs_per_hour >= 0)
        cli_printf("%.0f jobs/h%s%s\n", show->jobs_per_hour, show->left_seconds > 0 ? ", ETA " : "",
                   show->left_seconds > 0
                       ? human_show_duration((int64_t)(show->left_seconds * 1000), left)
                       : "");
}

static const char *seconds(double value, char text_r[static HUMAN_SIZE])
{
    return value < 0 ? NULL : human_show_duration((int64_t)(value * 1000), text_r);
}

static void print_jobs(const struct board_show *show)
{
    static const struct table_column columns[] = {
        {"STATE", false, false, true},   {"JOB", false, false, false},
        {"NAME", false, true, false},    {"SIZE", true, false, false},
        {"STAGE", false, false, false},  {"PAGE", true, false, false},
        {"ELAPSED", true, false, false}, {"ETA", true, false, false},
        {"WORKER", false, true, false}};
    struct table *table = table_create(columns, ARRAY_LEN(columns));

    size_t waiting = 0;

    table_drop_columns(table);
    for (size_t i = 0; i < show->job_count; i++) {
        const struct board_job *job = &show->jobs[i];
        char elapsed[HUMAN_SIZE], left[HUMAN_SIZE], size[HUMAN_SIZE], page[48], hash[13];

        if (job->state != JOB_PROCESSING && ++waiting > WAITING_SHOWN)
            break;

        snprintf(hash, sizeof(hash), "%.12s", job->hash);
        table_add_harmless(table,
                           (const char *[]){board_job_state(job), hash, job->name,
                                            human_show_size(job->size_bytes, size),
                                            job->stage[0] != '\0' ? job->stage : NULL,
                                            board_page(job, page),
                                            seconds(board_elapsed(job, show->read_ms), elapsed),
                                            seconds(board_left(job, show->read_ms), left),
                                            job->worker[0] != '\0' ? job->worker : NULL});
    }
    if (table_rows(table) > 0) {
        cli_printf("\n");
        table_print(table);
    }
    if (show->jobs_cut)
        cli_printf("(and more)\n");
    table_destroy(table);
}

static void print_workers(const struct board_show *show)
{
    static const struct table_column columns[] = {
        {"WORKER", false, true, false},  {"HEALTH", false, false, true},
        {"JOBS", true, false, false},    {"JOBS/H", true, false, false},
        {"AVERAGE", true, false, false}, {"CPU", true, false, false},
        {"MEM", true, false, false}};
    struct table *table = table_create(columns, ARRAY_LEN(columns));
    size_t gone = 0;

    table_drop_columns(table);
    for (size_t i = 0; i < show->cards.count; i++) {
        const struct card *card = &show->cards.list[i];
        char jobs[48], rate[24] = "-", average[HUMAN_SIZE], cpu[24] = "-", memory[24] = "-";

        if (card->stopped) {
            gone++;
            continue;
        }
        snprintf(jobs, sizeof(jobs), "%" PRId64 "/%" PRId64,
                 card->current_jobs < 0 ? 0 : card->current_jobs,
                 card->slots < 0 ? 1 : card->slots);
        if (card->jobs_per_hour >= 0)
            snprintf(rate, sizeof(rate), "%.0f", card->jobs_per_hour);
        if (card->cpu_percent >= 0)
            snprintf(cpu, sizeof(cpu), "%.0f%%", card->cpu_percent);
        if (card->memory_percent >= 0)
            snprintf(memory, sizeof(memory), "%.0f%%", card->memory_percent);
        table_add_harmless(table,
                           (const char *[]){card->worker, card_health(card), jobs, rate,
                                            seconds(card->avg_seconds, average), cpu, memory});
    }
    if (table_rows(table) > 0) {
        cli_printf("\n");
        table_print(table);
    }
    if (gone > 0)
        cli_printf("%s(%zu stopped)\n", table_rows(table) > 0 ? "" : "\n", gone);
    table_destroy(table);
}

static void print_failures(const struct board_show *show)
{
    static const struct table_column columns[] = {
        {"STATE", false, false, true}, {"JOB", false, false, false},
        {"WHEN", false, false, false}, {"CAUSE", false, false, false},
        {"NAME", false, true, false},  {"ERROR", false, true, false}};
    struct table *table = table_create(columns, ARRAY_LEN(columns));

    for (size_t i = 0; i < show->failure_count; i++) {
        const struct board_failure *failure = &show->failures[i];
        char when[HUMAN_SIZE], hash[13];

        snprintf(hash, sizeof(hash), "%.12s", failure->hash);
        table_add_harmless(table,
                           (const char *[]){job_state_name(failure->state), hash,
                                            human_show_time(failure->when_ms, when),
                                            failure->cause[0] != '\0' ? failure->cause : NULL,
                                            failure->name, failure->error});
    }
    if (table_rows(table) > 0) {
        cli_printf("\n");
        table_print(table);
    }
    table_destroy(table);
}

static void print_text(const struct board_show *show)
{
    char when[HUMAN_SIZE];

    cli_printf("%s  %s\n", show->url, human_show_time(show->read_ms, when));
    print_totals(show);
    print_jobs(show);
    print_workers(show);
    print_failures(show);
}

/* ---- JSON ---- */

static void set_text(struct json_object *object, const char *name, const char *text)
{
    json_set_text(object, name, text[0] != '\0' ? text : NULL);
}

static void set_known(struct json_object *object, const char *name, int64_t value)
{
    if (value >= 0)
        json_set_int(object, name, value);
    else
        json_set_null(object, name);
}

static void set_seconds(struct json_object *object, const char *name, double value)
{
    if (value >= 0)
        json_set_double(object, name, value);
    else
        json_set_null(object, name);
}

static struct json_object *job_object(const struct board_job *job, int64_t now_ms)
{
    struct json_object *object = json_object_new_object();

    json_set_text(object, "hash", job->hash);
    json_set_text(object, "state", job_state_name(job->state));
    json_set_text(object, "tier", tier_name(job->tier));
    set_text(object, "name", job->name);
    set_known(object, "size_bytes", job->size_bytes);
    set_text(object, "worker", job->worker);
    set_text(object, "stage", job->stage);
    set_known(object, "page", job->page);
    set_known(object, "pages", job->pages);
    set_seconds(object, "elapsed_seconds", board_elapsed(job, now_ms));
    set_seconds(object, "eta_seconds", board_left(job, now_ms));
    json_set_bool(object, "stale", job->stale);
    return object;
}

static struct json_object *failure_object(const struct board_failure *failure)
{
    struct json_object *object = json_object_new_object();

    json_set_text(object, "hash", failure->hash);
    json_set_text(object, "state", job_state_name(failure->state));
    set_text(object, "name", failure->name);
    json_set_int(object, "failed_ms", failure->when_ms);
    set_text(object, "cause", failure->cause);
    set_text(object, "reason", failure->reason);
    set_text(object, "error", failure->error);
    return object;
}

static void print_json(const struct board_show *show)
{
    struct json_object *object = json_object_new_object(), *todo = json_object_new_object();
    struct json_object *jobs = json_object_new_array(), *workers = json_object_new_array();
    struct json_object *failures = json_object_new_array();

    for (int tier = 0; tier < TIER_COUNT; tier++)
        json_set_int(todo, tier_name((enum tier)tier), show->todo[tier]);
    for (size_t i = 0; i < show->job_count; i++)
        json_object_array_add(jobs, job_object(&show->jobs[i], show->read_ms));
    for (size_t i = 0; i < show->cards.count; i++)
        json_object_array_add(workers, card_json(&show->cards.list[i]));
    for (size_t i = 0; i < show->failure_count; i++)
        json_object_array_add(failures, failure_object(&show->failures[i]));
    json_set_text(object, "store", show->url);
    json_set_int(object, "read_ms", show->read_ms);
    json_set_bool(object, "estimated", show->about);
    json_set_object(object, "todo", todo);
    json_set_int(object, "processing", show->processing);
    json_set_int(object, "failed", show->failed);
    json_set_int(object, "dead", show->dead);
    json_set_int(object, "done", show->done);
    set_seconds(object, "jobs_per_hour", show->jobs_per_hour);
    set_seconds(object, "eta_seconds", show->left_seconds);
    json_set_object(object, "jobs", jobs);
    json_set_object(object, "workers", workers);
    json_set_object(object, "failures", failures);
    json_set_int(object, "requests", (int64_t)show->requests);
    cli_print_json(object);
}

static enum exitcode run(struct cli *cli)
{
    struct board *board;
    struct queue *queue;
    char *error = NULL;
    enum queue_result result;
    enum exitcode code = cli_open(cli, CLI_READ | CLI_FLEET, &queue);

    if (code != EXITCODE_OK)
        return code;
    board = board_create(queue);
    result = board_look(board, &error);
    if (result != QUEUE_OK)
        code = cli_queue_failed(cli, result, "dashboard", error);
    else if (cli_json(cli))
        print_json(board_shown(board));
    else
        print_text(board_shown(board));
    board_destroy(board);
    return code;
}

const struct cli_command cmd_dashboard = {
    .name = "dashboard",
    .operands = "",
    .operands_min = 0,
    .operands_max = 0,
    .summary = "the bucket at a glance: totals, running jobs, workers, recent failures",
    .help = "Printed once; `blobforge watch` goes on. What it costs is bounded whatever the\n"
            "library holds: large counts are reckoned from a few listing pages and marked\n"
            "with ~; `blobforge list` counts exactly.\n",
    .interrupt = CLI_INTERRUPT_NOW,
    .resume = "nothing was changed",
    .run = run,
};
