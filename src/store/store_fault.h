/* A store that fails on purpose: a wrapper over any store, for tests and the simulator.
 *
 * Between the stores that actors open here and the real one lies a *net* (struct store_fault_net).
 * It numbers every operation that passes, asks what shall happen to it, makes it happen, and keeps
 * the requests that are late: they outlive the actor who sent them, as on a real network. One net
 * and its stores belong to one thread; the simulator has one net and a store per actor.
 *
 *   net = store_fault_net_create(inner, clock, rng);      inner is borrowed
 *   net->hooks.decide = ...;  and/or  net->chances = ...; and/or store_fault_net_script(net, n, f);
 *   store = store_fault_open(net, actor);                 give it to the code under test
 *
 * For each operation, in this order:
 *   1. requests that are due by now land (calls and time, see STORE_FAULT_DELAYED);
 *   2. the operation gets its number, 1 for the net's first: struct store_fault_call;
 *   3. hooks.before(call). It may switch fibers: other actors' operations may pass meanwhile, the
 *      net keeps nothing half done across a hook;
 *   4. the fault is chosen: a script entry for this number, else hooks.decide, else by chances;
 *   5. it happens (below); 6. hooks.after(call), with the outcome that the actor will see.
 * A batch's operations pass in random order when `shuffle` is set, else in the batch's. Grants are
 * operations too (kind GET or PUT; only grant_commit for writes).
 *
 * What the actor is told is what store.h allows for such a case: writes STORE_UNKNOWN, reads
 * STORE_AGAIN. */
#ifndef BF_STORE_STORE_FAULT_H
#define BF_STORE_STORE_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/rng.h"
#include "store/store.h"

enum store_fault_kind {
    STORE_FAULT_NONE,         /* as the inner store does it */
    STORE_FAULT_LOST_REQUEST, /* never arrives. Write: UNKNOWN, read: AGAIN */
    STORE_FAULT_LOST_ANSWER,  /* arrives and is done; the answer is lost. The same two */
    STORE_FAULT_DELAYED,  /* write: UNKNOWN now; it arrives, with its condition and expiry, after
                             delay_calls more operations of the net *and* delay_ms of the clock, or
                             at  store_fault_net_land(). Read: AGAIN. grant_commit: as LOST_REQUEST
                           */
    STORE_FAULT_REFUSED,  /* 409, 500, 503: nothing is done, but nobody can tell. As LOST_REQUEST,
                             with http_status_r */
    STORE_FAULT_NOT_SENT, /* provably: AGAIN for writes as well */
    STORE_FAULT_FATAL,    /* 403: FATAL, nothing is done */
    STORE_FAULT_CRASH_BEFORE, /* hooks.crash(call) before the operation is done ... */
    STORE_FAULT_CRASH_AFTER /* ... and after it. It may not return (longjmp, _exit, a fiber that is
                               never resumed); if it does: as LOST_REQUEST and LOST_ANSWER. The
                               batch is then never ended: its memory is the actor's loss */
};
#define STORE_FAULT_KIND_COUNT 9

struct store_fault {
    enum store_fault_kind kind;
    int64_t delay_calls, delay_ms; /* DELAYED */
    int http_status;               /* REFUSED: 0 is 503 */
};

struct store_fault_call {
    uint64_t number;  /* of the net's operations, from 1 */
    uint64_t of_kind; /* the same among operations of this kind */
    int actor;        /* as given to store_fault_open() */
    bool landing;     /* in `trace` only: a late request arrives now; `op` is the net's copy */
    struct store_op *op;
    struct store_fault fault; /* as chosen; in `before`: not yet */
};

/* NULL: not called. `arg` is hooks.arg. */
struct store_fault_hooks {
    void (*before)(void *arg, struct store_fault_call *call);
    struct store_fault (*decide)(void *arg, const struct store_fault_call *call);
    void (*after)(void *arg, struct store_fault_call *call);
    void (*crash)(void *arg, struct store_fault_call *call);
    /* Everything that reaches the inner store, right after it was done there, with *its* outcome:
     * the true history of the bucket, for checking invariants. */
    void (*trace)(void *arg, const struct store_fault_call *call);
    void *arg;
};

/* How often, per 10 000 operations, each fault is chosen; [STORE_FAULT_NONE] is not looked at. In a
 * storm (refused_storm > 0) a REFUSED brings up to so many more in a row. */
struct store_fault_chances {
    uint16_t per_10000[STORE_FAULT_KIND_COUNT];
    int refused_storm;
    int64_t delay_calls_max, delay_ms_max; /* DELAYED: uniform from 0 */
};

/* Lies: faults of the store itself, not of the way to it. Any number of them together; the gate has
 * to find each. */
enum store_lie {
    STORE_LIE_IGNORE_ABSENT = 1, /* If-None-Match: * is not looked at */
    STORE_LIE_IGNORE_MATCH = 2,  /* If-Match on PUT is not looked at */
    STORE_LIE_IGNORE_DELETE = 4, /* If-Match on DELETE is not looked at */
    STORE_LIE_IGNORE_EXPIRY = 8, /* an expiring DELETE is done however late */
    STORE_LIE_INVERT = 16,       /* conditions of PUTs count the wrong way round */
    STORE_LIE_RACE = 32, /* check, then write: conditions of a whole batch are looked at before the
                            first of its writes is done, so of several creators all win */
    STORE_LIE_NO_META = 64,   /* user metadata is dropped */
    STORE_LIE_VERSIONED = 128 /* answers say that the bucket is versioned */
};

struct store_fault_net {
    /* To be set by the test, any time. */
    struct store_fault_hooks hooks;
    struct store_fault_chances chances;
    unsigned lies; /* enum store_lie, or-ed */
    bool shuffle;
    char addresses[4][STORE_ADDRESS_SIZE]; /* what its stores say that their server's name stands */
    size_t address_count;                  /* for */
    /* To be read. */
    uint64_t calls;
    uint64_t calls_of_kind[STORE_KIND_COUNT];
    uint64_t faults[STORE_FAULT_KIND_COUNT]; /* how often each was chosen */
    /* private */
    struct store *inner;
    struct clock *clock;
    struct rng *rng;
    int storm; /* REFUSED still to come */
    struct store_fault_late *late;
    struct store_fault_script *script;
};

/* inner, clock and rng are borrowed. rng NULL: `chances` and `shuffle` are not used. */
struct store_fault_net *store_fault_net_create(struct store *inner, struct clock *clock,
                                               struct rng *rng) MUST_CHECK;
/* Requests still under way are dropped: they never arrive. The net's stores were closed. */
void store_fault_net_destroy(struct store_fault_net *net);
/* A store on the net, with the inner one's properties. store_close() as always; the net stays. */
struct store *store_fault_open(struct store_fault_net *net, int actor) MUST_CHECK;

/* The net's operation `number` (from 1) meets this fault. Later entries for it win. */
void store_fault_net_script(struct store_fault_net *net, uint64_t number, struct store_fault fault);
/* Late requests that are not there yet. */
size_t store_fault_net_late(const struct store_fault_net *net);
/* Lets them arrive: those due (`all` false; for when time passed without operations), or all. In
 * the order in which they become due, equal ones in the order of sending. Returns how many did. */
size_t store_fault_net_land(struct store_fault_net *net, bool all);

const char *store_fault_kind_name(enum store_fault_kind kind);

#endif
