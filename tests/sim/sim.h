/* The simulator's world: one run of one seed.
 *
 * A run is a bucket in memory, a network that fails on purpose (store/store_fault.h), hosts whose
 * wall clocks may jump, processes that may stop and die, and actors: fibers of those processes.
 * Only one thing happens at a time; what is next is decided by virtual time, and by the seed among
 * equals. Whenever an actor calls the store or sleeps, others may go on.
 *
 *   world.c    time, scheduler, processes, the store that actors are given
 *   master.c   masters: slots that run attempts, keeper, janitor
 *   people.c   commands: ingest, retry, cancel, reprioritise, clear-dead, remove, one-shot janitor
 *   v1.c       a version 1 worker and its janitor, with their unconditional writes
 *   director.c what befalls them: kills, pauses, clock jumps, drains; then quiet, and the end
 *   truth.c    what the bucket truly holds
 *   check.c    the promises, looked at with every effect; check_send.c with every request,
 *              check_jobs.c with every attempt, word of a user, and at the end
 *   planted.c  protocol bugs that must be found
 *   main.c     seeds, replays, exhaustive runs
 *
 * All times are virtual milliseconds since the run's beginning unless a name says otherwise. */
#ifndef BF_TESTS_SIM_SIM_H
#define BF_TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/fiber.h"
#include "base/rng.h"
#include "queue/attempt.h"
#include "queue/candidates.h"
#include "store/store_fault.h"
#include "store/store_mem.h"

#define SIM_PREFIX "pdf/"
#define SIM_EPOCH_MS 1780000000000LL /* wall time at virtual 0 */
#define SIM_NEVER INT64_MAX
#define SIM_JOBS 8
#define SIM_PROCESSES 6
#define SIM_ACTORS 4096
#define SIM_STARTS 60 /* of a process: its host remembers so many incarnations */
#define SIM_SLOTS 4   /* per master at most */
#define SECONDS(n) ((int64_t)(n)*1000)
#define MINUTES(n) ((int64_t)(n)*60 * 1000)
#define HOURS(n) ((int64_t)(n)*60 * 60 * 1000)

struct sim;
struct actor;

/* ---- what a run is ---- */

enum sim_once { /* exhaustive runs: one thing befalls the n-th call, nothing else does */
    ONCE_NOTHING,
    ONCE_CRASH_BEFORE,
    ONCE_CRASH_AFTER,
    ONCE_LOST_REQUEST,
    ONCE_LOST_ANSWER,
    ONCE_DELAYED,
    ONCE_NOT_SENT,
    ONCE_CRASH_LATE, /* its sender dies, and the request takes effect long after */
    ONCE_COUNT
};

enum sim_script { /* exhaustive runs of one move: what befalls its calls alone */
    SCRIPT_NONE,
    SCRIPT_RETRY_DEAD,
    SCRIPT_RETRY_RESET,
    SCRIPT_RETRY_FAILED,
    SCRIPT_RECONVERT,
    SCRIPT_CANCEL_QUEUED,
    SCRIPT_CANCEL_RUNNING,
    SCRIPT_CANCEL_RECONVERSION,
    SCRIPT_REPRIORITIZE,
    SCRIPT_CLEAR_DEAD,
    SCRIPT_REMOVE,
    SCRIPT_COUNT
};

/* What a run has met: the faults are really drawn. */
enum sim_stat {
    STAT_LOST_REQUEST,
    STAT_LOST_ANSWER,
    STAT_DELAYED,
    STAT_LANDED,
    STAT_409,
    STAT_500,
    STAT_503,
    STAT_NOT_SENT,
    STAT_STORM,
    STAT_PAUSE,
    STAT_PAUSE_BEYOND_LEASE,
    STAT_KILL,
    STAT_CLOCK_JUMP,
    STAT_DRAIN,
    STAT_PAGE,
    STAT_TAKEOVER,
    STAT_CANCEL_MARK,
    STAT_CARRIED_ON,
    STAT_COMMAND, /* of each kind */
    STAT_COMMAND_END = STAT_COMMAND + 11,
    STAT_PROFILE = STAT_COMMAND_END, /* conversions of each profile */
    STAT_PROFILE_END = STAT_PROFILE + 8,
    STAT_END = STAT_PROFILE_END, /* attempts by their end */
    STAT_COUNT = STAT_END + 6
};

struct sim_config {
    uint64_t seed;
    int conditional_delete; /* 1, 0; -1: by the seed */
    int v1;                 /* the same */
    bool trace;
    int planted;
    enum sim_once once;
    uint64_t once_call;
    enum sim_script script; /* of exhaustive runs: one job, one move */
    bool all_calls; /* of all its actors, from the beginning; else those of the move alone */
};

struct sim_result {
    char violation[512]; /* "": none */
    int64_t violation_ms;
    uint64_t calls; /* store operations */
    int64_t virtual_ms;
    bool once_happened;
    uint64_t stats[STAT_COUNT];
};

/* ---- hosts, processes, actors ---- */

struct host {
    struct clock clock; /* first */
    struct sim *sim;
    int64_t boot_offset_ms, wall_offset_ms;
};

enum process_kind {
    PROCESS_DIRECTOR,
    PROCESS_MASTER,
    PROCESS_PEOPLE,
    PROCESS_V1
};

struct process {
    struct sim *sim;
    enum process_kind kind;
    int number;
    char name[12];
    struct host host;
    bool alive, dying;
    unsigned starts;
    int64_t restart_ms;   /* SIM_NEVER: not */
    int64_t paused_until; /* nothing of it runs before */
    bool immune;          /* no fault meets it */
    char worker[40], incarnation[33];
    char incarnations[64][33]; /* that the host remembers */
    size_t incarnation_count;
    void *self; /* its kind's own, one per start */
};

/* The store that an actor is given: switches at every call, then passes on to the net. */
struct sim_store {
    struct store store; /* first */
    struct actor *actor;
    struct store *net;
};

struct grant_terms { /* what a presigned PUT is signed for */
    char key[128];
    enum store_cond cond;
    char etag[STORE_ETAG_SIZE];
    char claim[CLAIM_ID_SIZE];
    int64_t expires_ms;
};

struct actor {
    struct sim *sim;
    struct process *process;
    int id;
    char name[16];
    struct fiber *fiber;
    void (*body)(struct actor *actor);
    void *arg;
    int64_t wake_ms;
    bool asleep_lightly; /* sim_poke() wakes it */
    bool gone;
    struct rng_seeded rng;
    struct sim_store *store;
    /* The request under way. */
    struct store_op *transit; /* it has been sent and has not arrived */
    int64_t sent_ms;
    bool abandoned;           /* its sender was killed: it arrives late or not at all */
    struct grant_terms grant; /* of the last grant_write */
    unsigned epoch;           /* counts attempts and commands: claims of earlier ones are over */
    bool reset_wish;          /* the command under way is a retry with reset */
    bool reconvert_wish, remove_wish, clear_wish;
    /* check.c: an unanswered DELETE of this job may land until then. */
    const void *pending_job;
    int64_t pending_ms;
    unsigned pending_epoch;
    int64_t dead_sent_ms; /* when it last sent a dead record */
    bool is_v1, is_worker;
};

/* ---- jobs ---- */

enum profile { /* what the document does to a converter */
    PROFILE_GOOD,
    PROFILE_FAILS_ONCE,
    PROFILE_POISON,  /* fails always */
    PROFILE_REFUSED, /* not convertible */
    PROFILE_SLOW,    /* an hour, but good */
    PROFILE_KILLER,  /* takes its master with it */
    PROFILE_HANGS,   /* until a limit kills it */
    PROFILE_TROUBLE, /* ends for reasons outside, uncharged */
    PROFILE_COUNT
};

struct job {
    char hash[65];
    enum profile profile;
    int starts; /* of a converter, for PROFILE_FAILS_ONCE and _TROUBLE */
};

struct truth; /* truth.h */

struct sim {
    struct sim_config config;
    struct sim_result *result;
    struct rng_seeded rng; /* of the world: scheduler and chances */
    int64_t now_ms;
    struct store_mem *mem;
    struct store *bucket;
    struct store_fault_net *net;
    struct host server;
    struct queue_limits limits;
    bool conditional_delete, embedded;
    bool faults, ending; /* ending: the run is in its quiet part */
    struct process processes[SIM_PROCESSES];
    size_t process_count;
    struct actor *actors[SIM_ACTORS];
    size_t actor_count;
    struct actor *living[SIM_ACTORS];
    size_t living_count;
    struct actor *current;
    struct job jobs[SIM_JOBS];
    size_t job_count;
    bool finished;
    struct truth *truth;
    /* chances of this run, per 10 000 */
    uint32_t slow_chance, pause_chance, kill_chance;
    int64_t pause_max_ms;
    int64_t landings[256]; /* when delayed requests arrive */
    size_t landing_count;
    bool storm;
    bool with_v1;
    int commands;
    bool armed; /* the script's command has begun: its calls count */
    uint64_t armed_calls;
    struct process *dies; /* with the request that is under way */
};

/* world.c */
void sim_run(const struct sim_config *config, struct sim_result *result_r);
struct process *sim_process_add(struct sim *sim, enum process_kind kind, int number);
void sim_process_start(struct process *process);
void sim_process_kill(struct process *process, int64_t restart_in_ms);
struct actor *sim_actor_add(struct process *process, const char *name,
                            void (*body)(struct actor *actor), void *arg);
/* Inside an actor: sets it aside until then. */
void sim_sleep_until(struct sim *sim, int64_t until_ms);
void sim_sleep(struct sim *sim, int64_t ms);
/* Like sim_sleep_until(); ends early at sim_poke(). */
void sim_doze_until(struct sim *sim, int64_t until_ms);
void sim_poke(struct actor *actor);
/* A queue of this actor. */
void sim_queue_init(struct actor *actor, struct queue *queue);
/* Never comes back: the process of the running actor is dead. */
void sim_die_here(struct actor *actor, int64_t restart_in_ms);
void sim_count(struct sim *sim, int stat);
bool sim_chance(struct sim *sim, uint32_t per_10000);
int64_t sim_below(struct sim *sim, int64_t limit);
/* From 1 to max, small ones as likely as large ones. */
int64_t sim_any_size(struct sim *sim, int64_t max);
int64_t sim_boot_ms(const struct process *process);
void sim_say(struct sim *sim, const struct actor *actor, const char *fmt, ...) PRINTF_LIKE(3, 4);
void sim_violation(struct sim *sim, const char *fmt, ...) PRINTF_LIKE(2, 3);
void sim_describe_key(const char *key, char *text_r, size_t size);

/* master.c */
void master_start(struct process *process);
void master_drain(struct process *process, bool on);
/* Is this claim in the hands of a living slot? */
bool master_holds(const struct process *process, const char *claim);
struct slot;

/* people.c, v1.c, director.c */
void people_start(struct process *process);
enum profile people_script_profile(enum sim_script script);
bool people_script_waits(enum sim_script script); /* its job is not to be claimed meanwhile */
void v1_start(struct process *process);
void director_start(struct process *process);

/* check.c */
struct truth *truth_create(struct sim *sim);
void truth_destroy(struct truth *truth);
void check_sent(struct sim *sim, struct actor *actor, const struct store_op *op);
void check_answered(struct sim *sim, struct actor *actor, const struct store_op *op);
void check_effect(struct sim *sim, const struct store_fault_call *call);
void check_start(struct sim *sim, struct actor *actor, const struct claim *claim);
void check_attempt_failed(struct sim *sim, const char *claim_id, bool failed);
/* A word of the user about a job: it began, it ended (`done`: as wished; else nothing can be said).
 */
enum word {
    WORD_INGEST,
    WORD_RETRY,
    WORD_RECONVERT,
    WORD_REMOVE,
    WORD_CLEAR
};
void check_word_begins(struct sim *sim, const char *hash, enum word word);
void check_word_ends(struct sim *sim, const char *hash, enum word word, enum queue_result result);
/* Settled as a run must end; else what is missing. */
bool check_settled(struct sim *sim, char *text_r, size_t size);
bool check_raw(struct sim *sim, const char *hash);
void check_waiting(struct sim *sim);

/* planted.c */
int planted_count(void);
const char *planted_name(int bug);
bool planted_needs_v1(int bug); /* it is in what we do about v1's leftovers */
void planted_setup(struct sim *sim, struct actor *actor, struct queue *queue);
/* true: answered here, the request is not sent. */
bool planted_before(struct actor *actor, struct store_op *op);
void planted_after(struct actor *actor, struct store_op *op);

#endif
