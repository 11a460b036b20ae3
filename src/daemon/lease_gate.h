/* The gate while the daemon runs: weekly, and when something is seen that a fit store does not do.
 *
 * The probe blocks for seconds, so it runs in a thread of its own, with stores of its own; the
 * lease thread goes on renewing. It wakes the lease thread by post (POST_GATE) when it has ended.
 *
 * Weekly: claims go on by the old pass meanwhile, also where the store does not answer (it is asked
 * again later); another daemon's pass, found in the bucket, saves the probe. In doubt
 * (store_doubt()): nothing is claimed until a new probe has passed; held jobs are brought to their
 * end. A doubt that a pass has not ended, and so comes again, waits ever longer for its probe.
 * Found unfit: no more claims, and when the held jobs are done the thread ends with EXITCODE_GATE.
 *
 * Everything here is the lease thread's. */
#ifndef BF_DAEMON_LEASE_GATE_H
#define BF_DAEMON_LEASE_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "queue/gate.h"

struct lease;
struct gate_probe;
struct s3_creds_source;

struct lease_gate {
    bool on;                      /* the bucket is one that the gate looks at */
    struct s3_creds_source *keys; /* the probes' */
    struct gate_probe *probe;     /* NULL: none runs */
    bool shut;                    /* in doubt: nothing is claimed */
    int64_t shut_boot_ms;
    unsigned doubts;     /* that came soon after one another */
    int64_t due_boot_ms; /* the next probe, unless one runs */
    int64_t backoff_ms;  /* between probes that get no answer; 0: the last one got one */
};

/* While the environment has its secrets yet. `age_ms`: of the pass that stands. */
void lease_gate_init(struct lease *lease, int64_t age_ms);
/* Takes a verdict, looks for doubts and begins what is due; when it wants to be called again. */
int64_t lease_gate_turn(struct lease *lease);
/* Is anything to be claimed? */
bool lease_gate_open(const struct lease *lease) MUST_CHECK;
/* No more probes. true: a probe hangs in the store; it is left to the process's end. */
bool lease_gate_end(struct lease *lease) MUST_CHECK;
/* A verdict into the log. */
void lease_gate_say(const struct gate_report *report);

#endif
