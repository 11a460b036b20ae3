/* From clone to exec of a converter: what it gets, and nothing else.
 *
 * Everything that allocates happens before; between clone and exec only async-signal-safe calls,
 * since the child runs in our memory until it executes (vfork: copying page tables would cost more
 * than the rest). In a cell one process stands between us and the converter: pid 1 of its
 * namespace, a copy of us without descriptors, which reaps what is left to it, passes on how the
 * converter ended, and by ending itself ends everything in there. */
#ifndef BF_CONVERT_SPAWN_H
#define BF_CONVERT_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "convert/cgroup.h"
#include "convert/run.h"

struct spawn {
    pid_t pid; /* the converter, or the first process of its cell */
    bool cell; /* that one: not the converter's, and gone when it is */
    int pidfd;
    int stdout_fd, stderr_fd, progress_fd; /* reading ends, non-blocking, owned */
    int job_fd;                            /* writing end, owned; -1 unless spec->resident */
    int status_fd;         /* of a cell: how the converter ended; -1: pid itself says it */
    struct cgroup *cgroup; /* owned; NULL: none */
    int exec_errno; /* not 0: the program could not be executed; the child ends with 126 or 127 */
};
extern const struct spawn spawn_none; /* nothing runs, nothing is open */

/* false with *error_r (one line; the caller frees): this host could not start it, nothing runs. */
bool spawn_converter(const struct run_spec *spec, struct spawn *spawn_r, char **error_r) MUST_CHECK;
/* Closes what is open of its descriptors and removes its control group. */
void spawn_close(struct spawn *spawn);
/* Our own process among the converter's, see tree_measure(); -1: none. */
static inline pid_t spawn_first(const struct spawn *spawn)
{
    return spawn->cell ? spawn->pid : -1;
}
/* After `pid` has ended: the converter's own wait status where a cell's first process passed it on.
 * Otherwise *status_r stays. */
void spawn_read_status(const struct spawn *spawn, int *status_r);

#endif
