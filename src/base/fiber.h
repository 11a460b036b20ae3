/* Fibers: many plain sequences of steps in one thread.
 *
 * A job's life under its lock is a story told from top to bottom (claim, renew, publish, complete).
 * The lease thread tells hundreds of them at once by giving each a fiber: where a story waits (for
 * the store, for its converter) its fiber is set aside and another goes on. The simulator runs its
 * actors the same way, which is how it can switch at every store call. Switching is by hand only:
 * between two calls that wait, a fiber has the thread to itself.
 *
 * Fibers belong to the thread that made them. Stacks are FIBER_STACK bytes with a guard page below,
 * and only touched pages cost memory. Address and thread sanitizers are told of each switch. */
#ifndef BF_BASE_FIBER_H
#define BF_BASE_FIBER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

#define FIBER_STACK (256 * 1024)

struct fiber;

/* A fiber that will run body(arg) when it is first resumed. */
struct fiber *fiber_create(void (*body)(void *arg), void *arg) MUST_CHECK;
/* Runs it until it yields or its body returns. Called from outside any fiber, or from another
 * fiber. */
void fiber_resume(struct fiber *fiber);
/* Back to whoever resumed us. Only inside a fiber. */
void fiber_yield(void);
/* The fiber that is running; NULL outside. */
struct fiber *fiber_current(void);
bool fiber_ended(const struct fiber *fiber);
/* Its body must have returned or never have begun, or the caller knows that nothing on its stack
 * needs release (the simulator, when it kills an actor). Not the running fiber. NULL is fine. */
void fiber_destroy(struct fiber *fiber);

#endif
