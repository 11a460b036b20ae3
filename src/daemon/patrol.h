/* The janitor's thread: a store of its own, one janitor_pass() each janitor_interval.
 *
 * It shares nothing with the lease thread but the bucket: a lock that it takes over carries an
 * incarnation of its own, so that the lease thread does not take it for an orphan of its own. */
#ifndef BF_DAEMON_PATROL_H
#define BF_DAEMON_PATROL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/compiler.h"
#include "daemon/post.h"

struct patrol_options {              /* borrowed until the thread has ended */
    struct store *store;             /* ownership passes to the thread */
    struct mailbox *inbox, *to_main; /* inbox: POST_END ends it, POST_SETTINGS wakes it */
    const char *prefix, *worker_id, *incarnation, *host;
    atomic_llong *interval_ms;
    struct pace pace;
};

/* Starts the thread, all signals blocked. false with errno. It ends with POST_ENDED, status -1. */
bool patrol_start(const struct patrol_options *options, pthread_t *thread_r) MUST_CHECK;

#endif
