/* blobforge logs HASH: the attempts of a job that did not succeed, or one of its log objects. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/human.h"
#include "base/json.h"
#include "base/quote.h"
#include "cli/cmd.h"
#include "cli/jobs.h"
#include "convert/run.h"
#include "queue/identity.h"

#define LOG_BYTES_MAX (16u << 20)

static void print_line(const char *name, const char *text)
{
    struct buf quoted = BUF_INIT;

    if (text == NULL || *text == '\0')
        return;
    quote_append(&quoted, text, strlen(text));
    cli_printf("  %-10s%s\n", name, buf_text(&quoted));
    buf_release(&quoted);
}

/* The lines of a tail, each harmless. */
static void print_tail(const char *text)
{
    while (text != NULL && *text != '\0') {
        size_t len = strcspn(text, "\n");
        struct buf quoted = BUF_INIT;
        quote_append(&quoted, text, len);
        cli_printf("    | %s\n", buf_text(&quoted));
        buf_release(&quoted);
        text += len + (text[len] == '\n');
    }
}

static void print_attempt(const struct record_attempt *a)
{
    char ended[HUMAN_SIZE], text[HUMAN_SIZE], requested[HUMAN_SIZE], *line;

    if (a->number >= 0)
        cli_printf("attempt %" PRId64 "  ", a->number);
    cli_printf("%s  %s%s%s%s\n", human_show_time(a->ended_ms, ended),
               attempt_outcome_name(a->outcome), a->charged ? ", charged" : "",
               cause_name(a->cause) != NULL ? ", cause " : "",
               cause_name(a->cause) != NULL ? cause_name(a->cause) : "");
    print_line("error", a->error);
    print_line("host", a->host);
    print_line("worker", a->worker);
    if (a->started_ms > 0 && a->ended_ms >= a->started_ms)
        print_line("took", human_show_duration(a->ended_ms - a->started_ms, text));
    if (a->exit_status >= 0) {
        line = mem_printf("%" PRId64, a->exit_status);
        print_line("status", line);
        free(line);
    }
    if (a->signal > 0) {
        line = mem_printf("%" PRId64 " (%s)%s", a->signal, strsignal((int)a->signal),
                          a->oom ? ", out of memory" : "");
        print_line("signal", line);
        free(line);
    }
    if (a->limit != NULL) {
        enum run_limit limit = run_limit_parse(a->limit);
        line = mem_printf("%s: %s granted of %s requested", a->limit,
                          run_limit_show(limit, a->limit_granted, text),
                          run_limit_show(limit, a->limit_requested, requested));
        print_line("limit", line);
        free(line);
    }
    if (a->pages > 0) {
        line = mem_printf("%" PRId64 " of %" PRId64, a->page < 0 ? 0 : a->page, a->pages);
        print_line("page", line);
        free(line);
    }
    if (a->max_rss_bytes >= 0)
        print_line("memory", human_show_size(a->max_rss_bytes, text));
    print_line("sandbox", a->sandbox);
    print_line("converter", a->converter);
    print_tail(a->stderr_tail);
    if (a->stdout_tail != NULL && *a->stdout_tail != '\0') {
        cli_printf("    --- standard output\n");
        print_tail(a->stdout_tail);
    }
}

/* What version 1 keeps of a job's last failure: one object, written anew each time. */
static void read_v1_error(const struct store_op *op, struct record_attempt *attempt)
{
    struct json_object *object = NULL, *context;
    const char *when;

    if (json_parse(op->data.data, op->data.len, JSON_RECORD_MAX, &object) != JSON_OK)
        return;
    context = json_get_object(object, "context");
    when = json_get_text(object, "timestamp");
    if (when != NULL && !clock_parse_iso(when, strlen(when), &attempt->ended_ms))
        attempt->ended_ms = -1;
    attempt->outcome = ATTEMPT_FAILED;
    attempt->charged = true;
    attempt->error = mem_strdup(json_get_text(object, "error"));
    attempt->stderr_tail = mem_strdup(json_get_text(object, "traceback"));
    if (context != NULL) {
        int64_t count;

        attempt->worker = mem_strdup(json_get_text(context, "worker_id"));
        attempt->stage = mem_strdup(json_get_text(context, "stage"));
        if (json_get_int(context, "retry_count", &count) && count >= 0)
            attempt->number = count + 1;
    }
    json_object_put(object);
}

/* true: it was there, and is shown. */
static bool show_v1_error(struct cli *cli, struct queue *queue, const char *hash)
{
    struct record_attempt attempt;
    char key[KEY_SIZE];
    struct store_op op;
    bool shown;

    store_op_init(&op, STORE_GET, key_log(&queue->keys, hash, "error.json", key));
    op.max_bytes = JSON_RECORD_MAX;
    shown = store_do(queue->store, &op) == STORE_OK;
    if (shown) {
        record_attempt_init(&attempt);
        read_v1_error(&op, &attempt);
        if (cli_json(cli))
            cli_print_json(record_attempt_json(&attempt));
        else
            print_attempt(&attempt);
        record_attempt_release(&attempt);
    }
    store_op_release(&op);
    return shown;
}

static enum exitcode show_attempts(struct cli *cli, struct queue *queue, const char *hash)
{
    struct record_attempt *attempts = NULL;
    size_t count = 0;
    char *error = NULL;
    enum queue_result result = view_attempts(queue, hash, &attempts, &count, &error);
    enum exitcode code = EXITCODE_OK;

    if (result != QUEUE_OK && result != QUEUE_NONE)
        code = cli_queue_failed(cli, result, "attempt records", error);
    else
        free(error);
    for (size_t i = 0; i < count; i++) {
        if (cli_json(cli))
            cli_print_json(record_attempt_json(&attempts[i]));
        else
            print_attempt(&attempts[i]);
        record_attempt_release(&attempts[i]);
    }
    if (code == EXITCODE_OK && count == 0 && !show_v1_error(cli, queue, hash))
        cli_note(cli, "%.12s: every attempt so far succeeded, or none was made", hash);
    free(attempts);
    return code;
}

static enum exitcode show_object(struct cli *cli, struct queue *queue, const char *hash,
                                 const char *type, const char *name)
{
    char key[KEY_SIZE];
    struct store_op op;
    struct json_object *line;
    enum exitcode code = EXITCODE_OK;

    store_op_init(&op, STORE_GET, key_log(&queue->keys, hash, name, key));
    op.max_bytes = LOG_BYTES_MAX;
    switch (store_do(queue->store, &op)) {
    case STORE_OK:
        if (cli_json(cli)) {
            line = json_object_new_object();
            json_set_text(line, "type", type);
            json_set_object(line, "text", json_new_text(buf_text(&op.data), op.data.len));
            cli_print_json(line);
        } else if (cli_terminal_out()) {
            print_tail(buf_text(&op.data));
        } else {
            cli_write(buf_text(&op.data), op.data.len);
            if (op.data.len > 0 && op.data.data[op.data.len - 1] != '\n')
                cli_write("\n", 1);
        }
        break;
    case STORE_NOT_FOUND:
        cli_error("%.12s: no log of type %s; `blobforge logs %.12s` shows its attempts", hash, type,
                  hash);
        code = EXITCODE_PARTIAL;
        break;
    case STORE_PRECONDITION:
    case STORE_UNKNOWN:
    case STORE_AGAIN:
    case STORE_FATAL:
        code = cli_queue_failed(cli, op.status == STORE_FATAL ? QUEUE_FATAL : QUEUE_AGAIN, "log",
                                mem_strdup(op.error));
        break;
    }
    store_op_release(&op);
    return code;
}

/* ---- following a running job ---- */

#define FOLLOW_NEAR_MS 500
#define FOLLOW_FAR_MS 3000 /* each look costs requests */

struct follow {
    struct cli *cli;
    struct queue *queue;
    const char *hash;
    char *said;      /* the last line, not to be said twice */
    char *live_path; /* NULL: not this host's job */
    int64_t live_at; /* bytes of it that were shown */
    bool reached;    /* it was open once */
};

static void follow_say(struct follow *follow, const char *state, const char *text)
{
    char when[HUMAN_SIZE], *line = mem_printf("%s %s", state, text);
    struct json_object *object;

    if (follow->said != NULL && strcmp(follow->said, line) == 0) {
        free(line);
        return;
    }
    free(follow->said);
    follow->said = line;
    if (cli_json(follow->cli)) {
        object = json_object_new_object();
        json_set_text(object, "type", "progress");
        json_set_text(object, "text", line);
        cli_print_json(object);
    } else {
        cli_printf("%s  %s\n", human_show_time(clock_wall_ms(clock_system()), when), line);
    }
    (void)!fflush(stdout);
}

/* What its converter has said since, when it runs on this host and we may read it. */
static void follow_output(struct follow *follow)
{
    char chunk[16384];
    ssize_t n;
    int fd = follow->live_path != NULL
                 ? open(follow->live_path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
                 : -1;

    if (fd < 0)
        return;
    follow->reached = true;
    while ((n = pread(fd, chunk, sizeof(chunk) - 1, follow->live_at)) > 0) {
        follow->live_at += n;
        for (ssize_t i = 0; i < n; i++)
            if (chunk[i] == '\0')
                chunk[i] = '?';
        chunk[n] = '\0';
        if (cli_json(follow->cli)) {
            struct json_object *object = json_object_new_object();
            json_set_text(object, "type", "converter");
            json_set_object(object, "text", json_new_text(chunk, (size_t)n));
            cli_print_json(object);
        } else {
            print_tail(chunk);
        }
    }
    close(fd);
    (void)!fflush(stdout);
}

/* The instance in a worker id that was not chosen by hand. */
static const char *instance_of(const char *worker, const char *otherwise)
{
    return strlen(worker) > 13 && hex_is_lower(worker, 12) && worker[12] == '-' ? worker + 13
                                                                                : otherwise;
}

/* Where the output is while the job runs: in its slot's folder, on its own host. */
static void follow_find(struct follow *follow, const struct record_lock *lock)
{
    const struct settings *settings = cli_settings(follow->cli);
    const char *instance;
    char *host = identity_host(), *path;

    if (lock->host != NULL && strcmp(lock->host, host) == 0 && lock->worker != NULL &&
        strchr(lock->worker, '/') == NULL && lock->slot >= 0) {
        instance = instance_of(lock->worker, settings_text(settings, SETTING_INSTANCE));
        path = mem_printf("%s/%s.slot%" PRId64 "/" RUN_LIVE_NAME,
                          settings_text(settings, SETTING_WORK_DIR), instance, lock->slot);
        if (follow->live_path == NULL || strcmp(path, follow->live_path) != 0) {
            free(follow->live_path);
            follow->live_path = mem_strdup(path);
            follow->live_at = 0;
        }
        free(path);
    }
    free(host);
}

/* One look. true: there will be more to see. */
static bool follow_look(struct follow *follow, enum exitcode *code_r)
{
    struct job_facts facts;
    struct job_view view;
    char *error = NULL, *text;
    enum queue_result result = view_job(follow->queue, follow->hash, &view, &error);
    bool more = false;

    if (result != QUEUE_OK) {
        *code_r = cli_queue_failed(follow->cli, result, follow->hash, error);
        return false;
    }
    job_facts_gather(follow->queue, &view, &facts);
    switch (view.state) {
    case JOB_PROCESSING:
        follow_find(follow, &view.lock);
        follow_output(follow);
        text = job_progress_text(&facts);
        follow_say(follow, "processing", text);
        free(text);
        more = true;
        break;
    case JOB_TODO:
        follow_say(follow, "todo", "it waits for a worker");
        more = true;
        break;
    case JOB_FAILED:
        follow_say(follow, "failed",
                   facts.error != NULL ? facts.error : "it is tried again by itself");
        more = true;
        break;
    case JOB_DEAD:
    case JOB_DONE:
    case JOB_RAW:
    case JOB_UNKNOWN:
        follow_say(follow, job_state_name(view.state),
                   facts.error != NULL ? facts.error : "it does not run");
        break;
    }
    job_view_release(&view);
    return more;
}

static enum exitcode follow_job(struct cli *cli, struct queue *queue, const char *hash)
{
    struct follow follow = {.cli = cli, .queue = queue, .hash = hash};
    bool remote = store_settings_is_remote(cli_settings(cli));
    enum exitcode code = EXITCODE_OK;
    int64_t due = 0;

    for (;;) {
        int64_t now = clock_boot_ms(clock_system());

        follow_output(&follow); /* costs no request */
        if (now >= due) {
            if (!follow_look(&follow, &code))
                break;
            due = now + (remote ? FOLLOW_FAR_MS : FOLLOW_NEAR_MS);
        }
        usleep(200 * 1000);
    }
    free(follow.said);
    free(follow.live_path);
    return code;
}

static bool type_is_safe(const char *type)
{
    return *type != '\0' && *type != '.' && strlen(type) <= 64 &&
           strspn(type, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               strlen(type);
}

static enum exitcode run(struct cli *cli)
{
    const char *type = cli_value(cli, "type");
    struct queue *queue;
    size_t count;
    char *const *operands = cli_operands(cli, &count);
    char hash[65], *name;
    enum exitcode code;

    if (type != NULL && !type_is_safe(type))
        return cli_usage(cli, "--type: no name of a log; give converter or error");
    if (type != NULL && cli_flag(cli, "follow"))
        return cli_usage(cli, "--follow shows a running job, --type a log that stands; give one");
    code = cli_open(cli, CLI_READ, &queue);
    if (code == EXITCODE_OK)
        code = cli_resolve(cli, operands[0], hash);
    if (code != EXITCODE_OK)
        return code;
    if (cli_flag(cli, "follow"))
        return follow_job(cli, queue, hash);
    if (type == NULL)
        return show_attempts(cli, queue, hash);
    name = mem_printf("%s.%s", type, strcmp(type, "error") == 0 ? "json" : "log");
    code = show_object(cli, queue, hash, type, name);
    free(name);
    return code;
}

static const struct cli_option options[] = {
    {'F', "follow", NULL, "show how a job goes on, until it has ended; on its host its output"},
    {'t', "type", "TYPE", "one log as it stands: converter (its output), error, ..."},
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_logs = {
    .name = "logs",
    .operands = "HASH",
    .operands_min = 1,
    .operands_max = 1,
    .summary = "why the attempts at a job did not succeed",
    .help = "Each attempt that did not succeed: who was to blame, exit status or signal,\n"
            "the limit that was reached, memory, page, and the end of the converter's\n"
            "output. With --follow: a line whenever the job has come further, with the\n"
            "progress of its heartbeats; on the job's own host what the converter says.\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_NOW,
    .resume = "nothing was changed, the job goes on",
    .run = run,
};
