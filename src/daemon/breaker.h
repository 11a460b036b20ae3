/* The breaker: stops claims when nothing can work, so that a broken converter or a worker that
 * cannot start costs no job anything.
 *
 * Five failures of the kind that no document causes, within ten seconds, open it (with `in_a_row`:
 * five without a success between, since few jobs are tried again ever more slowly). It closes
 * half-way after a minute (doubling up to ten): one failure opens it again, one success closes it.
 * Pure but for the clock passed in. Main thread. */
#ifndef BF_DAEMON_BREAKER_H
#define BF_DAEMON_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

#define BREAKER_FAILURES 5
#define BREAKER_WINDOW_MS 10000
#define BREAKER_REST_MS 60000
#define BREAKER_REST_MAX_MS 600000

enum breaker_state {
    BREAKER_CLOSED,
    BREAKER_OPEN,
    BREAKER_HALF
};

struct breaker {
    enum breaker_state state;
    int64_t failed_boot_ms[BREAKER_FAILURES]; /* a ring, 0: none */
    unsigned next;
    int64_t rest_ms, until_boot_ms; /* OPEN: until then */
    bool in_a_row; /* set once: failures count however far apart, until a success */
};

/* true: it opened by this one. */
bool breaker_failure(struct breaker *breaker, int64_t boot_ms) MUST_CHECK;
/* true: it closed by this one. */
bool breaker_success(struct breaker *breaker) MUST_CHECK;
/* true: its rest is over; claims are tried again. */
bool breaker_due(struct breaker *breaker, int64_t boot_ms) MUST_CHECK;

#endif
