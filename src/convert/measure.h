/* How much a converter has written: out/ and tmp/ of a slot, while it is still writing. */
#ifndef BF_CONVERT_MEASURE_H
#define BF_CONVERT_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct measure {
    int64_t bytes; /* per file the larger of its size and what it takes on disk */
    int64_t files; /* entries of every kind, folders too */
    bool too_deep; /* folders nested deeper than MEASURE_DEPTH_MAX, or without permissions: what is
                      below was not counted */
};

#define MEASURE_DEPTH_MAX 64

/* Stops counting beyond files_max (0: never) or bytes_max (0: never). Follows no link. */
void measure_slot(int slot_fd, int64_t files_max, int64_t bytes_max, struct measure *measure_r);

#endif
