/* The program around a command: shared by main.c and connect.c, nobody else's. */
#ifndef BF_CLI_CLI_PRIVATE_H
#define BF_CLI_CLI_PRIVATE_H

#include "cli/args.h"
#include "cli/cli.h"
#include "queue/fleet.h"
#include "queue/identity.h"

struct cli {
    const struct cli_command *command;
    struct args args;
    const char **values; /* of the last cli_values() */
    struct settings *settings;
    char *unreadable; /* system file that we may not read; NULL: none */

    struct store *store; /* NULL: not opened */
    struct queue queue;
    struct fleet fleet;
    bool format_known; /* the bucket's is one of ours */
    unsigned opened;   /* enum cli_open flags that are done */
    char *worker, *host;
    char incarnation[INCARNATION_SIZE];
};

/* Releases what connect.c made. */
void cli_disconnect(struct cli *cli);

#endif
