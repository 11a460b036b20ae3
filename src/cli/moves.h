/* Commands that change jobs one after the other: retry, cancel and their kind. */
#ifndef BF_CLI_MOVES_H
#define BF_CLI_MOVES_H

#include "cli/cli.h"

struct move {
    const char *action; /* of a job that was changed: "retried"; what was nothing to do: "none" */
    /* One job; as queue_retry(). */
    enum queue_result (*step)(struct queue *queue, const char *hash, void *arg, const char **from_r,
                              const char **to_r, char **error_r);
    void *arg;
    const char *nothing; /* after "it is STATE: ", where there was nothing to do it to */
};

/* Every HASH of the command line; a failure is said and the rest goes on. A line per job. */
enum exitcode moves_run(struct cli *cli, const struct move *move) MUST_CHECK;
/* "USER@HOST", for the records of what a person did. The caller frees. */
char *moves_by(void) MUST_CHECK;

#endif
