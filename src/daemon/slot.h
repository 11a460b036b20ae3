/* Slots: the master's table of workers, one job each at a time.
 *
 *            spawn            HELLO            JOB              PACKED            PUBLISH
 *   EMPTY ----------> STARTING -----> IDLE ---------> WORKING ---------> PACKED ---------->
 * PUBLISHING ^                  |             ^ |               | ENDED            | | SENT | |
 * CLEAR | |               v                  v                   v |                  |
 * +-|------------ REPORTED <-----------+-------------------+ |                  |  kill, death  v
 * (the lease thread has the word)
 *     +---- DEAD <-------+---- KILLED, LEAVING <-- from any
 *      orphans gone
 *
 * A slot outlives its workers. The death of a worker, expected or not, comes as SIGCHLD and goes
 * through DEAD: only when no orphan is left is the job's end told to the lease thread and the slot
 * filled again. Each job gets one terminal word, never two. What a worker says is not trusted: a
 * message out of turn kills it.
 *
 * Main thread only. Nothing here waits. */
#ifndef BF_DAEMON_SLOT_H
#define BF_DAEMON_SLOT_H

#include <sys/resource.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/rng.h"
#include "base/settings.h"
#include "daemon/breaker.h"
#include "daemon/ipc.h"
#include "daemon/post.h"

enum slot_state {
    SLOT_EMPTY,      /* no process; one is started when spawn_boot_ms has come */
    SLOT_STARTING,   /* HELLO awaited */
    SLOT_IDLE,       /* ready for a job */
    SLOT_WORKING,    /* fetches, converts, packs */
    SLOT_PACKED,     /* a result waits for its grant */
    SLOT_PUBLISHING, /* sends it */
    SLOT_REPORTED,   /* its part is done, the lease thread has the word */
    SLOT_KILLED,     /* SIGKILL sent, death awaited */
    SLOT_LEAVING,    /* told to go (socket closed), death awaited */
    SLOT_DEAD        /* reaped; its orphans are being killed */
};
const char *slot_state_name(enum slot_state state);

/* Why the master killed a worker: what is told about its job. */
enum slot_killer {
    SLOT_NOT_KILLED,
    SLOT_KILLED_BY_LEASE, /* lock lost, cancel, give back: KILLED answers */
    SLOT_KILLED_DEADLINE, /* job's deadline or silence: the worker itself did not act */
    SLOT_KILLED_STARTUP,  /* no HELLO in time */
    SLOT_KILLED_GARBAGE,  /* said what cannot be */
    SLOT_KILLED_QUIT      /* the daemon ends at once: the lease thread knows */
};

struct slot_job { /* START as it came, and what is known since */
    struct post *start;
    bool dispatched; /* the worker has it */
    bool alone;      /* with the larger memory limit: while no other job runs */
    bool kill_asked; /* the lease thread waits for KILLED */
    bool told;       /* a terminal event went out */
    struct ipc_progress progress;
    int64_t hard_boot_ms;     /* end of the phase's time, with grace */
    int64_t deadline_boot_ms; /* beyond it the worker is stuck: SIGKILL. 0: none */
    struct convert_limits limits;
};

struct slots; /* the table */

struct slot {
    int64_t number; /* from 0 */
    enum slot_state state;
    enum slot_killer killer;
    pid_t pid; /* 0: none */
    int sock;  /* -1: none */
    int64_t started_boot_ms, deadline_boot_ms, spawn_boot_ms;
    int64_t jobs, recycle_at; /* of this worker */
    int64_t early_deaths;     /* in a row, before a first job: back-off */
    bool retiring;            /* no new worker; gone when the lease thread has let go */
    bool let_go;              /* SLOT_RETIRED came */
    int exit_status, exit_signal;
    struct rusage usage;
    struct slot_job *job; /* NULL: none */
};

struct slots {
    struct slot **all; /* index = number */
    pid_t spared;      /* a child that is no worker and no orphan; 0: none */
    size_t count;
    size_t wanted;
    bool spawning; /* workers may be started */
    struct settings *settings;
    const char *worker_id;
    struct mailbox *to_lease;
    struct breaker *breaker;
    struct clock *clock;
    struct rng *rng;
    bool alone; /* a job is to run alone: nothing is to be claimed */
    /* noted for the master: clear first, act then */
    bool alone_changed, breaker_opened, breaker_closed;
    char breaker_why[256];
    uint64_t killed;
    uint64_t limit_kills[RUN_LIMIT_PROCESSES + 1]; /* attempts that a limit ended */
};

void slots_resize(struct slots *slots, size_t wanted);
/* Starts workers where they are due. */
void slots_spawn_due(struct slots *slots);
/* Reads what `slot`'s worker says. */
void slot_read(struct slots *slots, struct slot *slot);
/* A child of ours was reaped; false: it was no worker (an orphan). */
bool slots_on_death(struct slots *slots, pid_t pid, int status, const struct rusage *usage);
/* Kills orphans of dead workers; when none is left their slots are settled. true: call again
 * soon. */
bool slots_sweep(struct slots *slots) MUST_CHECK;
/* Deadlines that have passed. */
void slots_check_deadlines(struct slots *slots);
/* When slots_check_deadlines() or slots_spawn_due() is due next; INT64_MAX: never. */
int64_t slots_next_due(const struct slots *slots) MUST_CHECK;

/* The lease thread's words. Each takes what it needs; `post` stays the caller's unless said. */
void slots_on_start(struct slots *slots, struct post *post); /* takes ownership */
void slots_on_publish(struct slots *slots, struct post *post);
void slots_on_kill(struct slots *slots, const struct post *post);
void slots_on_attempt_over(struct slots *slots, const struct post *post);
void slots_on_retired(struct slots *slots, const struct post *post);

/* ---- slot_handover.c: USR2 ---- */

/* No worker but idle ones and those at work on a conversion. */
bool slots_can_be_handed_over(const struct slots *slots) MUST_CHECK;
struct json_object *slots_state(const struct slots *slots) MUST_CHECK;
/* Takes the workers up, in the other program; none is read or killed before slots_go_on(). false:
 * the state is none. */
bool slots_take_over(struct slots *slots, struct json_object *array) MUST_CHECK;
void slots_go_on(struct slots *slots);

/* Kills every job at once (QUIT). */
void slots_kill_jobs(struct slots *slots);
/* Kills a worker that has no job; another takes its place. */
void slots_kill_idle(struct slots *slots, struct slot *slot);
/* Ends all workers: idle ones by end of file, after `at_once` all by SIGKILL. */
void slots_end(struct slots *slots, bool at_once);
bool slots_all_gone(const struct slots *slots) MUST_CHECK;
size_t slots_busy(const struct slots *slots) MUST_CHECK;
void slots_destroy(struct slots *slots);

#endif
