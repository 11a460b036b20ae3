/* See master.h.
 *
 * One loop: wait, then act in a fixed order (act()): signals, deaths, workers' messages, threads'
 * messages, orphans, deadlines, starts, the end. Signals are blocked in all threads and read from a
 * signalfd, so nothing ever runs in a handler; what a signal asks for is noted first and acted upon
 * afterwards.
 *
 * The end, in steps (enum stage):
 *   RUNNING   -> TERM or INT: DRAINING: no more claims, jobs run on for drain_timeout, then STOP
 *   any       -> QUIT or a second INT: QUITTING: jobs are killed and given back at once
 *   the lease thread has ended -> ENDING: janitor and workers are told to go; all gone: out */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "convert/sandbox.h"
#include "daemon/master_private.h"

#include "config.h"

#define FIXED_FDS 3 /* signals, mail, control; workers follow */
#define POLL_AGAIN_MS 100
#define SWEEP_MS 5           /* between looks at orphans that are being killed */
#define JANITOR_END_MS 10000 /* a janitor in the middle of a request is not waited for longer */
#define OPENING_END_MS 1000  /* nothing is held while the store is being opened */
#define QUIT_MS 30000        /* giving jobs back at once, with the store answering or not */

/* ---- words to the threads ---- */

void master_tell_mode(struct master *master)
{
    struct post *post = post_create(POST_MODE);

    if (master->stage >= STAGE_DRAINING)
        post->mode = CLAIM_DRAINING;
    else if (master->paused || master->upgrade.stage >= UPGRADE_SETTLING || master->window_closed ||
             master->slots.alone || master->breaker.state == BREAKER_OPEN)
        post->mode = CLAIM_PAUSED;
    else
        post->mode = CLAIM_ON;
    post_send(master->to_lease, post);
}

static void tell_stop(struct master *master)
{
    if (master->stop_sent)
        return;
    master->stop_sent = true;
    master->slots.spawning = false;
    post_send(master->to_lease, post_create(POST_STOP_JOBS));
}

/* The first reason counts. */
static void note_end(struct master *master, int status, const char *text)
{
    if (master->status != 0 || status == 0)
        return;
    master->status = status;
    master->text = mem_strdup(text);
}

/* ---- stages ---- */

void master_drain(struct master *master, const char *why)
{
    int64_t timeout = settings_number(master->settings, SETTING_DRAIN_TIMEOUT);

    if (master->stage >= STAGE_DRAINING)
        return;
    log_event(LOG_INFO, "drain", LOG_I("jobs", slots_busy(&master->slots)),
              LOG_MS("timeout", timeout), LOG_S("msg", why));
    master->stage = STAGE_DRAINING;
    master_notify_stopping(master);
    master->drain_until_boot_ms = clock_boot_ms(master->clock) + timeout;
    master->quit_until_boot_ms = clock_boot_ms(master->clock) + OPENING_END_MS;
    master_tell_mode(master);
}

static void quit(struct master *master, const char *why)
{
    if (master->stage >= STAGE_QUITTING)
        return;
    if (master->stage < STAGE_DRAINING)
        master_notify_stopping(master);
    log_event(LOG_INFO, "stop", LOG_I("jobs", slots_busy(&master->slots)), LOG_S("msg", why));
    master->stage = STAGE_QUITTING;
    master->quit_until_boot_ms = clock_boot_ms(master->clock) + QUIT_MS;
    master_tell_mode(master);
    tell_stop(master); /* before the deaths: so that they are ours, not the converter's */
    slots_kill_jobs(&master->slots);
}

static void end(struct master *master)
{
    if (master->stage < STAGE_DRAINING)
        master_notify_stopping(master);
    master->stage = STAGE_ENDING;
    master->end_until_boot_ms = clock_boot_ms(master->clock) + JANITOR_END_MS;
    slots_end(&master->slots, false);
    if (master->janitor_runs && !master->janitor_told)
        post_send(master->to_janitor, post_create(POST_END));
    master->janitor_told = true;
}

void master_pause(struct master *master, const char *who)
{
    if (master->paused)
        return;
    master->paused = true;
    master->paused_by = who;
    log_event(LOG_INFO, "pause", LOG_S("by", who),
              LOG_S("msg", "no more claims; `blobforge ctl resume` goes on"));
    master_tell_mode(master);
}

/* Its rest is over. */
static bool half_close_breaker(struct master *master)
{
    if (!breaker_due(&master->breaker, clock_boot_ms(master->clock)))
        return false;
    log_event(LOG_INFO, "resume", LOG_S("msg", "breaker: trying again"));
    return true;
}

void master_resume(struct master *master, const char *who)
{
    if (master->paused)
        log_event(LOG_INFO, "resume", LOG_S("by", who));
    master->paused = false;
    master->breaker.until_boot_ms = 0;
    (void)half_close_breaker(master); /* now: the answer tells of the state after it */
    master_tell_mode(master);
}

/* ---- signals ---- */

static void note_signals(struct master *master)
{
    struct signalfd_siginfo info;
    struct wishes *wishes = &master->wishes;

    while (read(master->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        bool by_process = info.ssi_code <= 0; /* not the terminal driver's */
        switch (info.ssi_signo) {
        case SIGTERM:
            wishes->term = true;
            break;
        case SIGINT:
            wishes->interrupt = true;
            break;
        case SIGQUIT:
            wishes->quit = true;
            break;
        case SIGHUP:
            wishes->reload = true;
            break;
        case SIGUSR1:
            wishes->reopen = true;
            break;
        case SIGUSR2:
            wishes->upgrade = true;
            break;
        case SIGWINCH:
            wishes->pause |= by_process;
            break;
        case SIGTTIN:
            wishes->slots += by_process;
            break;
        case SIGTTOU:
            wishes->slots -= by_process;
            break;
        case SIGCHLD:
            wishes->child = true;
            break;
        default:
            break;
        }
    }
}

static void act_on_signals(struct master *master)
{
    struct wishes wishes = master->wishes;

    memset(&master->wishes, 0, sizeof(master->wishes)); /* clear first, act then */
    if (wishes.quit)
        quit(master, "QUIT");
    if (wishes.interrupt && master->interrupted_once)
        quit(master, "second INT");
    else if (wishes.interrupt)
        master_drain(master, "INT");
    master->interrupted_once = master->interrupted_once || wishes.interrupt;
    if (wishes.term)
        master_drain(master, "TERM");
    if (wishes.reload)
        (void)master_reload(master, NULL);
    if (wishes.reopen && !log_reopen())
        log_event(LOG_ERROR, "reload", LOG_S("msg", "log file cannot be reopened: the old stays"));
    if (wishes.slots != 0 && master->stage < STAGE_DRAINING)
        master_set_slots(master, (int64_t)master->slots.wanted + wishes.slots);
    if (wishes.pause)
        master_pause(master, "WINCH");
    if (wishes.upgrade)
        master_upgrade_begin(master);
}

/* ---- children ---- */

static void reap(struct master *master)
{
    struct rusage usage;
    int status;
    pid_t pid;

    while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
        if (!slots_on_death(&master->slots, pid, status, &usage))
            master_upgrade_reaped(master, pid, status); /* or an orphan: it is gone, that is all */
    }
}

static void act_on_breaker(struct master *master)
{
    struct slots *slots = &master->slots;

    if (slots->alone_changed) {
        slots->alone_changed = false;
        master_tell_mode(master);
    }
    if (slots->breaker_opened) {
        slots->breaker_opened = false;
        log_event(LOG_ERROR, "breaker_open", LOG_MS("seconds", master->breaker.rest_ms),
                  LOG_S("msg", slots->breaker_why));
        master_tell_mode(master);
        if (master->options->until_empty && master->stage < STAGE_DRAINING) {
            char *text = mem_printf("nothing can be converted: %s; see converter and `blobforge "
                                    "convert`",
                                    slots->breaker_why);
            note_end(master, EXITCODE_CONFIG, text);
            free(text);
            master_drain(master, "breaker open");
        }
    }
    if (slots->breaker_closed) {
        slots->breaker_closed = false;
        log_event(LOG_INFO, "breaker_closed");
        master_tell_mode(master);
    }
    if (half_close_breaker(master))
        master_tell_mode(master);
}

/* ---- the threads' words ---- */

static void start_janitor(struct master *master)
{
    master->patrol_options = (struct patrol_options){
        .store = master->janitor_store,
        .inbox = master->to_janitor,
        .to_main = master->inbox,
        .prefix = master->prefix,
        .worker_id = master->options->worker_id,
        .incarnation = master->options->janitor_incarnation,
        .host = master->options->host,
        .interval_ms = &master->janitor_interval_ms,
        .pace = master_pace(master->settings),
    };
    if (!patrol_start(&master->patrol_options, &master->janitor)) {
        log_event(LOG_ERROR, "janitor",
                  LOG_S("msg", "thread cannot be started; restart when the machine is less busy"));
        return;
    }
    master->janitor_store = NULL; /* the thread's now */
    master->janitor_runs = true;
}

/* The level in force: as set, or the best that this machine allows. */
/* l2 and what it stands on, in words. The caller frees. */
static char *sandbox_text(const struct settings *settings, const char **name_r)
{
    enum sandbox_level level = SANDBOX_AUTO;

    if (!sandbox_level_parse(settings_text(settings, SETTING_SANDBOX), &level))
        level = SANDBOX_AUTO;
    *name_r = sandbox_level_name(level == SANDBOX_AUTO ? sandbox_best() : level);
    return sandbox_describe(level);
}

static void on_opened(struct master *master)
{
    const char *sandbox;
    char *described;

    master->opened = true;
    if (master->stage != STAGE_OPENING)
        return; /* told to end meanwhile */
    master->stage = STAGE_RUNNING;
    start_janitor(master);
    master->slots.spawning = true;
    if (master->adopted) {
        slots_go_on(&master->slots);
        master_tell_mode(master); /* it may be paused */
    }
    master_notify_ready(master);
    described = sandbox_text(master->settings, &sandbox);
    log_event(LOG_INFO, "ready", LOG_I("pid", getpid()), LOG_I("slots", master->slots.wanted),
              LOG_S("store", settings_text(master->settings, SETTING_STORE)),
              LOG_S("sandbox", sandbox), LOG_S("version", PACKAGE_VERSION),
              LOG_S("msg", described));
    free(described);
}

static void on_ended(struct master *master, struct post *post)
{
    if (post->status == -1) { /* the janitor's */
        pthread_join(master->janitor, NULL);
        master->janitor_runs = false;
        return;
    }
    pthread_join(master->lease, NULL);
    master->gate_left = post->thread_left;
    master->lease_runs = false;
    master->orderly = true;
    note_end(master, post->status, post->text);
    end(master);
}

static void on_post(struct master *master, struct post *post)
{
    switch (post_type(post)) {
    case POST_OPENED:
        on_opened(master);
        break;
    case POST_START:
        slots_on_start(&master->slots, post);
        return;
    case POST_PUBLISH:
        slots_on_publish(&master->slots, post);
        break;
    case POST_KILL:
        slots_on_kill(&master->slots, post);
        break;
    case POST_ATTEMPT_OVER:
        slots_on_attempt_over(&master->slots, post);
        break;
    case POST_SLOT_RETIRED:
        slots_on_retired(&master->slots, post);
        break;
    case POST_STATE:
        master->hold = post->hold;
        free(master->hold_text);
        master->hold_text = post->text;
        post->text = NULL;
        break;
    case POST_FROZEN:
        master_upgrade_frozen(master, post->state);
        post->state = NULL;
        break;
    case POST_FIGURES:
        master_on_figures(master, post->figures);
        post->figures = NULL;
        break;
    case POST_ENDED:
        on_ended(master, post);
        break;
    case POST_SLOT_READY:
    case POST_SLOT_RETIRE:
    case POST_EVENT:
    case POST_KILLED:
    case POST_MODE:
    case POST_STOP_JOBS:
    case POST_STOP_JOB:
    case POST_SETTINGS:
    case POST_SLOTS:
    case POST_ASK:
    case POST_FREEZE:
    case POST_THAW:
    case POST_GATE:
    case POST_END:
        break; /* not for us */
    }
    post_release(post);
}

static void read_mail(struct master *master)
{
    struct post *post;

    while ((post = post_take(master->inbox)) != NULL)
        on_post(master, post);
}

/* ---- the loop ---- */

static void check_deadlines(struct master *master)
{
    int64_t now = clock_boot_ms(master->clock);

    if (master_listens(master))
        slots_check_deadlines(&master->slots);
    master_upgrade_check(master);
    master_window_check(master);
    master_notify_check(master);
    if (master->asked && now >= master->asked_until_boot_ms)
        master_on_figures(master, NULL);
    if (master->stage == STAGE_DRAINING && !master->stop_sent &&
        now >= master->drain_until_boot_ms) {
        log_event(LOG_WARNING, "drain", LOG_I("jobs", slots_busy(&master->slots)),
                  LOG_S("msg", "drain_timeout is over: giving jobs back"));
        tell_stop(master);
    }
}

/* What happens in each round, in this order. */
static bool act(struct master *master, const struct pollfd *pfds, const int64_t *owners,
                size_t count)
{
    bool sweeping;

    if (master_is_frozen(master)) {
        read_mail(master);
        master_upgrade_check(master);
        return false;
    }
    note_signals(master);
    act_on_signals(master);
    if (master_listens(master))
        reap(master);
    control_act(master->control);
    for (size_t i = FIXED_FDS; i < count && master_listens(master); i++) {
        struct slot *slot;
        if (pfds[i].revents == 0 || (size_t)owners[i] >= master->slots.count)
            continue;
        slot = master->slots.all[owners[i]];
        if (slot->sock == pfds[i].fd)
            slot_read(&master->slots, slot);
    }
    read_mail(master);
    sweeping = slots_sweep(&master->slots);
    check_deadlines(master);
    act_on_breaker(master);
    slots_spawn_due(&master->slots);
    if (master->stage == STAGE_ENDING) /* workers that became idle meanwhile */
        slots_end(&master->slots, false);
    return sweeping;
}

/* Is there a time after which the lease thread is not waited for? */
static bool gives_up(const struct master *master)
{
    return master->stage == STAGE_QUITTING || (master->stage == STAGE_DRAINING && !master->opened);
}

static int64_t next_due(const struct master *master)
{
    int64_t due;

    if (master_is_frozen(master))
        return master_upgrade_due(master);
    due = master_listens(master) ? slots_next_due(&master->slots) : INT64_MAX;

    if (master->stage == STAGE_DRAINING && !master->stop_sent && master->drain_until_boot_ms < due)
        due = master->drain_until_boot_ms;
    if (gives_up(master) && master->quit_until_boot_ms < due)
        due = master->quit_until_boot_ms;
    if (master->stage == STAGE_ENDING && master->end_until_boot_ms < due)
        due = master->end_until_boot_ms;
    if (master->breaker.state == BREAKER_OPEN && master->breaker.until_boot_ms < due)
        due = master->breaker.until_boot_ms;
    if (master->window_look_boot_ms < due)
        due = master->window_look_boot_ms;
    if (master_upgrade_due(master) < due)
        due = master_upgrade_due(master);
    if (master_notify_due(master) < due)
        due = master_notify_due(master);
    if (master->asked && master->asked_until_boot_ms < due)
        due = master->asked_until_boot_ms;
    if (control_next_due(master->control) < due)
        due = control_next_due(master->control);
    return due;
}

/* What ps(1) shows. */
static void show_title(struct master *master)
{
    size_t busy = slots_busy(&master->slots);
    static const char *const names[] = {"opening", "running", "draining", "stopping", "ending"};

    if (busy == master->shown_busy && master->stage == master->shown_stage &&
        master->slots.wanted == master->shown_wanted)
        return;
    master->shown_busy = busy;
    master->shown_stage = master->stage;
    master->shown_wanted = master->slots.wanted;
    setproctitle("%s [%s %zu/%zu]", settings_text(master->first_settings, SETTING_INSTANCE),
                 master->paused && master->stage == STAGE_RUNNING ? "paused" : names[master->stage],
                 busy, master->slots.wanted);
}

static bool is_over(const struct master *master)
{
    int64_t now = clock_boot_ms(master->clock);

    if (master->stage == STAGE_OPENING)
        return false;
    if (gives_up(master) && now >= master->quit_until_boot_ms)
        return true; /* the store does not answer: locks go stale, the next start takes them over */
    if (master->stage != STAGE_ENDING)
        return false;
    if (!slots_all_gone(&master->slots) && now < master->end_until_boot_ms + 2000)
        return false;
    return !master->janitor_runs || now >= master->end_until_boot_ms;
}

static void loop(struct master *master)
{
    struct pollfd *pfds = NULL;
    int64_t *owners = NULL;
    bool sweeping = false;

    while (!is_over(master)) {
        size_t count = 0;
        int64_t wait_ms = next_due(master) - clock_boot_ms(master->clock);

        pfds = mem_resize(pfds, master->slots.count + FIXED_FDS, sizeof(*pfds));
        owners = mem_resize(owners, master->slots.count + FIXED_FDS, sizeof(*owners));
        pfds[count++] = (struct pollfd){.fd = master->signal_fd, .events = POLLIN};
        pfds[count++] = (struct pollfd){.fd = mailbox_fd(master->inbox), .events = POLLIN};
        pfds[count++] = (struct pollfd){.fd = control_fd(master->control), .events = POLLIN};
        if (master_is_frozen(master)) /* signals and orders are left for later */
            pfds[0].fd = pfds[2].fd = -1;
        for (size_t i = 0; i < master->slots.count && master_listens(master); i++) {
            if (master->slots.all[i]->sock < 0)
                continue;
            owners[count] = (int64_t)i;
            pfds[count++] = (struct pollfd){.fd = master->slots.all[i]->sock, .events = POLLIN};
        }
        if (wait_ms < 0)
            wait_ms = 0;
        if (wait_ms > 60000)
            wait_ms = 60000;
        if (sweeping && wait_ms > SWEEP_MS)
            wait_ms = SWEEP_MS;
        /* No memory just now, or a debugger's doing (it can leave an errno that poll(2) does not
         * know): nothing to end for. */
        if (poll(pfds, count, (int)wait_ms) < 0 && errno != EINTR)
            clock_sleep_ms(master->clock, POLL_AGAIN_MS);
        sweeping = act(master, pfds, owners, count);
        show_title(master);
    }
    free(pfds);
    free(owners);
}

int master_run(const struct master_options *options, struct master_end *end_r)
{
    /* Not on the stack: a thread that hangs in the store outlives this call. */
    static struct master master;
    int status;

    master = (struct master){.options = options,
                             .settings = options->settings,
                             .first_settings = options->settings,
                             .clock = clock_system(),
                             .signal_fd = -1,
                             .upgrade = {.out = -1},
                             .orderly = true};
    memset(end_r, 0, sizeof(*end_r));
    master.slots.settings = options->settings;
    master.started_boot_ms = clock_boot_ms(master.clock);
    master.slots.worker_id = options->worker_id;
    master.slots.breaker = &master.breaker;
    master.breaker.in_a_row = options->until_empty; /* it is to end, not to wait for a remedy */
    master.slots.clock = master.clock;
    master.slots.rng = rng_system();
    status = master_open(&master, &end_r->text);
    if (status == 0) {
        master.orderly = false;
        master.slots.to_lease = master.to_lease;
        loop(&master);
        master_sweep_folders(&master);
        status = master.status;
        end_r->text = master.text;
        if (master.lease_runs && !master.opened && !master.adopted) {
            master.orderly = true;
        } else if (master.lease_runs) {
            status = EXITCODE_UNAVAILABLE;
            end_r->text =
                mem_strdup("jobs could not be given back: the store does not answer; they "
                           "are taken over at the next start");
        }
        log_event(LOG_INFO, "stop", LOG_I("status", status));
    }
    control_close(master.control);
    end_r->orderly = master.orderly;
    end_r->threads_left = master.lease_runs || master.janitor_runs || master.gate_left;
    if (end_r->threads_left) { /* nobody will join them */
        if (master.lease_runs)
            pthread_detach(master.lease);
        if (master.janitor_runs)
            pthread_detach(master.janitor);
        return status;
    }
    slots_destroy(&master.slots);
    store_close(master.lease_store);
    store_close(master.janitor_store);
    free(master.prefix);
    free(master.hold_text);
    figures_destroy(master.figures);
    post_box_destroy(master.inbox);
    post_box_destroy(master.to_lease);
    post_box_destroy(master.to_janitor);
    if (master.settings != master.first_settings)
        settings_destroy(master.settings);
    if (master.signal_fd >= 0)
        close(master.signal_fd);
    return status;
}
