/* See record.h: one attempt that did not succeed, as the night engineer reads it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "queue/record.h"

static const char *const outcome_names[] = {"failed",     "buried",    "lost",
                                            "given_back", "cancelled", "reset"};

const char *attempt_outcome_name(enum attempt_outcome outcome)
{
    return outcome_names[outcome];
}

void record_attempt_init(struct record_attempt *attempt)
{
    memset(attempt, 0, sizeof(*attempt));
    attempt->number = attempt->slot = attempt->retries = -1;
    attempt->exit_status = attempt->signal = -1;
    attempt->page = attempt->pages = -1;
    attempt->max_rss_bytes = -1;
    attempt->cpu_seconds = attempt->limit_requested = attempt->limit_granted = -1;
}

static int64_t get_number(struct json_object *object, const char *name)
{
    int64_t value;

    return json_get_int(object, name, &value) && value >= 0 ? value : -1;
}

static double get_seconds(struct json_object *object, const char *name)
{
    double value;

    return json_get_double(object, name, &value) && value >= 0 ? value : -1;
}

static char *get_text(struct json_object *object, const char *name)
{
    return mem_strdup(json_get_text(object, name));
}

static enum attempt_outcome outcome_parse(const char *text)
{
    for (size_t i = 0; text != NULL && i < ARRAY_LEN(outcome_names); i++)
        if (strcmp(outcome_names[i], text) == 0)
            return (enum attempt_outcome)i;
    return ATTEMPT_FAILED;
}

enum record_result record_attempt_read(const void *bytes, size_t len,
                                       struct record_attempt *attempt_r)
{
    struct json_object *object, *limit;
    const char *claim;

    record_attempt_init(attempt_r);
    switch (json_parse(bytes, len, JSON_RECORD_MAX, &object)) {
    case JSON_OK:
        break;
    case JSON_EMPTY:
        return RECORD_EMPTY;
    case JSON_TOO_LARGE:
    case JSON_BAD:
        return RECORD_DAMAGED;
    }
    claim = json_get_text(object, "claim");
    if (claim != NULL && strlen(claim) == CLAIM_ID_SIZE - 1)
        memcpy(attempt_r->claim, claim, CLAIM_ID_SIZE);
    attempt_r->number = get_number(object, "number");
    attempt_r->started_ms = get_number(object, "started_ms");
    attempt_r->ended_ms = get_number(object, "ended_ms");
    attempt_r->slot = get_number(object, "slot");
    attempt_r->outcome = outcome_parse(json_get_text(object, "outcome"));
    if (!json_get_bool(object, "charged", &attempt_r->charged))
        attempt_r->charged = false;
    attempt_r->cause = cause_parse(json_get_text(object, "cause"));
    attempt_r->exit_status = get_number(object, "exit_status");
    attempt_r->signal = get_number(object, "signal");
    limit = json_get_object(object, "limit");
    attempt_r->limit = get_text(limit, "name");
    attempt_r->limit_requested = get_seconds(limit, "requested");
    attempt_r->limit_granted = get_seconds(limit, "granted");
    if (!json_get_bool(object, "oom", &attempt_r->oom))
        attempt_r->oom = false;
    attempt_r->phase = get_text(object, "phase");
    attempt_r->stage = get_text(object, "stage");
    attempt_r->page = get_number(object, "page");
    attempt_r->pages = get_number(object, "pages");
    attempt_r->cpu_seconds = get_seconds(object, "cpu_seconds");
    attempt_r->max_rss_bytes = get_number(object, "max_rss_bytes");
    attempt_r->retries = get_number(object, "retries");
    attempt_r->host = get_text(object, "host");
    attempt_r->worker = get_text(object, "worker");
    attempt_r->sandbox = get_text(object, "sandbox");
    attempt_r->converter = get_text(object, "converter");
    attempt_r->error = get_text(object, "error");
    attempt_r->stdout_tail = get_text(object, "stdout_tail");
    attempt_r->stderr_tail = get_text(object, "stderr_tail");
    json_object_put(object);
    return RECORD_OK;
}

static void set_number(struct json_object *object, const char *name, int64_t value)
{
    if (value < 0)
        json_set_null(object, name);
    else
        json_set_int(object, name, value);
}

static void set_time(struct json_object *object, const char *name, int64_t ms)
{
    set_number(object, name, ms > 0 ? ms : -1);
}

static void set_seconds(struct json_object *object, const char *name, double value)
{
    if (value < 0 || !isfinite(value))
        json_set_null(object, name);
    else
        json_set_double(object, name, value);
}

static struct json_object *limit_json(const struct record_attempt *attempt)
{
    struct json_object *limit;

    if (attempt->limit == NULL)
        return NULL;
    limit = json_object_new_object();
    json_set_text(limit, "name", attempt->limit);
    set_seconds(limit, "requested", attempt->limit_requested);
    set_seconds(limit, "granted", attempt->limit_granted);
    return limit;
}

struct json_object *record_attempt_json(const struct record_attempt *attempt)
{
    struct json_object *object = json_object_new_object();

    set_number(object, "number", attempt->number);
    json_set_text(object, "claim", attempt->claim[0] != '\0' ? attempt->claim : NULL);
    set_time(object, "started_ms", attempt->started_ms);
    set_time(object, "ended_ms", attempt->ended_ms);
    json_set_text(object, "host", attempt->host);
    json_set_text(object, "worker", attempt->worker);
    set_number(object, "slot", attempt->slot);
    json_set_text(object, "outcome", attempt_outcome_name(attempt->outcome));
    json_set_bool(object, "charged", attempt->charged);
    json_set_text(object, "cause", cause_name(attempt->cause));
    set_number(object, "exit_status", attempt->exit_status);
    set_number(object, "signal", attempt->signal);
    json_set_object(object, "limit", limit_json(attempt));
    json_set_bool(object, "oom", attempt->oom);
    json_set_text(object, "phase", attempt->phase);
    json_set_text(object, "stage", attempt->stage);
    set_number(object, "page", attempt->page);
    set_number(object, "pages", attempt->pages);
    set_seconds(object, "cpu_seconds", attempt->cpu_seconds);
    set_number(object, "max_rss_bytes", attempt->max_rss_bytes);
    json_set_text(object, "sandbox", attempt->sandbox);
    json_set_text(object, "converter", attempt->converter);
    json_set_text(object, "error", attempt->error);
    json_set_text(object, "stdout_tail", attempt->stdout_tail);
    json_set_text(object, "stderr_tail", attempt->stderr_tail);
    set_number(object, "retries", attempt->retries);
    return object;
}

void record_attempt_write(struct buf *out, const struct record_attempt *attempt)
{
    struct json_object *object = record_attempt_json(attempt);

    json_append(out, object);
    json_object_put(object);
}

void record_attempt_release(struct record_attempt *attempt)
{
    free(attempt->host);
    free(attempt->worker);
    free(attempt->limit);
    free(attempt->phase);
    free(attempt->stage);
    free(attempt->sandbox);
    free(attempt->converter);
    free(attempt->error);
    free(attempt->stdout_tail);
    free(attempt->stderr_tail);
    record_attempt_init(attempt);
}
