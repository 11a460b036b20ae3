/* blobforge reprioritize: waiting jobs go to another tier. */
#include <string.h>

#include "cli/cli_private.h"
#include "cli/cmd.h"
#include "cli/moves.h"

#define WAITING (JOB_STATE_BIT(JOB_TODO) | JOB_STATE_BIT(JOB_FAILED))

static enum queue_result step(struct queue *queue, const char *hash, void *arg, const char **from_r,
                              const char **to_r, char **error_r)
{
    const enum tier *tier = arg;

    return queue_reprioritize(queue, hash, *tier, from_r, to_r, error_r);
}

/* Version 1 took the tier as an operand, which no prefix of a hash can be mistaken for. */
static bool take_tier_operand(struct cli *cli, enum tier *tier_r)
{
    for (size_t i = 0; i < cli->args.operand_count; i++) {
        char **operands = cli->args.operands;

        if (!tier_parse(operands[i], tier_r))
            continue;
        memmove(&operands[i], &operands[i + 1],
                (cli->args.operand_count - i - 1) * sizeof(*operands));
        cli->args.operand_count--;
        return true;
    }
    return false;
}

static enum exitcode run(struct cli *cli)
{
    enum tier tier = TIER_DEFAULT;
    struct move move = {.doing = "moving",
                        .action = "moved",
                        .would = "would_move",
                        .step = step,
                        .arg = &tier,
                        .nothing = "only what waits has a tier to leave",
                        .states = WAITING,
                        .usual = WAITING};

    if (!cli_tier(cli, "tier", &tier))
        return EXITCODE_USAGE;
    if (cli_value(cli, "tier") == NULL && !take_tier_operand(cli, &tier))
        return cli_usage(cli, "no tier is named; give --tier critical, high, normal, low or "
                              "background");
    return moves_run(cli, &move);
}

static const struct cli_option options[] = {
    {'t', "tier", "TIER", "where to: critical, high, normal, low, background, or 1 to 5"},
    SELECT_OPTIONS,
    MOVE_OPTION_DRY_RUN,
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_reprioritize = {
    .name = "reprioritize",
    .operands = "[HASH ...]",
    .operands_min = 0,
    .operands_max = CLI_ANY_NUMBER,
    .summary = "let waiting jobs be done sooner or later",
    .help = "Workers take what waits in a higher tier first. Jobs that run, are done or\n"
            "dead have no tier to leave. Instead of naming HASHes, choose waiting jobs with\n"
            "--state, --cause, --match and --older-than.\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_BETWEEN,
    .resume = "the jobs printed are moved, the others are as they were; run it again",
    .run = run,
};
