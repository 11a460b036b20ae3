/* Who is at the other end of a control connection, and whether it may give orders.
 *
 * Allowed are root, the daemon's own user, and members of control_group. But a converter may run as
 * the daemon's own user, and parses hostile documents: whoever descends from the daemon is refused,
 * whatever its user. A descendant stays one, since master and workers are child subreapers.
 * Main thread. */
#ifndef BF_DAEMON_PEER_H
#define BF_DAEMON_PEER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/compiler.h"

struct peer {
    pid_t pid; /* 0: of another pid namespace, so none of ours */
    uid_t uid;
    int pid_fd; /* -1: the kernel gives none (before Linux 6.5) */
};

/* NULL: it may; else why not, static. `group`: of control_group, (gid_t)-1: none. The peer needs
 * release either way. */
const char *peer_check(int sock, gid_t group, struct peer *peer_r) MUST_CHECK;
/* Is it still the process that connected? A number that was used again must not inherit its right.
 */
bool peer_lives(const struct peer *peer) MUST_CHECK;
void peer_release(struct peer *peer);

#endif
