/* blobforge retry HASH ...: dead, failed, forgotten or finished jobs go to work again. */
#include <stdlib.h>

#include "cli/cmd.h"
#include "cli/moves.h"

static enum queue_result step(struct queue *queue, const char *hash, void *arg, const char **from_r,
                              const char **to_r, char **error_r)
{
    return queue_retry(queue, hash, arg, from_r, to_r, error_r);
}

static enum exitcode run(struct cli *cli)
{
    struct retry_options wish = {.reset = cli_flag(cli, "reset"),
                                 .reconvert = cli_flag(cli, "reconvert"),
                                 .move = cli_value(cli, "tier") != NULL,
                                 .tier = TIER_DEFAULT};
    struct move move = {.action = "retried",
                        .step = step,
                        .arg = &wish,
                        .nothing = "nothing to retry; --reconvert makes a result anew"};
    char *by;
    enum exitcode code;

    if (!cli_tier(cli, "tier", &wish.tier))
        return EXITCODE_USAGE;
    by = moves_by();
    wish.by = by;
    code = moves_run(cli, &move);
    free(by);
    return code;
}

static const struct cli_option options[] = {
    {0, "reset", NULL, "count its failures from 0 again"},
    {0, "reconvert", NULL, "also when it has a result, which stays until the new one is there"},
    {'t', "tier", "TIER", "queue it there: critical, high, normal, low, background"},
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_retry = {
    .name = "retry",
    .operands = "HASH ...",
    .operands_min = 1,
    .operands_max = CLI_ANY_NUMBER,
    .summary = "try dead or failed jobs again, or make results anew",
    .help = "A dead job is queued again; a failed one need not wait for its turn any more;\n"
            "a document without any job gets one. The count of failures stays unless\n"
            "--reset: with a count used up, one more failure makes it dead again.\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_BETWEEN,
    .resume = "the jobs printed are queued, the others are as they were; run it again",
    .run = run,
};
