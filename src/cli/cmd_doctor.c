/* blobforge doctor: is this store fit, and this machine? */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/human.h"
#include "base/json.h"
#include "base/quote.h"
#include "cli/cmd.h"
#include "cli/machine.h"
#include "cli/table.h"
#include "convert/command.h"
#include "convert/sandbox.h"
#include "convert/slot.h"
#include "queue/fleet.h"
#include "queue/gate.h"

/* ---- checks of the machine and the bucket's settings, beside those of the gate ---- */

struct checks {
    struct gate_check list[8];
    size_t count;
};

static void add_check(struct checks *checks, const char *name, bool pass, char *text)
{
    checks->list[checks->count].name = name;
    checks->list[checks->count].result = pass ? GATE_PASS : GATE_FAIL;
    checks->list[checks->count++].text = text;
}

static void check_converter(struct checks *checks, const struct settings *settings)
{
    const char *text = settings_text(settings, SETTING_CONVERTER);
    struct command command;
    enum command_result parsed = command_parse(text, &command);
    char *file;

    if (parsed != COMMAND_OK) {
        add_check(checks, "converter", false,
                  mem_printf("setting converter: %s", command_result_text(parsed)));
        command_release(&command);
        return;
    }
    file = command_find(command.words[0], NULL);
    if (file != NULL)
        add_check(checks, "converter", true, mem_strdup(file));
    else
        add_check(checks, "converter", false,
                  mem_printf("%s is not installed; install it or set converter", command.words[0]));
    free(file);
    command_release(&command);
}

static void check_work_dir(struct checks *checks, const struct settings *settings)
{
    const char *dir = settings_text(settings, SETTING_WORK_DIR);
    int64_t least = settings_number(settings, SETTING_MIN_FREE_SPACE), bytes = 0;
    char have[HUMAN_SIZE];
    struct buf want = BUF_INIT;

    setting_print(settings, SETTING_MIN_FREE_SPACE, &want);
    if (!slot_free_bytes(dir, &bytes))
        add_check(checks, "work_dir", false, mem_printf("%s: %s", dir, strerror(errno)));
    else
        add_check(checks, "work_dir", bytes >= least,
                  mem_printf("%s: %s free, min_free_space is %s", dir, human_show_size(bytes, have),
                             buf_text(&want)));
    buf_release(&want);
}

static void check_machine(struct checks *checks, const struct settings *settings)
{
    check_converter(checks, settings);
    check_work_dir(checks, settings);
}

/* What holds for all daemons, and whether a newer program keeps this bucket. */
static void check_settings(struct checks *checks, struct queue *queue)
{
    struct queue_limits limits = queue->limits;
    struct fleet fleet = {0};
    char *error = NULL;
    enum queue_result result = fleet_refresh(queue, &fleet, &limits, &error);

    if (result == QUEUE_OK)
        add_check(checks, "settings", true,
                  mem_strdup("the bucket's format is known, and its settings can be read"));
    else
        add_check(checks, "settings", false,
                  error != NULL ? error : mem_strdup("the bucket's settings cannot be read"));
}

/* ---- output ---- */

static const char *verdict_name(enum gate_verdict verdict)
{
    switch (verdict) {
    case GATE_FIT:
        return "fit";
    case GATE_UNFIT:
        return "unfit";
    case GATE_UNREACHABLE:
        return "unreachable";
    }
    return "?";
}

static const char *check_name(const struct gate_check *check)
{
    switch (check->result) {
    case GATE_PASS:
        return "pass";
    case GATE_FAIL:
        return "fail";
    case GATE_NA:
        return "na";
    }
    return "?";
}

static void add_checks_json(struct json_object *array, const struct gate_check *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct json_object *check = json_object_new_object();
        json_set_text(check, "name", list[i].name);
        json_set_text(check, "result", check_name(&list[i]));
        json_set_text(check, "text", list[i].text);
        json_set_text(check, "relied_on", list[i].need);
        json_object_array_add(array, check);
    }
}

static void print_json(const struct settings *settings, const struct gate_report *report,
                       const struct machine_facts *facts, const struct checks *checks)
{
    struct json_object *line = json_object_new_object(), *sandbox = json_object_new_object();
    struct json_object *array = json_object_new_array(), *addresses = json_object_new_array();
    bool known = report->verdict != GATE_UNREACHABLE;

    json_set_text(line, "store", settings_text(settings, SETTING_STORE));
    json_set_text(line, "verdict", verdict_name(report->verdict));
    json_set_bool(line, "put_if_none_match", report->put_if_none_match);
    json_set_bool(line, "put_if_match", report->put_if_match);
    json_set_text(line, "etag_form", report->etag_form);
    json_set_bool(line, "delete_if_match", report->delete_if_match);
    json_set_bool(line, "delete_expires", report->delete_expires);
    json_set_bool(line, "versioned", report->versioned);
    if (known)
        json_set_int(line, "clock_offset_ms", report->clock_offset_ms);
    else
        json_set_null(line, "clock_offset_ms");
    for (size_t i = 0; !known && i < 5; i++) /* nothing was seen: neither yes nor no */
        json_set_null(line, (const char *[]){"put_if_none_match", "put_if_match", "delete_if_match",
                                             "delete_expires", "versioned"}[i]);
    json_set_text(sandbox, "level", sandbox_level_name(sandbox_best()));
    json_set_int(sandbox, "landlock_abi", facts->landlock_abi);
    json_set_bool(sandbox, "seccomp", facts->seccomp);
    json_set_bool(sandbox, "user_namespaces", facts->user_namespaces);
    json_set_bool(sandbox, "cgroup", facts->cgroup);
    json_set_object(line, "sandbox", sandbox);
    for (size_t i = 0; i < report->address_count; i++)
        json_object_array_add(addresses, json_object_new_string(report->addresses[i]));
    json_set_object(line, "addresses", addresses);
    add_checks_json(array, report->checks, report->check_count);
    add_checks_json(array, checks->list, checks->count);
    json_set_object(line, "checks", array);
    cli_print_json(line);
}

static void add_rows(struct table *table, const struct gate_check *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        table_add(table, (const char *[]){check_name(&list[i]), list[i].name,
                                          list[i].text != NULL ? list[i].text : "",
                                          list[i].need != NULL ? list[i].need : ""});
}

/* ---- on a terminal: nothing of what was seen is cut off ---- */

#define WRAP_MIN 20 /* columns for text, however narrow the terminal */

/* Words of `text` in lines of `width`, the first where the cursor is, the others below it. */
static void print_wrapped(const char *text, int indent, int width)
{
    struct buf quoted = BUF_INIT;
    const char *at;
    int used = 0;

    quote_append(&quoted, text, strlen(text));
    for (at = buf_text(&quoted); *at != '\0';) {
        int len = (int)strcspn(at, " ");

        if (used > 0 && used + 1 + len > width) {
            cli_printf("\n%*s", indent, "");
            used = 0;
        }
        cli_printf("%s%.*s", used > 0 ? " " : "", len, at);
        used += len + (used > 0);
        at += len;
        at += strspn(at, " ");
    }
    cli_printf("\n");
    buf_release(&quoted);
}

static void print_checks(const struct gate_check *list, size_t count, int names)
{
    int indent = 6 + names + 2, width = cli_columns() - indent;
    bool color = color_wanted();

    if (width < WRAP_MIN)
        width = WRAP_MIN;
    for (size_t i = 0; i < count; i++) {
        const char *before = "", *after = "";

        if (color && list[i].result != GATE_NA) {
            before = list[i].result == GATE_PASS ? "\033[32m" : "\033[31m";
            after = "\033[0m";
        }
        cli_printf("%s%-4s%s  %-*s  ", before, check_name(&list[i]), after, names, list[i].name);
        print_wrapped(list[i].text != NULL ? list[i].text : "", indent, width);
        if (list[i].need != NULL) {
            char *need = mem_printf("so that %s", list[i].need);

            cli_printf("%*s", indent, "");
            print_wrapped(need, indent, width);
            free(need);
        }
    }
}

static int longest_name(const struct gate_check *list, size_t count, int longest)
{
    for (size_t i = 0; i < count; i++)
        if ((int)strlen(list[i].name) > longest)
            longest = (int)strlen(list[i].name);
    return longest;
}

static void print_terminal(const struct gate_report *report, const struct checks *checks)
{
    int names = longest_name(report->checks, report->check_count, 0);

    names = longest_name(checks->list, checks->count, names);
    print_checks(report->checks, report->check_count, names);
    print_checks(checks->list, checks->count, names);
}

static void print_table(const struct gate_report *report, const struct checks *checks)
{
    static const struct table_column columns[] = {{"", false, false, true},
                                                  {"CHECK", false, false, false},
                                                  {"SEEN", false, true, false},
                                                  {"SO THAT", false, true, false}};
    struct table *table = table_create(columns, ARRAY_LEN(columns));

    add_rows(table, report->checks, report->check_count);
    add_rows(table, checks->list, checks->count);
    table_print(table);
    table_destroy(table);
}

static void print_text(const struct settings *settings, const struct gate_report *report,
                       const struct checks *checks)
{
    enum sandbox_level level = SANDBOX_AUTO;
    char *described;

    if (!sandbox_level_parse(settings_text(settings, SETTING_SANDBOX), &level))
        level = SANDBOX_AUTO;
    if (cli_terminal_out())
        print_terminal(report, checks);
    else
        print_table(report, checks);
    described = sandbox_describe(level);
    cli_printf("\nsandbox  ");
    if (cli_terminal_out())
        print_wrapped(described, 9, cli_columns() - 9 < WRAP_MIN ? WRAP_MIN : cli_columns() - 9);
    else
        cli_printf("%s\n", described);
    free(described);
    cli_printf("store    %s: %s\n", settings_text(settings, SETTING_STORE),
               verdict_name(report->verdict));
}

/* ---- the verdict ---- */

static struct store *open_more(void *arg, const char *address)
{
    return store_settings_open_pinned(cli_settings(arg), address);
}

static enum exitcode verdict_exitcode(struct cli *cli, const struct gate_report *report,
                                      const struct checks *checks)
{
    switch (report->verdict) {
    case GATE_FIT:
        break;
    case GATE_UNFIT:
        cli_error("store %s: unfit: %s", settings_text(cli_settings(cli), SETTING_STORE),
                  report->reason != NULL ? report->reason : "see the checks that failed");
        return EXITCODE_PARTIAL;
    case GATE_UNREACHABLE:
        return cli_queue_failed(cli, report->unreachable == STORE_FATAL ? QUEUE_FATAL : QUEUE_AGAIN,
                                NULL, mem_strdup(report->reason));
    }
    for (size_t i = 0; i < checks->count; i++) {
        if (checks->list[i].result == GATE_FAIL)
            return EXITCODE_PARTIAL;
    }
    return EXITCODE_OK;
}

static enum exitcode run(struct cli *cli)
{
    const struct settings *settings = cli_settings(cli);
    struct gate_opener opener = {open_more, NULL, cli};
    struct checks checks = {.count = 0};
    struct machine_facts facts;
    struct gate_report report;
    struct queue *queue;
    enum exitcode code = cli_open(cli, CLI_READ | CLI_ANY_FORMAT, &queue);

    if (code != EXITCODE_OK)
        return code;
    machine_look(&facts);
    check_machine(&checks, settings);
    gate_check(queue, &opener, true, &report);
    if (report.verdict != GATE_UNREACHABLE)
        check_settings(&checks, queue);
    if (cli_json(cli))
        print_json(settings, &report, &facts, &checks);
    else
        print_text(settings, &report, &checks);
    code = verdict_exitcode(cli, &report, &checks);
    for (size_t i = 0; i < checks.count; i++)
        free(checks.list[i].text);
    gate_report_release(&report);
    return code;
}

const struct cli_command cmd_doctor = {
    .name = "doctor",
    .operands = "",
    .summary = "is this store fit, and this machine?",
    .help = "Tries on the store itself, below registry/probe/, every promise that the queue\n"
            "stands on, and looks whether a converter is installed and how well it can be\n"
            "confined. Status 1: the store is unfit, or a check of the bucket's settings or\n"
            "of the machine failed.\n",
    .interrupt = CLI_INTERRUPT_NOW,
    .resume = "objects below registry/probe/ may be left; they are in nobody's way",
    .run = run,
};
