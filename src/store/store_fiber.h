/* A store whose callers are fibers of one thread: what lets a job's story be told as plain calls.
 *
 * It wraps a real store. store_run() on it, from inside a fiber, submits the batch to the real
 * store and sets the fiber aside; the thread's loop calls store_fiber_wait(), which makes progress
 * on everything that is under way and says which fibers may go on. Hundreds of fibers so share one
 * store, and their requests run at once. Outside any fiber (start-up) store_run() simply blocks;
 * that is allowed only while no fiber waits.
 *
 * Properties, clock offset and meter are those of the real store. One thread. */
#ifndef BF_STORE_STORE_FIBER_H
#define BF_STORE_STORE_FIBER_H

#include "base/fiber.h"
#include "store/store.h"

/* Takes ownership of `inner`: store_close() closes both. */
struct store *store_fiber_open(struct store *inner) MUST_CHECK;
/* A fiber whose batch has ended and that is to be resumed now, or NULL when none ended within
 * timeout_ms or wake_fd became readable; both as in store_wait(). */
struct fiber *store_fiber_wait(struct store *store, int64_t timeout_ms, int wake_fd) MUST_CHECK;

#endif
