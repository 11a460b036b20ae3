/* See master.h: what is made before the loop runs. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include "base/alloc.h"
#include "base/exitcode.h"
#include "base/json.h"
#include "base/log.h"
#include "convert/slot.h"
#include "daemon/children.h"
#include "daemon/instance.h"
#include "daemon/master_private.h"
#include "store/store_settings.h"

static void signals_we_read(sigset_t *set_r)
{
    static const int wanted[] = {SIGTERM, SIGINT,   SIGQUIT, SIGHUP,  SIGUSR1,
                                 SIGUSR2, SIGWINCH, SIGTTIN, SIGTTOU, SIGCHLD};

    sigemptyset(set_r);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        sigaddset(set_r, wanted[i]);
}

void master_hold_signals(void)
{
    sigset_t blocked;

    signals_we_read(&blocked);
    sigaddset(&blocked, SIGPIPE);
    signal(SIGCHLD, SIG_DFL); /* inherited as ignored, the kernel would reap behind our back */
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
}

static bool open_signals(struct master *master)
{
    sigset_t set;

    signals_we_read(&set);
    master->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
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
    if (status == 0 && store_settings_is_soft(master->settings))
        store_be_soft(master->janitor_store);
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
        .pace = master_pace(master->settings),
        .slots = (int64_t)master->slots.wanted,
        .handover = options->handover == NULL ? NULL : json_get_object(options->handover, "lease"),
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
void master_sweep_folders(const struct master *master)
{
    char *prefix = mem_printf("%s.slot", settings_text(master->first_settings, SETTING_INSTANCE));
    int swept = slot_folders_sweep(settings_text(master->first_settings, SETTING_WORK_DIR), prefix);

    if (swept > 0)
        log_event(LOG_INFO, "recover", LOG_I("folders", swept),
                  LOG_S("msg", "work folders of killed workers swept"));
    free(prefix);
}

int master_open(struct master *master, char **text_r)
{
    int status;

    mallopt(M_ARENA_MAX, 2); /* three threads that allocate little: memory before speed */
    raise_descriptor_limit();
    mallopt(M_TRIM_THRESHOLD, 128 * 1024);
    /* What a converter said last (RUN_TAIL_MAX) passes through as whole blocks: back to the host
     * at once, not holes in a heap that only grows. */
    mallopt(M_MMAP_THRESHOLD, 32 * 1024);
    if (!open_signals(master) || !children_adopt()) {
        *text_r = mem_printf("cannot set up signals or child reaping: %s", strerror(errno));
        return EXITCODE_OSERR;
    }
    status = control_open(master->settings, master_on_control, master, &master->control, text_r);
    if (status != 0)
        return status;
    master->inbox = mailbox_create();
    master->to_lease = mailbox_create();
    master->to_janitor = mailbox_create();
    atomic_store(&master->janitor_interval_ms,
                 settings_number(master->settings, SETTING_JANITOR_INTERVAL));
    status = open_stores(master, text_r);
    if (status != 0)
        return status;
    if (master->options->handover == NULL) {
        slots_resize(&master->slots, (size_t)settings_number(master->settings, SETTING_SLOTS));
        master_sweep_folders(master);
    } else if (!master_take_over(master)) {
        *text_r = mem_strdup("what the earlier program handed over cannot be read; its jobs are "
                             "taken over at the next start");
        return EXITCODE_SOFTWARE;
    }
    master_window_load(master);
    if (!start_lease(master)) {
        *text_r = mem_printf("cannot start a thread: %s; try again when the machine is less busy",
                             strerror(errno));
        return EXITCODE_OSERR;
    }
    return 0;
}
