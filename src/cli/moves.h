/* Commands that change jobs: retry, cancel, reprioritize, clear-dead, remove; one job or many.
 *
 * The jobs are chosen (cli/select.h), shown with --dry-run, asked about where something would be
 * destroyed, and then changed, many at a time. A failure is said and the rest goes on. */
#ifndef BF_CLI_MOVES_H
#define BF_CLI_MOVES_H

#include "cli/cli.h"
#include "cli/select.h"

enum move_ask {
    MOVE_ASK_NEVER,
    MOVE_ASK_TERMINAL, /* about jobs that were not named one by one: where a person can answer */
    MOVE_ASK_ALWAYS    /* on a terminal even about one; elsewhere such jobs need --yes */
};

struct move {
    const char *doing;  /* "retrying", for the progress line */
    const char *action; /* of a job that was changed: "retried"; what was nothing to do: "none" */
    const char
        *asked; /* the same of a running job, which its daemon is to end; NULL: as `action` */
    const char *would; /* with --dry-run: "would_retry" */
    /* One job; as queue_retry(). In any thread. */
    enum queue_result (*step)(struct queue *queue, const char *hash, void *arg, const char **from_r,
                              const char **to_r, char **error_r);
    /* After a step, in the one thread; NULL: nothing. Says what failed. */
    enum exitcode (*after)(struct cli *cli, const char *hash, void *arg, enum queue_result *result);
    /* Narrows what was chosen; NULL: not. Says what failed. */
    enum exitcode (*narrow)(struct cli *cli, struct queue *queue, struct selection *selection,
                            void *arg);
    void *arg;
    const char *nothing; /* after "it is STATE: ", where there was nothing to do it to */
    unsigned states;     /* JOB_STATE_BITs that --state may name */
    unsigned usual;      /* those that are chosen without --state */
    bool all;            /* the command itself says that all are meant */
    bool has_all;        /* it has an option --all */
    enum move_ask ask;
    const char *thing; /* of the question, "document", and what would become of it or them */
    const char *fate;
};

/* Every job that the command line names or chooses. A line per job. */
enum exitcode moves_run(struct cli *cli, const struct move *move) MUST_CHECK;
/* "USER@HOST", for the records of what a person did. The caller frees. */
char *moves_by(void) MUST_CHECK;

/* --dry-run and --yes, for the tables of commands that ask. */
#define MOVE_OPTION_DRY_RUN                                                                        \
    {                                                                                              \
        'n', "dry-run", NULL, "say which jobs it would be; change nothing"                         \
    }
#define MOVE_OPTION_YES                                                                            \
    {                                                                                              \
        'y', "yes", NULL, "do not ask"                                                             \
    }

#endif
