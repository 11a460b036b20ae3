/* blobforged: options, settings, and the way into the master or (with the internal -x) a worker.
 *
 * Runs in the foreground only. Exit statuses are those of blobforged(8); every end but a good one
 * says why on standard error in one line. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/exitcode.h"
#include "base/human.h"
#include "base/json.h"
#include "base/log.h"
#include "base/quote.h"
#include "convert/command.h"
#include "convert/room.h"
#include "daemon/control.h"
#include "daemon/handover.h"
#include "daemon/instance.h"
#include "daemon/master.h"
#include "daemon/notify.h"
#include "daemon/pid1.h"
#include "daemon/window.h"
#include "daemon/worker.h"
#include "queue/identity.h"
#include "queue/keys.h"
#include "store/store_settings.h"

#include "config.h"

#define CONFIG_FILE BF_SYSCONFDIR "/blobforge/blobforge.conf"

enum {
    OPTION_UNTIL_EMPTY = 256,
    OPTION_PID1,
    OPTION_VERSION,
    OPTION_HELP
};

struct options {
    const char *file; /* NULL: the system's, if there is one */
    char **sets;      /* NAME=VALUE, in their order; -n and -i among them */
    size_t set_count;
    int verbose;
    bool check, print, until_empty, pid1, version, help, worker;
    bool probe;                   /* -x sandbox: says whether cells can be had */
    bool asked;                   /* -x handover: by the program whose place we are to take */
    struct json_object *handover; /* what it handed over; NULL: an ordinary start */
};

/* A configuration file may have several faults, a line each. */
static void complain(const char *text)
{
    while (*text != '\0') {
        int len = (int)strcspn(text, "\n");
        fprintf(stderr, "blobforged: %.*s\n", len, text);
        text += len + (text[len] == '\n');
    }
}

/* Takes ownership of `set`. */
static void add_set(struct options *options, char *set)
{
    options->sets = mem_resize(options->sets, options->set_count + 1, sizeof(*options->sets));
    options->sets[options->set_count++] = set;
}

/* -n and -i are settings of their own letter: what they do not take is a usage error that names
 * the letter. */
static bool add_letter(struct options *options, char letter, enum setting_id id, const char *value)
{
    struct settings *scratch = settings_create();
    char *error = NULL;
    bool taken = settings_set(scratch, setting_name(id), value, SETTING_OPTION, &error);

    settings_destroy(scratch);
    if (taken)
        add_set(options, mem_printf("%s=%s", setting_name(id), value));
    else
        fprintf(stderr, "blobforged: -%c: %s\n", letter, error);
    free(error);
    return taken;
}

static bool read_options(int argc, char **argv, struct options *options_r)
{
    static const struct option longs[] = {
        {"until-empty", no_argument, NULL, OPTION_UNTIL_EMPTY},
        {"pid1", no_argument, NULL, OPTION_PID1},
        {"version", no_argument, NULL, OPTION_VERSION},
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
    };
    int c;

    memset(options_r, 0, sizeof(*options_r));
    while ((c = getopt_long(argc, argv, "n:f:i:o:tTvx:", longs, NULL)) != -1) {
        switch (c) {
        case 'n':
            if (!add_letter(options_r, 'n', SETTING_SLOTS, optarg))
                return false;
            break;
        case 'i':
            if (!add_letter(options_r, 'i', SETTING_INSTANCE, optarg))
                return false;
            break;
        case 'o':
            add_set(options_r, mem_strdup(optarg));
            break;
        case 'f':
            options_r->file = optarg;
            break;
        case 't':
            options_r->check = true;
            break;
        case 'T':
            options_r->print = true;
            break;
        case 'v':
            options_r->verbose++;
            break;
        case 'x':
            options_r->worker = strcmp(optarg, "worker") == 0;
            options_r->asked = strcmp(optarg, "handover") == 0;
            options_r->probe = strcmp(optarg, "sandbox") == 0;
            if (!options_r->worker && !options_r->asked && !options_r->probe)
                return false;
            break;
        case OPTION_UNTIL_EMPTY:
            options_r->until_empty = true;
            break;
        case OPTION_PID1:
            options_r->pid1 = true;
            break;
        case OPTION_VERSION:
            options_r->version = true;
            break;
        case OPTION_HELP:
            options_r->help = true;
            break;
        default:
            return false;
        }
    }
    if (optind < argc) {
        char *name = quote_name(argv[optind]);
        fprintf(stderr, "blobforged: %s: takes no operands; `blobforged --help` says more\n", name);
        free(name);
        return false;
    }
    return true;
}

static void options_release(struct options *options)
{
    for (size_t i = 0; i < options->set_count; i++)
        free(options->sets[i]);
    free(options->sets);
}

static void print_help(void)
{
    puts("usage: blobforged [-tTv] [-f FILE] [-i INSTANCE] [-n SLOTS] [-o NAME=VALUE] ...\n"
         "                  [--until-empty] [--pid1]\n"
         "Converts the documents of a bucket, in the foreground; see blobforged(8).\n"
         "\n"
         "  -n SLOTS       conversions at a time (default: number of cores)\n"
         "  -f FILE        configuration file instead of " CONFIG_FILE "\n"
         "  -i INSTANCE    name of this daemon on this host (default: main)\n"
         "  -o NAME=VALUE  sets a setting; may be repeated\n"
         "  -t             checks the configuration and ends\n"
         "  -T             prints the settings and where they come from, and ends\n"
         "  -v             logs more; may be repeated\n"
         "  --until-empty  ends when no job is left\n"
         "  --pid1         first process of a container: reaps orphans, hands signals on\n"
         "  --version, --help");
}

/* ---- settings ---- */

/* What each job would be refused for: the converter's words, those around it, its environment. */
static bool check_converter(const struct settings *settings, char **error_r)
{
    const char *wrapper = settings_text(settings, SETTING_SANDBOX_COMMAND);
    bool wraps = strcmp(settings_text(settings, SETTING_SANDBOX), "command") == 0;
    struct command command, wrapped = {NULL, 0}, env = {NULL, 0};
    enum setting_id at = SETTING_CONVERTER;
    enum command_result parsed = command_parse(settings_text(settings, at), &command);

    if (parsed == COMMAND_OK && (wraps || *wrapper != '\0'))
        parsed = command_wrap(wrapper, &command, "/", &wrapped), at = SETTING_SANDBOX_COMMAND;
    if (parsed == COMMAND_OK)
        parsed = command_env(settings_text(settings, SETTING_CONVERTER_ENV), &env),
        at = SETTING_CONVERTER_ENV;
    command_release(&command);
    command_release(&wrapped);
    command_release(&env);
    if (parsed != COMMAND_OK)
        *error_r = mem_printf("%s: %s; see blobforge-converter(7)", setting_name(at),
                              command_result_text(parsed));
    return parsed == COMMAND_OK;
}

/* What the loader does not know: the converter's words, the store's URL, the prefix in keys, the
 * certificates to trust, this host's groups. */
static bool check_settings(const struct settings *settings, char **error_r)
{
    struct window window;
    const char *wrong;
    struct keys keys;
    gid_t group;
    char *prefix;
    bool usable;

    if (!check_converter(settings, error_r) || !control_find_group(settings, &group, error_r))
        return false;
    wrong = window_parse(settings_text(settings, SETTING_RUN_WINDOW), &window);
    if (wrong != NULL) {
        *error_r =
            mem_printf("run_window: '%s' %s", settings_text(settings, SETTING_RUN_WINDOW), wrong);
        return false;
    }
    prefix = store_settings_prefix(settings, error_r);
    if (prefix == NULL)
        return false;
    usable = keys_init(&keys, prefix);
    free(prefix);
    if (!usable)
        *error_r = mem_strdup("prefix: not usable in keys; give one without '//', '.' or '..'");
    return usable && store_settings_check(settings, error_r);
}

/* All sources in their order. NULL with *error_r. */
static struct settings *load_settings(void *arg, char **error_r)
{
    const struct options *options = arg;
    struct settings *settings = settings_create();
    bool loaded;

    *error_r = NULL;
    loaded = settings_load_file(settings, options->file == NULL ? CONFIG_FILE : options->file,
                                options->file != NULL, error_r) &&
             settings_load_env(settings, error_r);
    for (size_t i = 0; loaded && i < options->set_count; i++)
        loaded = settings_set_option(settings, options->sets[i], error_r);
    if (loaded && check_settings(settings, error_r))
        return settings;
    settings_destroy(settings);
    return NULL;
}

/* What is set and does nothing in this version: said once, a line each. */
static void warn_of_idle_settings(const struct settings *settings, bool to_log)
{
    for (enum setting_id id = 0; id < SETTING_COUNT; id++) {
        if (setting_has_effect(id) || settings_origin(settings, id) == SETTING_DEFAULT)
            continue;
        if (to_log)
            log_event(LOG_WARNING, "start", LOG_S("setting", setting_name(id)),
                      LOG_S("msg", "has no effect in this version"));
        else
            fprintf(stderr, "blobforged: %s: has no effect in this version; remove it\n",
                    setting_name(id));
    }
}

static void print_settings(const struct settings *settings)
{
    for (enum setting_id id = 0; id < SETTING_COUNT; id++) {
        struct buf value = BUF_INIT;
        setting_print(settings, id, &value);
        printf("%s = %s  # %s\n", setting_name(id), buf_text(&value),
               setting_origin_name(settings_origin(settings, id)));
        buf_release(&value);
    }
}

static bool set_up_log(const struct settings *settings, const struct options *options)
{
    enum log_level level = LOG_INFO;

    if (log_level_parse(settings_text(settings, SETTING_LOG_LEVEL), &level) && options->verbose > 0)
        level = LOG_DEBUG;
    log_set_level(level);
    log_set_json(strcmp(settings_text(settings, SETTING_LOG_FORMAT), "json") == 0);
    return log_open(settings_text(settings, SETTING_LOG_FILE));
}

static char *log_refusal(const struct settings *settings)
{
    int error = errno;
    char *name = quote_name(settings_text(settings, SETTING_LOG_FILE));
    char *text = mem_printf("cannot open log_file %s: %s; choose another or \"stderr\"", name,
                            strerror(error));

    free(name);
    return text;
}

/* ---- running ---- */

/* What an earlier program of this process was called, we are called. */
static void keep_identity(const struct options *options, char **worker_id,
                          char incarnation[static INCARNATION_SIZE])
{
    const char *id = json_get_text(options->handover, "worker_id");
    const char *run = json_get_text(options->handover, "incarnation");

    if (id != NULL) {
        free(*worker_id);
        *worker_id = mem_strdup(id);
    }
    if (run != NULL && strlen(run) == INCARNATION_SIZE - 1)
        memcpy(incarnation, run, INCARNATION_SIZE);
}

static int run_master(struct settings *settings, const struct options *options,
                      const struct instance *instance, bool *threads_left_r, char **error_r)
{
    char *worker_id = identity_daemon_id(settings_text(settings, SETTING_WORKER_ID),
                                         settings_text(settings, SETTING_RUN_DIR),
                                         settings_text(settings, SETTING_INSTANCE));
    char *host = identity_host();
    /* Static: a thread that hangs in the store outlives this call. */
    static char lease_incarnation[INCARNATION_SIZE], janitor_incarnation[INCARNATION_SIZE];
    static const char *before[INCARNATIONS_MAX];
    static struct incarnations incarnations;
    static struct master_options master;
    const char *ours[] = {lease_incarnation, janitor_incarnation};
    struct master_end end = {.text = NULL};
    int status;

    identity_incarnation(rng_system(), lease_incarnation);
    identity_incarnation(rng_system(), janitor_incarnation);
    if (options->handover != NULL)
        keep_identity(options, &worker_id, lease_incarnation);
    status =
        incarnations_remember(settings, worker_id, ours, ARRAY_LEN(ours), &incarnations, error_r);
    if (status == 0) {
        for (size_t i = 0; i < incarnations.count; i++)
            before[i] = incarnations.all[i];
        log_event(LOG_INFO, options->handover == NULL ? "start" : "upgrade", LOG_S("id", worker_id),
                  LOG_I("pid", getpid()), LOG_S("version", PACKAGE_VERSION));
        master = (struct master_options){.settings = settings,
                                         .reload = load_settings,
                                         .reload_arg = (void *)options,
                                         .worker_id = worker_id,
                                         .host = host,
                                         .lease_incarnation = lease_incarnation,
                                         .janitor_incarnation = janitor_incarnation,
                                         .old_incarnations = before,
                                         .old_count = incarnations.count,
                                         .until_empty = options->until_empty,
                                         .pid_fd = instance_pid_fd(instance),
                                         .handover = options->handover};
        status = master_run(&master, &end);
        *error_r = end.text;
        *threads_left_r = end.threads_left;
        if (end.orderly)
            incarnations_forget(settings, worker_id, ours, ARRAY_LEN(ours));
        if (end.threads_left)
            return status; /* they borrow the names */
    }
    free(worker_id);
    free(host);
    return status;
}

/* WARNING: between fork and exec: async-signal-safe calls only. */
static void NO_RETURN become_probe(void)
{
    char *const words[] = {(char *)"blobforged", (char *)"-x", (char *)"sandbox", NULL};
    char *const nothing[] = {NULL};
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
    execve("/proc/self/exe", words, nothing);
    _exit(UINT8_MAX);
}

/* What the sandbox can be here, as our workers will find it: see room_probe_learn(). */
static void learn_sandbox(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        become_probe();
    if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status))
        room_probe_learn(WEXITSTATUS(status)); /* else we find it ourselves */
}

static int run_daemon(struct settings *settings, const struct options *options)
{
    struct instance *instance = NULL;
    char *note = NULL, *error = NULL;
    bool threads_left = false;
    int status;

    notify_open();
    if (options->handover == NULL) {
        status = instance_enter(settings, &instance, &note, &error);
    } else {
        int64_t pid_fd = -1;
        json_get_int(options->handover, "pid_fd", &pid_fd);
        instance = instance_adopt(settings, (int)pid_fd);
        status = 0;
    }

    if (status == 0 && !set_up_log(settings, options)) {
        error = log_refusal(settings);
        status = EXITCODE_CANTCREAT;
    }
    if (status == 0) {
        if (note != NULL)
            log_event(LOG_WARNING, "start", LOG_S("msg", note));
        warn_of_idle_settings(settings, true);
        learn_sandbox();
        store_settings_guard_memory();
        status = run_master(settings, options, instance, &threads_left, &error);
    }
    if (status != 0 && error != NULL)
        complain(error);
    free(error);
    free(note);
    instance_leave(instance);
    if (threads_left) /* one may still look at what we would free */
        _exit(status);
    return status;
}

/* Settings that hold until a real restart stay what they were, whatever the file says now: jobs,
 * folders and locks hang on them. */
static bool keep_fixed_settings(const struct options *options, struct settings *settings,
                                char **error_r)
{
    struct json_object *kept = json_get_object(options->handover, "settings");

    for (enum setting_id id = 0; kept != NULL && id < SETTING_COUNT; id++) {
        struct json_object *line = json_get_object(kept, setting_name(id));
        const char *value = line == NULL ? NULL : json_get_text(line, "value");
        int64_t origin = SETTING_DEFAULT;
        if (value == NULL || setting_reloadable(id))
            continue;
        json_get_int(line, "origin", &origin);
        if (!settings_set(settings, setting_name(id), value, (enum setting_origin)origin, error_r))
            return false;
    }
    return true;
}

/* What a start would do with the settings and find impossible; nothing is changed for it. */
static int check_start(const struct settings *settings)
{
    char *error;

    if (log_can_open(settings_text(settings, SETTING_LOG_FILE)))
        return EXITCODE_OK;
    error = log_refusal(settings);
    complain(error);
    free(error);
    return EXITCODE_CANTCREAT;
}

/* What was to be read must have been written. */
static int end_output(int status)
{
    char *error;

    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return status;
    error = mem_printf("standard output: %s; the answer is not complete",
                       errno != 0 ? strerror(errno) : "cannot be written");
    complain(error);
    free(error);
    return status == EXITCODE_OK ? EXITCODE_IOERR : status;
}

/* All but the worker, which has no settings. */
static int act(struct options *options)
{
    struct settings *settings;
    char *error = NULL;
    int status = EXITCODE_OK;

    if (options->help || options->version) {
        if (options->help)
            print_help();
        else
            puts("blobforged " PACKAGE_VERSION);
        return EXITCODE_OK;
    }
    if (!options->print && !options->check && !options->asked)
        master_hold_signals();
    settings = load_settings(options, &error);
    if (settings != NULL && !keep_fixed_settings(options, settings, &error)) {
        settings_destroy(settings);
        settings = NULL;
    }
    if (settings == NULL) {
        complain(error == NULL ? "configuration: cannot be read" : error);
        free(error);
        return EXITCODE_CONFIG;
    }
    if (options->print) {
        print_settings(settings);
    } else if (options->check || options->asked) {
        status = check_start(settings);
        if (options->check && status == EXITCODE_OK) {
            warn_of_idle_settings(settings, false);
            puts("configuration is fine");
        } else if (status == EXITCODE_OK) {
            puts(handover_version());
        }
    } else if (!options->pid1 || options->handover != NULL || pid1_split(&status))
        status = run_daemon(settings, options);
    settings_destroy(settings);
    return status;
}

/* Whoever started us with 0, 1 or 2 closed would have the log written into a socket. */
static void open_standard_files(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv, char **envp)
{
    struct options options;
    int status = EXITCODE_USAGE;
    char *error = NULL;

    open_standard_files();
    handover_remember(argc, argv);
    instance_note_environment(envp);
    setproctitle_init(argc, argv, envp);
    instance_wipe_environment();
    umask(0027);
    if (!read_options(argc, argv, &options)) {
        status = EXITCODE_USAGE;
    } else if (options.worker) {
        status = worker_main();
    } else if (options.probe) {
        status = room_probe_step();
    } else if (!handover_take(&options.handover, &error)) {
        complain(error);
        status = EXITCODE_SOFTWARE;
    } else {
        if (options.handover != NULL) {
            instance_restore_secrets(json_get_object(options.handover, "environment"));
            json_remove(options.handover, "environment");
        }
        status = act(&options);
        if (options.help || options.version || options.print || options.check || options.asked)
            status = end_output(status);
    }
    free(error);
    json_object_put(options.handover);
    options_release(&options);
    return status;
}
