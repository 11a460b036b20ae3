/* Metrics in the text format of Prometheus, for its textfile collector; see blobforged(8) for the
 * list. Main thread: what the lease thread counts is its last copy (figures.h). */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "convert/slot.h"
#include "daemon/master_private.h"

#include "config.h"

static void head(struct buf *out, const char *name, const char *type, const char *text)
{
    buf_printf(out, "# HELP blobforge_%s %s\n# TYPE blobforge_%s %s\n", name, text, name, type);
}

static void gauge(struct buf *out, const char *name, const char *text, int64_t value)
{
    head(out, name, "gauge", text);
    buf_printf(out, "blobforge_%s %lld\n", name, (long long)value);
}

/* The lines of one; label: `kind="get"`, or "" for none. */
static void histogram_lines(struct buf *out, const char *name, const char *label,
                            const struct histogram *values, const double *bounds)
{
    const char *open = *label == '\0' ? "" : "{", *close = *label == '\0' ? "" : "}";
    const char *comma = *label == '\0' ? "" : ",";
    uint64_t sum = 0;

    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        sum += values->upto[i];
        buf_printf(out, "blobforge_%s_bucket{%s%sle=\"%g\"} %llu\n", name, label, comma, bounds[i],
                   (unsigned long long)sum);
    }
    buf_printf(out, "blobforge_%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, label, comma,
               (unsigned long long)values->count);
    buf_printf(out, "blobforge_%s_sum%s%s%s %.3f\n", name, open, label, close, values->sum);
    buf_printf(out, "blobforge_%s_count%s%s%s %llu\n", name, open, label, close,
               (unsigned long long)values->count);
}

static void histogram(struct buf *out, const char *name, const char *text,
                      const struct histogram *values)
{
    head(out, name, "histogram", text);
    histogram_lines(out, name, "", values, histogram_long);
}

static void labelled(struct buf *out, const char *name, const char *label, const char *value,
                     uint64_t count)
{
    buf_printf(out, "blobforge_%s{%s=\"%s\"} %llu\n", name, label, value,
               (unsigned long long)count);
}

static void write_jobs(struct buf *out, const struct master *master,
                       const struct lease_counters *counters)
{
    head(out, "jobs_total", "counter", "Jobs that left this daemon, by how they ended.");
    for (int end = 0; end < FIGURES_OUTCOMES; end++)
        labelled(out, "jobs_total", "outcome", attempt_end_name((enum attempt_end)end),
                 counters->ends[end]);
    head(out, "attempts_total", "counter", "Attempts without a result, by who is to blame.");
    for (int cause = CAUSE_NONE + 1; cause < FIGURES_CAUSES; cause++)
        labelled(out, "attempts_total", "cause", cause_name((enum cause)cause),
                 counters->causes[cause]);
    head(out, "kills_total", "counter", "Attempts that were ended by a limit.");
    for (int limit = RUN_LIMIT_NONE + 1; limit <= RUN_LIMIT_PROCESSES; limit++)
        labelled(out, "kills_total", "limit", run_limit_name((enum run_limit)limit),
                 master->slots.limit_kills[limit]);
    histogram(out, "job_seconds", "From claim to end.", &counters->job_seconds);
    head(out, "leases_lost_total", "counter", "Jobs whose lock another took over.");
    buf_printf(out, "blobforge_leases_lost_total %llu\n",
               (unsigned long long)counters->ends[ATTEMPT_END_LOST]);
    histogram(out, "renewal_gap_seconds", "Between two good renewals of a lock.",
              &counters->renewal_gap_seconds);
}

static void write_leases(struct buf *out, const struct master *master)
{
    const struct figures *figures = master->figures;
    int64_t now = clock_boot_ms(master->clock);

    head(out, "lease_age_seconds", "gauge", "Since the last good renewal of a job's lock.");
    for (size_t i = 0; figures != NULL && i < figures->lease_count; i++)
        buf_printf(out, "blobforge_lease_age_seconds{slot=\"%lld\"} %.3f\n",
                   (long long)figures->leases[i].slot,
                   (double)(now - figures->leases[i].renewed_boot_ms) / 1000);
}

static void write_store(struct buf *out, const struct figures *figures)
{
    static const char *const kinds[STORE_KIND_COUNT] = {"get", "head", "put", "delete", "list"};

    head(out, "store_requests_total", "counter",
         "Operations of the lease thread on the store, by kind and how they ended.");
    for (int kind = 0; figures != NULL && kind < STORE_KIND_COUNT; kind++)
        for (int status = 0; status <= STORE_FATAL; status++)
            buf_printf(out, "blobforge_store_requests_total{kind=\"%s\",result=\"%s\"} %llu\n",
                       kinds[kind], store_status_name((enum store_status)status),
                       (unsigned long long)figures->meter.ended[kind][status]);
    head(out, "store_request_seconds", "histogram",
         "Requests of the lease thread, from their sending to the answer.");
    for (int kind = 0; figures != NULL && kind < STORE_KIND_COUNT; kind++) {
        char label[32];
        snprintf(label, sizeof(label), "kind=\"%s\"", kinds[kind]);
        histogram_lines(out, "store_request_seconds", label, &figures->meter.seconds[kind],
                        histogram_short);
    }
}

static void write_machine(struct buf *out, const struct master *master)
{
    struct rusage self, children;
    int64_t bytes = 0;
    double seconds;

    if (slot_free_bytes(settings_text(master->first_settings, SETTING_WORK_DIR), &bytes))
        gauge(out, "work_free_bytes", "Free in work_dir.", bytes);
    gauge(out, "resident_bytes", "Anonymous memory of the master.", master_memory("RssAnon"));
    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &children);
    seconds = (double)(self.ru_utime.tv_sec + self.ru_stime.tv_sec + children.ru_utime.tv_sec +
                       children.ru_stime.tv_sec) +
              (double)(self.ru_utime.tv_usec + self.ru_stime.tv_usec + children.ru_utime.tv_usec +
                       children.ru_stime.tv_usec) /
                  1e6;
    head(out, "cpu_seconds_total", "counter", "CPU time of the master and of workers that ended.");
    buf_printf(out, "blobforge_cpu_seconds_total %.3f\n", seconds);
}

void metrics_write(const struct master *master, struct buf *out)
{
    static const struct lease_counters none;
    const struct lease_counters *counters =
        master->figures == NULL ? &none : &master->figures->counters;
    const char *reason;
    enum master_state state = master_state(master, &reason);

    head(out, "build_info", "gauge", "Always 1.");
    buf_printf(out, "blobforge_build_info{version=\"%s\",instance=\"%s\"} 1\n", PACKAGE_VERSION,
               settings_text(master->first_settings, SETTING_INSTANCE));
    gauge(out, "slots", "Conversions at a time.", (int64_t)master->slots.wanted);
    gauge(out, "slots_busy", "Slots with a job.", (int64_t)slots_busy(&master->slots));
    gauge(out, "paused", "1 while an operator has paused claims.", master->paused);
    gauge(out, "breaker_open", "1 while the breaker is open.",
          master->breaker.state == BREAKER_OPEN);
    head(out, "state", "gauge", "1 for the state that the daemon is in.");
    for (int i = 0; i <= MASTER_RUNNING; i++)
        labelled(out, "state", "state", master_state_name((enum master_state)i), i == (int)state);
    write_jobs(out, master, counters);
    write_leases(out, master);
    write_store(out, master->figures);
    write_machine(out, master);
}
