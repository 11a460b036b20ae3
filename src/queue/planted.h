/* Protocol bugs on purpose: what the simulator is tested with.
 *
 * The simulator compiles queue/ and janitor/ with BF_PLANTED and switches one bug on at a time;
 * each has to break a promise that it sees. In programs there are none: there every PLANTED() is
 * the constant false. */
#ifndef BF_QUEUE_PLANTED_H
#define BF_QUEUE_PLANTED_H

#include <stdbool.h>

#ifdef BF_PLANTED
enum planted {
    PLANTED_NONE,
    PLANTED_RENEW_ALWAYS,          /* a heartbeat without condition */
    PLANTED_LEASE_ENDLESS,         /* nobody looks at the lease */
    PLANTED_NO_REREAD,             /* the marker is not asked for after the claim */
    PLANTED_NO_LOOK_AT_RESULT,     /* nor the result */
    PLANTED_REGAIN_BLINDLY,        /* a lock that is gone is made again whatever the marker says */
    PLANTED_RELEASE_PENDING,       /* released while a DELETE may still land */
    PLANTED_ERROR_IS_ABSENCE,      /* a read without answer is "not there" */
    PLANTED_DELETE_PLAIN,          /* neither condition nor expiry */
    PLANTED_UNKNOWN_IS_DONE,       /* an unanswered write is taken for done */
    PLANTED_COUNT_NOT_RAISED,      /* a failure leaves the count */
    PLANTED_CHARGED_TWICE,         /* nobody asks whether this claim is charged already */
    PLANTED_MARKER_UNCONDITIONAL,  /* the count is written over whatever is there */
    PLANTED_BURY_MARKER_FIRST,     /* the marker goes before the dead record stands */
    PLANTED_RELEASE_BEFORE_CHARGE, /* the lock goes before the marker is written */
    PLANTED_MARKER_BEFORE_RESULT,  /* the marker goes before the result stands */
    PLANTED_REFUSED_IS_DONE,       /* a 412 is taken for a result */
    PLANTED_NO_TAKEOVER,           /* the janitor acts without taking the lock */
    PLANTED_GIVEN_BACK_CHARGED,    /* nobody reads a given-back attempt's last words */
    PLANTED_STALE_EARLY,           /* locks are taken after a third of the timeout */
    PLANTED_SHARED_WORKER_ID,      /* any lock is one's own crashed run */
    PLANTED_RECONVERT_DELETES_FIRST, /* the old result goes first */
    PLANTED_OLD_MARKER_FIRST,        /* a moved job's old marker goes first */
    PLANTED_DEAD_FIRST,              /* a retried job's dead record goes first */
    PLANTED_OVER_ANY,                /* a marker that overrides one result overrides all */
    PLANTED_LATE_DEATH_COUNTS,       /* a burial that lands after a retry hides the job */
    PLANTED_CANCEL_DROPPED,          /* a lock is released whatever mark it carries */
    PLANTED_MOVE_DROPPED,            /* a dead mover's move is not carried on */
    PLANTED_MOVE_UNSAID,             /* a move acts before its lock says that it begins */
    PLANTED_COUNT
};
extern enum planted planted_bug; /* of the simulator */
#define PLANTED(bug) (planted_bug == PLANTED_##bug)
#else
#define PLANTED(bug) false
#endif

#endif
