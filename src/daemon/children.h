/* Children of the master: starting workers, and killing what dead ones leave behind.
 *
 * The master is a child subreaper (prctl(2)): when a worker dies, whatever it had running becomes
 * a child of the master, however often it forked and whatever session it is in. The master itself
 * starts nothing but workers, so a child that is no worker is such an orphan and is killed, until
 * none is left. Main thread only. */
#ifndef BF_DAEMON_CHILDREN_H
#define BF_DAEMON_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/compiler.h"

/* Makes this process the reaper of its orphaned descendants. false with errno. */
bool children_adopt(void) MUST_CHECK;

/* Forks and executes this very program with `-x worker`: own session, `sock` as descriptor 3,
 * /dev/null as 0 and 1, standard error kept, nothing else open, and an environment of few names
 * without secrets. -1 with errno. */
pid_t children_spawn_worker(int sock, int stderr_fd) MUST_CHECK;

/* Sends SIGKILL to each child that `is_ours` does not claim. Returns how many there were; they are
 * reaped by the caller, whose next call then finds their children. */
int children_kill_orphans(bool (*is_ours)(void *arg, pid_t pid), void *arg) MUST_CHECK;

/* Parent of a process, `pid` in digits, by /proc; 0 when it lies outside of our pid namespace.
 * false: gone, or hidden from us. */
bool children_parent_of(const char *pid, pid_t *parent_r) MUST_CHECK;

#endif
