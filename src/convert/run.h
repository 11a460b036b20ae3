/* One run of a converter, from fork to the last of its processes.
 *
 * run_converter() starts the command in a session of its own with nothing but what the contract
 * of blobforge-converter(7) gives it, watches time, progress, memory, CPU, output and processes of
 * the whole tree, and returns when no process of it is left, whatever it did to survive (fork,
 * setsid, ignored signals, held pipes). Nothing depends on the converter's cooperation.
 *
 * The calling process becomes a child subreaper and must have no other children: whoever is its
 * descendant is of this run, or of the resident converter (resident.h) that outlives it.
 * Single-threaded callers only: the worker, and `blobforge convert`. */
#ifndef BF_CONVERT_RUN_H
#define BF_CONVERT_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/human.h"
#include "convert/progress.h"
#include "convert/sandbox.h"

#define RUN_TAIL_MAX 65536 /* bytes kept of stdout and of stderr, the last ones */

/* While a converter runs, what it says (both ways, at most so much) is in this file of its S. */
#define RUN_LIVE_NAME "live.log"
#define RUN_LIVE_MAX (1 << 20)

enum run_limit {
    RUN_LIMIT_NONE,
    RUN_LIMIT_TIME,
    RUN_LIMIT_STALL,
    RUN_LIMIT_MEMORY,
    RUN_LIMIT_CPU,
    RUN_LIMIT_OUTPUT,
    RUN_LIMIT_FILES,
    RUN_LIMIT_PROCESSES
};
/* time, stall, memory, cpu, output, files, processes; NULL for NONE. */
const char *run_limit_name(enum run_limit limit);
enum run_limit run_limit_parse(const char *name); /* NONE: no name of a limit */
/* A number of this limit, in the unit of struct run_result, for people: "6 h 0 min", "2.1 GB",
 * "20000" (of NONE, too); "-": below 0. */
const char *run_limit_show(enum run_limit limit, double value, char text_r[static HUMAN_SIZE]);

/* 0 or less: no such limit. Times in ms, sizes in bytes. */
struct run_limits {
    int64_t time_base_ms;     /* time = min(time_max_ms, base + pages × per page) */
    int64_t time_per_page_ms; /* pages as the converter reports them */
    int64_t time_max_ms;
    int64_t stall_ms;     /* without a valid progress line; counts from the first one on */
    int64_t memory_bytes; /* resident memory of the whole tree; also bounds RLIMIT_AS, see run.c */
    int64_t cpu_ms;       /* whole tree */
    int64_t output_bytes; /* out/ and tmp/ together; also the longest file */
    int64_t output_files;
    int64_t processes;
    bool address_space_free; /* no RLIMIT_AS: for converters that reserve far more than they use */
};

struct run_spec {
    char *const *argv;  /* argv[0] as it shall see it */
    const char *file;   /* what is executed; absolute */
    const char *folder; /* S: HOME and TMPDIR are S/tmp, S/out and S/tmp are measured */
    int folder_fd;
    const char *hash, *type; /* of the document */
    int64_t attempt;         /* number of this attempt, from 1 */
    char *const *env;        /* NAME=VALUE added to the clean environment; NULL: none */
    struct run_limits limits;
    const struct sandbox *sandbox; /* NULL: L0, as who we are */
    struct resident *resident;     /* that takes the job; NULL: it runs once */
    struct clock *clock;

    /* While the converter runs the caller stays responsive: `watch_fd` (-1: none) is polled too,
     * `readable` is called when it is, and a false answer stops the run (RUN_STOPPED).
     * `readable` must take what is there, and answer false at end of file. `progress` is called
     * after each sample, about ten times a second. Either may be NULL (then watch_fd is -1). */
    int watch_fd;
    bool (*readable)(void *arg);
    void (*progress)(void *arg, const struct progress *progress, double cpu_seconds,
                     int64_t rss_bytes);
    void *arg;
};

enum run_end {
    RUN_EXITED,     /* exit_status */
    RUN_SIGNALLED,  /* signal: one that was not ours */
    RUN_LIMITED,    /* killed by us: limit */
    RUN_STOPPED,    /* killed by us: the caller asked for it */
    RUN_NOT_STARTED /* this host could not start it: error */
};

struct run_result {
    enum run_end end;
    int exit_status; /* -1 unless EXITED; 127 and 126 also when exec found no program */
    int signal;      /* -1 unless SIGNALLED */
    enum run_limit limit;
    double limit_requested, limit_granted; /* seconds, bytes or a count: what was asked for, and
                                              what a higher limit let through */
    double limit_used;                     /* what was seen when it was reached */
    bool oom;                              /* the kernel's OOM killer struck meanwhile */
    bool rests; /* EXITED: a resident that stays; exit_status is its answer */
    double seconds, cpu_seconds;
    int64_t max_rss_bytes; /* peak of the whole tree, as sampled (or one process's, if higher) */
    struct progress progress;
    char *stdout_tail, *stderr_tail; /* never NULL; any bytes but NUL (those become '?') */
    char *error;                     /* NOT_STARTED and 126, 127: one line; else NULL */
};

void run_converter(const struct run_spec *spec, struct run_result *result_r);
void run_result_release(struct run_result *result);

#endif
