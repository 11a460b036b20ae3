/* A deterministic simulator of the queue: the real code of queue/ and janitor/, many actors, one
 * bucket in memory, virtual time, a seed.
 *
 * Actors are fibers. One is resumed at a time; it is set aside at every store call and every sleep,
 * and a seeded scheduler picks who goes on. The net between actors and bucket (store_fault.h)
 * loses, delays and refuses; hosts are paused, killed, restarted, and their wall clocks jump. After
 * every operation that reaches the bucket the promises are checked (check.c). At the end faults
 * stop, time passes, and everything has to settle. The same seed gives the same run. */
#ifndef BF_TESTS_SIM_SIM_H
#define BF_TESTS_SIM_SIM_H

#include "base/fiber.h"
#include "janitor/janitor.h"
#include "queue/attempt.h"
#include "queue/candidates.h"
#include "queue/view.h"
#include "store/store_fault.h"
#include "store/store_mem.h"

#define SIM_JOBS_MAX 8
#define SIM_HOSTS_MAX 5
#define SIM_ACTORS_MAX 64
#define SIM_CLAIMS_MAX 4096
#define SIM_LATE_MAX 64
#define SIM_TRACE 300 /* lines kept for a person */

struct sim;
struct sim_host;

struct sim_clock {
    struct clock clock; /* first */
    struct sim *sim;
    int64_t wall_skew_ms; /* of this host; jumps */
};

/* What the world knows of a job, beside what the bucket holds. */
enum sim_fate {
    SIM_GOOD,
    SIM_POISON,
    SIM_BAD,
    SIM_FLAKY,
    SIM_FATE_COUNT
};
struct sim_job {
    char hash[65];
    enum sim_fate fate;
    bool ingested;
    bool touched;            /* a user changed it: counts may have been reset, runs repeated */
    bool gone_ok;            /* a user removed or cleared it: it may be in no state */
    int wishes;              /* results that may be accepted */
    int results;             /* accepted so far */
    int64_t hi;              /* highest count that a marker had */
    int64_t result_since_ms; /* 0: none stands */
    int64_t settled_ms;      /* when its last marker went; 0: it has one */
    int64_t lock_changed_ms;
    char lock_claim[33], lock_worker[64];
    int starts;        /* conversions begun */
    char lost[64][33]; /* claims whose lock was taken by another */
    int lost_count;
    char charged[64][33]; /* claims that were charged */
    int charged_count;
};

struct sim_actor {
    struct sim *sim;
    struct sim_host *host;
    int id;
    char name[32];
    struct fiber *fiber;
    void (*run)(struct sim_actor *actor);
    int64_t wake_ms;
    bool dead; /* its host died: never resumed again */
    struct queue queue;
    struct claim *claim; /* in its hands; NULL: none */
    int64_t claim_began_ms;
    int slot;
};

struct sim_host {
    struct sim *sim;
    int number;
    struct sim_clock time;
    struct rng_seeded rng;
    bool alive;
    bool v1;
    int64_t paused_until_ms, restart_ms;
    char worker[32];
    char incarnations[64][33]; /* the last is the current one */
    size_t incarnation_count;
    struct claim claims[16]; /* of its slots; idle ones have no id */
    int slots;
};

struct sim_options {
    uint64_t seed;
    bool conditional; /* DELETE honours If-Match; else it expires */
    int jobs, hosts, slots;
    int faults; /* 0: none, 1: some, 2: many */
    bool crashes, pauses, jumps, users, removals, v1;
    int64_t storm_ms; /* how long faults last */
    int page_max;     /* of listings */
    /* exhaustive: this one operation meets this fault, nothing else happens */
    uint64_t at_call;
    enum store_fault_kind at_kind;
    bool trace; /* print every operation */
};

struct sim {
    struct sim_options options;
    int64_t now_ms;
    struct sim_clock server;
    struct rng_seeded rng;
    struct store_mem *mem;
    struct store *inner;
    struct store_fault_net *net;
    struct keys keys;
    struct sim_job jobs[SIM_JOBS_MAX];
    struct sim_host hosts[SIM_HOSTS_MAX];
    struct sim_actor *actors[SIM_ACTORS_MAX];
    int actor_count;
    struct sim_actor *current;
    struct { /* DELETEs under way, and whose lock stood when they were sent */
        uint64_t number;
        char claim[33];
    } late[SIM_LATE_MAX];
    int late_count;
    bool calm; /* faults are over */
    bool crashed_once;
    uint64_t steps;
    char failure[512]; /* "": none */
    char *trace[SIM_TRACE];
    uint64_t trace_count;
};

/* One run. false: sim->failure says what broke; the trace says how. */
bool sim_run(struct sim *sim, const struct sim_options *options);
void sim_release(struct sim *sim);
void sim_print_trace(const struct sim *sim);

void sim_log(struct sim *sim, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A promise or rule is broken: the run ends. */
void sim_fail(struct sim *sim, const char *fmt, ...) PRINTF_LIKE(2, 3);
uint64_t sim_below(struct sim *sim, uint64_t limit);
/* Sets the running actor aside for so long. */
void sim_sleep(struct sim *sim, int64_t ms);
struct sim_job *sim_job_of(struct sim *sim, const char *key);

/* actors.c */
struct sim_actor *sim_actor_add(struct sim *sim, struct sim_host *host, const char *kind,
                                void (*run)(struct sim_actor *actor));
void sim_host_start(struct sim_host *host);
void sim_user(struct sim_actor *actor);
void sim_ingest(struct sim_actor *actor);
/* v1.c: a peer of version 1, its exact writes. */
void sim_v1_worker(struct sim_actor *actor);
void sim_v1_janitor(struct sim_actor *actor);

/* check.c */
void sim_check_sent(struct sim *sim, const struct store_op *op);
/* `call` will land later, if ever. */
void sim_check_delayed(struct sim *sim, const struct store_fault_call *call);
void sim_check_landed(struct sim *sim, const struct store_fault_call *call);
void sim_check_start(struct sim *sim, struct sim_actor *actor, const struct claim *claim);
/* At the end: did no document run more often than it may? */
void sim_check_runs(struct sim *sim);
/* Is every job where it belongs, with nothing left over? */
bool sim_settled(struct sim *sim);

#endif
