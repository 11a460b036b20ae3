/* Histograms of durations, in the shape that Prometheus wants: how many values lie up to each
 * bound, their number and their sum. Plain values: copied as they are. No thread of its own. */
#ifndef BF_BASE_HISTOGRAM_H
#define BF_BASE_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct json_object;

#define HISTOGRAM_BOUNDS 14

struct histogram {
    uint64_t upto[HISTOGRAM_BOUNDS]; /* not cumulative */
    uint64_t count;                  /* those above the last bound, too */
    double sum;
};

/* Bounds in seconds, rising. A histogram always goes with the same ones. */
extern const double histogram_long[HISTOGRAM_BOUNDS];  /* jobs: 0.1 s to 3 h */
extern const double histogram_short[HISTOGRAM_BOUNDS]; /* requests: 1 ms to 30 s */

void histogram_add(struct histogram *histogram, const double *bounds, double seconds);
/* Adds another's values; of the same bounds. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/* As JSON, and back: for another program of the same version. false: `object` (may be NULL) is
 * none; nothing was changed. */
struct json_object *histogram_write(const struct histogram *histogram) MUST_CHECK;
bool histogram_read(struct json_object *object, struct histogram *histogram_r) MUST_CHECK;

#endif
