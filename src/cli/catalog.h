/* The local index as commands use it: where its file is, bringing it up to date with a progress
 * line, and an entry as it is printed. */
#ifndef BF_CLI_CATALOG_H
#define BF_CLI_CATALOG_H

#include <json-c/json.h>

#include "cli/cli.h"
#include "index/index.h"

/* The index of this bucket, brought up to date; *queue_r is the open bucket. With `offline` nothing
 * is asked and *queue_r is NULL: what was read last; an index that never was is said and 66.
 * Unless OK the reason was said. The caller closes the index. */
enum exitcode catalog_open(struct cli *cli, bool offline, struct index **index_r,
                           struct queue **queue_r) MUST_CHECK;
/* The same without a word and without any request; NULL: there is none. For completion. */
struct index *catalog_open_silently(struct cli *cli) MUST_CHECK;

/* Base name of the first path; NULL: none. Borrowed. */
const char *catalog_name(const struct manifest_entry *entry);
/* {hash, name, paths, tags, size_bytes, ingested_ms, source} */
struct json_object *catalog_json(const struct manifest_entry *entry) MUST_CHECK;

/* `search` and `search-queue`: the query that options and operands ask for. false: said, 64. The
 * arrays are released with catalog_query_release(). */
bool catalog_query(struct cli *cli, struct index_query *query_r) MUST_CHECK;
void catalog_query_release(struct index_query *query);
/* Their rows for the options' table, without the end. */
#define CATALOG_QUERY_OPTIONS                                                                      \
    {0, "name", "WORD", "in the file's name; repeatable"},                                         \
        {0, "path", "WORD", "in the names of its folders; repeatable"},                            \
        {0, "tag", "TAG", "with this tag; repeatable"},                                            \
    {                                                                                              \
        'a', "anywhere", NULL, "also in the midst of words (slower)"                               \
    }

#endif
