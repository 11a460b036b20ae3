/* blobforge remove: a document goes with all that the bucket knows of it. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/cmd.h"
#include "cli/moves.h"
#include "index/manifest.h"

#define REMOVE_STATES                                                                              \
    (JOB_STATE_BIT(JOB_TODO) | JOB_STATE_BIT(JOB_FAILED) | JOB_STATE_BIT(JOB_DEAD) |               \
     JOB_STATE_BIT(JOB_RAW) | JOB_STATE_BIT(JOB_DONE))

struct wish {
    char *by;
    bool force;
    struct queue *queue; /* of the one thread that keeps the manifest */
    struct manifest *manifest;
};

/* A result cost work, so it goes only when that is said. */
static enum queue_result step(struct queue *queue, const char *hash, void *arg, const char **from_r,
                              const char **to_r, char **error_r)
{
    const struct wish *wish = arg;

    if (!wish->force) {
        struct job_view view;
        enum queue_result result = view_job(queue, hash, &view, error_r);
        bool has_result = result == QUEUE_OK && view.has_result;

        if (has_result)
            *from_r = *to_r = job_state_name(view.state);
        if (result == QUEUE_OK)
            job_view_release(&view);
        if (result != QUEUE_OK)
            return result;
        if (has_result) {
            *error_r = mem_strdup("it has a result, which would go too; give --force to mean it");
            return QUEUE_NONE;
        }
    }
    return queue_remove(queue, hash, wish->by, from_r, to_r, error_r);
}

/* The manifest's entry goes last. One of a document that is gone already was left by a removal that
 * was cut short. */
static enum exitcode after(struct cli *cli, const char *hash, void *arg, enum queue_result *result)
{
    struct wish *wish = arg;
    struct manifest_entry entry = {0};
    char *error = NULL;
    enum queue_result removed;

    if (*result != QUEUE_OK && *result != QUEUE_NONE)
        return EXITCODE_OK;
    if (wish->manifest == NULL && cli_open(cli, CLI_READ, &wish->queue) == EXITCODE_OK)
        wish->manifest = manifest_create(wish->queue);
    if (*result == QUEUE_NONE) {
        char hashes[1][65];
        enum job_state state = JOB_TODO;

        memcpy(hashes[0], hash, sizeof(hashes[0]));
        if (view_states(wish->queue, (const char(*)[65])hashes, 1, &state, &error) != QUEUE_OK ||
            state != JOB_UNKNOWN ||
            manifest_lookup(wish->manifest, hash, &entry, &error) != QUEUE_OK) {
            free(error);
            return EXITCODE_OK;
        }
        manifest_entry_release(&entry);
        *result = QUEUE_OK;
    }
    removed = manifest_remove(wish->manifest, hash, &error);
    if (removed == QUEUE_OK) {
        free(error);
        return EXITCODE_OK;
    }
    cli_error("%s: is removed, but for its entry in the manifest; remove it again", hash);
    return cli_queue_failed(cli, removed, "manifest", error);
}

static enum exitcode run(struct cli *cli)
{
    struct wish wish = {.by = moves_by(), .force = cli_flag(cli, "force")};
    struct move move = {.doing = "removing",
                        .action = "removed",
                        .would = "would_remove",
                        .step = step,
                        .after = after,
                        .arg = &wish,
                        .nothing = "nothing to remove",
                        .states = REMOVE_STATES,
                        .usual = REMOVE_STATES & ~JOB_STATE_BIT(JOB_DONE),
                        .ask = MOVE_ASK_ALWAYS,
                        .thing = "document",
                        .fate = wish.force ? "would be removed for good, with any result"
                                           : "would be removed for good"};
    enum exitcode code = moves_run(cli, &move);

    manifest_destroy(wish.manifest);
    free(wish.by);
    return code;
}

static const struct cli_option options[] = {
    {0, "force", NULL, "also what has a result, which goes too"},
    SELECT_OPTIONS,
    MOVE_OPTION_DRY_RUN,
    MOVE_OPTION_YES,
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_remove = {
    .name = "remove",
    .operands = "[HASH ...]",
    .operands_min = 0,
    .operands_max = CLI_ANY_NUMBER,
    .summary = "take documents out of the bucket, with all that is known of them",
    .help = "The PDF, its job, records, logs and entry in the manifest go; with --force its\n"
            "result too. Running jobs are left: cancel them first. Nothing takes it back but\n"
            "another ingest. On a terminal it asks; elsewhere, chosen by --state and its\n"
            "like rather than named, it wants --yes.\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_BETWEEN,
    .resume = "the documents printed are removed, the others are as they were; run it again",
    .run = run,
};
