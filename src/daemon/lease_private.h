/* What the lease thread's files share: lease.c (loop), lease_slot.c (a slot's fiber), lease_open.c
 * (start-up), lease_keeper.c (upkeep), lease_gate.c (the gate, again). */
#ifndef BF_DAEMON_LEASE_PRIVATE_H
#define BF_DAEMON_LEASE_PRIVATE_H

#include "base/fiber.h"
#include "daemon/host_load.h"
#include "daemon/lease.h"
#include "daemon/lease_gate.h"
#include "queue/candidates.h"
#include "queue/fleet.h"
#include "store/store_fiber.h"

struct lease;

/* A fiber and what it waits for, when it is not the store. */
struct sleeper {
    struct fiber *fiber;
    bool sleeping;
    bool woken;
    int64_t until_boot_ms;
};

struct lease_slot {
    struct lease *lease;
    int64_t number;
    struct sleeper sleeper;
    bool ready;         /* its worker is idle and offered */
    bool retiring;      /* ends when it holds nothing */
    bool unwatched;     /* began while the keeper looked for orphans: claims after that */
    struct queue queue; /* its own view: a fiber at a time */
    /* the attempt */
    struct attempt_host host;
    bool busy;    /* from before the claim's first request to ATTEMPT_OVER */
    bool held;    /* claim is held */
    bool started; /* the main thread has the job: READY comes anew after ATTEMPT_OVER */
    int64_t seq;
    struct claim claim;
    struct post *events, **events_tail; /* of this seq, oldest first */
    bool stop;                          /* STOP is due */
    bool killed;                        /* KILLED came */
    struct record_attempt *killed_record;
    bool unanswered;
    unsigned givebacks;      /* in a row */
    bool waiting;            /* in host_wait(), for an event or the next beat */
    bool settling;           /* past conversion: publishes, or closes */
    bool handed_over;        /* the attempt was begun by an earlier program of this process */
    int64_t began_boot_ms;   /* the attempt; by whichever program */
    int64_t renewed_boot_ms; /* as last seen: a new one makes a gap for the figures */
};

/* What the queue's steps wait by: a fiber that sleeps is set aside, so that one job's pause never
 * holds up another's heartbeat. */
struct lease_clock {
    struct clock clock; /* first */
    struct lease *lease;
};

/* A lock that an attempt left to go stale: no orphan, though no slot holds it. */
#define LEASE_LEFT_MAX 64
struct lease_left {
    char hash[65];
    int64_t until_boot_ms; /* by then somebody has taken it over; 0: none */
};

struct lease {
    const struct lease_options *options;
    struct clock *clock;             /* the machine's */
    struct lease_clock fibers_clock; /* the fibers' */
    struct rng *rng;
    struct store *store; /* fibers' view of it */
    struct queue queue;  /* limits as of now; slots copy it */
    struct queue_limits local_limits;
    struct pace pace;
    struct settings *settings; /* as of now: opens further stores for the gate */
    struct candidates *candidates;
    struct fleet fleet;
    struct queue picker_queue; /* candidates' */
    struct lease_slot **slots;
    size_t slot_count;
    int64_t last_seq; /* numbers attempts, over all slots */
    struct sleeper keeper;
    struct queue keeper_queue;
    enum claim_mode mode;
    bool finished;     /* nothing is left (--until-empty): no more claims, end */
    bool picking;      /* a fiber is choosing a candidate */
    bool keeper_rests; /* between two rounds: it holds nothing */
    bool watching;     /* the keeper looks at the slots' claims: none may come or go */
    int64_t keeper_boot_ms, recover_boot_ms; /* the keeper's next round, its next recovery */
    unsigned recoveries;
    size_t claiming; /* fibers between choosing and knowing */
    struct lease_left left[LEASE_LEFT_MAX];
    size_t left_next;     /* the oldest is overwritten */
    int64_t look_boot_ms; /* the queue was found empty: not before then */
    int64_t poll_now_ms;  /* back-off */
    bool look_due;        /* pages are to be forgotten before the next look */
    enum hold hold;
    int64_t store_retry_boot_ms, store_backoff_ms, store_bad_since_boot_ms;
    int64_t disk_checked_boot_ms;
    struct lease_gate gate;
    struct lease_counters counters;
    struct store_meter meter_before; /* of earlier programs of this process */
    int64_t slots_wanted;            /* for the worker card */
    int64_t began_ms, began_boot_ms; /* the session's start: by the store's clock; for durations */
    struct host_load_sampler load_sampler; /* the keeper's */
    int end_status;
    char *end_text;
};

/* Sets the running fiber aside until it is woken or the time has come (INT64_MAX: no time). */
void lease_sleep(struct lease *lease, struct sleeper *sleeper, int64_t until_boot_ms);
void lease_wake(struct sleeper *sleeper);
void lease_clock_init(struct lease *lease);
void lease_wake_all(struct lease *lease);

/* Why nothing is claimed: tells the main thread and the log when it changes. */
void lease_set_hold(struct lease *lease, enum hold hold, const char *text);
/* A step of the protocol could not be done for the store: back-off, said once. */
void lease_store_trouble(struct lease *lease, const char *error);
void lease_store_fine(struct lease *lease);
/* Ends the thread once nothing is held. Takes ownership of text. The first word counts. */
void lease_finish(struct lease *lease, int status, char *text);

void lease_slot_start(struct lease *lease, int64_t number);
/* Answers ASK. */
void lease_send_figures(struct lease *lease);
/* What the thread asked of the store, earlier programs of this process too. */
void lease_meter(const struct lease *lease, struct store_meter *meter_r);
size_t lease_held(const struct lease *lease);
void lease_slot_post(struct lease_slot *slot, struct post *post); /* takes ownership */
void lease_slot_free(struct lease_slot *slot);

/* ---- lease_handover.c ---- */

/* FREEZE: answers, and when nothing but conversions is under way rests until THAW. */
void lease_freeze(struct lease *lease);
/* Goes on with an earlier program's figures: before lease_open(), which may take its time. */
void lease_take_over_figures(struct lease *lease);
/* Takes up what options->handover says was held. */
void lease_take_over(struct lease *lease);

/* SETTINGS came: for the loop, and for a store of ours. */
void lease_take_settings(struct lease *lease, struct post *post, struct store *store);
/* Gate, card, recovery. OK: 0; else an exit status with *text_r. Blocks; before any fiber. */
int lease_open(struct lease *lease, struct store *store, char **text_r);

void lease_keeper_body(void *arg);
void lease_write_card(struct lease *lease, struct queue *queue, const char *status);
enum lease_card {
    LEASE_CARD_FREE,      /* none, ours, or of a daemon that is no more */
    LEASE_CARD_FOREIGN,   /* of our id, of a daemon that lives: on another host, or here */
    LEASE_CARD_UNANSWERED /* the store does not say */
};
/* Whose the card of our id is; *text_r (the caller frees) says it unless FREE. */
enum lease_card lease_card_look(struct lease *lease, struct queue *queue, int64_t deadline_ms,
                                char **text_r) MUST_CHECK;

#endif
