/* A list of PATHs from a file or a pipe, one after the other: what `find -print0` writes.
 *
 * Names end with NUL or with a newline. Unless told, the first bytes that arrive decide: a NUL
 * among them makes it a list of NULs. Empty names are passed over. Nothing is kept but the name in
 * hand. Waiting for more ends when `stop` is set. One thread. */
#ifndef BF_INGEST_NAMES_H
#define BF_INGEST_NAMES_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/compiler.h"

#define NAMES_LENGTH_MAX (64 * 1024) /* bytes of a name: far above PATH_MAX */

struct names {
    int fd; /* borrowed */
    const atomic_bool *stop;
    bool nul, decided, ended;
    struct buf bytes; /* read and not handed out */
    size_t at;
    int error_number; /* why reading ended; 0: the end */
};

/* `nul`: the names end with NUL, whatever the first bytes are. */
void names_init(struct names *names, int fd, bool nul, const atomic_bool *stop);
void names_release(struct names *names);
/* The next name, borrowed until the next call. NULL: the end, a stop, or names->error_number. */
const char *names_next(struct names *names) MUST_CHECK;

#endif
