/* blobforge lookup: which hash a file has, which files a hash came from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/human.h"
#include "base/quote.h"
#include "cli/catalog.h"
#include "cli/cmd.h"

struct found {
    bool json;
    size_t shown;
};

static void print_lines(const char *head, char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct buf shown = BUF_INIT;

        quote_append(&shown, texts[i], strlen(texts[i]));
        cli_printf("%-10s%s\n", i == 0 ? head : "", buf_text(&shown));
        buf_release(&shown);
    }
}

static bool show_one(void *arg, const struct manifest_entry *entry)
{
    struct found *found = arg;
    char text[HUMAN_SIZE];

    if (found->json) {
        cli_print_json(catalog_json(entry));
    } else {
        cli_printf("%shash      %s\n", found->shown > 0 ? "\n" : "", entry->hash);
        print_lines("path", entry->paths, entry->path_count);
        print_lines("tags", entry->tags, entry->tag_count);
        cli_printf("size      %s\n", human_show_size(entry->size_bytes, text));
        cli_printf("ingested  %s\n", human_show_time(entry->ingested_ms, text));
        if (entry->source != NULL)
            print_lines("source", &entry->source, 1);
    }
    found->shown++;
    return true;
}

/* The outcome of one --path or --hash. */
static enum exitcode finish(struct cli *cli, enum queue_result result, char *error,
                            const char *what, const struct found *found, size_t before)
{
    char *quoted;

    if (result != QUEUE_OK)
        return cli_queue_failed(cli, result, "lookup", error);
    if (found->shown > before)
        return EXITCODE_OK;
    quoted = quote_name(what);
    cli_error("%s: not in the manifest of %s", quoted,
              settings_text(cli_settings(cli), SETTING_STORE));
    free(quoted);
    return EXITCODE_PARTIAL;
}

static enum exitcode look(struct cli *cli, struct index *index, struct queue *queue)
{
    struct found found = {cli_json(cli), 0};
    enum exitcode code = EXITCODE_OK;
    size_t count, before;
    const char *const *values = cli_values(cli, "hash", &count);
    char *error = NULL;
    enum queue_result result;

    for (size_t i = 0; i < count; i++) {
        before = found.shown;
        result = index_lookup_hash(index, queue, values[i], 0, show_one, &found, &error);
        code = cli_worse(code, finish(cli, result, error, values[i], &found, before));
    }
    values = cli_values(cli, "path", &count);
    for (size_t i = 0; i < count; i++) {
        before = found.shown;
        result = index_lookup_path(index, queue, values[i], show_one, &found, &error);
        code = cli_worse(code, finish(cli, result, error, values[i], &found, before));
    }
    return code;
}

static bool hashes_are_sound(struct cli *cli, size_t *given_r)
{
    size_t count, paths;
    const char *const *values;

    (void)cli_values(cli, "path", &paths);
    values = cli_values(cli, "hash", &count);
    *given_r = count + paths;
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(values[i]);
        char *quoted;

        if (len >= 4 && len <= 64 && hex_is_lower(values[i], len))
            continue;
        quoted = quote_name(values[i]);
        cli_usage(cli, "%s: not a hash; give 64 hex digits in lower case or the first 4 or more",
                  quoted);
        free(quoted);
        return false;
    }
    return true;
}

static enum exitcode run(struct cli *cli)
{
    struct index *index;
    struct queue *queue;
    size_t given;
    enum exitcode code;

    if (!hashes_are_sound(cli, &given))
        return EXITCODE_USAGE;
    if (given == 0)
        return cli_usage(cli, "nothing to look up: give --path PATH or --hash HASH");
    code = catalog_open(cli, cli_flag(cli, "offline"), &index, &queue);
    if (code == EXITCODE_OK)
        code = look(cli, index, queue);
    index_close(index);
    return code;
}

static const struct cli_option options[] = {
    {'p', "path", "PATH", "the file that was ingested from there; repeatable"},
    {'H', "hash", "HASH", "the file with this hash, or hashes that begin so; repeatable"},
    {0, "offline", NULL, "from what was read last, without asking the store"},
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_lookup = {
    .name = "lookup",
    .operands = "",
    .operands_min = 0,
    .operands_max = 0,
    .summary = "which hash a path has, which paths a hash came from",
    .help = "A path is found by its end, name by name: papers/a.pdf by /home/me/papers/a.pdf\n"
            "and by a.pdf. The file itself is not looked at.\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_NOW,
    .resume = "nothing was changed; what was read of the manifest is kept",
    .run = run,
};
