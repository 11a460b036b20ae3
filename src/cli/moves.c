/* See moves.h: commands that change jobs, one or many. */
#include "cli/moves.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cli/gang.h"
#include "queue/identity.h"

char *moves_by(void)
{
    const struct passwd *user = getpwuid(getuid());
    char *host = identity_host(), *by;

    if (user != NULL)
        by = mem_printf("%s@%s", user->pw_name, host);
    else
        by = mem_printf("%u@%s", (unsigned)getuid(), host);
    free(host);
    return by;
}

/* ---- a job's line ---- */

static void print_move(struct cli *cli, const struct move *move, const char *hash,
                       const char *action, const char *from, const char *to, const char *error)
{
    struct json_object *line;
    bool asked = move->asked != NULL && action == move->action && from != NULL &&
                 strcmp(from, job_state_name(JOB_PROCESSING)) == 0;

    if (asked && !cli_json(cli))
        action = move->asked;

    if (!cli_json(cli)) {
        if (error != NULL || cli_quiet(cli))
            return;
        if (to != NULL && asked)
            cli_printf("%.12s  %s  %s -> %s with its daemon's next heartbeat\n", hash, action, from,
                       to);
        else if (to != NULL && strcmp(to, job_state_name(JOB_UNKNOWN)) != 0)
            cli_printf("%.12s  %s  %s -> %s\n", hash, action, from != NULL ? from : "-", to);
        else
            cli_printf("%.12s  %s  %s\n", hash, action, from != NULL ? from : "-");
        return;
    }
    line = json_object_new_object();
    json_set_text(line, "hash", hash);
    json_set_text(line, "action", action);
    json_set_text(line, "from", from);
    json_set_text(line, "to", to);
    json_set_text(line, "error", error);
    cli_print_json(line);
}

/* ---- one step, in any thread ---- */

struct outcome {
    enum queue_result result;
    const char *from, *to;
    char *error;
};

struct bulk {
    struct cli *cli;
    struct queue *queue; /* of the one thread that prints */
    const struct move *move;
    const struct selection *selection;
    enum exitcode code;
    size_t moved, failed;
};

/* Why a job was not moved. NULL: it is not known. The caller frees. */
static char *say_nothing(struct queue *queue, const char *hash, const struct move *move)
{
    char hashes[1][65], *error = NULL;
    enum job_state state;

    memcpy(hashes[0], hash, sizeof(hashes[0]));
    if (view_states(queue, (const char(*)[65])hashes, 1, &state, &error) != QUEUE_OK ||
        state == JOB_UNKNOWN) {
        free(error);
        return NULL;
    }
    return mem_printf("it is %s: %s", job_state_name(state), move->nothing);
}

static void *move_one(void *arg, struct queue *queue, size_t index)
{
    const struct bulk *bulk = arg;
    struct outcome *outcome = mem_alloc(sizeof(*outcome));
    char hash[65];

    picked_hash(&bulk->selection->jobs[index], hash);
    outcome->result = bulk->move->step(queue, hash, bulk->move->arg, &outcome->from, &outcome->to,
                                       &outcome->error);
    if (outcome->result == QUEUE_NONE && outcome->error == NULL)
        outcome->error = say_nothing(queue, hash, bulk->move);
    return outcome;
}

/* ---- what came of it ---- */

static bool is_hopeless(enum exitcode code)
{
    return code == EXITCODE_UNAVAILABLE || code == EXITCODE_NOPERM;
}

static bool take_outcome(void *arg, size_t index, void *found)
{
    struct bulk *bulk = arg;
    struct outcome *outcome = found;
    enum exitcode code = EXITCODE_OK;
    char hash[65], *shown;

    picked_hash(&bulk->selection->jobs[index], hash);
    if (bulk->move->after != NULL)
        code = bulk->move->after(bulk->cli, hash, bulk->move->arg, &outcome->result);
    if (outcome->result == QUEUE_OK) {
        bool needed = outcome->to != NULL;

        print_move(bulk->cli, bulk->move, hash, needed ? bulk->move->action : "none", outcome->from,
                   needed ? outcome->to : outcome->from, NULL);
        bulk->moved++;
        free(outcome->error);
    } else {
        shown = mem_strdup(outcome->error);
        code = cli_worse(code, cli_queue_failed(bulk->cli, outcome->result, hash, outcome->error));
        print_move(bulk->cli, bulk->move, hash, "error", outcome->from, outcome->to,
                   shown != NULL ? shown : queue_result_name(outcome->result));
        bulk->failed++;
        free(shown);
    }
    free(outcome);
    bulk->code = cli_worse(bulk->code, code);
    return !is_hopeless(code); /* every further one would fail alike */
}

/* ---- before anything is done ---- */

static enum exitcode show_plan(struct cli *cli, const struct move *move,
                               const struct selection *selection)
{
    for (size_t i = 0; i < selection->count; i++) {
        const struct picked *picked = &selection->jobs[i];
        char hash[65];

        picked_hash(picked, hash);
        print_move(cli, move, hash, move->would,
                   picked->state == SELECT_UNKNOWN ? NULL
                                                   : job_state_name((enum job_state)picked->state),
                   NULL, NULL);
    }
    cli_note(cli, "%zu %s chosen; nothing was changed", selection->count,
             selection->count == 1 ? "job is" : "jobs are");
    return EXITCODE_OK;
}

static bool says_yes(void)
{
    char answer[16] = "";

    if (fgets(answer, sizeof(answer), stdin) == NULL)
        return false;
    return answer[0] == 'y' || answer[0] == 'Y';
}

/* Asks where something would be destroyed. OK: go on. */
static enum exitcode confirm(struct cli *cli, const struct move *move,
                             const struct selection *selection)
{
    bool person = isatty(STDIN_FILENO) == 1 && cli_terminal_err();
    const char *plural = selection->count == 1 ? "" : "s";

    if (move->ask == MOVE_ASK_NEVER || selection->count == 0 || cli_flag(cli, "yes"))
        return EXITCODE_OK;
    if (!selection->chosen && (move->ask == MOVE_ASK_TERMINAL || !person))
        return EXITCODE_OK;
    if (!person && move->ask == MOVE_ASK_TERMINAL)
        return EXITCODE_OK;
    if (!person)
        return cli_usage(cli, "%zu %s%s %s; give --yes to mean it, or --dry-run to see which",
                         selection->count, move->thing, plural, move->fate);
    fprintf(stderr, "blobforge: %zu %s%s %s; go on? [y/N] ", selection->count, move->thing, plural,
            move->fate);
    fflush(stderr);
    if (says_yes())
        return EXITCODE_OK;
    cli_error("nothing was changed");
    return EXITCODE_PARTIAL;
}

static enum exitcode check_words(struct cli *cli, const struct move *move)
{
    size_t count;

    (void)cli_operands(cli, &count);
    if (count == 0 && !move->all && !select_asked(cli))
        return cli_usage(cli,
                         "no job is named; give HASHes, or choose jobs with %s--state, "
                         "--cause, --match or --older-than",
                         move->has_all ? "--all, " : "");
    return select_check(cli, move->states);
}

/* A bulk command with one failure among many has done what it could: 1. */
static enum exitcode bulk_exitcode(const struct bulk *bulk, enum exitcode code)
{
    code = cli_worse(code, bulk->code);
    if (bulk->selection->count > 1 && bulk->moved > 0 && code == EXITCODE_TEMPFAIL)
        return EXITCODE_PARTIAL;
    return code;
}

static enum exitcode run_all(struct cli *cli, struct queue *queue, const struct move *move,
                             const struct selection *selection, enum exitcode code)
{
    struct bulk bulk = {.cli = cli, .queue = queue, .move = move, .selection = selection};
    struct gang gang = {.count = selection->count,
                        .doing = move->doing,
                        .work = move_one,
                        .done = take_outcome,
                        .arg = &bulk};

    code = cli_worse(code, gang_run(cli, queue, &gang));
    if (selection->chosen && selection->count == 0)
        cli_note(cli, "no job was chosen");
    else if (selection->count > 1)
        cli_note(cli, "%zu of %zu %s%s", bulk.moved, selection->count, move->action,
                 bulk.moved + bulk.failed < selection->count ? ", the rest was not begun"
                 : bulk.failed > 0                           ? ", the others are named above"
                                                             : "");
    return bulk_exitcode(&bulk, code);
}

enum exitcode moves_run(struct cli *cli, const struct move *move)
{
    struct selection selection = {0};
    struct queue *queue;
    bool dry_run = cli_flag(cli, "dry-run");
    enum exitcode code = check_words(cli, move), failed = EXITCODE_OK;

    if (code == EXITCODE_OK)
        code = cli_open(cli, CLI_FLEET | (dry_run ? CLI_READ : CLI_WRITE), &queue);
    if (code != EXITCODE_OK)
        return code;
    failed = select_jobs(cli, queue, move->states, move->usual, &selection);
    if (move->narrow != NULL && (failed == EXITCODE_OK || !selection.chosen))
        failed = cli_worse(failed, move->narrow(cli, queue, &selection, move->arg));
    if (selection.chosen && failed != EXITCODE_OK && failed != EXITCODE_PARTIAL)
        code = failed; /* not all were seen: nothing is begun */
    else if (is_hopeless(failed) || failed == EXITCODE_INTERRUPTED)
        code = failed;
    else if (dry_run)
        code = cli_worse(failed, show_plan(cli, move, &selection));
    else if ((code = confirm(cli, move, &selection)) == EXITCODE_OK)
        code = run_all(cli, queue, move, &selection, failed);
    selection_release(&selection);
    return code;
}
