/* blobforge retry, retry-all: dead, failed, forgotten or finished jobs go to work again. */
#include <stdlib.h>

#include "cli/cmd.h"
#include "cli/moves.h"

#define RETRY_STATES                                                                               \
    (JOB_STATE_BIT(JOB_TODO) | JOB_STATE_BIT(JOB_FAILED) | JOB_STATE_BIT(JOB_DEAD) |               \
     JOB_STATE_BIT(JOB_RAW) | JOB_STATE_BIT(JOB_DONE))

static enum queue_result step(struct queue *queue, const char *hash, void *arg, const char **from_r,
                              const char **to_r, char **error_r)
{
    return queue_retry(queue, hash, arg, from_r, to_r, error_r);
}

static enum exitcode narrow(struct cli *cli, struct queue *queue, struct selection *selection,
                            void *arg)
{
    return select_older_converter(cli, queue, cli_value(cli, "converter-before"), selection);
}

static enum exitcode retry(struct cli *cli, bool all)
{
    bool reconvert = cli_flag(cli, "reconvert");
    struct retry_options wish = {.reset = cli_flag(cli, "reset"),
                                 .reconvert = reconvert,
                                 .move = cli_value(cli, "tier") != NULL,
                                 .tier = TIER_DEFAULT};
    struct move move = {.doing = "retrying",
                        .action = "retried",
                        .would = "would_retry",
                        .step = step,
                        .arg = &wish,
                        .nothing = "nothing to retry; --reconvert makes a result anew",
                        .states = RETRY_STATES,
                        .usual = reconvert ? JOB_STATE_BIT(JOB_DONE)
                                           : JOB_STATE_BIT(JOB_FAILED) | JOB_STATE_BIT(JOB_DEAD),
                        .all = all};
    char *by;
    enum exitcode code;

    if (cli_value(cli, "converter-before") != NULL) {
        if (!reconvert)
            return cli_usage(cli, "--converter-before: chooses results; give --reconvert with it");
        if (cli_value(cli, "state") != NULL)
            return cli_usage(cli, "--converter-before: only what is done has a converter; leave "
                                  "out --state");
        move.narrow = narrow;
        move.all = true;
    }
    if (!cli_tier(cli, "tier", &wish.tier))
        return EXITCODE_USAGE;
    by = moves_by();
    wish.by = by;
    code = moves_run(cli, &move);
    free(by);
    return code;
}

static enum exitcode run_retry(struct cli *cli)
{
    return retry(cli, false);
}

static enum exitcode run_retry_all(struct cli *cli)
{
    return retry(cli, true);
}

static const struct cli_option options[] = {
    {0, "reset", NULL, "count its failures from 0 again"},
    {0, "reconvert", NULL, "also when it has a result, which stays until the new one is there"},
    {0, "converter-before", "VERSION", "with --reconvert: results that an older converter made"},
    {'t', "tier", "TIER", "queue it there: critical, high, normal, low, background"},
    SELECT_OPTIONS,
    MOVE_OPTION_DRY_RUN,
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_retry = {
    .name = "retry",
    .operands = "[HASH ...]",
    .operands_min = 0,
    .operands_max = CLI_ANY_NUMBER,
    .summary = "try dead or failed jobs again, or make results anew",
    .help = "A dead job is queued again; a failed one need not wait for its turn any more;\n"
            "a document without any job gets one. The count of failures stays unless\n"
            "--reset: with a count used up, one more failure makes it dead again.\n"
            "Instead of naming HASHes, choose jobs with --state, --cause, --match and\n"
            "--older-than: failed and dead ones, unless --state says otherwise.\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_BETWEEN,
    .resume = "the jobs printed are queued, the others are as they were; run it again",
    .run = run_retry,
};

const struct cli_command cmd_retry_all = {
    .name = "retry-all",
    .operands = "",
    .operands_min = 0,
    .operands_max = 0,
    .summary = "try every failed and dead job again, or make all results anew",
    .help = "As `blobforge retry` of every failed and dead job, or of those that --state,\n"
            "--cause, --match and --older-than choose. With --reconvert: of every result,\n"
            "with --converter-before VERSION of those that an older converter made.\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_BETWEEN,
    .resume = "the jobs printed are queued, the others are as they were; run it again",
    .run = run_retry_all,
};
