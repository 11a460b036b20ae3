/* Choosing jobs: by HASH, or by what they are (--state, --cause, --match, --older-than).
 *
 * Choosing by state and age costs listings alone; --cause reads a record of each job that is left,
 * --match its name, --converter-before its result. One thread. */
#ifndef BF_CLI_SELECT_H
#define BF_CLI_SELECT_H

#include "cli/cli.h"

/* The options; SELECT_OPTIONS goes into a command's table. */
#define SELECT_OPTIONS                                                                             \
    {'s', "state", "STATE", "choose jobs by state; repeatable"},                                   \
        {0, "cause", "CAUSE",                                                                      \
         "choose by who was to blame: document, converter, host, operator, store"},                \
        {'m', "match", "NAME", "choose by name: a part of it, or a pattern with * or ?"},          \
    {                                                                                              \
        0, "older-than", "TIME", "choose those that are in their state for so long: 90m, 12h, 2d"  \
    }

#define SELECT_UNKNOWN 0xff /* state that was not asked for: named by its hash */

struct picked {
    unsigned char hash[32];
    unsigned char state; /* enum job_state, or SELECT_UNKNOWN */
};

struct selection {
    struct picked *jobs;
    size_t count;
    bool chosen; /* by what they are, not by name */
};
void selection_release(struct selection *selection);
void picked_hash(const struct picked *picked, char hash_r[static 65]);

/* Was any of SELECT_OPTIONS given? */
bool select_asked(const struct cli *cli);
/* Looks at the words alone: 64 for what makes no sense. `states`: what the command can be about. */
enum exitcode select_check(struct cli *cli, unsigned states) MUST_CHECK;
/* The operands, if there are any; else what the options choose among `states` (all that are given
 * by --state, else `usual`). Operands that name no job are said, and the status tells. */
enum exitcode select_jobs(struct cli *cli, struct queue *queue, unsigned states, unsigned usual,
                          struct selection *selection_r) MUST_CHECK;
/* Of jobs with results: keeps those that an older converter made, or one that left no version. */
enum exitcode select_older_converter(struct cli *cli, struct queue *queue, const char *version,
                                     struct selection *selection) MUST_CHECK;

#endif
