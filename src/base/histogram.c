/* See histogram.h. */
#include "base/histogram.h"

#include <json-c/json.h>

#include "base/json.h"

const double histogram_long[HISTOGRAM_BOUNDS] = {0.1, 0.5, 1,   2.5, 5,    10,   30,
                                                 60,  120, 300, 900, 1800, 3600, 10800};
const double histogram_short[HISTOGRAM_BOUNDS] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                  0.25,  0.5,    1,     2.5,  5,     10,   30};

void histogram_add(struct histogram *histogram, const double *bounds, double seconds)
{
    size_t i = 0;

    while (i < HISTOGRAM_BOUNDS && seconds > bounds[i])
        i++;
    if (i < HISTOGRAM_BOUNDS)
        histogram->upto[i]++;
    histogram->count++;
    histogram->sum += seconds;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++)
        into->upto[i] += from->upto[i];
    into->count += from->count;
    into->sum += from->sum;
}

struct json_object *histogram_write(const struct histogram *histogram)
{
    struct json_object *object = json_object_new_object();
    struct json_object *upto = json_object_new_array();

    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++)
        json_object_array_add(upto, json_object_new_int64((int64_t)histogram->upto[i]));
    json_set_object(object, "upto", upto);
    json_set_int(object, "count", (int64_t)histogram->count);
    json_set_double(object, "sum", histogram->sum);
    return object;
}

bool histogram_read(struct json_object *object, struct histogram *histogram_r)
{
    struct json_object *upto = object == NULL ? NULL : json_get_array(object, "upto");
    struct histogram read = {{0}, 0, 0};
    int64_t count = 0;

    if (upto == NULL || json_object_array_length(upto) != HISTOGRAM_BOUNDS ||
        !json_get_int(object, "count", &count) || count < 0 ||
        !json_get_double(object, "sum", &read.sum))
        return false;
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        int64_t n = json_object_get_int64(json_object_array_get_idx(upto, i));
        if (n < 0)
            return false;
        read.upto[i] = (uint64_t)n;
    }
    read.count = (uint64_t)count;
    *histogram_r = read;
    return true;
}
