/* The gate's checks in sequence: what one request after the other comes to (gate_parts.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "queue/gate_parts.h"
#include "queue/step.h"

/* ---- conditional writes ---- */

/* A condition that is neither kept nor refused. NULL: it was. */
static char *unsettled(const struct gate_answer *answers, size_t count, const char *header)
{
    for (size_t i = 0; i < count; i++) {
        if (gate_settled(answers[i].status))
            continue;
        if (answers[i].http_status == 0)
            return mem_printf("a PUT with %s is refused, whether it holds or not", header);
        return mem_printf("a PUT with %s is answered %d every time", header,
                          answers[i].http_status);
    }
    return NULL;
}

static void say_settled(struct gate *gate, const char *name, const char *need, char *trouble,
                        bool good, const char *text)
{
    gate->conditions_unsettled = gate->conditions_unsettled || trouble != NULL;
    gate_say(gate, name, need, good && trouble == NULL, trouble != NULL ? trouble : text);
    free(trouble);
}

void gate_check_create(struct gate *gate)
{
    struct gate_answer answer[2];

    if (!gate_put(gate, "create", STORE_IF_ABSENT, NULL, "one", &answer[0]) ||
        !gate_put(gate, "create", STORE_IF_ABSENT, NULL, "two", &answer[1]))
        return;
    gate->report->put_if_none_match = answer[0].status == STORE_OK &&
                                      gate_refused(answer[1].status) &&
                                      gate_holds(gate, "create", "one");
    if (gate->failed)
        return;
    say_settled(gate, "put_if_none_match", "a job has one lock, a hash one result",
                unsettled(answer, 2, "If-None-Match: *"), gate->report->put_if_none_match,
                answer[0].status != STORE_OK       ? "If-None-Match: * refuses a new key"
                : !gate_refused(answer[1].status)  ? "If-None-Match: * overwrites what is there"
                : !gate->report->put_if_none_match ? "If-None-Match: * is refused, and done"
                                                   : "a key is created once");
}

void gate_check_match(struct gate *gate)
{
    static const char wrong[] = "00000000000000000000000000000000";
    struct gate_answer made, answer[4];
    bool good;

    if (gate->conditions_unsettled || !gate_put(gate, "match", STORE_ALWAYS, NULL, "one", &made) ||
        !gate_put(gate, "match", STORE_IF_MATCH, made.etag, "two", &answer[0]) ||
        !gate_put(gate, "match", STORE_IF_MATCH, made.etag, "three", &answer[1]) ||
        !gate_put(gate, "match", STORE_IF_MATCH, wrong, "four", &answer[2]) ||
        !gate_put(gate, "nothing", STORE_IF_MATCH, made.etag, "five", &answer[3]))
        return;
    good = answer[0].status == STORE_OK && gate_refused(answer[1].status) &&
           gate_refused(answer[2].status) && gate_refused(answer[3].status) &&
           gate_holds(gate, "match", "two");
    if (gate->failed)
        return;
    gate->report->put_if_match = good;
    gate->properties = *store_properties(gate->queue->store); /* the form of ETags is known now */
    for (size_t i = 0; i < gate->store_count; i++)
        store_set_properties(gate->stores[i], &gate->properties);
    say_settled(gate, "put_if_match", "a lock and a marker change only by who read them",
                unsettled(answer, 4, "If-Match"), good,
                answer[0].status != STORE_OK      ? "If-Match refuses the ETag that is there"
                : !gate_refused(answer[1].status) ? "If-Match takes an ETag that is gone"
                : !gate_refused(answer[2].status) ? "If-Match takes any ETag"
                : !gate_refused(answer[3].status) ? "If-Match creates a key that is not there"
                : !good                           ? "If-Match is refused, and done"
                                                  : "only the ETag that is there is replaced");
}

/* ---- what answers say ---- */

void gate_check_etags(struct gate *gate)
{
    struct gate_answer one, two;
    struct gate_request head;
    bool same;

    if (!gate_put(gate, "etag/a", STORE_ALWAYS, NULL, "one", &one) ||
        !gate_put(gate, "etag/a", STORE_ALWAYS, NULL, "two", &two))
        return;
    gate_prepare(gate, &head, STORE_HEAD, "etag/a");
    if (gate_ask(gate, &head)) {
        same = strcmp(one.etag, two.etag) != 0 && strcmp(head.op.etag_r, two.etag) == 0;
        gate_say(gate, "etag", "conditions name what was read", same,
                 same
                     ? "it changes with the body, the same in PUT and HEAD"
                     : "PUT and HEAD disagree about the ETag, or it does not change with the body");
    }
    store_op_release(&head.op);
}

/* Does a listing at every address show just this? etag NULL: nothing. */
static bool listed(struct gate *gate, const char *etag, bool *same_r)
{
    bool answered = true;

    *same_r = true;
    for (size_t i = 0; i < gate->store_count && answered; i++) {
        struct gate_request list;

        gate_prepare(gate, &list, STORE_LIST, "list/");
        answered = gate_ask_at(gate, gate->stores[i], &list);
        if (etag != NULL)
            *same_r =
                *same_r && list.op.entry_count == 1 && strcmp(list.op.entries[0].etag, etag) == 0;
        else
            *same_r = *same_r && list.op.entry_count == 0;
        store_op_release(&list.op);
    }
    return answered;
}

void gate_check_listing(struct gate *gate)
{
    struct gate_answer one, two;
    struct gate_request gone;
    bool made, changed, removed;

    gate_prepare(gate, &gone, STORE_DELETE, "list/a");
    if (gate_put(gate, "list/a", STORE_ALWAYS, NULL, "one", &one) &&
        listed(gate, one.etag, &made) &&
        gate_put(gate, "list/a", STORE_ALWAYS, NULL, "two", &two) &&
        listed(gate, two.etag, &changed) && gate_ask(gate, &gone) && listed(gate, NULL, &removed))
        gate_say(gate, "listing", "jobs are found, and locks seen to be alive",
                 made && changed && removed,
                 !made      ? "a listing does not show a new key at once"
                 : !changed ? "a listing does not show an overwrite at once"
                 : !removed ? "a listing shows what was deleted before"
                            : "it shows a new key, an overwrite and a delete at once");
    store_op_release(&gone.op);
}

void gate_check_missing(struct gate *gate)
{
    struct gate_request request;

    gate_prepare(gate, &request, STORE_GET, "missing");
    if (gate_ask(gate, &request))
        gate_say(gate, "missing_key", "an error is never taken for absence",
                 request.op.status == STORE_NOT_FOUND,
                 request.op.status == STORE_NOT_FOUND ? "a missing key is said to be missing"
                                                      : "a missing key is found");
    store_op_release(&request.op);
}

void gate_check_metadata(struct gate *gate)
{
    struct store_meta meta = {.name = "claim", .value = (char *)"0123456789abcdef"};
    struct gate_request request, head;
    const char *value;

    gate_prepare(gate, &request, STORE_PUT, "meta");
    gate_set_body(&request, "body", 4);
    request.op.put_meta = &meta;
    request.op.put_meta_count = 1;
    gate_prepare(gate, &head, STORE_HEAD, "meta");
    if (gate_ask(gate, &request) && gate_ask(gate, &head)) {
        value = store_op_meta(&head.op, "claim");
        gate_say(gate, "metadata", "a result says whose it is",
                 value != NULL && strcmp(value, meta.value) == 0,
                 value != NULL ? "user metadata is kept" : "user metadata is dropped");
    }
    store_op_release(&request.op);
    store_op_release(&head.op);
}

/* ---- clocks ---- */

/* The clock of one address against ours; a server's Date is cut to seconds. False: no answer. */
static bool look_at_clock(struct gate *gate, struct store *store, int64_t *offset_r,
                          int64_t *modified_r)
{
    struct clock *clock = gate->queue->clock;
    struct gate_request request;
    int64_t before = clock_wall_ms(clock);
    bool answered;

    gate_prepare(gate, &request, STORE_GET, "clock");
    answered = gate_ask_at(gate, store, &request);
    *offset_r = request.op.date_ms_r + (request.op.date_ms_r % 1000 == 0 ? 500 : 0) -
                (before + clock_wall_ms(clock)) / 2;
    *modified_r = request.op.modified_ms_r;
    if (answered && request.op.date_ms_r == 0) {
        gate_say(gate, "clock", "a DELETE ends by the server's clock", false,
                 "answers carry no Date");
        answered = false;
    }
    store_op_release(&request.op);
    return answered;
}

void gate_check_clock(struct gate *gate)
{
    int64_t before = clock_wall_ms(gate->queue->clock), took, least = 0, most = 0, age = 0;
    struct gate_answer made;
    bool near;

    if (!gate_put(gate, "clock", STORE_ALWAYS, NULL, "tick", &made))
        return;
    took = clock_wall_ms(gate->queue->clock) - before;
    for (size_t i = 0; i < gate->store_count; i++) {
        int64_t offset, modified;

        if (!look_at_clock(gate, gate->stores[i], &offset, &modified))
            return;
        least = i == 0 || offset < least ? offset : least;
        most = i == 0 || offset > most ? offset : most;
        age = made.date_ms - modified;
        if (i == 0)
            gate->report->clock_offset_ms = offset;
    }
    near = age >= -GATE_CLOCK_SPREAD_MS && age <= GATE_CLOCK_SPREAD_MS + took;
    gate_add_check(
        gate, "clock", near && most - least <= GATE_CLOCK_SPREAD_MS + 1000 ? GATE_PASS : GATE_FAIL,
        "a DELETE ends by the server's clock",
        near ? "%lld ms from ours; its addresses lie within %lld ms"
             : "%lld ms from ours; addresses within %lld ms, but LastModified is %lld "
               "ms before the Date of its PUT",
        (long long)gate->report->clock_offset_ms, (long long)(most - least), (long long)age);
}

/* ---- requests that must come to nothing ---- */

/* One sending of a PUT that a server is to treat in a special way. False: the gate gave up. */
static bool try_put(struct gate *gate, const char *name, enum store_cond cond,
                    enum store_trial trial, const char *body, struct gate_answer *answer_r)
{
    struct gate_request request;

    gate_prepare(gate, &request, STORE_PUT, name);
    request.op.cond = cond;
    request.op.trial = trial;
    gate_set_body(&request, body, strlen(body));
    for (int tries = 0; tries < 4; tries++) {
        if (tries > 0) {
            step_pause(gate->queue, tries - 1);
            store_op_reset(&request.op);
        }
        answer_r->status = store_do(gate->queue->store, &request.op);
        answer_r->http_status = request.op.http_status_r;
        gate_note(gate, &request.op);
        if (answer_r->http_status != 0 || trial == STORE_TRIAL_HALF)
            break;
    }
    if (answer_r->http_status == 0 && trial != STORE_TRIAL_HALF)
        gate_give_up(gate, &request.op);
    store_op_release(&request.op);
    return !gate->failed;
}

static bool can_try(struct gate *gate, const char *name, const char *need)
{
    if (gate->properties.trials)
        return true;
    gate_add_check(gate, name, GATE_NA, need, "not a question to this kind of store");
    return false;
}

/* A create as a worker would send it. */
static bool put_presigned(struct gate *gate, const char *body, enum store_status *status_r)
{
    struct gate_request request;
    bool answered;

    gate_prepare(gate, &request, STORE_PUT, "sign");
    request.op.cond = STORE_IF_ABSENT;
    request.op.trial = STORE_TRIAL_PRESIGNED;
    gate_set_body(&request, body, strlen(body));
    answered = gate_ask(gate, &request);
    *status_r = request.op.status;
    store_op_release(&request.op);
    return answered;
}

void gate_check_presigned(struct gate *gate)
{
    static const char need[] = "workers publish without keys";
    enum store_status first, second;
    struct gate_answer stripped;
    bool stays;

    if (gate->conditions_unsettled || !can_try(gate, "presigned", need) ||
        !put_presigned(gate, "one", &first) || !put_presigned(gate, "two", &second) ||
        !try_put(gate, "sign", STORE_IF_ABSENT, STORE_TRIAL_STRIPPED, "three", &stripped))
        return;
    stays = gate_holds(gate, "sign", "one");
    if (gate->failed)
        return;
    gate->presigned_works = first == STORE_OK;
    gate_say(gate, "presigned", need,
             first == STORE_OK && gate_refused(second) && stripped.status != STORE_OK && stays,
             first != STORE_OK       ? "a presigned PUT is refused"
             : !gate_refused(second) ? "a presigned PUT overwrites against its condition"
             : stripped.status == STORE_OK || !stays
                 ? "a presigned PUT is done without the headers that were signed"
                 : "a presigned PUT keeps its condition, and needs the headers that were signed");
}

/* A body that must not appear under `name`: not now, and where nothing was answered not in the next
 * half second either. */
static void must_not_appear(struct gate *gate, const char *name, const char *check,
                            const struct gate_answer *answer, const char *need, const char *good,
                            const char *bad)
{
    int looks = answer->http_status >= 400 ? 1 : 4;
    bool appeared = false;

    for (int look = 0; look < looks && !appeared && !gate->failed; look++) {
        char *text;

        if (look > 0)
            clock_sleep_ms(gate->queue->clock, 150);
        text = gate_get(gate, name, NULL);
        appeared = text != NULL;
        free(text);
    }
    if (!gate->failed)
        gate_say(gate, check, need, !appeared, appeared ? bad : good);
}

void gate_check_digest(struct gate *gate)
{
    static const char need[] = "a damaged result is not accepted";
    struct gate_answer answer;

    if (can_try(gate, "digest", need) &&
        try_put(gate, "digest", STORE_ALWAYS, STORE_TRIAL_DIGEST, "body", &answer))
        must_not_appear(gate, "digest", "digest", &answer, need, "a wrong Content-MD5 is refused",
                        "a wrong Content-MD5 is accepted");
}

void gate_check_old(struct gate *gate)
{
    static const char need[] = "a request cannot arrive days later";
    struct gate_answer answer;

    if (can_try(gate, "old_signature", need) &&
        try_put(gate, "old", STORE_ALWAYS, STORE_TRIAL_OLD, "body", &answer))
        must_not_appear(gate, "old", "old_signature", &answer, need,
                        "a request signed 20 minutes ago is refused",
                        "a request signed 20 minutes ago is done");
}

void gate_check_half(struct gate *gate)
{
    static const char need[] = "a cut upload leaves nothing";
    struct gate_answer answer;
    char *body;
    bool sent;

    if (!can_try(gate, "half_body", need))
        return;
    body = mem_alloc(64 * 1024 + 1);
    memset(body, 'h', 64 * 1024);
    sent = try_put(gate, "half", STORE_ALWAYS, STORE_TRIAL_HALF, body, &answer);
    free(body);
    if (sent)
        must_not_appear(gate, "half", "half_body", &answer, need,
                        "half a body, then a cut: nothing appears",
                        "half a body, then a cut, makes an object");
}

void gate_check_range(struct gate *gate)
{
    struct gate_answer made;
    struct gate_request request;
    bool kept;

    if (!can_try(gate, "range", NULL) ||
        !gate_put(gate, "range", STORE_ALWAYS, NULL, "0123", &made))
        return;
    gate_prepare(gate, &request, STORE_GET, "range");
    request.op.trial = STORE_TRIAL_RANGE;
    if (gate_ask(gate, &request)) {
        kept = strcmp(buf_text(&request.op.data), "12") == 0;
        gate_add_check(gate, "range", kept ? GATE_PASS : GATE_NA, NULL, "%s",
                       kept ? "a part of a body can be read"
                            : "a part of a body cannot be read; nothing needs it");
    }
    store_op_release(&request.op);
}
