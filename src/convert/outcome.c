/* See outcome.h: rows in the order of blobforge-converter(7); the first that fits counts. */
#include "convert/outcome.h"

#include <string.h>

#include "base/alloc.h"
#include "base/exitcode.h"

#define ANY (-1)

struct outcome_row {
    enum outcome_kind kind;
    int value;
    struct outcome outcome;
};

#define CHARGE(cause)                                                                              \
    {                                                                                              \
        (cause), true, false, ATTEMPT_BLAME_CHARGE, false, false                                   \
    }
#define BURY(cause, charged)                                                                       \
    {                                                                                              \
        (cause), (charged), false, ATTEMPT_BLAME_BURY, false, false                                \
    }
#define GIVE_BACK(cause)                                                                           \
    {                                                                                              \
        (cause), false, false, ATTEMPT_BLAME_UNCHARGED, false, false                               \
    }
#define BREAKER                                                                                    \
    {                                                                                              \
        CAUSE_OPERATOR, false, false, ATTEMPT_BLAME_UNCHARGED, true, false                         \
    }

static const struct outcome_row outcome_rows[] = {
    {OUTCOME_EXIT, EXITCODE_OK, GIVE_BACK(CAUSE_NONE)},
    {OUTCOME_EXIT, EXITCODE_DATAERR, BURY(CAUSE_DOCUMENT, true)},
    {OUTCOME_EXIT, EXITCODE_UNAVAILABLE, BURY(CAUSE_DOCUMENT, true)},
    {OUTCOME_EXIT, EXITCODE_NOPERM, BURY(CAUSE_DOCUMENT, true)},
    {OUTCOME_EXIT, EXITCODE_LIMIT, CHARGE(CAUSE_DOCUMENT)},
    {OUTCOME_EXIT, EXITCODE_NOINPUT, GIVE_BACK(CAUSE_HOST)},
    {OUTCOME_EXIT, EXITCODE_CANTCREAT, GIVE_BACK(CAUSE_HOST)},
    {OUTCOME_EXIT, EXITCODE_IOERR, GIVE_BACK(CAUSE_HOST)},
    {OUTCOME_EXIT, EXITCODE_USAGE, BREAKER},
    {OUTCOME_EXIT, EXITCODE_CONFIG, BREAKER},
    {OUTCOME_EXIT, 126, BREAKER},
    {OUTCOME_EXIT, 127, BREAKER},
    {OUTCOME_EXIT, ANY, CHARGE(CAUSE_CONVERTER)}, /* 70, 75 and all others */
    {OUTCOME_SIGNAL, ANY, CHARGE(CAUSE_CONVERTER)},
    {OUTCOME_REFUSED, ANY, CHARGE(CAUSE_CONVERTER)},
    {OUTCOME_HOST, ANY, GIVE_BACK(CAUSE_HOST)},
    {OUTCOME_LIMIT,
     RUN_LIMIT_MEMORY,
     {CAUSE_DOCUMENT, true, false, ATTEMPT_BLAME_CHARGE, false, true}},
    {OUTCOME_LIMIT, ANY, CHARGE(CAUSE_DOCUMENT)},
    {OUTCOME_WORKER_DEAD, ANY, CHARGE(CAUSE_CONVERTER)},
    {OUTCOME_GIVE_BACK, ANY, GIVE_BACK(CAUSE_OPERATOR)},
    {OUTCOME_CANCEL, ANY, BURY(CAUSE_OPERATOR, false)},
    {OUTCOME_CANCEL_REQUEUE, ANY, GIVE_BACK(CAUSE_OPERATOR)},
    {OUTCOME_STORE, ANY, GIVE_BACK(CAUSE_STORE)},
    {OUTCOME_LOST, ANY, {CAUSE_NONE, false, true, ATTEMPT_BLAME_UNCHARGED, false, false}},
    {OUTCOME_STALE, ANY, CHARGE(CAUSE_HOST)},
};

struct outcome outcome_of(enum outcome_kind kind, int value)
{
    size_t i = 0;

    while (outcome_rows[i].kind != kind ||
           (outcome_rows[i].value != ANY && outcome_rows[i].value != value))
        i++; /* each kind has a row for any value */
    return outcome_rows[i].outcome;
}

enum outcome_kind outcome_of_run(const struct run_result *result, int *value_r)
{
    *value_r = 0;
    switch (result->end) {
    case RUN_EXITED:
        *value_r = result->exit_status;
        return OUTCOME_EXIT;
    case RUN_SIGNALLED:
        *value_r = result->signal;
        return OUTCOME_SIGNAL;
    case RUN_LIMITED:
        *value_r = (int)result->limit;
        return OUTCOME_LIMIT;
    case RUN_STOPPED:
        return OUTCOME_GIVE_BACK;
    case RUN_NOT_STARTED:
        return OUTCOME_HOST;
    }
    return OUTCOME_HOST;
}

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {
        {EXITCODE_USAGE, "it does not understand its command line; see the setting converter"},
        {EXITCODE_DATAERR, "the document is damaged"},
        {EXITCODE_NOINPUT, "it cannot open the document"},
        {EXITCODE_UNAVAILABLE, "the document is of a kind it does not support"},
        {EXITCODE_SOFTWARE, "its own bug"},
        {EXITCODE_CANTCREAT, "it cannot create its output"},
        {EXITCODE_IOERR, "I/O error, or the disk is full"},
        {EXITCODE_TEMPFAIL, "temporary failure"},
        {EXITCODE_LIMIT, "it reached a limit of its own"},
        {EXITCODE_NOPERM, "the document asks for a password"},
        {EXITCODE_CONFIG, "it is badly configured"},
        {126, "its program cannot be executed; see the setting converter"},
        {127, "its program was not found; see the setting converter"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].status == status)
            return rows[i].text;
    return status == 0 ? "all is well" : "it does not say why";
}

static char *limit_text(const struct run_result *result)
{
    char used[HUMAN_SIZE], granted[HUMAN_SIZE], requested[HUMAN_SIZE];

    return mem_printf("converter killed: %s limit reached: %s used, %s granted, %s requested",
                      run_limit_name(result->limit),
                      run_limit_show(result->limit, result->limit_used, used),
                      run_limit_show(result->limit, result->limit_granted, granted),
                      run_limit_show(result->limit, result->limit_requested, requested));
}

char *outcome_text(const struct run_result *result)
{
    switch (result->end) {
    case RUN_EXITED:
        if (result->error != NULL)
            return mem_printf("converter ended with status %d: %s: %s", result->exit_status,
                              status_text(result->exit_status), result->error);
        return mem_printf("converter ended with status %d: %s%s", result->exit_status,
                          status_text(result->exit_status),
                          result->oom ? "; the kernel ran out of memory" : "");
    case RUN_SIGNALLED:
        return mem_printf("converter killed by signal %d (%s)%s", result->signal,
                          strsignal(result->signal),
                          result->oom ? ": the kernel ran out of memory" : "");
    case RUN_LIMITED:
        return limit_text(result);
    case RUN_STOPPED:
        return mem_strdup("converter killed: the operator stopped it");
    case RUN_NOT_STARTED:
        break;
    }
    return mem_strdup(result->error != NULL ? result->error : "cannot start the converter");
}
