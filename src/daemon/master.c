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
#include "daemon/master.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "convert/sandbox.h"
#include "convert/slot.h"
#include "daemon/children.h"
#include "daemon/instance.h"
#include "daemon/lease.h"
#include "daemon/patrol.h"
#include "daemon/slot.h"
#include "store/store_settings.h"

#include "config.h"

#define SWEEP_MS 5           /* between looks at orphans that are being killed */
#define JANITOR_END_MS 10000 /* a janitor in the middle of a request is not waited for longer */
#define OPENING_END_MS                                                                             \
    1000              /* a store that is being opened holds nothing of ours: not waited for        \
                       */
#define QUIT_MS 30000 /* giving jobs back at once, with the store answering or not */
#define SLOTS_MAX 4096

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

/* ---- words to the threads ---- */

static struct pace pace_of(const struct settings *settings)
{
    return (struct pace){
        .poll_ms = settings_number(settings, SETTING_POLL_INTERVAL),
        .poll_max_ms = settings_number(settings, SETTING_POLL_MAX),
        .store_patience_ms = settings_number(settings, SETTING_STORE_PATIENCE),
        .retry_base_ms = settings_number(settings, SETTING_RETRY_BASE),
        .retry_max_ms = settings_number(settings, SETTING_RETRY_MAX),
        .min_free_bytes = settings_number(settings, SETTING_MIN_FREE_SPACE),
    };
}

static void tell_mode(struct master *master)
{
    struct post *post = post_create(POST_MODE);

    if (master->stage >= STAGE_DRAINING)
        post->mode = CLAIM_DRAINING;
    else if (master->paused || master->breaker.state == BREAKER_OPEN)
        post->mode = CLAIM_PAUSED;
    else
        post->mode = CLAIM_ON;
    post_send(master->to_lease, post);
}

static void tell_pace(struct master *master)
{
    struct post *post = post_create(POST_PACE);

    post->pace = pace_of(master->settings);
    post_send(master->to_lease, post);
    post = post_create(POST_PACE);
    post->pace = pace_of(master->settings);
    post_send(master->to_janitor, post);
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

static void drain(struct master *master, const char *why)
{
    int64_t timeout = settings_number(master->settings, SETTING_DRAIN_TIMEOUT);

    if (master->stage >= STAGE_DRAINING)
        return;
    log_event(LOG_INFO, "drain", LOG_I("jobs", slots_busy(&master->slots)),
              LOG_MS("timeout", timeout), LOG_S("msg", why));
    master->stage = STAGE_DRAINING;
    master->drain_until_boot_ms = clock_boot_ms(master->clock) + timeout;
    master->quit_until_boot_ms = clock_boot_ms(master->clock) + OPENING_END_MS;
    tell_mode(master);
}

static void quit(struct master *master, const char *why)
{
    if (master->stage >= STAGE_QUITTING)
        return;
    log_event(LOG_INFO, "stop", LOG_I("jobs", slots_busy(&master->slots)), LOG_S("msg", why));
    master->stage = STAGE_QUITTING;
    master->quit_until_boot_ms = clock_boot_ms(master->clock) + QUIT_MS;
    tell_mode(master);
    tell_stop(master); /* before the deaths: so that they are ours, not the converter's */
    slots_kill_jobs(&master->slots);
}

static void end(struct master *master)
{
    master->stage = STAGE_ENDING;
    master->end_until_boot_ms = clock_boot_ms(master->clock) + JANITOR_END_MS;
    slots_end(&master->slots, false);
    if (master->janitor_runs && !master->janitor_told)
        post_send(master->to_janitor, post_create(POST_END));
    master->janitor_told = true;
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

static void set_slots(struct master *master, int64_t wanted)
{
    if (wanted < 0)
        wanted = 0;
    if (wanted > SLOTS_MAX)
        wanted = SLOTS_MAX;
    if ((size_t)wanted != master->slots.wanted && master->slots.spawning)
        log_event(LOG_INFO, wanted > (int64_t)master->slots.wanted ? "slot_start" : "slot_stop",
                  LOG_I("slots", wanted));
    slots_resize(&master->slots, (size_t)wanted);
}

/* Takes the new set over; what needs a restart is in it as it was. */
static void apply_settings(struct master *master, struct settings *fresh)
{
    struct settings *old = master->settings;
    enum log_level level;

    if (old != master->first_settings)
        settings_destroy(old);
    master->settings = fresh;
    master->slots.settings = fresh;
    if (log_level_parse(settings_text(fresh, SETTING_LOG_LEVEL), &level))
        log_set_level(level);
    log_set_json(strcmp(settings_text(fresh, SETTING_LOG_FORMAT), "json") == 0);
    if (!log_open(settings_text(fresh, SETTING_LOG_FILE)))
        log_event(LOG_ERROR, "reload",
                  LOG_S("msg", "new log_file cannot be opened: the old stays"));
    atomic_store(&master->janitor_interval_ms, settings_number(fresh, SETTING_JANITOR_INTERVAL));
    set_slots(master, settings_number(fresh, SETTING_SLOTS));
    tell_pace(master);
}

/* Settings that need a restart keep their old values in the new set, so that whoever reads them
 * later (a worker's folder, a further store) finds what runs. */
static bool keep_fixed(const struct settings *old, struct settings *fresh, char **error_r)
{
    for (enum setting_id id = 0; id < SETTING_COUNT; id++) {
        struct buf value = BUF_INIT;
        bool kept = true;
        if (!setting_reloadable(id)) {
            setting_print(old, id, &value);
            kept = settings_set(fresh, setting_name(id), buf_text(&value), settings_origin(old, id),
                                error_r);
        }
        buf_release(&value);
        if (!kept)
            return false;
    }
    return true;
}

/* Every difference by name. */
static void say_changes(const struct settings *old, const struct settings *fresh)
{
    for (enum setting_id id = 0; id < SETTING_COUNT; id++) {
        struct buf before = BUF_INIT, after = BUF_INIT;
        bool now = setting_reloadable(id);
        setting_print(old, id, &before);
        setting_print(fresh, id, &after);
        if (strcmp(buf_text(&before), buf_text(&after)) != 0)
            log_event(now ? LOG_INFO : LOG_WARNING, "reload", LOG_S("setting", setting_name(id)),
                      LOG_S("from", buf_text(&before)), LOG_S("to", buf_text(&after)),
                      LOG_S("msg", now ? NULL : "takes effect at the next start, not now"));
        buf_release(&before);
        buf_release(&after);
    }
}

static void reload(struct master *master)
{
    char *error = NULL;
    struct settings *fresh = master->options->reload(master->options->reload_arg, &error);

    if (fresh != NULL) {
        say_changes(master->settings, fresh);
        if (!keep_fixed(master->settings, fresh, &error)) {
            settings_destroy(fresh);
            fresh = NULL;
        }
    }
    if (fresh == NULL) {
        log_event(LOG_ERROR, "reload_refused", LOG_S("msg", error),
                  LOG_S("remedy", "the old configuration stays in force"));
        free(error);
        return;
    }
    apply_settings(master, fresh);
    log_event(LOG_INFO, "reload", LOG_S("msg", "configuration is in force"));
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
        drain(master, "INT");
    master->interrupted_once = master->interrupted_once || wishes.interrupt;
    if (wishes.term)
        drain(master, "TERM");
    if (wishes.reload)
        reload(master);
    if (wishes.reopen && !log_reopen())
        log_event(LOG_ERROR, "reload", LOG_S("msg", "log file cannot be reopened: the old stays"));
    if (wishes.slots != 0 && master->stage < STAGE_DRAINING)
        set_slots(master, (int64_t)master->slots.wanted + wishes.slots);
    if (wishes.pause && !master->paused) {
        master->paused = true;
        log_event(LOG_INFO, "pause",
                  LOG_S("msg", "WINCH: no more claims; TERM ends, the control "
                               "socket resumes"));
        tell_mode(master);
    }
}

/* ---- children ---- */

static void reap(struct master *master)
{
    struct rusage usage;
    int status;
    pid_t pid;

    while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
        bool worker = slots_on_death(&master->slots, pid, status, &usage);
        (void)worker; /* an orphan: it is gone, that is all */
    }
}

static void act_on_breaker(struct master *master)
{
    struct slots *slots = &master->slots;
    int64_t now = clock_boot_ms(master->clock);

    if (slots->breaker_opened) {
        slots->breaker_opened = false;
        log_event(LOG_ERROR, "breaker_open", LOG_MS("seconds", master->breaker.rest_ms),
                  LOG_S("msg", slots->breaker_why));
        tell_mode(master);
        if (master->options->until_empty && master->stage < STAGE_DRAINING) {
            char *text = mem_printf("nothing can be converted: %s; see converter and `blobforge "
                                    "convert`",
                                    slots->breaker_why);
            note_end(master, EXITCODE_CONFIG, text);
            free(text);
            drain(master, "breaker open");
        }
    }
    if (slots->breaker_closed) {
        slots->breaker_closed = false;
        log_event(LOG_INFO, "breaker_closed");
        tell_mode(master);
    }
    if (breaker_due(&master->breaker, now)) {
        log_event(LOG_INFO, "resume", LOG_S("msg", "breaker: trying again"));
        tell_mode(master);
    }
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
        .pace = pace_of(master->settings),
    };
    if (!patrol_start(&master->patrol_options, &master->janitor)) {
        log_event(LOG_ERROR, "janitor", LOG_S("msg", "thread cannot be started"));
        return;
    }
    master->janitor_store = NULL; /* the thread's now */
    master->janitor_runs = true;
}

/* The level in force: as set, or the best that this machine allows. */
static const char *sandbox_name(const struct settings *settings)
{
    enum sandbox_level level = SANDBOX_AUTO;

    if (!sandbox_level_parse(settings_text(settings, SETTING_SANDBOX), &level) ||
        level == SANDBOX_AUTO)
        level = sandbox_best();
    return sandbox_level_name(level);
}

static void on_opened(struct master *master)
{
    master->opened = true;
    if (master->stage != STAGE_OPENING)
        return; /* told to end meanwhile */
    master->stage = STAGE_RUNNING;
    start_janitor(master);
    master->slots.spawning = true;
    log_event(LOG_INFO, "ready", LOG_I("pid", getpid()), LOG_I("slots", master->slots.wanted),
              LOG_S("store", settings_text(master->settings, SETTING_STORE)),
              LOG_S("sandbox", sandbox_name(master->settings)), LOG_S("version", PACKAGE_VERSION));
}

static void on_ended(struct master *master, struct post *post)
{
    if (post->status == -1) { /* the janitor's */
        pthread_join(master->janitor, NULL);
        master->janitor_runs = false;
        return;
    }
    pthread_join(master->lease, NULL);
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
        break; /* for the status, which comes with the control socket */
    case POST_ENDED:
        on_ended(master, post);
        break;
    case POST_SLOT_READY:
    case POST_SLOT_RETIRE:
    case POST_EVENT:
    case POST_KILLED:
    case POST_MODE:
    case POST_STOP_JOBS:
    case POST_PACE:
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

    slots_check_deadlines(&master->slots);
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

    note_signals(master);
    act_on_signals(master);
    reap(master);
    for (size_t i = 2; i < count; i++) {
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
    int64_t due = slots_next_due(&master->slots);

    if (master->stage == STAGE_DRAINING && !master->stop_sent && master->drain_until_boot_ms < due)
        due = master->drain_until_boot_ms;
    if (gives_up(master) && master->quit_until_boot_ms < due)
        due = master->quit_until_boot_ms;
    if (master->stage == STAGE_ENDING && master->end_until_boot_ms < due)
        due = master->end_until_boot_ms;
    if (master->breaker.state == BREAKER_OPEN && master->breaker.until_boot_ms < due)
        due = master->breaker.until_boot_ms;
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

        pfds = mem_resize(pfds, master->slots.count + 2, sizeof(*pfds));
        owners = mem_resize(owners, master->slots.count + 2, sizeof(*owners));
        pfds[count++] = (struct pollfd){.fd = master->signal_fd, .events = POLLIN};
        pfds[count++] = (struct pollfd){.fd = mailbox_fd(master->inbox), .events = POLLIN};
        for (size_t i = 0; i < master->slots.count; i++) {
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
        if (poll(pfds, count, (int)wait_ms) < 0 && errno != EINTR)
            break;
        sweeping = act(master, pfds, owners, count);
        show_title(master);
    }
    free(pfds);
    free(owners);
}

/* ---- set-up ---- */

/* Before any thread: they inherit the mask. */
static bool block_signals(struct master *master)
{
    static const int wanted[] = {SIGTERM,  SIGINT,  SIGQUIT, SIGHUP, SIGUSR1,
                                 SIGWINCH, SIGTTIN, SIGTTOU, SIGCHLD};
    sigset_t read_here, blocked;

    sigemptyset(&read_here);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        sigaddset(&read_here, wanted[i]);
    blocked = read_here;
    sigaddset(&blocked, SIGPIPE);
    sigaddset(&blocked, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    master->signal_fd = signalfd(-1, &read_here, SFD_CLOEXEC | SFD_NONBLOCK);
    return master->signal_fd >= 0;
}

static int open_store(struct master *master, struct store **store_r, char **text_r)
{
    enum store_open_status opened =
        store_settings_open(master->settings, clock_system(), rng_system(), false, store_r, text_r);

    if (opened == STORE_OPEN_OK)
        return 0;
    *store_r = NULL;
    return store_open_exitcode(opened);
}

static int open_stores(struct master *master, char **text_r)
{
    int status;

    master->prefix = store_settings_prefix(master->settings, text_r);
    if (master->prefix == NULL)
        return EXITCODE_CONFIG;
    status = open_store(master, &master->lease_store, text_r);
    if (status == 0)
        status = open_store(master, &master->janitor_store, text_r);
    return status;
}

static bool start_lease(struct master *master)
{
    const struct master_options *options = master->options;

    master->lease_options = (struct lease_options){
        .store = master->lease_store,
        .inbox = master->to_lease,
        .to_main = master->inbox,
        .settings = master->first_settings,
        .prefix = master->prefix,
        .worker_id = options->worker_id,
        .incarnation = options->lease_incarnation,
        .host = options->host,
        .work_dir = settings_text(master->first_settings, SETTING_WORK_DIR),
        .instance = settings_text(master->first_settings, SETTING_INSTANCE),
        .old_incarnations = options->old_incarnations,
        .old_count = options->old_count,
        .remote = store_settings_is_remote(master->first_settings),
        .until_empty = options->until_empty,
        .pace = pace_of(master->settings),
        .opened = instance_forget_secrets,
    };
    if (!lease_start(&master->lease_options, &master->lease))
        return false;
    master->lease_store = NULL; /* the thread's now */
    master->lease_runs = true;
    return true;
}

/* Three descriptors a slot or so, with thousands of slots. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= 32768)
        return;
    limit.rlim_cur = limit.rlim_max < 32768 ? limit.rlim_max : 32768;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Folders of workers that were killed, this run's or an earlier one's, and what still runs in them.
 */
static void sweep_folders(const struct master *master)
{
    char *prefix = mem_printf("%s.slot", settings_text(master->first_settings, SETTING_INSTANCE));
    int swept = slot_folders_sweep(settings_text(master->first_settings, SETTING_WORK_DIR), prefix);

    if (swept > 0)
        log_event(LOG_INFO, "recover", LOG_I("folders", swept),
                  LOG_S("msg", "work folders of killed workers swept"));
    free(prefix);
}

static int set_up(struct master *master, char **text_r)
{
    int status;

    mallopt(M_ARENA_MAX, 2); /* three threads that allocate little: memory before speed */
    raise_descriptor_limit();
    mallopt(M_TRIM_THRESHOLD, 128 * 1024);
    if (!block_signals(master) || !children_adopt()) {
        *text_r = mem_printf("cannot set up signals or child reaping: %s", strerror(errno));
        return EXITCODE_OSERR;
    }
    master->inbox = mailbox_create();
    master->to_lease = mailbox_create();
    master->to_janitor = mailbox_create();
    atomic_store(&master->janitor_interval_ms,
                 settings_number(master->settings, SETTING_JANITOR_INTERVAL));
    status = open_stores(master, text_r);
    if (status != 0)
        return status;
    sweep_folders(master);
    slots_resize(&master->slots, (size_t)settings_number(master->settings, SETTING_SLOTS));
    if (!start_lease(master)) {
        *text_r = mem_printf("cannot start a thread: %s", strerror(errno));
        return EXITCODE_OSERR;
    }
    return 0;
}

int master_run(const struct master_options *options, struct master_end *end_r)
{
    struct master master = {.options = options,
                            .settings = options->settings,
                            .first_settings = options->settings,
                            .clock = clock_system(),
                            .signal_fd = -1,
                            .orderly = true};
    int status;

    memset(end_r, 0, sizeof(*end_r));
    master.slots.settings = options->settings;
    master.slots.worker_id = options->worker_id;
    master.slots.breaker = &master.breaker;
    master.slots.clock = master.clock;
    master.slots.rng = rng_system();
    status = set_up(&master, &end_r->text);
    if (status == 0) {
        master.orderly = false;
        master.slots.to_lease = master.to_lease;
        loop(&master);
        sweep_folders(&master);
        status = master.status;
        end_r->text = master.text;
        if (master.lease_runs && !master.opened) {
            master.orderly = true;
        } else if (master.lease_runs) {
            status = EXITCODE_UNAVAILABLE;
            end_r->text =
                mem_strdup("jobs could not be given back: the store does not answer; they "
                           "are taken over at the next start");
        }
        log_event(LOG_INFO, "stop", LOG_I("status", status));
    }
    end_r->orderly = master.orderly;
    end_r->threads_left = master.lease_runs || master.janitor_runs;
    if (end_r->threads_left)
        return status;
    slots_destroy(&master.slots);
    store_close(master.lease_store);
    store_close(master.janitor_store);
    free(master.prefix);
    mailbox_destroy(master.inbox);
    mailbox_destroy(master.to_lease);
    mailbox_destroy(master.to_janitor);
    if (master.settings != master.first_settings)
        settings_destroy(master.settings);
    if (master.signal_fd >= 0)
        close(master.signal_fd);
    return status;
}
