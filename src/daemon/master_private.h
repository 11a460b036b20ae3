/* What the files of the main thread share: master.c (loop), master_reload.c (SIGHUP),
 * master_open.c (set-up). */
#ifndef BF_DAEMON_MASTER_PRIVATE_H
#define BF_DAEMON_MASTER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "daemon/control.h"
#include "daemon/figures.h"
#include "daemon/lease.h"
#include "daemon/master.h"
#include "daemon/patrol.h"
#include "daemon/slot.h"
#include "daemon/window.h"

enum stage {
    STAGE_OPENING,
    STAGE_RUNNING,
    STAGE_DRAINING,
    STAGE_QUITTING,
    STAGE_ENDING
};

/* USR2, see master_upgrade.c. */
enum upgrade_stage {
    UPGRADE_NONE,
    UPGRADE_CHECKING, /* the new program says its version and checks the configuration */
    UPGRADE_SETTLING, /* no claims: what is published or closed is finished */
    UPGRADE_FREEZING, /* the lease thread is asked; workers are not read */
    UPGRADE_ENDING    /* frozen; the janitor ends what it is at */
};

struct upgrade {
    enum upgrade_stage stage;
    pid_t checker; /* 0: none */
    int out;       /* its words */
    int64_t until_boot_ms, again_boot_ms;
    struct json_object *lease; /* frozen: what it holds */
};

/* What the status calls it; the first that holds counts. */
enum master_state {
    MASTER_DRAINING,
    MASTER_PAUSED,
    MASTER_OUTSIDE_WINDOW,
    MASTER_BREAKER_OPEN,
    MASTER_WAITING_FOR_STORE,
    MASTER_DISK_LOW,
    MASTER_RUNNING
};

/* What signals asked for: noted, then acted upon. */
struct wishes {
    bool term, interrupt, quit, reload, reopen, child, pause, upgrade;
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
    struct upgrade upgrade;
    bool adopted; /* jobs of an earlier program of this process are in our hands */
    enum stage stage;
    bool opened; /* the store is fit; before that nothing is held */
    bool paused, stop_sent, interrupted_once, janitor_told;
    const char *paused_by; /* for the status; static */
    int64_t started_boot_ms;
    struct window window; /* run_window */
    bool window_closed;
    int64_t window_look_boot_ms; /* when the clock is looked at again */
    char window_text[128];       /* closed: until when */
    enum hold hold;              /* the lease thread's word */
    char *hold_text;
    struct control *control;
    struct figures *figures;     /* the last that came; NULL: none yet */
    bool asked, answering;       /* ASK is out; waiting peers are being answered */
    int64_t asked_until_boot_ms; /* then they are answered with what is known */
    int64_t drain_until_boot_ms, quit_until_boot_ms, end_until_boot_ms;

    struct store *lease_store, *janitor_store; /* until their threads have them */
    char *prefix;
    struct lease_options lease_options;
    struct patrol_options patrol_options;
    atomic_llong janitor_interval_ms;
    pthread_t lease, janitor;
    bool lease_runs, janitor_runs;
    bool gate_left;     /* a probe hangs in the store */
    char notified[256]; /* the status that the service manager has */
    int64_t status_boot_ms, extend_boot_ms, watchdog_boot_ms; /* not before then again */
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
/* SIGHUP: the new configuration whole, or the old one: false with *error_r (may be NULL), a line
 * per fault. */
bool master_reload(struct master *master, char **error_r);
void master_drain(struct master *master, const char *why);
/* `who` is static. */
void master_pause(struct master *master, const char *who);
/* Also lets an open breaker try again at once. */
void master_resume(struct master *master, const char *who);

void master_tell_mode(struct master *master);

/* ---- master_window.c ---- */

/* At start and after a reload. */
void master_window_load(struct master *master);
/* Looks at the clock, when that is due. */
void master_window_check(struct master *master);

/* ---- master_upgrade.c ---- */

/* Nothing may be sent to the lease thread, and signals and orders wait. */
bool master_is_frozen(const struct master *master);
void master_upgrade_begin(struct master *master);
/* A child that is no worker has ended. */
void master_upgrade_reaped(struct master *master, pid_t pid, int status);
/* FROZEN came; ownership of the state passes. */
void master_upgrade_frozen(struct master *master, struct json_object *state);
void master_upgrade_check(struct master *master);
int64_t master_upgrade_due(const struct master *master);
/* May workers be listened to, and their deaths and deadlines be acted upon? Not while nobody could
 * be told: the lease thread rests, or has not opened the store yet. */
bool master_listens(const struct master *master);
/* In the new program, before the lease thread starts. false: the state is none. */
bool master_take_over(struct master *master);

/* ---- master_notify.c ---- */

void master_notify_ready(struct master *master);
void master_notify_reloading(void);
void master_notify_stopping(struct master *master);
/* The lease thread has answered. */
void master_notify_progress(void);
void master_notify_check(struct master *master);
int64_t master_notify_due(const struct master *master);

/* ---- master_control.c ---- */

/* The answer, or the end of the time that it may take, comes to master_on_figures(). */
void master_ask_figures(struct master *master);

enum master_state master_state(const struct master *master, const char **reason_r);
const char *master_state_name(enum master_state state);
/* The control socket's handler; arg is the master. */
struct json_object *master_on_control(void *arg, const struct control_request *request,
                                      char **error_r);
/* FIGURES came (ownership passes), or NULL: they are not waited for any longer. */
void master_on_figures(struct master *master, struct figures *figures);
/* Bytes of a line of /proc/self/status ("RssAnon", "VmRSS"); -1: there is none. */
int64_t master_memory(const char *name);

/* ---- metrics.c ---- */

/* All of it in the text format of Prometheus. */
void metrics_write(const struct master *master, struct buf *out);
void master_set_slots(struct master *master, int64_t wanted);

#endif
