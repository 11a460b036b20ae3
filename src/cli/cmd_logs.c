/* blobforge logs HASH: the attempts of a job that did not succeed, or one of its log objects. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/human.h"
#include "base/json.h"
#include "base/quote.h"
#include "cli/cmd.h"

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
    char ended[HUMAN_SIZE], text[HUMAN_SIZE], *line;

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
        line = mem_printf("%s: %g granted of %g requested", a->limit, a->limit_granted,
                          a->limit_requested);
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
    if (code == EXITCODE_OK && count == 0)
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
    code = cli_open(cli, CLI_READ, &queue);
    if (code == EXITCODE_OK)
        code = cli_resolve(cli, operands[0], hash);
    if (code != EXITCODE_OK)
        return code;
    if (type == NULL)
        return show_attempts(cli, queue, hash);
    name = mem_printf("%s.%s", type, strcmp(type, "error") == 0 ? "json" : "log");
    code = show_object(cli, queue, hash, type, name);
    free(name);
    return code;
}

static const struct cli_option options[] = {
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
            "output.\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_NOW,
    .resume = "nothing was changed",
    .run = run,
};
