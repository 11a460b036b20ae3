/* blobforge cancel: jobs that shall not be converted, running ones too. */
#include <stdlib.h>

#include "cli/cmd.h"
#include "cli/moves.h"

#define CANCEL_STATES                                                                              \
    (JOB_STATE_BIT(JOB_TODO) | JOB_STATE_BIT(JOB_PROCESSING) | JOB_STATE_BIT(JOB_FAILED))

struct wish {
    enum cancel_to to;
    char *by;
};

static enum queue_result step(struct queue *queue, const char *hash, void *arg, const char **from_r,
                              const char **to_r, char **error_r)
{
    const struct wish *wish = arg;

    return queue_cancel(queue, hash, wish->to, wish->by, from_r, to_r, error_r);
}

static enum exitcode run(struct cli *cli)
{
    struct wish wish = {cli_flag(cli, "requeue") ? CANCEL_REQUEUE : CANCEL_BURY, moves_by()};
    struct move move = {.doing = "cancelling",
                        .action = "cancelled",
                        .asked = "asked to end",
                        .would = "would_cancel",
                        .step = step,
                        .arg = &wish,
                        .nothing = "nothing to cancel; only what waits or runs can be",
                        .states = CANCEL_STATES,
                        .usual = CANCEL_STATES,
                        .ask = MOVE_ASK_TERMINAL,
                        .thing = "job",
                        .fate = "would be stopped, what running ones have done is lost"};
    enum exitcode code = moves_run(cli, &move);

    free(wish.by);
    return code;
}

static const struct cli_option options[] = {
    {0, "requeue", NULL, "stop it where it runs and queue it again"},
    SELECT_OPTIONS,
    MOVE_OPTION_DRY_RUN,
    MOVE_OPTION_YES,
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_cancel = {
    .name = "cancel",
    .operands = "[HASH ...]",
    .operands_min = 0,
    .operands_max = CLI_ANY_NUMBER,
    .summary = "stop jobs, running or waiting",
    .help = "A waiting job becomes dead with the reason `cancelled`; a running one is\n"
            "marked, and its daemon stops it at its next heartbeat. `blobforge retry`\n"
            "takes it back. Instead of naming HASHes, choose jobs with --state, --cause,\n"
            "--match and --older-than.\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_BETWEEN,
    .resume = "the jobs printed are cancelled, the others are as they were; run it again",
    .run = run,
};
