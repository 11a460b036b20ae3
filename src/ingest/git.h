/* Running git(1) for one file of a user's repository.
 *
 * No shell; the words go to git as they are, so a name never becomes an option or a pattern unless
 * the caller puts it where git reads one. The command runs in a session of its own, without a
 * terminal to ask at, with nothing of the environment that would point git at another repository;
 * it ends at its deadline, or when `stop` is set, with everything that it started.
 *
 * Blocking; any thread. */
#ifndef BF_INGEST_GIT_H
#define BF_INGEST_GIT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"

#define GIT_OUTPUT_MAX (64 * 1024) /* of standard output; more is a failure */
#define GIT_ERROR_TAIL 2048        /* of standard error: its end is kept */

enum git_result {
    GIT_OK,      /* it ended with status 0 */
    GIT_FAILED,  /* it ended otherwise: `error` says how, with what it said last */
    GIT_STOPPED, /* the flag */
    GIT_LATE     /* the deadline */
};

struct git_call {
    int dir_fd;               /* the folder it runs in; borrowed */
    const char *const *words; /* after "git"; ends with NULL */
    const void *input;        /* standard input, or NULL for none */
    size_t input_len;
    int64_t limit_ms;        /* how long it may take */
    const atomic_bool *stop; /* NULL: none */

    struct buf out; /* standard output */
    char *error;    /* unless OK: one line, made harmless */
};

enum git_result git_run(struct git_call *call) MUST_CHECK;
void git_call_release(struct git_call *call);

#endif
