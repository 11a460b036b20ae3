/* blobforge status [HASH]: one job in full, or the bucket at a glance. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/human.h"
#include "base/json.h"
#include "cli/cmd.h"
#include "cli/jobs.h"
#include "cli/table.h"

/* ---- one job ---- */

struct attempts {
    struct record_attempt *list;
    size_t count;
};

static void attempts_release(struct attempts *attempts)
{
    for (size_t i = 0; i < attempts->count; i++)
        record_attempt_release(&attempts->list[i]);
    free(attempts->list);
}

static void print_attempts(const struct attempts *attempts)
{
    static const struct table_column columns[] = {
        {"ATTEMPT", true, false, false}, {"ENDED", false, false, false},
        {"OUTCOME", false, false, true}, {"CHARGED", false, false, false},
        {"CAUSE", false, false, false},  {"HOST", false, true, false},
        {"PAGE", true, false, false},    {"ERROR", false, true, false}};
    struct table *table;

    if (attempts->count == 0)
        return;
    table = table_create(columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < attempts->count; i++) {
        const struct record_attempt *a = &attempts->list[i];
        char number[24], page[48] = "-", ended[HUMAN_SIZE];

        snprintf(number, sizeof(number), "%" PRId64, a->number);
        if (a->page >= 0 && a->pages >= 0)
            snprintf(page, sizeof(page), "%" PRId64 "/%" PRId64, a->page, a->pages);
        table_add(table, (const char *[]){
                             a->number >= 0 ? number : "-", human_show_time(a->ended_ms, ended),
                             attempt_outcome_name(a->outcome), a->charged ? "yes" : "no",
                             cause_name(a->cause), a->host, page, a->error});
    }
    cli_printf("\n");
    table_print(table);
    table_destroy(table);
}

static void print_job_json(const struct queue *queue, const struct job_view *view,
                           const struct manifest_entry *entry, const struct attempts *attempts)
{
    struct json_object *job = job_json(queue, view, entry);
    struct json_object *array = json_object_new_array();

    for (size_t i = 0; i < attempts->count; i++)
        json_object_array_add(array, record_attempt_json(&attempts->list[i]));
    json_set_object(job, "attempts", array);
    cli_print_json(job);
}

static enum exitcode show_job(struct cli *cli, struct queue *queue, const char *text)
{
    char hash[65], *error = NULL;
    struct job_view view;
    struct attempts attempts = {NULL, 0};
    struct manifest_entry entry = {0};
    struct manifest *manifest;
    bool has_entry;
    enum queue_result result;
    enum exitcode code = cli_resolve(cli, text, hash);

    if (code != EXITCODE_OK)
        return code;
    result = view_job(queue, hash, &view, &error);
    if (result != QUEUE_OK)
        return cli_queue_failed(cli, result, hash, error);
    result = view_attempts(queue, hash, &attempts.list, &attempts.count, &error);
    if (result != QUEUE_OK && result != QUEUE_NONE)
        code = cli_queue_failed(cli, result, "attempt records", error);
    error = NULL;
    manifest = manifest_create(queue);
    result = manifest_lookup(manifest, hash, &entry, &error);
    has_entry = result == QUEUE_OK;
    if (result != QUEUE_OK && result != QUEUE_NONE)
        code = cli_worse(code, cli_queue_failed(cli, result, "manifest", error));
    else
        free(error);
    if (view.state == JOB_UNKNOWN)
        cli_error("%s: no such job in %s", hash, store_url(queue->store));
    if (view.state == JOB_UNKNOWN)
        code = cli_worse(code, EXITCODE_PARTIAL);
    if (cli_json(cli)) {
        print_job_json(queue, &view, has_entry ? &entry : NULL, &attempts);
    } else if (view.state != JOB_UNKNOWN) {
        job_print(queue, &view, has_entry ? &entry : NULL);
        print_attempts(&attempts);
    }
    if (has_entry)
        manifest_entry_release(&entry);
    manifest_destroy(manifest);
    attempts_release(&attempts);
    job_view_release(&view);
    return code;
}

/* ---- the bucket ---- */

struct running {
    struct queue *queue;
    struct table *table;
};

static bool add_running(void *arg, struct job_view *view)
{
    struct running *running = arg;
    struct job_facts facts;
    char elapsed[HUMAN_SIZE], left[HUMAN_SIZE], short_hash[13], *progress;

    job_facts_gather(running->queue, view, &facts);
    progress = job_progress_text(&facts);
    snprintf(short_hash, sizeof(short_hash), "%.12s", view->hash);
    table_add(
        running->table,
        (const char *[]){short_hash, view->name, facts.worker, progress,
                         human_show_duration((int64_t)(facts.elapsed_seconds * 1000), elapsed),
                         facts.eta_seconds >= 0
                             ? human_show_duration((int64_t)(facts.eta_seconds * 1000), left)
                             : NULL,
                         view->stale ? "stale" : ""});
    free(progress);
    return true;
}

static enum exitcode show_running(struct cli *cli, struct queue *queue)
{
    static const struct table_column columns[] = {
        {"JOB", false, false, false},    {"NAME", false, true, false},
        {"WORKER", false, true, false},  {"PROGRESS", false, false, false},
        {"ELAPSED", true, false, false}, {"LEFT", true, false, false},
        {"", false, false, false}};
    struct running running = {queue, table_create(columns, ARRAY_LEN(columns))};
    enum exitcode code = EXITCODE_OK;
    char *error = NULL;
    enum queue_result result = view_list_jobs(queue, JOB_PROCESSING, add_running, &running, &error);

    if (result != QUEUE_OK) {
        code = cli_queue_failed(cli, result, "running jobs", error);
    } else if (table_rows(running.table) > 0) {
        cli_printf("\n");
        table_print(running.table);
    }
    table_destroy(running.table);
    return code;
}

static enum exitcode show_bucket(struct cli *cli, struct queue *queue)
{
    struct job_counts counts;
    char *error = NULL;
    enum queue_result result = view_counts(queue, &counts, &error);

    if (result != QUEUE_OK)
        return cli_queue_failed(cli, result, "counting jobs", error);
    if (!cli_json(cli))
        cli_printf("%s\n\n", store_url(queue->store));
    counts_print(cli, &counts);
    if (cli_json(cli) || counts.processing == 0)
        return EXITCODE_OK;
    return show_running(cli, queue);
}

static enum exitcode run(struct cli *cli)
{
    struct queue *queue;
    size_t count;
    char *const *operands = cli_operands(cli, &count);
    enum exitcode code = cli_open(cli, CLI_READ | CLI_FLEET, &queue);

    if (code != EXITCODE_OK)
        return code;
    return count > 0 ? show_job(cli, queue, operands[0]) : show_bucket(cli, queue);
}

const struct cli_command cmd_status = {
    .name = "status",
    .operands = "[HASH]",
    .operands_min = 0,
    .operands_max = 1,
    .summary = "what became of a job, or how far all of them are",
    .help = "With HASH (64 hex digits, or the first 4 or more): everything known about the\n"
            "job: state, name, size, progress, and each attempt that did not succeed, with\n"
            "who was to blame. Without: jobs counted by state and what runs right now.\n",
    .interrupt = CLI_INTERRUPT_NOW,
    .resume = "nothing was changed",
    .run = run,
};
