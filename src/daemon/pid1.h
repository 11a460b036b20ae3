/* `--pid1`: the first process of a container.
 *
 * A process 1 inherits everybody's orphans and is not killed by signals that it does not handle.
 * So it stays small: it starts the daemon as its child, reaps what dies, hands signals on, and ends
 * as the daemon ends. The daemon then knows that each child of its own is a worker's. */
#ifndef BF_DAEMON_PID1_H
#define BF_DAEMON_PID1_H

#include <stdbool.h>

#include "base/compiler.h"

/* Returns true in the child, which goes on as the daemon. In the parent: false when the daemon has
 * ended, with its exit status (128 + signal). */
bool pid1_split(int *status_r) MUST_CHECK;

#endif
