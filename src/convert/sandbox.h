/* How far a converter is shut in.
 *
 *     L0   session, process group, subreaper, descriptors, environment, rlimits, umask,
 *          no_new_privs: spawn.c and run.c, always
 *     L1   Landlock: reads the toolchain and its input, writes out/ and tmp/; TCP, signals and
 *          abstract sockets as the kernel's ABI knows them. seccomp: a list of refused system
 *          calls, no sockets but AF_UNIX. No capabilities
 *     L2   namespaces, cgroup
 *
 * Prepared in the parent (everything that allocates), entered in the child between fork and exec
 * (async-signal-safe calls only). Any thread; a prepared sandbox serves one run. */
#ifndef BF_CONVERT_SANDBOX_H
#define BF_CONVERT_SANDBOX_H

#include <stdbool.h>

#include "base/compiler.h"

enum sandbox_level {
    SANDBOX_AUTO,
    SANDBOX_L0,
    SANDBOX_L1,
    SANDBOX_L2,
    SANDBOX_COMMAND
};
const char *sandbox_level_name(enum sandbox_level level); /* auto l0 l1 l2 command */
bool sandbox_level_parse(const char *text, enum sandbox_level *level_r);
/* The best level that this kernel and user allow, of those that are built. */
enum sandbox_level sandbox_best(void);

struct sandbox;

/* For a run of `program` (absolute) with `argv` in `folder` (S). AUTO takes the best there is. NULL
 * with *error_r (the caller frees): the level asked for cannot be had here. */
struct sandbox *sandbox_prepare(enum sandbox_level level, const char *folder, const char *program,
                                char *const *argv, char **error_r) MUST_CHECK;
enum sandbox_level sandbox_level(const struct sandbox *sandbox); /* as granted */
/* In the child, with no_new_privs set, before descriptors are closed. 0 or an errno. */
int sandbox_enter(const struct sandbox *sandbox) MUST_CHECK;
void sandbox_release(struct sandbox *sandbox); /* NULL is fine */

#endif
