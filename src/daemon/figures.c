/* See figures.h. */
#include "daemon/figures.h"

#include <json-c/json.h>
#include <stdlib.h>

#include "base/json.h"

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

/* ---- for another program ---- */

static const char *end_name(size_t i)
{
    return attempt_end_name((enum attempt_end)i);
}

static const char *blamed_name(size_t i)
{
    const char *name = cause_name((enum cause)i);

    return name == NULL ? "none" : name;
}

static const char *kind_name(size_t i)
{
    return store_kind_name((enum store_kind)i);
}

static const char *status_name(size_t i)
{
    return store_status_name((enum store_status)i);
}

static void write_row(struct json_object *object, const char *name, const uint64_t *values,
                      size_t count, const char *(*name_of)(size_t i))
{
    struct json_object *row = json_object_new_object();

    for (size_t i = 0; i < count; i++)
        json_set_int(row, name_of(i), (int64_t)values[i]);
    json_set_object(object, name, row);
}

static void read_row(struct json_object *object, const char *name, uint64_t *values, size_t count,
                     const char *(*name_of)(size_t i))
{
    struct json_object *row = json_get_object(object, name);
    int64_t value = 0;

    for (size_t i = 0; row != NULL && i < count; i++)
        if (json_get_int(row, name_of(i), &value) && value >= 0)
            values[i] = (uint64_t)value;
}

static struct json_object *write_kind(const struct store_meter *meter, size_t kind)
{
    struct json_object *object = json_object_new_object();

    write_row(object, "ended", meter->ended[kind], STORE_FATAL + 1, status_name);
    json_set_object(object, "seconds", histogram_write(&meter->seconds[kind]));
    return object;
}

struct json_object *figures_write(const struct lease_counters *counters,
                                  const struct store_meter *meter)
{
    struct json_object *object = json_object_new_object(), *kinds = json_object_new_object();

    write_row(object, "ends", counters->ends, FIGURES_OUTCOMES, end_name);
    write_row(object, "causes", counters->causes, FIGURES_CAUSES, blamed_name);
    json_set_int(object, "completed_ms", counters->completed_ms);
    json_set_int(object, "completed_bytes", counters->completed_bytes);
    json_set_object(object, "job_seconds", histogram_write(&counters->job_seconds));
    json_set_object(object, "renewal_gap_seconds", histogram_write(&counters->renewal_gap_seconds));
    write_row(object, "requests", meter->requests, STORE_KIND_COUNT, kind_name);
    write_row(object, "results", meter->results, STORE_FATAL + 1, status_name);
    for (size_t kind = 0; kind < STORE_KIND_COUNT; kind++)
        json_set_object(kinds, kind_name(kind), write_kind(meter, kind));
    json_set_object(object, "kinds", kinds);
    json_set_int(object, "bytes_in", (int64_t)meter->bytes_in);
    json_set_int(object, "bytes_out", (int64_t)meter->bytes_out);
    return object;
}

static void read_histogram(struct json_object *object, const char *name,
                           struct histogram *histogram_r)
{
    (void)!histogram_read(json_get_object(object, name), histogram_r);
}

static void read_bytes(struct json_object *object, const char *name, uint64_t *bytes_r)
{
    int64_t bytes = 0;

    if (json_get_int(object, name, &bytes) && bytes >= 0)
        *bytes_r = (uint64_t)bytes;
}

void figures_read(struct json_object *object, struct lease_counters *counters_r,
                  struct store_meter *meter_r)
{
    struct json_object *kinds;

    if (object == NULL)
        return;
    read_row(object, "ends", counters_r->ends, FIGURES_OUTCOMES, end_name);
    read_row(object, "causes", counters_r->causes, FIGURES_CAUSES, blamed_name);
    json_get_int(object, "completed_ms", &counters_r->completed_ms);
    json_get_int(object, "completed_bytes", &counters_r->completed_bytes);
    read_histogram(object, "job_seconds", &counters_r->job_seconds);
    read_histogram(object, "renewal_gap_seconds", &counters_r->renewal_gap_seconds);
    read_row(object, "requests", meter_r->requests, STORE_KIND_COUNT, kind_name);
    read_row(object, "results", meter_r->results, STORE_FATAL + 1, status_name);
    kinds = json_get_object(object, "kinds");
    for (size_t kind = 0; kinds != NULL && kind < STORE_KIND_COUNT; kind++) {
        struct json_object *line = json_get_object(kinds, kind_name(kind));
        if (line == NULL)
            continue;
        read_row(line, "ended", meter_r->ended[kind], STORE_FATAL + 1, status_name);
        read_histogram(line, "seconds", &meter_r->seconds[kind]);
    }
    read_bytes(object, "bytes_in", &meter_r->bytes_in);
    read_bytes(object, "bytes_out", &meter_r->bytes_out);
}
