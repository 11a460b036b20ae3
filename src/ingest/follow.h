/* Folders that are watched: files come as they are completed.
 *
 * First everything that is there, then what inotify(7) tells, folders made or moved in meanwhile
 * included. A file counts as complete when its writer closes it, or when it is moved or linked in;
 * one that somebody holds open for writing when it is found is left to the event of its closing.
 * When the kernel's queue of events overflows, everything is looked at again: what is known costs
 * no more than a skip. A folder is watched before it is read, so nothing falls between; a file may
 * come twice for that. Links are not followed. What cannot be watched or read comes as an error,
 * and the rest goes on.
 *
 * One thread, which is the callers'. */
#ifndef BF_INGEST_FOLLOW_H
#define BF_INGEST_FOLLOW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

struct follow_file {                      /* borrowed during the call */
    const char *path, *relative, *source; /* as in walk.h */
    int fd;                               /* open for reading, the callee's; -1: an error */
    int error_number;                     /* errno, with fd -1 */
    const char *error;                    /* WHY; REMEDY when errno is not all; else NULL */
};

/* Calls `each` until it returns false or `stop` is set, or no folder is left. *opened_r: how many
 * of `roots` could be opened. */
void follow_run(char *const *roots, size_t count, const atomic_bool *stop,
                bool (*each)(void *arg, const struct follow_file *file), void *arg,
                size_t *opened_r);

#endif
