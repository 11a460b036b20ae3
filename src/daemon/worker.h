/* The worker: `blobforged -x worker`, one document at a time.
 *
 * Started by the master with its socket on descriptor 3 and nothing else: no keys, no store, no
 * settings. It fetches with a grant, converts, packs, publishes with a grant, and reports. When the
 * socket ends or SIGTERM comes (the master is gone) it kills what it runs and goes. */
#ifndef BF_DAEMON_WORKER_H
#define BF_DAEMON_WORKER_H

#include "base/compiler.h"

/* Does not return before the master is gone. Returns the exit status. */
int worker_main(void) MUST_CHECK;

#endif
