/* How busy this machine is, for the worker card: CPU, memory, load and the work folder's disk.
 *
 * The whole machine's figures, since others on it slow conversions just as ours do. Figures that
 * the host does not give are negative. Pure but for host_load_sample(), which reads /proc and asks
 * statvfs(2); any thread, one sampler each. */
#ifndef BF_DAEMON_HOST_LOAD_H
#define BF_DAEMON_HOST_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* Start with zeroes. */
struct host_load_sampler {
    uint64_t busy, total; /* ticks of all CPUs since boot, at the last sample */
};

struct host_load {
    double cpu_percent;     /* busy share of all CPUs since the sample before (first: since boot) */
    double memory_percent;  /* of the total that is not available to new programs */
    int64_t memory_bytes;   /* total */
    double load_average[3]; /* 1, 5, 15 minutes */
    int64_t disk_free_bytes; /* to us, where `work_dir` lies */
};

void host_load_sample(struct host_load_sampler *sampler, const char *work_dir,
                      struct host_load *load_r);

/* The `cpu` line of /proc/stat (proc(5)): iowait counts as idle. false: not such text. */
bool host_load_cpu_parse(const char *text, size_t len, uint64_t *busy_r,
                         uint64_t *total_r) MUST_CHECK;
/* A value of /proc/meminfo, such as `MemTotal`, in bytes; -1: not there. */
int64_t host_load_meminfo_parse(const char *text, size_t len, const char *name) MUST_CHECK;

#endif
