/* blobforge watch: the bucket on a full screen, for as long as one likes. */
#include <unistd.h>

#include "base/human.h"
#include "base/quote.h"
#include "cli/cmd.h"
#include "cli/watch.h"

#include <stdlib.h>

#define INTERVAL_NEAR_MS 2000 /* a directory is asked this often */
#define INTERVAL_FAR_MS 10000 /* a bucket, where each look costs requests */
#define INTERVAL_LEAST_MS 500

static enum exitcode run(struct cli *cli)
{
    const char *text = cli_value(cli, "interval");
    int64_t interval =
        store_settings_is_remote(cli_settings(cli)) ? INTERVAL_FAR_MS : INTERVAL_NEAR_MS;
    struct hands *hands;
    struct queue *queue;
    enum exitcode code;

    if (text != NULL && (!human_parse_duration(text, &interval) || interval < INTERVAL_LEAST_MS)) {
        char *quoted = quote_name(text);
        code = cli_usage(cli, "--interval: %s is no time of at least 500ms; give 2s or 1m", quoted);
        free(quoted);
        return code;
    }
    if (cli_json(cli))
        return cli_usage(cli, "a screen is no JSON; `blobforge dashboard --json` prints once");
    if (!cli_terminal_out() || isatty(STDIN_FILENO) != 1)
        return cli_usage(cli, "needs a terminal; `blobforge dashboard` prints once");
    /* The screen stays alive with a server that does not answer: the hands look at the format. */
    code = cli_open(cli, CLI_READ | CLI_ANY_FORMAT, &queue);
    if (code == EXITCODE_OK)
        code = hands_start(cli, queue, interval, &hands);
    if (code != EXITCODE_OK)
        return code;
    code = screen_run(hands, store_url(queue->store));
    if (!cli_flush() && code == EXITCODE_OK)
        code = EXITCODE_IOERR;
    /* The threads may wait for a store that hangs, and use what an orderly end would take away. */
    _exit((int)code);
}

static const struct cli_option options[] = {
    {'i', "interval", "TIME", "between two looks (default: 2s, of an S3 bucket 10s)"},
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_watch = {
    .name = "watch",
    .operands = "",
    .operands_min = 0,
    .operands_max = 0,
    .summary = "the bucket on a full screen: jobs, workers, failures, with keys",
    .help = "Shows what `blobforge dashboard` prints, and goes on. Keys: q leaves, ? says\n"
            "the others. It stays alive when the store is slow or gone, and says how old\n"
            "what it shows is.\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_BETWEEN,
    .resume = "everything in the bucket goes on; run it again",
    .run = run,
};
