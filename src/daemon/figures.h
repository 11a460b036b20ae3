/* Figures of the lease thread, for status and metrics: a copy that it makes when it is asked.
 *
 * The copy travels by post; no thread looks at another's counters. That an answer comes at all is
 * how the main thread knows that the lease thread makes progress. */
#ifndef BF_DAEMON_FIGURES_H
#define BF_DAEMON_FIGURES_H

#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"
#include "queue/attempt.h"
#include "store/store.h"

#define FIGURES_OUTCOMES (ATTEMPT_END_LOST + 1)
#define FIGURES_CAUSES (CAUSE_STORE + 1)

struct lease_counters {
    uint64_t ends[FIGURES_OUTCOMES]; /* by enum attempt_end; BURIED are not among FAILED */
    uint64_t causes[FIGURES_CAUSES]; /* of ends without a result */
    int64_t completed_ms;            /* that DONE attempts took, together */
    int64_t completed_bytes;         /* of their documents */
    struct histogram job_seconds, renewal_gap_seconds;
};

struct figures_lease {
    int64_t slot, renewed_boot_ms; /* when its last good renewal was sent */
};

struct figures {
    struct lease_counters counters;
    struct store_meter meter;
    struct figures_lease *leases; /* of jobs held */
    size_t lease_count;
};
void figures_destroy(struct figures *figures); /* NULL is fine */

/* Counters and meter for another program in this process (USR2), and back there: what cannot be
 * read stays as it was. By names, not numbers. */
struct json_object *figures_write(const struct lease_counters *counters,
                                  const struct store_meter *meter) MUST_CHECK;
void figures_read(struct json_object *object, struct lease_counters *counters_r,
                  struct store_meter *meter_r); /* object: NULL is fine */

/* The lease of a slot; NULL: it holds none. */
const struct figures_lease *figures_lease_of(const struct figures *figures, int64_t slot);

#endif
