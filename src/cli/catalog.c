/* See catalog.h: the local index as commands use it. */
#include "cli/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/quote.h"
#include "cli/paths.h"
#include "cli/progress.h"

/* What tells this bucket from all others. */
static struct index *open_index(struct cli *cli)
{
    const struct settings *settings = cli_settings(cli);
    char *error = NULL, *folder = paths_user_cache("index");
    char *prefix = store_settings_prefix(settings, &error);
    char *bucket =
        mem_printf("%s\n%s\n%s", settings_text(settings, SETTING_STORE),
                   settings_text(settings, SETTING_S3_ENDPOINT_URL), prefix != NULL ? prefix : "");
    struct index *index = index_open(folder, bucket);

    free(bucket);
    free(prefix);
    free(folder);
    free(error);
    return index;
}

struct index *catalog_open_silently(struct cli *cli)
{
    struct index *index = open_index(cli);

    if (index != NULL && index_is_filled(index))
        return index;
    index_close(index);
    return NULL;
}

static void on_progress(void *arg, const struct index_progress *progress)
{
    progress_step(arg, (int64_t)progress->parts_done, (int64_t)progress->parts_total, "parts");
}

static void say_damaged(void *arg, const char *part, const char *why)
{
    (void)arg;
    cli_error("registry/%s: %s; what it held is shown as last read: `blobforge manifest --rebuild` "
              "makes it again",
              part, why);
}

static enum exitcode refresh(struct cli *cli, struct index *index, struct queue *queue)
{
    struct progress_line line;
    enum queue_result result;
    char *error = NULL;

    progress_begin(&line, cli, "reading the manifest");
    result = index_refresh(index, queue, on_progress, &line, &error);
    progress_end(&line);
    if (result != QUEUE_OK)
        return cli_queue_failed(cli, result, error == NULL ? "manifest" : NULL, error);
    index_damaged(index, say_damaged, NULL);
    return EXITCODE_OK;
}

enum exitcode catalog_open(struct cli *cli, bool offline, struct index **index_r,
                           struct queue **queue_r)
{
    enum exitcode code = EXITCODE_OK;

    *index_r = NULL;
    *queue_r = NULL;
    if (!offline)
        code = cli_open(cli, CLI_READ, queue_r);
    if (code != EXITCODE_OK)
        return code;
    *index_r = open_index(cli);
    if (*index_r == NULL) {
        cli_error("local index: no memory for it; free some");
        return EXITCODE_OSERR;
    }
    if (!offline)
        code = refresh(cli, *index_r, *queue_r);
    else if (!index_is_filled(*index_r)) {
        cli_error("local index: nothing of this store was read yet; run it once without --offline");
        code = EXITCODE_NOINPUT;
    }
    if (code != EXITCODE_OK) {
        index_close(*index_r);
        *index_r = NULL;
    }
    return code;
}

/* ---- an entry ---- */

const char *catalog_name(const struct manifest_entry *entry)
{
    const char *slash;

    if (entry->path_count == 0)
        return NULL;
    slash = strrchr(entry->paths[0], '/');
    return slash != NULL ? slash + 1 : entry->paths[0];
}

static struct json_object *text_array(char *const *texts, size_t count)
{
    struct json_object *array = json_object_new_array();

    for (size_t i = 0; i < count; i++)
        json_object_array_add(array, json_new_text(texts[i], strlen(texts[i])));
    return array;
}

struct json_object *catalog_json(const struct manifest_entry *entry)
{
    struct json_object *object = json_object_new_object();

    json_set_text(object, "hash", entry->hash);
    json_set_text(object, "name", catalog_name(entry));
    json_set_object(object, "paths", text_array(entry->paths, entry->path_count));
    json_set_object(object, "tags", text_array(entry->tags, entry->tag_count));
    if (entry->size_bytes >= 0)
        json_set_int(object, "size_bytes", entry->size_bytes);
    else
        json_set_null(object, "size_bytes");
    if (entry->ingested_ms > 0)
        json_set_int(object, "ingested_ms", entry->ingested_ms);
    else
        json_set_null(object, "ingested_ms");
    json_set_text(object, "source", entry->source);
    return object;
}

/* ---- a query ---- */

/* cli_values() lends its array until it is called again. */
static const char *const *copy_values(struct cli *cli, const char *name, size_t *count_r)
{
    const char *const *values = cli_values(cli, name, count_r);
    const char **copy = mem_alloc((*count_r + 1) * sizeof(*copy));

    memcpy(copy, values, *count_r * sizeof(*copy));
    return copy;
}

static bool is_word(const struct cli *cli, const char *word)
{
    if (word[0] == '\0')
        cli_usage(cli, "an empty word matches everything; give none instead");
    else if (strlen(word) > INDEX_WORD_MAX)
        cli_usage(cli, "a word is longer than %d bytes", INDEX_WORD_MAX);
    else
        return true;
    return false;
}

bool catalog_query(struct cli *cli, struct index_query *query_r)
{
    size_t count;
    char *const *operands = cli_operands(cli, &count);
    const char **words = mem_alloc((count + 1) * sizeof(*words));
    bool ok = true;

    *query_r = (struct index_query){.anywhere = cli_flag(cli, "anywhere")};
    for (size_t i = 0; i < count; i++)
        words[i] = operands[i];
    query_r->words = words;
    query_r->word_count = count;
    query_r->names = copy_values(cli, "name", &query_r->name_count);
    query_r->paths = copy_values(cli, "path", &query_r->path_count);
    query_r->tags = copy_values(cli, "tag", &query_r->tag_count);
    if (count + query_r->name_count + query_r->path_count + query_r->tag_count == 0) {
        cli_usage(cli, "nothing to search for: give words, --name, --path or --tag");
        ok = false;
    }
    for (size_t i = 0; ok && i < count; i++)
        ok = is_word(cli, words[i]);
    for (size_t i = 0; ok && i < query_r->name_count; i++)
        ok = is_word(cli, query_r->names[i]);
    for (size_t i = 0; ok && i < query_r->path_count; i++)
        ok = is_word(cli, query_r->paths[i]);
    for (size_t i = 0; ok && i < query_r->tag_count; i++)
        ok = is_word(cli, query_r->tags[i]);
    if (!ok)
        catalog_query_release(query_r);
    return ok;
}

void catalog_query_release(struct index_query *query)
{
    free((void *)query->words);
    free((void *)query->names);
    free((void *)query->paths);
    free((void *)query->tags);
    *query = (struct index_query){0};
}
