/* See figures.h. */
#include "daemon/figures.h"

#include <stdlib.h>

const double histogram_bounds[HISTOGRAM_BOUNDS] = {0.1, 0.5, 1,   2.5, 5,    10,   30,
                                                   60,  120, 300, 900, 1800, 3600, 10800};

void histogram_add(struct histogram *histogram, double seconds)
{
    size_t i = 0;

    while (i < HISTOGRAM_BOUNDS && seconds > histogram_bounds[i])
        i++;
    if (i < HISTOGRAM_BOUNDS)
        histogram->upto[i]++;
    histogram->count++;
    histogram->sum += seconds;
}

void figures_destroy(struct figures *figures)
{
    if (figures == NULL)
        return;
    free(figures->leases);
    free(figures);
}

const struct figures_lease *figures_lease_of(const struct figures *figures, int64_t slot)
{
    for (size_t i = 0; figures != NULL && i < figures->lease_count; i++)
        if (figures->leases[i].slot == slot)
            return &figures->leases[i];
    return NULL;
}
