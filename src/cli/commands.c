/* See commands.h: the one table of commands. */
#include "cli/commands.h"

#include <limits.h>
#include <string.h>

#include "base/human.h"
#include "cli/cmd.h"

/* A row each: they are added by many. */
/* clang-format off */
const struct cli_command *const cli_commands[] = {
    &cmd_ingest,
    &cmd_status,
    &cmd_list,
    &cmd_search,
    &cmd_search_queue,
    &cmd_lookup,
    &cmd_download,
    &cmd_preview,
    &cmd_hydrate,
    &cmd_logs,
    &cmd_retry,
    &cmd_retry_all,
    &cmd_cancel,
    &cmd_reprioritize,
    &cmd_clear_dead,
    &cmd_remove,
    &cmd_copy,
    &cmd_manifest,
    &cmd_repair_metadata,
    &cmd_workers,
    &cmd_dashboard,
    &cmd_watch,
    &cmd_config,
    &cmd_convert,
    &cmd_doctor,
    &cmd_janitor,
    &cmd_ctl,
    &cmd_complete,
    NULL,
};
/* clang-format on */

const struct cli_option cli_global_options[] = {
    {'f', "config", "FILE", "settings file, instead of the system's and your own"},
    {0, "store", "URL", "the bucket: file:///DIR or s3://BUCKET[/PREFIX]"},
    {'o', "option", "NAME=VALUE", "any setting of blobforge.conf(5); repeatable"},
    {0, "json", NULL, "one JSON object per line, for programs"},
    {'q', "quiet", NULL, "errors and the answer only"},
    {'v', "verbose", NULL, "say more; twice: still more"},
    {'h', "help", NULL, "this text"},
    {'V', "version", NULL, "the version"},
    {0, NULL, NULL, NULL},
};

const struct cli_command *cli_command_find(const char *name)
{
    for (const struct cli_command *const *c = cli_commands; *c != NULL; c++) {
        if (strcmp((*c)->name, name) == 0)
            return *c;
    }
    return NULL;
}

const struct cli_command *cli_command_nearest(const char *name)
{
    const struct cli_command *near = NULL;
    int best = INT_MAX;

    for (const struct cli_command *const *c = cli_commands; *c != NULL; c++) {
        int distance = human_distance(name, (*c)->name);
        if (distance < best && !(*c)->hidden) {
            best = distance;
            near = *c;
        }
    }
    return human_is_near(name, best) ? near : NULL;
}
