/* The gate's single requests, and what it says of them (gate_parts.h). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "queue/gate_parts.h"
#include "queue/step.h"

#define TRIES 6 /* with the pauses between them about three seconds */

void gate_add_check(struct gate *gate, const char *name, int result, const char *need,
                    const char *fmt, ...)
{
    struct gate_report *report = gate->report;
    struct gate_check *check;
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    report->checks = mem_resize(report->checks, report->check_count + 1, sizeof(*report->checks));
    check = &report->checks[report->check_count++];
    memset(check, 0, sizeof(*check));
    check->name = name;
    check->result = result;
    check->text = mem_strdup(text);
    check->need = need;
}

void gate_say(struct gate *gate, const char *name, const char *need, bool good, const char *text)
{
    gate_add_check(gate, name, good ? GATE_PASS : GATE_FAIL, need, "%s", text);
}

void gate_give_up(struct gate *gate, const struct store_op *op)
{
    struct gate_report *report = gate->report;

    gate->failed = true;
    if (op->status == STORE_FATAL && op->http_status_r >= 200 && op->http_status_r <= 299) {
        /* Done, but the answer is of no use: that is a property of the server. */
        gate->useless = true;
        gate_add_check(gate, "answers", GATE_FAIL, "conditions name what was read", "%s",
                       op->error != NULL ? op->error : "an answer is damaged");
        return;
    }
    if (report->reason != NULL)
        return;
    report->unreachable = op->status == STORE_FATAL ? STORE_FATAL : STORE_AGAIN;
    report->reason = step_failure_text(op);
}

void gate_prepare(struct gate *gate, struct gate_request *request, enum store_kind kind,
                  const char *name)
{
    snprintf(request->key, sizeof(request->key), "%s%s", gate->folder, name);
    store_op_init(&request->op, kind, request->key);
}

void gate_set_body(struct gate_request *request, const void *body, size_t len)
{
    request->op.body = body;
    request->op.body_len = len;
}

void gate_note(struct gate *gate, const struct store_op *op)
{
    gate->versioned = gate->versioned || op->versioned_r;
}

bool gate_refused(enum store_status status)
{
    return status == STORE_PRECONDITION || status == STORE_NOT_FOUND;
}

bool gate_settled(enum store_status status)
{
    return status == STORE_OK || gate_refused(status);
}

/* Of a write whose fate is not known: is it the one that stands? Its bodies are its own. */
static bool stands(struct gate *gate, struct store *store, struct store_op *write)
{
    struct store_op read;
    bool same = false;

    store_op_init(&read, STORE_GET, write->key);
    if (store_do(store, &read) == STORE_OK && read.data.len == write->body_len &&
        memcmp(read.data.data, write->body, read.data.len) == 0) {
        same = true;
        memcpy(write->etag_r, read.etag_r, sizeof(write->etag_r));
        write->status = STORE_OK;
    }
    gate_note(gate, &read);
    store_op_release(&read);
    return same;
}

/* Does the store say of a conditional write that it does not know such a thing? Without a status:
 * it was not even sent, since no form of If-Match is taken (store_s3.h). */
static bool is_unknown_to_store(const struct store_op *op)
{
    int status = op->http_status_r;

    return op->status == STORE_FATAL && op->cond != STORE_ALWAYS &&
           (status == 400 || status == 405 || status == 501 ||
            (status == 403 && op->trial != STORE_TRIAL_NONE) ||
            (status == 0 && op->cond == STORE_IF_MATCH));
}

bool gate_ask_at(struct gate *gate, struct store *store, struct gate_request *request)
{
    struct store_op *op = &request->op;
    bool conditional = op->kind == STORE_PUT && op->cond != STORE_ALWAYS, unknown = false;
    bool reads = op->kind != STORE_PUT && op->kind != STORE_DELETE;

    for (int tries = 0; tries < TRIES; tries++) {
        enum store_status status;

        if (tries > 0) {
            step_pause(gate->queue, tries - 1);
            store_op_reset(op);
        }
        status = store_do(store, op);
        gate_note(gate, op);
        unknown = unknown || status == STORE_UNKNOWN;
        if (conditional && unknown && (status == STORE_UNKNOWN || gate_refused(status)) &&
            stands(gate, store, op))
            return true;
        if (gate_settled(status) || is_unknown_to_store(op))
            return true;
        if (status == STORE_FATAL || reads) /* the store has repeated reads for its own patience */
            break;
    }
    /* Each time refused without a word whether it was done, though other requests are answered. */
    if (conditional && op->status == STORE_UNKNOWN && op->http_status_r != 0 &&
        op->http_status_r != 503)
        return true;
    gate_give_up(gate, op);
    return false;
}

bool gate_ask(struct gate *gate, struct gate_request *request)
{
    return gate_ask_at(gate, gate->queue->store, request);
}

bool gate_put(struct gate *gate, const char *name, enum store_cond cond, const char *etag,
              const char *body, struct gate_answer *answer_r)
{
    struct gate_request request;
    bool answered;

    gate_prepare(gate, &request, STORE_PUT, name);
    request.op.cond = cond;
    snprintf(request.op.etag, sizeof(request.op.etag), "%s", etag != NULL ? etag : "");
    gate_set_body(&request, body, strlen(body));
    answered = gate_ask(gate, &request);
    answer_r->status = request.op.status;
    answer_r->http_status = request.op.http_status_r;
    answer_r->date_ms = request.op.date_ms_r;
    memcpy(answer_r->etag, request.op.etag_r, sizeof(answer_r->etag));
    store_op_release(&request.op);
    return answered;
}

char *gate_get(struct gate *gate, const char *name, size_t *len_r)
{
    struct gate_request request;
    char *text = NULL;

    gate_prepare(gate, &request, STORE_GET, name);
    request.op.max_bytes = 64 * 1024 * 1024;
    if (gate_ask(gate, &request) && request.op.status == STORE_OK) {
        text = mem_strndup(buf_text(&request.op.data), request.op.data.len);
        if (len_r != NULL)
            *len_r = request.op.data.len;
    }
    store_op_release(&request.op);
    return text;
}

bool gate_holds(struct gate *gate, const char *name, const char *body)
{
    char *text = gate_get(gate, name, NULL);
    bool same = text != NULL && strcmp(text, body) == 0;

    free(text);
    return same;
}
