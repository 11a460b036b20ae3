/* blobforge manifest: statistics, check, repair, upgrade and export of the bucket's index. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/human.h"
#include "base/json.h"
#include "base/quote.h"
#include "cli/catalog.h"
#include "cli/cmd.h"
#include "cli/progress.h"
#include "index/manifest_upgrade.h"
#include "index/reconcile.h"

#define SHOWN_MAX 20 /* hashes of each kind that --verify names, but for -v */

/* ---- statistics ---- */

static struct json_object *stats_json(const struct index_stats *stats)
{
    struct json_object *object = json_object_new_object();

    json_set_text(object, "form",
                  stats->form == MANIFEST_ABSENT ? NULL : manifest_form_name(stats->form));
    json_set_int(object, "entries", stats->entries);
    json_set_int(object, "shards", stats->parts);
    json_set_int(object, "bytes", stats->bytes);
    if (stats->updated_ms > 0)
        json_set_int(object, "updated_ms", stats->updated_ms);
    else
        json_set_null(object, "updated_ms");
    json_set_int(object, "damaged", (int64_t)stats->damaged);
    return object;
}

static enum exitcode read_stats(struct cli *cli, struct index *index, struct index_stats *stats_r)
{
    char *error = NULL;
    enum queue_result result = index_stats(index, stats_r, &error);

    return result == QUEUE_OK ? EXITCODE_OK : cli_queue_failed(cli, result, NULL, error);
}

static void print_stats(const struct index_stats *stats)
{
    char text[HUMAN_SIZE];

    switch (stats->form) {
    case MANIFEST_UNKNOWN:
    case MANIFEST_ABSENT:
        cli_printf("form      none: nothing was ingested yet\n");
        return;
    case MANIFEST_V1:
        cli_printf("form      v1, one object; `blobforge manifest --upgrade` makes shards of it\n");
        break;
    case MANIFEST_SHARDS:
        cli_printf("form      shards\n");
        break;
    }
    cli_printf("entries   %" PRId64 "\n", stats->entries);
    cli_printf("shards    %" PRId64 "\n", stats->parts);
    cli_printf("size      %s\n", human_show_size(stats->bytes, text));
    cli_printf("updated   %s\n", human_show_time(stats->updated_ms, text));
    if (stats->damaged > 0)
        cli_printf("damaged   %zu\n", stats->damaged);
}

static enum exitcode show_stats(struct cli *cli)
{
    struct index_stats stats;
    struct index *index;
    struct queue *queue;
    enum exitcode code = catalog_open(cli, false, &index, &queue);

    if (code == EXITCODE_OK)
        code = read_stats(cli, index, &stats);
    if (code == EXITCODE_OK && cli_json(cli))
        cli_print_json(stats_json(&stats));
    else if (code == EXITCODE_OK)
        print_stats(&stats);
    index_close(index);
    return code;
}

/* ---- verify, sync, rebuild ---- */

struct sweep {
    struct cli *cli;
    struct progress_line line;
    int64_t shown[3];
};

static void on_progress(void *arg, int64_t documents)
{
    struct sweep *sweep = arg;

    progress_step(&sweep->line, documents, 0, "documents");
}

static void on_difference(void *arg, enum reconcile_kind kind, const char *hash)
{
    struct sweep *sweep = arg;

    if (cli_json(sweep->cli) || cli_quiet(sweep->cli))
        return;
    if (sweep->shown[kind]++ >= SHOWN_MAX && cli_verbose(sweep->cli) == 0)
        return;
    progress_end(&sweep->line);
    cli_printf("%-10s%s\n", reconcile_kind_name(kind), hash);
}

static void print_sweep(struct cli *cli, const struct index_stats *stats,
                        const struct reconcile_report *report)
{
    struct json_object *object;

    if (!cli_json(cli)) {
        cli_printf("%" PRId64 " documents, %" PRId64 " entries: %" PRId64
                   " documents without an entry, %" PRId64 " entries without a document, %" PRId64
                   " of another size, %zu damaged parts\n",
                   report->documents, report->entries, report->missing, report->orphaned,
                   report->differing, stats->damaged);
        if (report->added > 0 || report->removed > 0)
            cli_printf("%" PRId64 " entries added, %" PRId64 " removed\n", report->added,
                       report->removed);
        return;
    }
    object = stats_json(stats);
    json_set_int(object, "documents", report->documents);
    json_set_int(object, "missing", report->missing);
    json_set_int(object, "orphaned", report->orphaned);
    json_set_int(object, "differing", report->differing);
    json_set_int(object, "added", report->added);
    json_set_int(object, "removed", report->removed);
    cli_print_json(object);
}

/* What was last known of a part that cannot be read goes into the new one. */
struct salvage {
    struct manifest *manifest;
    unsigned shard;
};

static bool salvage_entry(void *arg, const struct manifest_entry *entry)
{
    struct salvage *salvage = arg;

    for (size_t i = 0; i < entry->path_count; i++)
        manifest_note_file(
            salvage->manifest,
            &(struct manifest_note){.hash = entry->hash,
                                    .path = entry->paths[i],
                                    .source = entry->source != NULL ? entry->source : "bucket",
                                    .tags = (const char *const *)entry->tags,
                                    .tag_count = entry->tag_count,
                                    .size_bytes = entry->size_bytes});
    return true;
}

struct damaged_shards {
    unsigned shards[256];
    size_t count;
    bool v1; /* manifest.json itself */
};

static void note_damaged(void *arg, const char *part, const char *why)
{
    struct damaged_shards *damaged = arg;
    unsigned shard;

    (void)why;
    if (sscanf(part, "manifest/%2x.json", &shard) != 1)
        damaged->v1 = true;
    else if (damaged->count < ARRAY_LEN(damaged->shards))
        damaged->shards[damaged->count++] = shard;
}

static enum exitcode replace_damaged(struct cli *cli, struct index *index, struct queue *queue)
{
    struct damaged_shards damaged = {.count = 0};
    enum exitcode code = EXITCODE_OK;

    index_damaged(index, note_damaged, &damaged);
    if (damaged.v1) {
        cli_error("registry/manifest.json: it says which form the manifest has, so it is not "
                  "replaced; look at it, move it away");
        return EXITCODE_DATAERR;
    }
    for (size_t i = 0; i < damaged.count && code == EXITCODE_OK && !cli_stopped(); i++) {
        struct salvage salvage = {manifest_create(queue), damaged.shards[i]};
        char digits[3], *error = NULL;
        enum queue_result result;

        snprintf(digits, sizeof(digits), "%02x", damaged.shards[i] & 255);
        result = index_lookup_hash(index, queue, digits, 0, salvage_entry, &salvage, &error);
        if (result == QUEUE_OK)
            result = manifest_reset_shard(queue, damaged.shards[i], &error);
        if (result == QUEUE_OK || result == QUEUE_NONE)
            result = manifest_flush(salvage.manifest, &error);
        manifest_destroy(salvage.manifest);
        if (result != QUEUE_OK)
            code = cli_queue_failed(cli, result, error == NULL ? "manifest" : NULL, error);
        else
            cli_note(cli, "registry/manifest/%s.json: made again", digits);
    }
    return code;
}

/* A manifest.json that version 1 put beside shards goes into them; what is damaged is told with the
 * rest. What was made again or merged is to be seen. */
static enum exitcode rejoin(struct cli *cli, struct index *index, struct queue *queue)
{
    struct manifest_upgrade_report report;
    char *error = NULL;
    enum queue_result result = manifest_rejoin(queue, &report, &error);

    if (result == QUEUE_OK)
        cli_note(cli, "registry/manifest.json: its %zu entries were merged into the shards",
                 report.entries);
    if (result == QUEUE_OK || result == QUEUE_NONE || result == QUEUE_DAMAGED) {
        free(error);
        error = NULL;
        result = index_refresh(index, queue, NULL, NULL, &error);
    }
    return result == QUEUE_OK
               ? EXITCODE_OK
               : cli_queue_failed(cli, result, error == NULL ? "manifest" : NULL, error);
}

static enum exitcode sweep_manifest(struct cli *cli, bool add, bool remove)
{
    struct reconcile_options options = {.add = add,
                                        .remove = remove,
                                        .stop = cli_stop_flag(),
                                        .each = on_difference,
                                        .progress = on_progress};
    struct sweep sweep = {.cli = cli};
    struct reconcile_report report;
    struct index_stats stats;
    struct index *index;
    struct queue *queue;
    enum queue_result result;
    char *error = NULL;
    enum exitcode code = catalog_open(cli, false, &index, &queue);

    if (code == EXITCODE_OK && (add || remove))
        code = cli_open(cli, CLI_WRITE, &queue);
    if (code == EXITCODE_OK && remove)
        code = replace_damaged(cli, index, queue);
    if (code == EXITCODE_OK && add)
        code = rejoin(cli, index, queue);
    if (code == EXITCODE_OK)
        code = read_stats(cli, index, &stats);
    if (code != EXITCODE_OK) {
        index_close(index);
        return code;
    }
    options.arg = &sweep;
    progress_begin(&sweep.line, cli, add ? "repairing the manifest" : "checking the manifest");
    result = reconcile_run(index, queue, &options, &report, &error);
    progress_end(&sweep.line);
    print_sweep(cli, &stats, &report);
    index_close(index);
    if (result != QUEUE_OK)
        return cli_queue_failed(cli, result, error == NULL ? "manifest" : NULL, error);
    if (cli_stopped())
        return EXITCODE_INTERRUPTED;
    if (stats.damaged > 0 || report.missing > report.added || report.orphaned > report.removed ||
        report.differing > 0)
        return EXITCODE_PARTIAL;
    return EXITCODE_OK;
}

/* ---- upgrade ---- */

static void on_upgrade(void *arg, size_t done, size_t total)
{
    progress_step(arg, (int64_t)done, (int64_t)total, "entries");
}

static enum exitcode upgrade(struct cli *cli)
{
    struct manifest_upgrade_report report;
    struct progress_line line;
    struct queue *queue;
    enum queue_result result;
    char *error = NULL;
    enum exitcode code = cli_open(cli, CLI_WRITE, &queue);

    if (code != EXITCODE_OK)
        return code;
    progress_begin(&line, cli, "making shards");
    result = manifest_upgrade(queue, cli_stop_flag(), on_upgrade, &line, &report, &error);
    progress_end(&line);
    if (cli_stopped() && result == QUEUE_AGAIN && error == NULL)
        return EXITCODE_INTERRUPTED;
    if (result != QUEUE_OK && result != QUEUE_NONE)
        return cli_queue_failed(cli, result, error == NULL ? "manifest" : NULL, error);
    free(error);
    if (result == QUEUE_NONE)
        cli_note(cli, "nothing to upgrade: there is no manifest of version 1");
    else
        cli_note(cli,
                 "%zu entries are in shards now; version 1's ingest, lookup and search refuse "
                 "this bucket from here on",
                 report.entries);
    return cli_json(cli) ? show_stats(cli) : EXITCODE_OK;
}

/* ---- export ---- */

/* RFC 4180; what a spreadsheet would take for a formula begins with an apostrophe, control
 * characters are escaped as everywhere. */
static void append_cell(struct buf *line, const char *text, bool last)
{
    struct buf shown = BUF_INIT;

    quote_append(&shown, text, strlen(text));
    buf_putc(line, '"');
    if (strchr("=+-@", text[0]) != NULL && text[0] != '\0')
        buf_putc(line, '\'');
    for (const char *c = buf_text(&shown); *c != '\0'; c++) {
        if (*c == '"')
            buf_putc(line, '"');
        buf_putc(line, *c);
    }
    buf_puts(line, last ? "\"\r\n" : "\",");
    buf_release(&shown);
}

static void append_list(struct buf *line, char *const *texts, size_t count)
{
    struct json_object *array = json_object_new_array();

    for (size_t i = 0; i < count; i++)
        json_object_array_add(array, json_new_text(texts[i], strlen(texts[i])));
    append_cell(line,
                json_object_to_json_string_ext(array, JSON_C_TO_STRING_PLAIN |
                                                          JSON_C_TO_STRING_NOSLASHESCAPE),
                false);
    json_object_put(array);
}

static bool export_csv(void *arg, const struct manifest_entry *entry)
{
    struct buf line = BUF_INIT;
    char number[24] = "", iso[CLOCK_ISO_SIZE] = "";
    const char *name = catalog_name(entry);

    (void)arg;
    if (entry->size_bytes >= 0)
        snprintf(number, sizeof(number), "%" PRId64, entry->size_bytes);
    if (entry->ingested_ms > 0)
        clock_format_iso(entry->ingested_ms, iso);
    append_cell(&line, entry->hash, false);
    append_cell(&line, name != NULL ? name : "", false);
    append_list(&line, entry->paths, entry->path_count);
    append_list(&line, entry->tags, entry->tag_count);
    append_cell(&line, number, false);
    append_cell(&line, iso, false);
    append_cell(&line, entry->source != NULL ? entry->source : "", true);
    cli_write(line.data, line.len);
    buf_release(&line);
    return true;
}

static bool export_json(void *arg, const struct manifest_entry *entry)
{
    (void)arg;
    cli_print_json(catalog_json(entry));
    return true;
}

static enum exitcode export_all(struct cli *cli, const char *format)
{
    bool csv = strcmp(format, "csv") == 0;
    struct index *index;
    struct queue *queue;
    enum queue_result result;
    char *error = NULL;
    enum exitcode code;

    if (!csv && strcmp(format, "jsonl") != 0 && strcmp(format, "json") != 0) {
        char *quoted = quote_name(format);
        code = cli_usage(cli, "--export: %s is no format; give jsonl or csv", quoted);
        free(quoted);
        return code;
    }
    code = catalog_open(cli, false, &index, &queue);
    if (code != EXITCODE_OK)
        return code;
    if (csv)
        cli_printf("hash,name,paths,tags,size_bytes,ingested,source\r\n");
    result = index_each(index, queue, csv ? export_csv : export_json, NULL, &error);
    if (result != QUEUE_OK)
        code = cli_queue_failed(cli, result, error == NULL ? "manifest" : NULL, error);
    index_close(index);
    return code;
}

static enum exitcode run(struct cli *cli)
{
    int actions = cli_flag(cli, "verify") + cli_flag(cli, "sync") + cli_flag(cli, "rebuild") +
                  cli_flag(cli, "upgrade") + (cli_value(cli, "export") != NULL);

    if (actions > 1)
        return cli_usage(cli, "--verify, --sync, --rebuild, --upgrade, --export: one at a time");
    if (cli_flag(cli, "verify"))
        return sweep_manifest(cli, false, false);
    if (cli_flag(cli, "sync"))
        return sweep_manifest(cli, true, false);
    if (cli_flag(cli, "rebuild"))
        return sweep_manifest(cli, true, true);
    if (cli_flag(cli, "upgrade"))
        return upgrade(cli);
    if (cli_value(cli, "export") != NULL)
        return export_all(cli, cli_value(cli, "export"));
    return show_stats(cli);
}

static const struct cli_option options[] = {
    {0, "verify", NULL, "compare it with the documents in the bucket; change nothing"},
    {0, "sync", NULL, "add entries for documents that have none"},
    {0, "rebuild", NULL, "the same, drop entries without a document, make damaged parts again"},
    {0, "upgrade", NULL, "turn version 1's one object into shards"},
    {0, "export", "FORMAT", "print every entry: jsonl or csv"},
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_manifest = {
    .name = "manifest",
    .operands = "",
    .operands_min = 0,
    .operands_max = 0,
    .summary = "statistics, check, repair and export of the index of what was ingested",
    .help = "Without an option: which form the bucket's manifest has, how many entries, how\n"
            "large. It is an index and no more: jobs do not depend on it, and every part of\n"
            "it can be made again.\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_BETWEEN,
    .resume = "the manifest is whole; the same command again goes on",
    .run = run,
};
