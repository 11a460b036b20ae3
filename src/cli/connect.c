/* A command's way to its bucket: opening, naming jobs, and what a failure means as exit status. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/quote.h"
#include "cli/cli_private.h"
#include "queue/gate.h"

/* ---- opening ---- */

static enum exitcode say_open_failed(struct cli *cli, enum store_open_status status, char *error)
{
    enum exitcode code = (enum exitcode)store_open_exitcode(status);

    if (settings_origin(cli->settings, SETTING_STORE) != SETTING_DEFAULT) {
        cli_error("%s", error);
    } else {
        cli_error("no store is configured, and the default, %s, %s; name one with --store URL, "
                  "BLOBFORGE_STORE or `store = URL` in %s",
                  settings_text(cli->settings, SETTING_STORE),
                  status == STORE_OPEN_MISSING ? "is not there" : "cannot be used",
                  cli->unreadable != NULL ? "your ~/.config/blobforge/blobforge.conf"
                                          : BF_SYSCONFDIR "/blobforge/blobforge.conf");
        if (status != STORE_OPEN_MISSING)
            cli_error("%s", error);
        if (cli->unreadable != NULL)
            cli_error("%s: you may not read it; join group blobforge to use it", cli->unreadable);
        code = EXITCODE_CONFIG;
    }
    free(error);
    return code;
}

static struct store *open_store(struct cli *cli, bool must_exist, enum exitcode *code_r)
{
    struct store *store = NULL;
    char *error = NULL;
    enum store_open_status status;

    if (store_settings_is_remote(cli->settings))
        store_settings_guard_memory();
    status = store_settings_open(cli->settings, clock_system(), rng_system(), must_exist, &store,
                                 &error);
    *code_r = EXITCODE_OK;
    if (status != STORE_OPEN_OK)
        *code_r = say_open_failed(cli, status, error);
    return store;
}

struct store *cli_open_store(struct cli *cli)
{
    enum exitcode code;

    return open_store(cli, true, &code);
}

/* What the protocol wants a person to know; at -v. */
static void on_notice(void *arg, const char *event, const char *hash, const char *text)
{
    const struct cli *cli = arg;

    if (cli_verbose(cli) > 0)
        cli_error("%s: %.12s: %s", event, hash != NULL ? hash : "-", text != NULL ? text : "");
}

/* A directory is made only where somebody named it, and it is said: a word mistyped in a URL must
 * not look like an empty library. */
static struct store *open_or_make(struct cli *cli, bool create, enum exitcode *code_r)
{
    bool named = settings_origin(cli->settings, SETTING_STORE) != SETTING_DEFAULT;
    const char *url = settings_text(cli->settings, SETTING_STORE);
    struct store *store = NULL;
    char *error = NULL;

    *code_r = EXITCODE_OK;
    if (create && named && !store_settings_is_remote(cli->settings) &&
        store_settings_open(cli->settings, clock_system(), rng_system(), true, &store, &error) ==
            STORE_OPEN_MISSING) {
        free(error);
        store = open_store(cli, false, code_r);
        if (store != NULL)
            cli_note(cli, "store %s: was not there, it is made", url);
        return store;
    }
    store_close(store);
    free(error);
    return open_store(cli, true, code_r);
}

static enum exitcode connect_queue(struct cli *cli, bool create)
{
    struct queue *queue = &cli->queue;
    enum exitcode code;
    char *error = NULL;
    char *prefix = store_settings_prefix(cli->settings, &error);

    if (prefix == NULL || !keys_init(&queue->keys, prefix)) {
        char *quoted = quote_name(prefix);
        if (prefix == NULL)
            cli_error("%s", error);
        else
            cli_error("prefix: %s cannot begin keys; give words with / between, such as pdf/",
                      quoted);
        free(quoted);
        free(prefix);
        free(error);
        return EXITCODE_CONFIG;
    }
    free(prefix);
    cli->store = open_or_make(cli, create, &code);
    if (cli->store == NULL)
        return code;
    queue->store = cli->store;
    queue->clock = clock_system();
    queue->rng = rng_system();
    queue_limits_default(&queue->limits);
    queue->limits.retry_base_ms = settings_number(cli->settings, SETTING_RETRY_BASE);
    queue->limits.retry_max_ms = settings_number(cli->settings, SETTING_RETRY_MAX);
    cli->worker = identity_command_id(settings_text(cli->settings, SETTING_RUN_DIR));
    cli->host = identity_host();
    identity_incarnation(queue->rng, cli->incarnation);
    queue->identity = (struct queue_identity){
        .worker = cli->worker, .incarnation = cli->incarnation, .host = cli->host, .pid = getpid()};
    queue->notice = on_notice;
    queue->notice_arg = cli;
    return EXITCODE_OK;
}

static struct store *open_for_gate(void *arg, const char *address)
{
    return store_settings_open_pinned(cli_settings(arg), address);
}

/* A directory declares what it can do; a server is believed only after the gate has looked. */
static enum exitcode pass_gate(struct cli *cli)
{
    struct gate_opener opener = {open_for_gate, NULL, cli};
    struct gate_report report;
    enum exitcode code = EXITCODE_OK;

    if (!store_settings_is_remote(cli->settings))
        return EXITCODE_OK;
    if (store_settings_is_soft(cli->settings)) {
        cli_note(cli, "s3_conditional_writes is soft: the store is not asked what it promises");
        store_be_soft(cli->queue.store);
        return EXITCODE_OK;
    }
    gate_check(&cli->queue, &opener, false, &report);
    switch (report.verdict) {
    case GATE_FIT:
        break;
    case GATE_UNFIT:
        cli_error("store %s: refused: %s", settings_text(cli->settings, SETTING_STORE),
                  report.reason != NULL ? report.reason : "it does not keep its promises");
        code = EXITCODE_PARTIAL;
        break;
    case GATE_UNREACHABLE:
        code = cli_queue_failed(cli, report.unreachable == STORE_FATAL ? QUEUE_FATAL : QUEUE_AGAIN,
                                NULL, mem_strdup(report.reason));
        break;
    }
    gate_report_release(&report);
    return code;
}

/* Nothing is read from, let alone written to, a bucket of a format that is not known. */
static enum exitcode check_format(struct cli *cli)
{
    char *error = NULL;
    enum queue_result result = fleet_check_format(&cli->queue, &error);

    if (result == QUEUE_OK || result == QUEUE_DAMAGED) { /* who needs the settings says so */
        free(error);
        return EXITCODE_OK;
    }
    return cli_queue_failed(cli, result, error == NULL ? "settings in the bucket" : NULL, error);
}

static enum exitcode read_fleet(struct cli *cli, unsigned flags)
{
    char *error = NULL;
    enum queue_result result = fleet_refresh(&cli->queue, &cli->fleet, &cli->queue.limits, &error);

    if (result == QUEUE_OK)
        return EXITCODE_OK;
    if (result == QUEUE_DAMAGED) { /* who only looks can go on with the local values */
        cli_error("settings in the bucket: %s", error != NULL ? error : "unreadable");
        free(error);
        return cli->fleet.read_boot_ms != 0 || (flags & CLI_WRITE) == 0 ? EXITCODE_OK
                                                                        : EXITCODE_DATAERR;
    }
    return cli_queue_failed(cli, result, error == NULL ? "settings in the bucket" : NULL, error);
}

enum exitcode cli_open(struct cli *cli, unsigned flags, struct queue **queue_r)
{
    enum exitcode code = EXITCODE_OK;

    *queue_r = &cli->queue;
    if (cli->store == NULL)
        code = connect_queue(cli, (flags & CLI_CREATE) != 0);
    if (code == EXITCODE_OK && !cli->format_known && (flags & CLI_ANY_FORMAT) == 0) {
        /* CLI_FLEET alone sees it while reading. */
        if ((flags & (CLI_FLEET | CLI_WRITE)) != CLI_FLEET)
            code = check_format(cli);
        cli->format_known = code == EXITCODE_OK;
    }
    if (code == EXITCODE_OK && (flags & ~cli->opened & CLI_WRITE) != 0)
        code = pass_gate(cli);
    if (code == EXITCODE_OK && (flags & ~cli->opened & CLI_FLEET) != 0)
        code = read_fleet(cli, flags);
    if (code == EXITCODE_OK)
        cli->opened |= flags;
    return code;
}

/* Every setting that is not its default, then the file, the options, the store. */
static bool copy_settings(const struct settings *from, const char *url, const char *config,
                          const char *const *options, size_t count, struct settings *to,
                          char **error_r)
{
    bool ok = true;

    for (int id = 0; id < SETTING_COUNT && ok; id++) {
        enum setting_origin origin = settings_origin(from, (enum setting_id)id);
        struct buf value = BUF_INIT;

        if (origin != SETTING_DEFAULT && id != SETTING_STORE) {
            setting_print(from, (enum setting_id)id, &value);
            ok = settings_set(to, setting_name((enum setting_id)id), buf_text(&value), origin,
                              error_r);
        }
        buf_release(&value);
    }
    if (ok && config != NULL)
        ok = settings_load_file(to, config, true, error_r);
    for (size_t i = 0; i < count && ok; i++)
        ok = settings_set_option(to, options[i], error_r);
    return ok && settings_set(to, setting_name(SETTING_STORE), url, SETTING_OPTION, error_r);
}

struct cli *cli_other(const struct cli *cli, const char *url, const char *config,
                      const char *const *options, size_t count)
{
    struct cli *other = mem_alloc(sizeof(*other));
    char *error = NULL;

    other->command = cli->command;
    other->args = cli->args;
    other->settings = settings_create();
    if (!copy_settings(cli->settings, url, config, options, count, other->settings, &error)) {
        cli_error("%s", error);
        free(error);
        cli_other_close(other);
        return NULL;
    }
    return other;
}

void cli_other_close(struct cli *other)
{
    if (other == NULL)
        return;
    cli_disconnect(other);
    settings_destroy(other->settings);
    free(other->values);
    free(other);
}

void cli_disconnect(struct cli *cli)
{
    store_close(cli->store);
    free(cli->worker);
    free(cli->host);
}

/* ---- failures ---- */

/* A store that refuses for good: is it the key, the bucket or this one thing? One listing tells. */
static enum exitcode refusal_exitcode(struct cli *cli)
{
    struct store_op op;
    enum exitcode code = EXITCODE_PARTIAL;
    enum store_status status;
    int denied = store_refusal_errno(cli->store);

    if (denied == EACCES || denied == EPERM) /* a folder in the directory, not all of it perhaps */
        return EXITCODE_NOPERM;
    store_op_init(&op, STORE_LIST, cli->queue.keys.prefix);
    op.max_keys = 1;
    status = store_do(cli->store, &op);
    if (status == STORE_FATAL) {
        if (op.http_status_r == 401 || op.http_status_r == 403)
            code = EXITCODE_NOPERM;
        else if (op.http_status_r == 404)
            code = EXITCODE_UNAVAILABLE;
        else if (op.http_status_r != 0)
            code = EXITCODE_CONFIG;
        else
            code = EXITCODE_IOERR;
    } else if (status == STORE_AGAIN) {
        code = EXITCODE_UNAVAILABLE;
    }
    store_op_release(&op);
    return code;
}

static const char *result_text(enum queue_result result)
{
    switch (result) {
    case QUEUE_OK:
        return "done";
    case QUEUE_NONE:
        return "no such job; `blobforge list` counts what is there";
    case QUEUE_BUSY:
        return "somebody else holds its lock; try again";
    case QUEUE_LOST:
        return "its lock was lost; try again";
    case QUEUE_CANCEL:
        return "it is being cancelled; its daemon stops it with its next heartbeat";
    case QUEUE_EXPIRED:
        return "took longer than the lease; try again";
    case QUEUE_DAMAGED:
        return "a record is damaged; `blobforge janitor` puts right what can be";
    case QUEUE_UNKNOWN:
        return "a write was not answered: it may have happened; look with `blobforge status` and "
               "try again";
    case QUEUE_AGAIN:
        return "the store does not answer; try again";
    case QUEUE_FATAL:
        return "the store refuses; `blobforge doctor` says what it lacks";
    }
    return "?";
}

static enum exitcode result_exitcode(struct cli *cli, enum queue_result result)
{
    switch (result) {
    case QUEUE_OK:
        return EXITCODE_OK;
    case QUEUE_NONE:
        return EXITCODE_PARTIAL;
    case QUEUE_BUSY:
    case QUEUE_LOST:
    case QUEUE_CANCEL:
    case QUEUE_EXPIRED:
    case QUEUE_UNKNOWN:
        return EXITCODE_TEMPFAIL;
    case QUEUE_DAMAGED:
        return EXITCODE_DATAERR;
    case QUEUE_AGAIN:
        return EXITCODE_UNAVAILABLE;
    case QUEUE_FATAL:
        return refusal_exitcode(cli);
    }
    return EXITCODE_SOFTWARE;
}

enum exitcode cli_queue_failed(struct cli *cli, enum queue_result result, const char *what,
                               char *error)
{
    const char *why = error != NULL ? error : result_text(result);

    if (what != NULL)
        cli_error("%s: %s", what, why);
    else
        cli_error("%s", why);
    free(error);
    return result_exitcode(cli, result);
}

enum exitcode cli_worse(enum exitcode a, enum exitcode b)
{
    if (a == EXITCODE_OK || (a == EXITCODE_PARTIAL && b != EXITCODE_OK))
        return b;
    return a;
}

/* ---- naming a job ---- */

enum exitcode cli_resolve(struct cli *cli, const char *text, char hash_r[static 65])
{
    size_t len = strlen(text);
    int matches = 0;
    char *error = NULL, *quoted;
    enum queue_result result;
    enum exitcode code;

    quoted = quote_name(text);
    if (len < 4 || len > 64 || !hex_is_lower(text, len)) {
        cli_error("%s: not a hash; give 64 hex digits in lower case or the first 4 or more of them",
                  quoted);
        free(quoted);
        return EXITCODE_USAGE;
    }
    result = view_resolve(&cli->queue, text, hash_r, &matches, &error);
    if (matches > 1) {
        cli_error("%s; give more digits", error != NULL ? error : "the hash is ambiguous");
        code = EXITCODE_USAGE;
    } else if (result == QUEUE_OK) {
        code = EXITCODE_OK;
    } else if (result == QUEUE_NONE) {
        cli_error("%s: no such job in %s; `blobforge list` counts what is there", quoted,
                  settings_text(cli->settings, SETTING_STORE));
        code = EXITCODE_PARTIAL;
    } else {
        code = cli_queue_failed(cli, result, quoted, error);
        error = NULL;
    }
    free(error);
    free(quoted);
    return code;
}
