/* See run.h: one loop over the converter's end, its pipes, the caller's descriptor and the samples.
 *
 * Memory is the sum of resident pages over the tree, ten times a second; when the sum reaches the
 * limit the proportional sum, which counts shared pages once, decides. The first process's end ends
 * the run: whoever it left behind is killed then. */
#include "convert/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/exitcode.h"
#include "convert/cgroup.h"
#include "convert/measure.h"
#include "convert/resident.h"
#include "convert/spawn.h"
#include "convert/tail.h"
#include "convert/tree.h"

#define FIRST_SAMPLE_MS 20   /* most jobs of a nothing's length are over by then */
#define SAMPLE_MS 100        /* processes: a new one each so often */
#define OUTPUT_SAMPLE_MS 300 /* files: and never more than a tenth of the time */
#define READ_BLOCK 65536
#define DRAIN_MAX (2 << 20) /* a pipe holds at most 1 MiB by default limits */

struct run {
    const struct run_spec *spec;
    struct run_result *result;
    struct spawn child;
    struct tail out, err;
    struct tree_end end;
    struct cgroup *cgroup;         /* NULL: none */
    int64_t start_ms, life_ms;     /* start; last sign of life, 0: none yet */
    int64_t sample_ms, measure_ms; /* when the next ones are due */
    struct tree_sample sample;
    double cpu_seconds; /* highest seen */
    double cpu_base;    /* of a resident: what its earlier jobs took */
    int live_fd;        /* RUN_LIVE_NAME; -1: not made */
    int64_t live_bytes;
};

static const struct {
    const char *name;
    enum {
        KIND_COUNT,
        KIND_SECONDS,
        KIND_BYTES
    } kind;
} limit_kinds[] = {
    [RUN_LIMIT_NONE] = {NULL, KIND_COUNT},       [RUN_LIMIT_TIME] = {"time", KIND_SECONDS},
    [RUN_LIMIT_STALL] = {"stall", KIND_SECONDS}, [RUN_LIMIT_MEMORY] = {"memory", KIND_BYTES},
    [RUN_LIMIT_CPU] = {"cpu", KIND_SECONDS},     [RUN_LIMIT_OUTPUT] = {"output", KIND_BYTES},
    [RUN_LIMIT_FILES] = {"files", KIND_COUNT},   [RUN_LIMIT_PROCESSES] = {"processes", KIND_COUNT},
};

const char *run_limit_name(enum run_limit limit)
{
    return limit_kinds[limit].name;
}

enum run_limit run_limit_parse(const char *name)
{
    for (size_t i = RUN_LIMIT_NONE + 1; i < ARRAY_LEN(limit_kinds); i++)
        if (strcmp(limit_kinds[i].name, name) == 0)
            return (enum run_limit)i;
    return RUN_LIMIT_NONE;
}

const char *run_limit_show(enum run_limit limit, double value, char text_r[static HUMAN_SIZE])
{
    double most = value < 1e15 ? value : 1e15; /* a record may hold any number */

    if (!(value >= 0)) {
        snprintf(text_r, HUMAN_SIZE, "-");
        return text_r;
    }
    switch (limit_kinds[limit].kind) {
    case KIND_SECONDS:
        return human_show_duration((int64_t)(most * 1e3), text_r);
    case KIND_BYTES:
        return human_show_size((int64_t)most, text_r);
    case KIND_COUNT:
        snprintf(text_r, HUMAN_SIZE, "%lld", (long long)most);
        break;
    }
    return text_r;
}

static int64_t run_now(const struct run *run)
{
    return clock_boot_ms(run->spec->clock);
}

static double cpu_of(const struct rusage *used)
{
    return (double)(used->ru_utime.tv_sec + used->ru_stime.tv_sec) +
           (double)(used->ru_utime.tv_usec + used->ru_stime.tv_usec) / 1e6;
}

/* Times the kernel's OOM killer has struck on this machine; -1: it does not say. */
static long long oom_kills(void)
{
    FILE *file = fopen("/proc/vmstat", "re");
    char line[128];
    long long kills = -1;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "oom_kill %lld", &kills) == 1)
            break;
    if (file != NULL)
        fclose(file);
    return kills;
}

/* --- limits ----------------------------------------------------------------------------------- */

static bool run_limit_hit(struct run *run, enum run_limit limit, double requested, double granted,
                          double used)
{
    run->result->end = RUN_LIMITED;
    run->result->limit = limit;
    run->result->limit_requested = requested;
    run->result->limit_granted = granted;
    run->result->limit_used = used;
    return true;
}

/* Time granted in ms as pages are known now; 0: no limit. */
static int64_t run_time_granted(const struct run *run, int64_t *requested_ms_r)
{
    const struct run_limits *limits = &run->spec->limits;
    int64_t pages = run->result->progress.pages, want = limits->time_base_ms;

    if (want > 0 && pages > 0 && limits->time_per_page_ms > 0)
        want += pages * (limits->time_per_page_ms < 86400000 ? limits->time_per_page_ms : 86400000);
    *requested_ms_r = want > 0 ? want : limits->time_max_ms;
    if (limits->time_max_ms > 0 && *requested_ms_r > limits->time_max_ms)
        return limits->time_max_ms;
    return *requested_ms_r;
}

static bool run_past_time(struct run *run, int64_t now)
{
    int64_t requested, granted = run_time_granted(run, &requested);
    int64_t stall = run->spec->limits.stall_ms;

    if (granted > 0 && now - run->start_ms >= granted)
        return run_limit_hit(run, RUN_LIMIT_TIME, (double)requested / 1e3, (double)granted / 1e3,
                             (double)(now - run->start_ms) / 1e3);
    if (stall > 0 && run->life_ms != 0 && now - run->life_ms >= stall)
        return run_limit_hit(run, RUN_LIMIT_STALL, (double)stall / 1e3, (double)stall / 1e3,
                             (double)(now - run->life_ms) / 1e3);
    return false;
}

static bool run_past_sample(struct run *run)
{
    const struct run_limits *limits = &run->spec->limits;
    double cpu;

    tree_measure(spawn_first(&run->child), limits->processes, &run->sample);
    cpu = run->sample.cpu_seconds + cpu_of(&run->end.used) - run->cpu_base;
    if (cpu > run->cpu_seconds)
        run->cpu_seconds = cpu;
    if (limits->memory_bytes > 0 && run->sample.rss_bytes >= limits->memory_bytes &&
        run->sample.processes > 1) {
        int64_t fair = tree_measure_proportional(spawn_first(&run->child));
        if (fair >= 0 && fair < run->sample.rss_bytes)
            run->sample.rss_bytes = fair;
    }
    if (run->sample.rss_bytes > run->result->max_rss_bytes)
        run->result->max_rss_bytes = run->sample.rss_bytes;
    if (limits->processes > 0 && run->sample.processes > limits->processes)
        return run_limit_hit(run, RUN_LIMIT_PROCESSES, (double)limits->processes,
                             (double)limits->processes, (double)run->sample.processes);
    if (limits->memory_bytes > 0 && run->sample.rss_bytes >= limits->memory_bytes)
        return run_limit_hit(run, RUN_LIMIT_MEMORY, (double)limits->memory_bytes,
                             (double)limits->memory_bytes, (double)run->sample.rss_bytes);
    if (limits->cpu_ms > 0 && run->cpu_seconds * 1e3 >= (double)limits->cpu_ms)
        return run_limit_hit(run, RUN_LIMIT_CPU, (double)limits->cpu_ms / 1e3,
                             (double)limits->cpu_ms / 1e3, run->cpu_seconds);
    return false;
}

static bool run_past_output(struct run *run)
{
    const struct run_limits *limits = &run->spec->limits;
    struct measure measure;

    if (limits->output_bytes <= 0 && limits->output_files <= 0)
        return false;
    measure_slot(run->spec->folder_fd, limits->output_files, limits->output_bytes, &measure);
    if (limits->output_bytes > 0 && measure.bytes > limits->output_bytes)
        return run_limit_hit(run, RUN_LIMIT_OUTPUT, (double)limits->output_bytes,
                             (double)limits->output_bytes, (double)measure.bytes);
    if (limits->output_files > 0 && (measure.files > limits->output_files || measure.too_deep))
        return run_limit_hit(run, RUN_LIMIT_FILES, (double)limits->output_files,
                             (double)limits->output_files, (double)measure.files);
    return false;
}

/* Takes the samples that are due. true: a limit is reached. */
static bool run_past_limits(struct run *run)
{
    int64_t now = run_now(run);

    if (run_past_time(run, now))
        return true;
    if (now >= run->sample_ms) {
        run->sample_ms = now + SAMPLE_MS;
        if (run_past_sample(run))
            return true;
        if (run->spec->progress != NULL)
            run->spec->progress(run->spec->arg, &run->result->progress, run->cpu_seconds,
                                run->sample.rss_bytes);
    }
    if (now >= run->measure_ms) {
        bool past = run_past_output(run);
        int64_t took = run_now(run) - now;
        run->measure_ms = now + (took * 10 > OUTPUT_SAMPLE_MS ? took * 10 : OUTPUT_SAMPLE_MS);
        return past;
    }
    return false;
}

/* --- pipes ------------------------------------------------------------------------------------ */

/* Reads one block. false: nothing there now. At its end the pipe is closed (-1). */
static bool pipe_read(int *fd, char *block, ssize_t *len_r)
{
    do
        *len_r = *fd != -1 ? read(*fd, block, READ_BLOCK) : -1;
    while (*len_r == -1 && *fd != -1 && errno == EINTR);
    if (*fd != -1 && (*len_r == 0 || (*len_r == -1 && errno != EAGAIN))) {
        close(*fd);
        *fd = -1;
    }
    return *len_r > 0;
}

/* What the converter says is in a file of S while it runs, for who follows it on this host. A note:
 * no failure matters. */
static void run_live(struct run *run, const char *block, size_t len)
{
    ssize_t n;

    if (run->live_fd == -1) {
        (void)unlinkat(run->spec->folder_fd, RUN_LIVE_NAME, 0);
        run->live_fd = openat(run->spec->folder_fd, RUN_LIVE_NAME,
                              O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    }
    if (run->live_fd == -1 || run->live_bytes > RUN_LIVE_MAX)
        return;
    n = write(run->live_fd, block, len);
    run->live_bytes += n > 0 ? n : RUN_LIVE_MAX;
}

static void run_live_end(struct run *run)
{
    if (run->live_fd == -1)
        return;
    close(run->live_fd);
    (void)unlinkat(run->spec->folder_fd, RUN_LIVE_NAME, 0);
}

/* One block of each pipe that has one; true: there was something. */
static bool run_read(struct run *run)
{
    char block[READ_BLOCK];
    ssize_t len;
    bool any = false;

    if (pipe_read(&run->child.stdout_fd, block, &len)) {
        tail_append(&run->out, block, (size_t)len);
        run_live(run, block, (size_t)len);
        any = true;
    }
    if (pipe_read(&run->child.stderr_fd, block, &len)) {
        tail_append(&run->err, block, (size_t)len);
        run_live(run, block, (size_t)len);
        any = true;
    }
    if (pipe_read(&run->child.progress_fd, block, &len)) {
        if (progress_feed(&run->result->progress, block, (size_t)len))
            run->life_ms = run_now(run);
        any = true;
    }
    return any;
}

static void run_drain(struct run *run)
{
    for (int64_t blocks = 0; blocks < DRAIN_MAX / READ_BLOCK && run_read(run); blocks++)
        ;
}

/* --- the loop --------------------------------------------------------------------------------- */

static int run_poll_ms(const struct run *run)
{
    int64_t now = run_now(run), requested, granted = run_time_granted(run, &requested);
    int64_t until = run->sample_ms < run->measure_ms ? run->sample_ms : run->measure_ms;

    if (granted > 0 && run->start_ms + granted < until)
        until = run->start_ms + granted;
    return until > now ? (int)(until - now) : 0;
}

/* A resident says that its job is done. */
static bool run_is_answered(const struct run *run)
{
    return run->spec->resident != NULL && run->result->progress.done_status >= 0;
}

/* Until the first process ends, answers, a limit is reached or the caller stops it. */
static void run_watch(struct run *run)
{
    for (;;) {
        struct pollfd fds[] = {{run->child.pidfd, POLLIN, 0},
                               {run->child.stdout_fd, POLLIN, 0},
                               {run->child.stderr_fd, POLLIN, 0},
                               {run->child.progress_fd, POLLIN, 0},
                               {run->spec->watch_fd, POLLIN, 0}};
        /* Interrupted or refused for want of memory: the samples are due all the same. */
        (void)poll(fds, ARRAY_LEN(fds), run_poll_ms(run));
        (void)run_read(run);
        if (fds[0].revents != 0 || run_is_answered(run))
            return;
        if (fds[4].revents != 0 && !run->spec->readable(run->spec->arg)) {
            run->result->end = RUN_STOPPED;
            return;
        }
        if (tree_reap(&run->end) || run->end.leader_ended || run_past_limits(run))
            return;
    }
}

/* A shell, or any program that waits for another, whose child the kernel ended at the longest file:
 * it passes the signal on as a status, and what was written lies there. */
static bool run_child_past_output(struct run *run)
{
    int64_t granted = run->spec->limits.output_bytes;
    struct measure measure;

    if (granted <= 0 || run->result->exit_status != 128 + SIGXFSZ)
        return false;
    measure_slot(run->spec->folder_fd, run->spec->limits.output_files, granted, &measure);
    if (measure.bytes < granted - granted / 8)
        return false;
    return run_limit_hit(run, RUN_LIMIT_OUTPUT, (double)granted, (double)granted,
                         (double)measure.bytes);
}

/* What the first process's own end means, when it was not we who ended it. */
static void run_judge(struct run *run, long long oom_before)
{
    struct run_result *result = run->result;
    const struct run_limits *limits = &run->spec->limits;
    int status = run->end.leader_status;
    long long oom_after = oom_kills();
    if (WIFEXITED(status)) {
        result->end = RUN_EXITED;
        result->exit_status = WEXITSTATUS(status);
    } else {
        result->end = RUN_SIGNALLED;
        result->signal = WTERMSIG(status);
    }
    /* 137: how a shell passes on that its child was killed. */
    result->oom = oom_before >= 0 && oom_after > oom_before &&
                  (result->signal == SIGKILL || result->exit_status == 128 + SIGKILL);
    /* The kernel keeps these two limits itself, with signals of their own. */
    if (result->signal == SIGXCPU && limits->cpu_ms > 0)
        run_limit_hit(run, RUN_LIMIT_CPU, (double)limits->cpu_ms / 1e3,
                      (double)limits->cpu_ms / 1e3, cpu_of(&run->end.used));
    else if (result->signal == SIGXFSZ && limits->output_bytes > 0)
        run_limit_hit(run, RUN_LIMIT_OUTPUT, (double)limits->output_bytes,
                      (double)limits->output_bytes, (double)limits->output_bytes);
    else if (!run_child_past_output(run) && result->exit_status == 0)
        (void)run_past_output(run); /* what was written since the last sample counts too */
    if (result->end == RUN_LIMITED)
        result->signal = result->exit_status = -1;
}

static void run_finish(struct run *run)
{
    struct run_result *result = run->result;
    double cpu;

    run_drain(run);
    cpu = cpu_of(&run->end.used) - run->cpu_base;
    result->cpu_seconds = cpu > run->cpu_seconds ? cpu : run->cpu_seconds;
    /* The kernel's peak is of a process's whole life, perhaps of an earlier job of a resident. */
    if (run->cpu_base == 0 && run->end.max_rss_bytes > result->max_rss_bytes)
        result->max_rss_bytes = run->end.max_rss_bytes;
    result->seconds = (double)(run_now(run) - run->start_ms) / 1e3;
}

static bool run_begin(struct run *run)
{
    const struct run_spec *spec = run->spec;
    char **error_r = &run->result->error;

    return spec->resident != NULL
               ? resident_begin(spec->resident, spec, &run->child, &run->cpu_base, error_r)
               : spawn_converter(spec, &run->child, error_r);
}

/* true: a resident has answered and was stopped; what it has written stands still. */
static bool run_rest(struct run *run)
{
    struct run_result *result = run->result;
    int status = result->progress.done_status;

    if (result->end != RUN_NOT_STARTED || !run_is_answered(run) ||
        !resident_stop(run->spec->resident, status))
        return false;
    run_drain(run);
    if (result->progress.answers > 1) { /* to which job? */
        result->progress.done_status = EXITCODE_SOFTWARE;
        return false;
    }
    if ((status == 0 && run_past_output(run)) || !resident_keep(run->spec->resident, &run->child))
        return false;
    result->end = RUN_EXITED;
    result->exit_status = status;
    return true;
}

/* The group's memory limit kills all that is in it: not the converter's end, but ours. */
static void run_judge_group(struct run *run)
{
    struct run_result *result = run->result;
    double limit = (double)run->spec->limits.memory_bytes;
    struct cgroup_seen seen;

    cgroup_see(run->child.cgroup, &seen);
    if (run->cpu_base == 0 && seen.memory_bytes > result->max_rss_bytes)
        result->max_rss_bytes = seen.memory_bytes;
    if (!seen.oom || result->end == RUN_LIMITED || result->exit_status == 0)
        return;
    run_limit_hit(run, RUN_LIMIT_MEMORY, limit, limit, limit);
    result->oom = true;
    result->signal = result->exit_status = -1;
}

/* Kills the tree, and says how the first process ended when it was not we who ended it. */
static void run_end(struct run *run, long long oom_before)
{
    struct run_result *result = run->result;
    int answer =
        result->end == RUN_NOT_STARTED && run_is_answered(run) ? result->progress.done_status : -1;

    cgroup_kill(run->child.cgroup);
    tree_kill(&run->end);
    spawn_read_status(&run->child, &run->end.leader_status);
    if (answer >= 0)
        run->end.leader_status = answer << 8; /* as if it had ended with it: see wait(2) */
    if (result->end == RUN_NOT_STARTED)
        run_judge(run, oom_before);
    run_judge_group(run);
}

/* From start to the last process's end, or to a resident's rest; the caller is a subreaper. */
static void run_whole(struct run *run)
{
    struct run_result *result = run->result;
    long long oom_before = oom_kills();

    if (!run_begin(run))
        return;
    run->end.leader = run->child.pid;
    run_watch(run);
    result->rests = run_rest(run);
    if (!result->rests)
        run_end(run, oom_before);
    run_finish(run);
    if (!result->rests)
        spawn_close(&run->child);
    if (!result->rests && run->spec->resident != NULL)
        resident_over(run->spec->resident);
    if (run->child.exec_errno != 0)
        result->error =
            mem_printf("cannot execute the converter: %s", strerror(run->child.exec_errno));
}

void run_converter(const struct run_spec *spec, struct run_result *result_r)
{
    struct run run = {.spec = spec, .result = result_r, .live_fd = -1};

    *result_r = (struct run_result){.end = RUN_NOT_STARTED, .exit_status = -1, .signal = -1};
    progress_init(&result_r->progress);
    run.out.max = run.err.max = RUN_TAIL_MAX;
    run.start_ms = run.sample_ms = run.measure_ms = run_now(&run);
    run.sample_ms += FIRST_SAMPLE_MS;
    run.measure_ms += OUTPUT_SAMPLE_MS;
    if (tree_adopt())
        run_whole(&run);
    else
        result_r->error =
            mem_printf("cannot become the subreaper of a converter: %s", strerror(errno));
    run_live_end(&run);
    result_r->stdout_tail = tail_steal(&run.out);
    result_r->stderr_tail = tail_steal(&run.err);
}

void run_result_release(struct run_result *result)
{
    free(result->stdout_tail);
    free(result->stderr_tail);
    free(result->error);
    result->stdout_tail = result->stderr_tail = result->error = NULL;
}
