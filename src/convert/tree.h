/* The tree of processes below this one: measured, and killed whole.
 *
 * The caller is a child subreaper (tree_adopt()) without other children, so every process that a
 * converter ever starts stays a descendant of it, through double forks and new sessions. Processes
 * are found through /proc/PID/task/TID/children. Single-threaded callers. */
#ifndef BF_CONVERT_TREE_H
#define BF_CONVERT_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/compiler.h"

struct tree_sample {
    int64_t rss_bytes;  /* sum over the tree; pages that processes share count for each */
    double cpu_seconds; /* of the living, and of the dead that they waited for */
    int64_t processes;  /* and threads */
};

/* Makes the calling process the subreaper of its descendants. */
bool tree_adopt(void) MUST_CHECK;
/* Measures the descendants of the calling process; stops counting beyond `processes_max` (0: none).
 * Of `ours` (-1: none) only its children's time counts: it is no process of the converter's. */
void tree_measure(pid_t ours, int64_t processes_max, struct tree_sample *sample_r);
/* Resident bytes with shared pages divided among those who share them: slower, asked for only when
 * the plain sum has reached the limit. -1: the kernel does not say. */
int64_t tree_measure_proportional(pid_t ours);

/* How a tree's first process ended, and what those that were reaped here used. */
struct tree_end {
    pid_t leader;
    bool leader_ended;
    int leader_status;     /* as of wait(2) */
    struct rusage used;    /* times only */
    int64_t max_rss_bytes; /* largest single process among the reaped */
};

/* Reaps whoever has ended, without waiting. true: there are no children left at all. */
bool tree_reap(struct tree_end *end) MUST_CHECK;
/* Sends SIGKILL to every descendant until none is left, and reaps them. */
void tree_kill(struct tree_end *end);

/* Stops (SIGSTOP) every descendant. false: not all within a second; the caller kills them. */
bool tree_stop(void) MUST_CHECK;
/* Lets them all go on. */
void tree_continue(void);

/* Kills every process whose environment says HOME=FOLDER/tmp: what a dead predecessor left. */
void tree_kill_in_home(const char *folder);

#endif
