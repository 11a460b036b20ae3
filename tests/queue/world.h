/* A small world for tests of the queue: a clock that is turned by hand, a bucket in memory, a net
 * with faults over it, actors with stores of their own, and a host that pretends to convert.
 *
 * Everything runs in one thread. Without fibers a sleep turns the clock on. */
#ifndef BF_TESTS_QUEUE_WORLD_H
#define BF_TESTS_QUEUE_WORLD_H

#include "queue/attempt.h"
#include "queue/candidates.h"
#include "queue/view.h"
#include "janitor/janitor.h"
#include "store/store_fault.h"
#include "store/store_mem.h"

struct world_clock {
    struct clock clock; /* first */
    int64_t boot_ms, wall_ms;
};

struct world {
    struct world_clock time;
    struct rng_seeded rng;
    struct store_mem *mem;
    struct store *inner; /* past the net: for looking */
    struct store_fault_net *net;
    bool conditional; /* DELETE honours If-Match; else it expires */
};

struct actor {
    struct world *world;
    struct queue queue;
    struct rng_seeded rng;
    char worker[32], incarnation[33];
};

#define WORLD_HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

void world_init(struct world *world, bool conditional, uint64_t seed);
void world_release(struct world *world);
void world_pass(struct world *world, int64_t ms); /* time goes by */

/* An actor with the default limits. `number` is its name and its place in the net. */
void actor_init(struct actor *actor, struct world *world, int number);
void actor_release(struct actor *actor);

/* Looking and putting past the net. */
char *world_get(struct world *world, const char *key); /* NULL: not there; the caller frees */
void world_put(struct world *world, const char *key, const char *body);
void world_add_raw(struct world *world, const char *hash);
size_t world_count(struct world *world, const char *prefix);

/* What the pretended converter does with a job. */
enum fate {
    FATE_DONE,
    FATE_FAIL,
    FATE_BURY,
    FATE_GIVE_BACK,
    FATE_STOP
};
struct world_host {
    struct attempt_host host; /* first */
    struct actor *actor;
    enum fate fate;
    int64_t work_ms; /* how long the conversion takes */
    /* private */
    int64_t done_boot_ms;
    bool started, packed, granted;
    enum store_status sent;
    int killed;
    char body[128];
};
void world_host_init(struct world_host *host, struct actor *actor, enum fate fate);

/* Claims the next candidate and runs it. false: there was none. */
bool world_work(struct actor *actor, enum fate fate, struct attempt_report *report_r);

#endif
