/* Figures of the lease thread, for status and metrics: a copy that it makes when it is asked.
 *
 * The copy travels by post; no thread looks at another's counters. That an answer comes at all is
 * how the main thread knows that the lease thread makes progress. */
#ifndef BF_DAEMON_FIGURES_H
#define BF_DAEMON_FIGURES_H

#include <stddef.h>
#include <stdint.h>

#include "queue/attempt.h"
#include "store/store.h"

#define HISTOGRAM_BOUNDS 14

/* Seconds, in the shape that Prometheus wants: counts of values up to each bound. */
struct histogram {
    uint64_t upto[HISTOGRAM_BOUNDS]; /* not cumulative */
    uint64_t count;
    double sum;
};
extern const double histogram_bounds[HISTOGRAM_BOUNDS];
void histogram_add(struct histogram *histogram, double seconds);

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
/* The lease of a slot; NULL: it holds none. */
const struct figures_lease *figures_lease_of(const struct figures *figures, int64_t slot);

#endif
