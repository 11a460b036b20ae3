/* See moves.h: commands that change jobs one after the other. */
#include "cli/moves.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/quote.h"
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

static void print_move(struct cli *cli, const char *hash, const char *action, const char *from,
                       const char *to, const char *error)
{
    struct json_object *line;

    if (!cli_json(cli)) {
        if (error == NULL && !cli_quiet(cli))
            cli_printf("%.12s  %s  %s -> %s\n", hash, action, from != NULL ? from : "-",
                       to != NULL ? to : "-");
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

static enum exitcode move_one(struct cli *cli, struct queue *queue, const struct move *move,
                              const char *text)
{
    char hash[65], *error = NULL, *shown;
    const char *from = NULL, *to = NULL;
    enum queue_result result;
    enum exitcode code = cli_resolve(cli, text, hash);

    if (code != EXITCODE_OK) {
        print_move(cli, text, "error", NULL, NULL, "no such job, or not one");
        return code;
    }
    result = move->step(queue, hash, move->arg, &from, &to, &error);
    if (result == QUEUE_OK) {
        bool same = from != NULL && to != NULL && strcmp(from, to) == 0;
        print_move(cli, hash, same ? "none" : move->action, from, to, NULL);
        free(error);
        return EXITCODE_OK;
    }
    if (result == QUEUE_NONE && error == NULL)
        error = say_nothing(queue, hash, move);
    shown = mem_strdup(error);
    code = cli_queue_failed(cli, result, hash, error);
    print_move(cli, hash, "error", from, to, shown != NULL ? shown : queue_result_name(result));
    free(shown);
    return code;
}

enum exitcode moves_run(struct cli *cli, const struct move *move)
{
    struct queue *queue;
    size_t count;
    char *const *operands = cli_operands(cli, &count);
    enum exitcode code = cli_open(cli, CLI_WRITE | CLI_FLEET, &queue);

    if (code != EXITCODE_OK)
        return code;
    for (size_t i = 0; i < count; i++) {
        if (cli_stopped())
            return EXITCODE_INTERRUPTED;
        code = cli_worse(code, move_one(cli, queue, move, operands[i]));
        if (code == EXITCODE_UNAVAILABLE || code == EXITCODE_NOPERM)
            break; /* every further one would fail alike */
    }
    return code;
}
