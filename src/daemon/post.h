/* Post: the messages between the master's threads.
 *
 * The main thread knows processes, the lease thread knows locks. Neither looks at the other's
 * structures; they send each other these. A message is a heap object whose ownership passes with
 * it. Any thread. */
#ifndef BF_DAEMON_POST_H
#define BF_DAEMON_POST_H

#include "base/mailbox.h"
#include "base/settings.h"
#include "daemon/figures.h"
#include "queue/attempt.h"
#include "queue/queue.h"

enum post_type {
    /* main -> lease */
    POST_SLOT_READY,  /* slot: its worker is up and idle */
    POST_SLOT_RETIRE, /* slot: claim no more for it; SLOT_RETIRED follows */
    POST_EVENT,       /* slot, seq, event */
    POST_KILLED,      /* slot, seq, event.record: answer to KILL */
    POST_MODE,        /* mode: may jobs be claimed */
    POST_STOP_JOBS,   /* give back all that run */
    POST_STOP_JOB,    /* slot, seq: give this one back */
    POST_SETTINGS,    /* pace, settings: after a reload */
    POST_SLOTS,       /* slot: how many are wanted */
    POST_ASK,         /* FIGURES are wanted */
    POST_FREEZE,      /* FROZEN follows */
    POST_THAW,        /* the freeze is over: go on */
    /* gate -> lease */
    POST_GATE, /* its probe has ended: look */
    /* main -> janitor; it gets SETTINGS, too */
    POST_END,
    /* lease -> main */
    POST_OPENED,       /* the store is fit: workers may start */
    POST_START,        /* slot, seq, claim facts, grant, conversion_timeout_ms */
    POST_PUBLISH,      /* slot, seq, grant */
    POST_KILL,         /* slot, seq: kill and answer KILLED */
    POST_ATTEMPT_OVER, /* slot, seq, end: the slot is free; nothing of the attempt runs */
    POST_SLOT_RETIRED, /* slot */
    POST_FIGURES,      /* figures: the answer to ASK */
    POST_FROZEN,       /* state: the thread rests until THAW; NULL: not now, it goes on */
    POST_STATE,        /* hold, text: why nothing is claimed, for the status */
    /* lease and janitor -> main */
    POST_ENDED /* status, text: the thread has ended */
};

/* What the main thread allows. */
enum claim_mode {
    CLAIM_ON,
    CLAIM_PAUSED,  /* operator, breaker: claims rest, the thread goes on */
    CLAIM_DRAINING /* claims end; when no job is held the thread ends */
};

/* What keeps the lease thread from claiming, in its own sight. */
enum hold {
    HOLD_NONE,
    HOLD_STORE,
    HOLD_DISK,
    HOLD_GATE /* the store is in doubt, or was found unfit */
};

/* What a reload may change of the threads' own rhythm; ms and bytes. */
struct pace {
    int64_t poll_ms, poll_max_ms, store_patience_ms;
    int64_t retry_base_ms, retry_max_ms;
    int64_t min_free_bytes;
};

struct post {
    struct mailbox_message message; /* first; its type is an enum post_type */
    int64_t slot, seq;
    struct attempt_event event; /* progress and record owned */
    enum claim_mode mode;
    struct pace pace;
    struct settings *settings; /* owned */
    /* START */
    char hash[65], claim[CLAIM_ID_SIZE];
    int64_t attempt, conversion_timeout_ms;
    int64_t memory_reached; /* bytes that the last charged attempt was granted and ran into; 0 */
    int64_t started_boot_ms;
    struct store_grant grant; /* owned */
    enum attempt_end end;
    enum cause cause;
    enum hold hold;
    int status;
    bool thread_left;          /* ENDED: another thread hangs in the store and uses what is ours */
    char *text;                /* owned */
    struct figures *figures;   /* owned */
    struct json_object *state; /* owned */
};

struct post *post_create(enum post_type type) MUST_CHECK;
void post_release(struct post *post); /* frees all of it; NULL is fine */
void post_send(struct mailbox *to, struct post *post);
struct post *post_take(struct mailbox *from) MUST_CHECK; /* NULL: nothing there */
/* With all that was not taken and what it owns; NULL is fine. */
void post_box_destroy(struct mailbox *box);
static inline enum post_type post_type(const struct post *post)
{
    return (enum post_type)post->message.type;
}

/* SETTINGS: the thread's store goes by them from now on. Should it refuse them, that is logged and
 * it goes by the old ones. */
void post_tune(const struct post *post, struct store *store);
/* A copy of a grant that outlives it: strings copied, descriptor duplicated (close-on-exec). */
void post_grant_copy(struct store_grant *to, const struct store_grant *from);

#endif
