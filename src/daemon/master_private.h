/* What the files of the main thread share: master.c (loop), master_reload.c (SIGHUP),
 * master_open.c (set-up). */
#ifndef BF_DAEMON_MASTER_PRIVATE_H
#define BF_DAEMON_MASTER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "daemon/lease.h"
#include "daemon/master.h"
#include "daemon/patrol.h"
#include "daemon/slot.h"

enum stage {
    STAGE_OPENING,
    STAGE_RUNNING,
    STAGE_DRAINING,
    STAGE_QUITTING,
    STAGE_ENDING
};

/* What signals asked for: noted, then acted upon. */
struct wishes {
    bool term, interrupt, quit, reload, reopen, child, pause;
    int slots; /* more (TTIN) or fewer (TTOU) */
};

struct master {
    const struct master_options *options;
    struct settings *settings, *first_settings; /* first: the stores and threads borrow them */
    struct clock *clock;
    int signal_fd;
    struct mailbox *inbox, *to_lease, *to_janitor;
    struct slots slots;
    struct breaker breaker;
    struct wishes wishes;
    enum stage stage;
    bool opened; /* the store is fit; before that nothing is held */
    bool paused, stop_sent, interrupted_once, janitor_told;
    int64_t drain_until_boot_ms, quit_until_boot_ms, end_until_boot_ms;

    struct store *lease_store, *janitor_store; /* until their threads have them */
    char *prefix;
    struct lease_options lease_options;
    struct patrol_options patrol_options;
    atomic_llong janitor_interval_ms;
    pthread_t lease, janitor;
    bool lease_runs, janitor_runs;
    int status;
    char *text;
    bool orderly;
    size_t shown_busy, shown_wanted; /* in the process title */
    enum stage shown_stage;
};

struct pace master_pace(const struct settings *settings);
/* Signals, child reaping, mailboxes, stores, the lease thread. 0, or an exit status and *text_r. */
int master_open(struct master *master, char **text_r) MUST_CHECK;
/* Work folders of workers that were killed, this run's or an earlier one's, and what still runs in
 * them. */
void master_sweep_folders(const struct master *master);
/* SIGHUP: the new configuration whole, or the old one. */
void master_reload(struct master *master);
void master_set_slots(struct master *master, int64_t wanted);

#endif
