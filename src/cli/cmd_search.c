/* blobforge search: what was ingested, by words of its name, folders and tags. */
#include <inttypes.h>
#include <stdio.h>

#include "base/human.h"
#include "cli/catalog.h"
#include "cli/cmd.h"
#include "cli/table.h"

#define TEXT_LIMIT 50 /* a screen or two; programs get all */

struct found {
    struct table *table; /* NULL: JSON */
    int64_t limit, shown;
    bool more;
};

static void add_row(struct table *table, const struct manifest_entry *entry)
{
    char size[HUMAN_SIZE], when[HUMAN_SIZE], short_hash[13];
    struct buf tags = BUF_INIT;

    snprintf(short_hash, sizeof(short_hash), "%.12s", entry->hash);
    for (size_t i = 0; i < entry->tag_count; i++)
        buf_printf(&tags, "%s%s", i > 0 ? ", " : "", entry->tags[i]);
    table_add(table, (const char *[]){short_hash, human_show_size(entry->size_bytes, size),
                                      human_show_time(entry->ingested_ms, when),
                                      entry->path_count > 0 ? entry->paths[0] : NULL,
                                      tags.len > 0 ? buf_text(&tags) : NULL});
    buf_release(&tags);
}

static bool show_one(void *arg, const struct manifest_entry *entry)
{
    struct found *found = arg;

    if (found->limit > 0 && found->shown == found->limit) {
        found->more = true;
        return false;
    }
    found->shown++;
    if (found->table != NULL)
        add_row(found->table, entry);
    else
        cli_print_json(catalog_json(entry));
    return true;
}

static enum exitcode search(struct cli *cli, struct index *index, struct queue *queue,
                            const struct index_query *query, int64_t limit)
{
    static const struct table_column columns[] = {{"HASH", false, false, false},
                                                  {"SIZE", true, false, false},
                                                  {"INGESTED", false, false, false},
                                                  {"PATH", false, true, false},
                                                  {"TAGS", false, true, false}};
    struct found found = {.limit = limit};
    enum exitcode code = EXITCODE_OK;
    enum queue_result result;
    char *error = NULL;

    if (!cli_json(cli))
        found.table = table_create(columns, ARRAY_LEN(columns));
    result = index_search(index, queue, query, show_one, &found, &error);
    if (found.table != NULL && table_rows(found.table) > 0)
        table_print(found.table);
    table_destroy(found.table);
    if (result != QUEUE_OK)
        return cli_queue_failed(cli, result, "search", error);
    if (found.shown == 0) {
        cli_note(cli, "nothing matches%s",
                 query->anywhere ? "" : "; --anywhere looks in the midst of words too");
        code = EXITCODE_PARTIAL;
    } else if (found.more && !cli_json(cli)) {
        cli_note(cli, "the first %" PRId64 " are shown; --limit 0 shows all", found.shown);
    }
    return code;
}

static enum exitcode run(struct cli *cli)
{
    struct index_query query;
    struct index *index;
    struct queue *queue;
    int64_t limit;
    enum exitcode code;

    if (!cli_number(cli, "limit", 0, INT64_MAX - 1, cli_json(cli) ? 0 : TEXT_LIMIT, &limit) ||
        !catalog_query(cli, &query))
        return EXITCODE_USAGE;
    query.limit = limit > 0 ? limit + 1 : 0;
    code = catalog_open(cli, cli_flag(cli, "offline"), &index, &queue);
    if (code == EXITCODE_OK)
        code = search(cli, index, queue, &query, limit);
    index_close(index);
    catalog_query_release(&query);
    return code;
}

static const struct cli_option options[] = {
    CATALOG_QUERY_OPTIONS,
    {'n', "limit", "N", "at most N files; 0: all (default: 50, with --json all)"},
    {0, "offline", NULL, "from what was read last, without asking the store"},
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_search = {
    .name = "search",
    .operands = "[WORD ...]",
    .operands_min = 0,
    .operands_max = CLI_ANY_NUMBER,
    .summary = "find files by words of their names, folders and tags",
    .help = "All WORDs must be there, each as a word or the beginning of one; case and\n"
            "accents do not matter. What was ingested is found, in whatever state its job is\n"
            "(`blobforge search-queue` shows that too). The bucket's manifest is kept in a\n"
            "local index, which is brought up to date first.\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_NOW,
    .resume = "nothing was changed; what was read of the manifest is kept",
    .run = run,
};
