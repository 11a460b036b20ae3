/* blobforge search-queue: jobs by words of their files' names, folders and tags, with their
 * states. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/human.h"
#include "base/quote.h"
#include "cli/catalog.h"
#include "cli/cmd.h"
#include "cli/jobs.h"
#include "cli/progress.h"
#include "cli/table.h"

#define TEXT_LIMIT 50 /* a screen or two; programs get all */
#define AT_ONCE 128   /* matches whose states are asked for together */

struct search {
    struct cli *cli;
    struct queue *queue;
    bool states[JOB_STATE_COUNT]; /* wanted */
    struct table *table;          /* NULL: JSON */
    struct progress_line line;
    int64_t limit, shown, seen;
    bool more;
    struct manifest_entry *entries; /* matches whose states are not known yet; owned */
    size_t count;
    enum queue_result result;
    char *error;
};

static void show_job(struct search *search, const struct job_view *view,
                     const struct manifest_entry *entry)
{
    char short_hash[13], size[HUMAN_SIZE], *progress;
    struct job_facts facts;

    progress_end(&search->line);
    if (search->table == NULL) {
        cli_print_json(job_json(search->queue, view, entry));
        return;
    }
    job_facts_gather(search->queue, view, &facts);
    progress = view->state == JOB_PROCESSING ? job_progress_text(&facts) : NULL;
    snprintf(short_hash, sizeof(short_hash), "%.12s", view->hash);
    table_add(search->table, (const char *[]){short_hash, job_state_name(view->state),
                                              view->tier_known ? tier_name(view->tier) : NULL,
                                              human_show_size(entry->size_bytes, size),
                                              entry->path_count > 0 ? entry->paths[0] : view->name,
                                              progress, facts.error});
    free(progress);
}

/* One match whose state is wanted: all that is known of the job. */
static enum queue_result look_at(struct search *search, const struct manifest_entry *entry)
{
    struct job_view view;
    enum queue_result result = view_job(search->queue, entry->hash, &view, &search->error);

    if (result != QUEUE_OK)
        return result;
    if (search->states[view.state]) { /* it may have gone on since */
        search->shown++;
        show_job(search, &view, entry);
    }
    job_view_release(&view);
    return QUEUE_OK;
}

/* The states of the matches in hand; those that are wanted are shown. */
static void settle(struct search *search)
{
    char(*hashes)[65] = mem_alloc((size_t)AT_ONCE * 65);
    enum job_state states[AT_ONCE];

    for (size_t i = 0; i < search->count; i++)
        memcpy(hashes[i], search->entries[i].hash, 65);
    if (search->count > 0)
        search->result = view_states(search->queue, (const char(*)[65])hashes, search->count,
                                     states, &search->error);
    for (size_t i = 0; i < search->count; i++) {
        if (search->result == QUEUE_OK && search->states[states[i]] && !search->more) {
            if (search->limit > 0 && search->shown == search->limit)
                search->more = true;
            else
                search->result = look_at(search, &search->entries[i]);
        }
        manifest_entry_release(&search->entries[i]);
    }
    search->seen += (int64_t)search->count;
    search->count = 0;
    if (search->result == QUEUE_OK && !search->more)
        progress_step(&search->line, search->seen, 0, "matches");
    free(hashes);
}

/* Takes the match over. */
static bool on_match(void *arg, const struct manifest_entry *entry)
{
    struct search *search = arg;

    search->entries[search->count++] = *entry;
    memset((struct manifest_entry *)entry, 0, sizeof(*entry));
    if (search->count == AT_ONCE)
        settle(search);
    return search->result == QUEUE_OK && !search->more;
}

static enum exitcode run_search(struct search *search, struct index *index,
                                const struct index_query *query)
{
    static const struct table_column columns[] = {
        {"JOB", false, false, false},  {"STATE", false, false, true},
        {"TIER", false, false, false}, {"SIZE", true, false, false},
        {"PATH", false, true, false},  {"PROGRESS", false, false, false},
        {"ERROR", false, true, false}};
    struct cli *cli = search->cli;
    enum queue_result result;
    char *error = NULL;

    if (!cli_json(cli))
        search->table = table_create(columns, ARRAY_LEN(columns));
    search->entries = mem_alloc(AT_ONCE * sizeof(*search->entries));
    progress_begin(&search->line, cli, "looking at jobs");
    result = index_search(index, search->queue, query, on_match, search, &error);
    if (result == QUEUE_OK && search->result == QUEUE_OK && !search->more)
        settle(search);
    for (size_t i = 0; i < search->count; i++)
        manifest_entry_release(&search->entries[i]);
    progress_end(&search->line);
    if (search->table != NULL && table_rows(search->table) > 0)
        table_print(search->table);
    table_destroy(search->table);
    free(search->entries);
    if (search->result != QUEUE_OK) {
        free(error);
        return cli_queue_failed(cli, search->result, "looking at jobs", search->error);
    }
    if (result != QUEUE_OK)
        return cli_queue_failed(cli, result, error == NULL ? "search" : NULL, error);
    if (search->shown == 0) {
        cli_note(cli, "nothing matches%s",
                 query->anywhere ? "" : "; --anywhere looks in the midst of words too");
        return EXITCODE_PARTIAL;
    }
    if (search->more && !cli_json(cli))
        cli_note(cli, "the first %" PRId64 " are shown; --limit 0 shows all", search->shown);
    return EXITCODE_OK;
}

/* --state, repeatable; without: all. */
static bool read_states(struct cli *cli, bool wanted[static JOB_STATE_COUNT])
{
    size_t count;
    const char *const *values = cli_values(cli, "state", &count);

    for (size_t i = 0; i < JOB_STATE_COUNT; i++)
        wanted[i] = count == 0;
    for (size_t i = 0; i < count; i++) {
        enum job_state state;
        char *quoted;

        if (job_state_parse(values[i], &state)) {
            wanted[state] = true;
            continue;
        }
        quoted = quote_name(values[i]);
        cli_usage(cli, "--state: %s is no state; give todo, processing, failed, dead, done or raw",
                  quoted);
        free(quoted);
        return false;
    }
    return true;
}

static enum exitcode run(struct cli *cli)
{
    struct search search = {.cli = cli};
    struct index_query query;
    struct index *index = NULL;
    enum exitcode code;

    if (!cli_number(cli, "limit", 0, INT64_MAX - 1, cli_json(cli) ? 0 : TEXT_LIMIT,
                    &search.limit) ||
        !read_states(cli, search.states) || !catalog_query(cli, &query))
        return EXITCODE_USAGE;
    code = catalog_open(cli, false, &index, &search.queue);
    if (code == EXITCODE_OK)
        code = cli_open(cli, CLI_READ | CLI_FLEET, &search.queue);
    if (code == EXITCODE_OK)
        code = run_search(&search, index, &query);
    index_close(index);
    catalog_query_release(&query);
    return code;
}

static const struct cli_option options[] = {
    CATALOG_QUERY_OPTIONS,
    {'s', "state", "STATE", "only jobs in this state; repeatable"},
    {'n', "limit", "N", "at most N jobs; 0: all (default: 50, with --json all)"},
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_search_queue = {
    .name = "search-queue",
    .operands = "[WORD ...]",
    .operands_min = 0,
    .operands_max = CLI_ANY_NUMBER,
    .summary = "find jobs by words of their names, folders and tags",
    .help = "As `blobforge search`, and then what became of each: its state, tier and\n"
            "progress.\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_NOW,
    .resume = "nothing was changed",
    .run = run,
};
