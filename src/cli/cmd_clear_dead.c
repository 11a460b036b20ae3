/* blobforge clear-dead: dead records are dropped; documents and their history stay. */
#include <stdlib.h>

#include "cli/cmd.h"
#include "cli/moves.h"

static enum queue_result step(struct queue *queue, const char *hash, void *arg, const char **from_r,
                              const char **to_r, char **error_r)
{
    return queue_clear_dead(queue, hash, arg, from_r, to_r, error_r);
}

static enum exitcode run(struct cli *cli)
{
    char *by = moves_by();
    struct move move = {.doing = "clearing",
                        .action = "cleared",
                        .would = "would_clear",
                        .step = step,
                        .arg = by,
                        .nothing = "only dead jobs have a record to clear",
                        .states = JOB_STATE_BIT(JOB_DEAD),
                        .usual = JOB_STATE_BIT(JOB_DEAD),
                        .all = cli_flag(cli, "all"),
                        .has_all = true,
                        .ask = MOVE_ASK_TERMINAL,
                        .thing = "dead record",
                        .fate = "would be dropped"};
    enum exitcode code = moves_run(cli, &move);

    free(by);
    return code;
}

static const struct cli_option options[] = {
    {'a', "all", NULL, "every dead job"},
    SELECT_OPTIONS,
    MOVE_OPTION_DRY_RUN,
    MOVE_OPTION_YES,
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_clear_dead = {
    .name = "clear-dead",
    .operands = "[HASH ...]",
    .operands_min = 0,
    .operands_max = CLI_ANY_NUMBER,
    .summary = "drop the records of dead jobs, keep the documents",
    .help = "The document stays in the bucket without any job (state raw), its attempts\n"
            "stay in `blobforge logs`; `blobforge retry` queues it again, and `blobforge\n"
            "remove` takes the document away too. Instead of naming HASHes, give --all, or\n"
            "choose with --cause, --match and --older-than.\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_BETWEEN,
    .resume = "the jobs printed are cleared, the others are as they were; run it again",
    .run = run,
};
