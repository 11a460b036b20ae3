/* What slot.c (processes) and slot_job.c (jobs) share. */
#ifndef BF_DAEMON_SLOT_PRIVATE_H
#define BF_DAEMON_SLOT_PRIVATE_H

#include "daemon/slot.h"

#define SLOT_STARTUP_MS 30000 /* exec, folder swept, HELLO: even on a machine that swaps */
/* Beyond a job's own limit, which the worker enforces itself: as long again, within these. */
#define SLOT_GRACE_MIN_MS 10000
#define SLOT_GRACE_MAX_MS 60000
/* A worker that converts says something every second; one that was stopped or is stuck does not. */
#define SLOT_SILENCE_MS 120000
#define SLOT_LEAVE_MS 10000 /* to empty its folder and go */

/* Puts the job in hand to the idle worker, unless it or another has to be alone. */
void slot_dispatch(struct slots *slots, struct slot *slot);
/* The worker is gone and nothing of it runs: tells the job's end, once. */
void slot_job_worker_gone(struct slots *slots, struct slot *slot);
/* One message about the job; false: it cannot be, kill the worker. */
bool slot_job_message(struct slots *slots, struct slot *slot, struct ipc_message *message);
/* Ends the job in hand without a worker having had it. */
void slot_job_refuse(struct slots *slots, struct slot *slot, const char *why);
void slot_job_free(struct slot *slot);

/* The worker is idle and no job is in hand: tells the lease thread, or lets the worker go. */
void slot_offer(struct slots *slots, struct slot *slot);
void slot_kill(struct slots *slots, struct slot *slot, enum slot_killer killer);
void slot_let_go(struct slots *slots, struct slot *slot);
void slots_note_failure(struct slots *slots, const char *why);
const char *slot_killer_text(enum slot_killer killer);

#endif
