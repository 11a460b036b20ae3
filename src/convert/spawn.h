/* From fork to exec of a converter: what it gets, and nothing else.
 *
 * Everything that allocates happens before the fork; between fork and exec only async-signal-safe
 * calls. */
#ifndef BF_CONVERT_SPAWN_H
#define BF_CONVERT_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "convert/run.h"

struct spawn {
    pid_t pid;
    int pidfd;
    int stdout_fd, stderr_fd, progress_fd; /* reading ends, non-blocking, owned */
    int job_fd;                            /* writing end, owned; -1 unless spec->resident */
    int exec_errno; /* not 0: the program could not be executed; the child ends with 126 or 127 */
};

/* false with *error_r (one line; the caller frees): this host could not start it, nothing runs. */
bool spawn_converter(const struct run_spec *spec, struct spawn *spawn_r, char **error_r) MUST_CHECK;
/* Closes what is open of its descriptors. */
void spawn_close(struct spawn *spawn);

#endif
