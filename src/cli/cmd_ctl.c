/* blobforge ctl: orders and questions to a running daemon, over its socket (blobforged(8)). */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/human.h"
#include "base/json.h"
#include "base/log.h"
#include "base/quote.h"
#include "base/unix_socket.h"
#include "cli/cmd.h"
#include "cli/table.h"

#define ANSWER_MAX (16u << 20) /* a status of 4096 slots is far smaller */
#define ANSWER_MS 15000

/* ---- words ---- */

struct word {
    const char *name;
    const char *argument; /* member that the operand becomes; NULL: none */
    bool number;
};

static const struct word words[] = {
    {"status", NULL, false},  {"drain", NULL, false},      {"pause", NULL, false},
    {"resume", NULL, false},  {"reload", NULL, false},     {"metrics", NULL, false},
    {"slots", "slots", true}, {"kill-slot", "slot", true}, {"log-level", "level", false},
};

static const struct word *find_word(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(words[i].name, name) == 0)
            return &words[i];
    return NULL;
}

/* The request's line. OK, or 64 with the reason said. */
static enum exitcode make_request(struct cli *cli, struct buf *line)
{
    size_t count;
    char *const *operands = cli_operands(cli, &count);
    const struct word *word = find_word(operands[0]);
    struct json_object *object;
    int64_t number = 0;
    enum log_level level;

    if (word == NULL) {
        char *name = quote_name(operands[0]);
        cli_usage(cli, "%s: no such order", name);
        free(name);
        return EXITCODE_USAGE;
    }
    if (word->argument == NULL && count > 1)
        return cli_usage(cli, "%s: takes nothing more", word->name);
    if (word->argument != NULL && count < 2)
        return cli_usage(cli, "%s: say which", word->name);
    if (word->number && (!human_parse_int(operands[1], &number) || number < 0 || number > 4096))
        return cli_usage(cli, "%s: give a number from 0 to 4096", word->name);
    if (word->argument != NULL && !word->number && !log_level_parse(operands[1], &level))
        return cli_usage(cli, "%s: give debug, info, warning or error", word->name);
    object = json_object_new_object();
    json_set_text(object, "cmd", word->name);
    if (word->number)
        json_set_int(object, word->argument, number);
    else if (word->argument != NULL)
        json_set_text(object, word->argument, operands[1]);
    json_append(line, object);
    buf_putc(line, '\n');
    json_object_put(object);
    return EXITCODE_OK;
}

/* ---- the socket ---- */

static int connect_at(const char *dir, const char *instance)
{
    char *name = mem_printf("%s.sock", instance);
    struct unix_address address;
    int fd = -1, error;

    if (unix_address_make(dir, name, &address)) {
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&address.sun, address.len) != 0) {
            error = errno;
            close(fd);
            errno = error;
            fd = -1;
        }
        error = errno;
        unix_address_release(&address);
        errno = error;
    }
    error = errno;
    free(name);
    errno = error;
    return fd;
}

/* An ordinary user's own run_dir, then the system's, unless one was named. */
static int connect_daemon(const struct settings *settings, const char *instance, const char **dir_r)
{
    int fd;

    *dir_r = settings_text(settings, SETTING_RUN_DIR);
    fd = connect_at(*dir_r, instance);
    if (fd < 0 && errno == ENOENT &&
        settings_origin(settings, SETTING_RUN_DIR) == SETTING_DEFAULT) {
        fd = connect_at(setting_default(SETTING_RUN_DIR), instance);
        if (fd >= 0 || errno != ENOENT)
            *dir_r = setting_default(SETTING_RUN_DIR);
    }
    return fd;
}

static enum exitcode say_no_daemon(const char *dir, const char *instance)
{
    bool refused = errno == EACCES || errno == EPERM;

    if (errno == ENOENT || errno == ECONNREFUSED)
        cli_error("%s/%s.sock: no daemon of this instance runs here; start blobforged, or name "
                  "run_dir or the instance with -i",
                  dir, instance);
    else
        cli_error("%s/%s.sock: %s; see control_mode and control_group", dir, instance,
                  strerror(errno));
    return refused ? EXITCODE_NOPERM : EXITCODE_UNAVAILABLE;
}

/* One line there, one line back. false: said. */
static bool talk(int fd, const struct buf *line, struct buf *answer)
{
    int64_t until = clock_boot_ms(clock_system()) + ANSWER_MS;
    size_t sent = 0;

    while (sent < line->len) {
        ssize_t n = send(fd, line->data + sent, line->len - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            break; /* it may have said why before it closed */
        sent += n > 0 ? (size_t)n : 0;
    }
    while (answer->len == 0 || answer->data[answer->len - 1] != '\n') {
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        int64_t left = until - clock_boot_ms(clock_system());
        char chunk[65536];
        ssize_t n;
        if (left <= 0 || poll(&pfd, 1, (int)left) == 0) {
            cli_error("daemon: no answer within %d s; it may hang: look at its log",
                      ANSWER_MS / 1000);
            return false;
        }
        n = recv(fd, chunk, sizeof(chunk), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || !buf_append_max(answer, chunk, (size_t)n, ANSWER_MAX)) {
            cli_error("daemon: the connection ended without an answer; is it ending?");
            return false;
        }
    }
    return true;
}

/* ---- answers ---- */

static const char *text_or(struct json_object *object, const char *name, const char *otherwise)
{
    const char *text = json_get_text(object, name);

    return text == NULL ? otherwise : text;
}

static void add_slot(struct table *table, struct json_object *slot)
{
    char number[24], pid[24], pages[48] = "", elapsed[HUMAN_SIZE], memory[HUMAN_SIZE];
    char limit[HUMAN_SIZE], lease[HUMAN_SIZE], short_hash[13];
    const char *hash = json_get_text(slot, "hash");
    int64_t n = 0, page = -1, page_count = -1, rss = 0, jobs = 0;
    double seconds = 0, limit_seconds = 0, age = -1;
    char jobs_text[24];

    json_get_int(slot, "slot", &n);
    snprintf(number, sizeof(number), "%" PRId64, n);
    n = 0;
    json_get_int(slot, "pid", &n);
    snprintf(pid, sizeof(pid), "%" PRId64, n);
    json_get_int(slot, "page", &page);
    json_get_int(slot, "pages", &page_count);
    json_get_int(slot, "rss_bytes", &rss);
    json_get_int(slot, "jobs", &jobs);
    json_get_double(slot, "elapsed_seconds", &seconds);
    json_get_double(slot, "time_limit_seconds", &limit_seconds);
    json_get_double(slot, "lease_age_seconds", &age);
    if (page_count >= 0)
        snprintf(pages, sizeof(pages), "%" PRId64 "/%" PRId64, page < 0 ? 0 : page, page_count);
    snprintf(short_hash, sizeof(short_hash), "%.12s", hash == NULL ? "" : hash);
    snprintf(jobs_text, sizeof(jobs_text), "%" PRId64, jobs);
    table_add(table,
              (const char *[]){
                  number, n > 0 ? pid : NULL, json_get_text(slot, "state"),
                  hash == NULL ? NULL : short_hash, json_get_text(slot, "name"),
                  json_get_text(slot, "phase"), pages[0] == '\0' ? NULL : pages,
                  hash == NULL ? NULL : human_show_duration((int64_t)(seconds * 1000), elapsed),
                  hash == NULL ? NULL : human_show_duration((int64_t)(limit_seconds * 1000), limit),
                  rss <= 0 ? NULL : human_show_size(rss, memory),
                  age < 0 ? NULL : human_show_duration((int64_t)(age * 1000), lease), jobs_text});
}

static void print_status(struct json_object *status)
{
    static const struct table_column columns[] = {
        {"SLOT", true, false, false},   {"PID", true, false, false},
        {"STATE", false, false, false}, {"JOB", false, false, false},
        {"NAME", false, true, false},   {"PHASE", false, false, false},
        {"PAGE", true, false, false},   {"ELAPSED", true, false, false},
        {"LIMIT", true, false, false},  {"MEMORY", true, false, false},
        {"LEASE", true, false, false},  {"JOBS", true, false, false}};
    static const char *const names[] = {"completed", "failed", "given_back",
                                        "cancelled", "lost",   "killed"};
    struct json_object *slots = json_get_array(status, "slots");
    struct json_object *counters = json_get_object(status, "counters");
    struct table *table = table_create(columns, ARRAY_LEN(columns));
    const char *reason = json_get_text(status, "reason");
    const char *instance = text_or(status, "instance", "?");
    char up[HUMAN_SIZE];
    double seconds = 0;
    int64_t pid = 0;
    struct buf line = BUF_INIT;

    json_get_double(status, "uptime_seconds", &seconds);
    json_get_int(status, "pid", &pid);
    quote_append(&line, instance, strlen(instance));
    buf_printf(&line, ": %s", text_or(status, "state", "?"));
    if (reason != NULL) {
        buf_puts(&line, " (");
        quote_append(&line, reason, strlen(reason));
        buf_puts(&line, ")");
    }
    cli_printf("%s, pid %" PRId64 ", version %s, up %s\n", buf_text(&line), pid,
               text_or(status, "version", "?"), human_show_duration((int64_t)(seconds * 1000), up));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        int64_t value = 0;
        json_get_int(counters, names[i], &value);
        cli_printf("%s%" PRId64 " %s", i == 0 ? "" : ", ", value,
                   strcmp(names[i], "given_back") == 0 ? "given back" : names[i]);
    }
    cli_printf("\n");
    for (size_t i = 0; slots != NULL && i < json_object_array_length(slots); i++)
        add_slot(table, json_object_array_get_idx(slots, i));
    if (table_rows(table) > 0) {
        cli_printf("\n");
        table_print(table);
    }
    table_destroy(table);
    buf_release(&line);
}

/* Jobs in the bucket: no daemon lists them all, so it is asked for only with --queue. */
static enum exitcode print_queue_metrics(struct cli *cli)
{
    struct job_counts counts;
    struct queue *queue;
    char *error = NULL;
    enum exitcode code = cli_open(cli, CLI_READ, &queue);
    enum queue_result result;

    if (code != EXITCODE_OK)
        return code;
    result = view_counts(queue, &counts, &error);
    if (result != QUEUE_OK)
        return cli_queue_failed(cli, result, "counting jobs", error);
    cli_printf("# HELP blobforge_queue_jobs Jobs in the bucket.\n"
               "# TYPE blobforge_queue_jobs gauge\n");
    for (int tier = 0; tier < TIER_COUNT; tier++)
        cli_printf("blobforge_queue_jobs{state=\"todo\",tier=\"%s\"} %" PRId64 "\n",
                   tier_name((enum tier)tier), counts.todo[tier]);
    cli_printf("blobforge_queue_jobs{state=\"processing\",tier=\"\"} %" PRId64 "\n"
               "blobforge_queue_jobs{state=\"failed\",tier=\"\"} %" PRId64 "\n"
               "blobforge_queue_jobs{state=\"dead\",tier=\"\"} %" PRId64 "\n"
               "blobforge_queue_jobs{state=\"done\",tier=\"\"} %" PRId64 "\n",
               counts.processing, counts.failed, counts.dead, counts.done);
    return EXITCODE_OK;
}

/* A refusal may have several lines: the faults of a configuration. */
static void say_refused(const char *order, const char *why)
{
    while (*why != '\0') {
        size_t len = strcspn(why, "\n");
        struct buf line = BUF_INIT;
        quote_append(&line, why, len);
        cli_error("%s: the daemon refuses: %s", order, buf_text(&line));
        buf_release(&line);
        why += len + (why[len] == '\n');
    }
}

/* What an order came to: the state that the daemon is in now. */
static void print_state(struct json_object *answer)
{
    const char *reason = json_get_text(answer, "reason");
    struct buf line = BUF_INIT;

    buf_puts(&line, text_or(answer, "state", "done"));
    if (reason != NULL) {
        buf_puts(&line, " (");
        quote_append(&line, reason, strlen(reason));
        buf_puts(&line, ")");
    }
    cli_printf("%s\n", buf_text(&line));
    buf_release(&line);
}

static enum exitcode print_answer(struct cli *cli, const char *order, struct json_object *answer)
{
    bool ok = false, denied = false;

    json_get_bool(answer, "ok", &ok);
    if (!ok) {
        say_refused(order, text_or(answer, "error", "no reason given"));
        json_get_bool(answer, "denied", &denied);
        return denied ? EXITCODE_NOPERM : EXITCODE_PARTIAL;
    }
    json_remove(answer, "ok");
    if (cli_json(cli))
        cli_print_json(json_object_get(answer));
    else if (strcmp(order, "status") == 0)
        print_status(answer);
    else if (strcmp(order, "metrics") == 0)
        cli_printf("%s", text_or(answer, "text", ""));
    else if (!cli_quiet(cli))
        print_state(answer);
    if (strcmp(order, "metrics") == 0 && cli_flag(cli, "queue") && !cli_json(cli))
        return print_queue_metrics(cli);
    return EXITCODE_OK;
}

static enum exitcode run(struct cli *cli)
{
    const struct settings *settings = cli_settings(cli);
    const char *instance = cli_value(cli, "instance"), *dir;
    size_t count;
    char *const *operands = cli_operands(cli, &count);
    struct json_object *answer = NULL;
    struct buf line = BUF_INIT, text = BUF_INIT;
    enum exitcode code = make_request(cli, &line);
    int fd = -1;

    if (code != EXITCODE_OK)
        goto out;
    if (instance == NULL)
        instance = settings_text(settings, SETTING_INSTANCE);
    if (strchr(instance, '/') != NULL) {
        code = cli_usage(cli, "-i: no name of an instance");
        goto out;
    }
    fd = connect_daemon(settings, instance, &dir);
    if (fd < 0) {
        code = say_no_daemon(dir, instance);
        goto out;
    }
    code = EXITCODE_UNAVAILABLE;
    if (!talk(fd, &line, &text))
        goto out;
    if (json_parse(text.data, text.len, ANSWER_MAX, &answer) != JSON_OK)
        cli_error("daemon: answers what is no JSON; is it of another version?");
    else
        code = print_answer(cli, operands[0], answer);
out:
    if (fd >= 0)
        close(fd);
    json_object_put(answer);
    buf_release(&line);
    buf_release(&text);
    return code;
}

static const struct cli_option options[] = {
    {'i', "instance", "NAME", "the daemon's name on this host (default: main)"},
    {0, "queue", NULL, "metrics: count the bucket's jobs, too"},
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_ctl = {
    .name = "ctl",
    .operands = "ORDER [ARGUMENT]",
    .operands_min = 1,
    .operands_max = 2,
    .summary = "look at a running daemon, and steer it",
    .help = "Orders:\n"
            "  status           what it is at, slot by slot\n"
            "  drain            claim nothing more, finish what runs, end\n"
            "  pause, resume    no more claims, and again\n"
            "  slots N          so many conversions at a time\n"
            "  reload           read the configuration anew, as HUP does\n"
            "  kill-slot N      kill what runs in slot N; its job is given back uncharged\n"
            "  log-level LEVEL  debug, info, warning or error, until the next reload\n"
            "  metrics          figures for Prometheus' textfile collector\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_NOW,
    .resume = "the daemon does what it was told; ask for its status",
    .run = run,
};
