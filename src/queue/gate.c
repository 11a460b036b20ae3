/* See gate.h: does this store keep the promises that the protocol stands on?
 *
 * Every check writes below its own folder of the probe's, so that no two disturb each other, and
 * says in one line what was seen. A check that gets no answer makes the verdict "unreachable": an
 * error is never taken for an answer. */
#include "queue/gate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "queue/step.h"

#define ROUNDS 6           /* races of each kind */
#define RACERS 8           /* requests that arrive together */
#define RACE_STORES 4      /* connections pools of their own, each perhaps at another address */
#define SMALL 1024         /* bytes of a racer's body */
#define LARGE (256 * 1024) /* bodies long enough to overlap */
#define CLOCK_SPREAD_MS 2000
#define WEEK_MS (7 * 24 * 3600 * 1000LL)
#define KEY_ROOM 600

struct gate {
    struct queue *queue;
    struct gate_report *report;
    char folder[KEY_ROOM]; /* …/registry/probe/<32 hex>/ */
    struct store *stores[RACE_STORES];
    size_t store_count; /* at least one: the queue's own */
    struct store_properties properties;
    bool versioned;
    bool failed; /* no answer, or a refusal: the rest is not tried */
};

/* ---- saying what was seen ---- */

static void add_check(struct gate *gate, const char *name, int result, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

static void add_check(struct gate *gate, const char *name, int result, const char *fmt, ...)
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
}

static void say(struct gate *gate, const char *name, bool good, const char *text)
{
    add_check(gate, name, good ? GATE_PASS : GATE_FAIL, "%s", text);
}

/* No usable answer: the store cannot be judged. */
static void give_up(struct gate *gate, const struct store_op *op)
{
    struct gate_report *report = gate->report;

    gate->failed = true;
    if (report->reason != NULL)
        return;
    report->unreachable = op->status == STORE_FATAL ? STORE_FATAL : STORE_AGAIN;
    report->reason = step_failure_text(op);
}

/* ---- one request ---- */

struct request {
    struct store_op op;
    char key[KEY_ROOM + 64];
};

static void prepare(struct gate *gate, struct request *request, enum store_kind kind,
                    const char *name)
{
    snprintf(request->key, sizeof(request->key), "%s%s", gate->folder, name);
    store_op_init(&request->op, kind, request->key);
}

static void set_body(struct request *request, const char *body)
{
    request->op.body = body;
    request->op.body_len = strlen(body);
}

static void note_answer(struct gate *gate, const struct store_op *op)
{
    gate->versioned = gate->versioned || op->versioned_r;
}

/* An answer that the check can judge by; a write that went unanswered is no answer here. */
static bool ask(struct gate *gate, struct request *request)
{
    enum store_status status;

    for (int tries = 0; tries < 4; tries++) {
        if (tries > 0) {
            step_pause(gate->queue, tries);
            store_op_reset(&request->op);
        }
        status = store_do(gate->queue->store, &request->op);
        note_answer(gate, &request->op);
        /* A write that was perhaps done may not be sent again: its second answer would lie. */
        if (status != STORE_AGAIN)
            break;
    }
    if (status == STORE_OK || status == STORE_NOT_FOUND || status == STORE_PRECONDITION ||
        request->op.http_status_r == 501) /* "not implemented" is an answer too */
        return true;
    give_up(gate, &request->op);
    return false;
}

/* PUT; false: no answer. */
static bool put(struct gate *gate, const char *name, enum store_cond cond, const char *etag,
                const char *body, enum store_status *status_r, char *etag_r)
{
    struct request request;
    bool answered;

    prepare(gate, &request, STORE_PUT, name);
    request.op.cond = cond;
    snprintf(request.op.etag, sizeof(request.op.etag), "%s", etag != NULL ? etag : "");
    set_body(&request, body);
    answered = ask(gate, &request);
    *status_r = request.op.status;
    if (etag_r != NULL)
        memcpy(etag_r, request.op.etag_r, STORE_ETAG_SIZE);
    store_op_release(&request.op);
    return answered;
}

/* What the key holds; NULL: nothing, or no answer (gate->failed). The caller frees. */
static char *get(struct gate *gate, const char *name, char *etag_r)
{
    struct request request;
    char *text = NULL;

    prepare(gate, &request, STORE_GET, name);
    if (ask(gate, &request) && request.op.status == STORE_OK) {
        text = mem_strndup(buf_text(&request.op.data), request.op.data.len);
        if (etag_r != NULL)
            memcpy(etag_r, request.op.etag_r, STORE_ETAG_SIZE);
    }
    store_op_release(&request.op);
    return text;
}

static bool holds(struct gate *gate, const char *name, const char *body)
{
    char *text = get(gate, name, NULL);
    bool same = text != NULL && strcmp(text, body) == 0;

    free(text);
    return same;
}

static bool refused(enum store_status status)
{
    return status == STORE_PRECONDITION || status == STORE_NOT_FOUND;
}

/* ---- in sequence ---- */

static void check_create(struct gate *gate)
{
    enum store_status first, second;

    if (!put(gate, "create", STORE_IF_ABSENT, NULL, "one", &first, NULL) ||
        !put(gate, "create", STORE_IF_ABSENT, NULL, "two", &second, NULL))
        return;
    gate->report->put_if_none_match =
        first == STORE_OK && refused(second) && holds(gate, "create", "one");
    say(gate, "put_if_none_match", gate->report->put_if_none_match,
        first != STORE_OK  ? "If-None-Match: * refuses a new key"
        : !refused(second) ? "If-None-Match: * overwrites what is there"
                           : "a key is created once");
}

static void check_match(struct gate *gate)
{
    static const char wrong[] = "00000000000000000000000000000000";
    enum store_status made, right, stale, other, missing;
    char first[STORE_ETAG_SIZE], second[STORE_ETAG_SIZE];
    bool good;

    if (!put(gate, "match", STORE_ALWAYS, NULL, "one", &made, first) ||
        !put(gate, "match", STORE_IF_MATCH, first, "two", &right, second) ||
        !put(gate, "match", STORE_IF_MATCH, first, "three", &stale, NULL) ||
        !put(gate, "match", STORE_IF_MATCH, wrong, "four", &other, NULL) ||
        !put(gate, "nothing", STORE_IF_MATCH, first, "five", &missing, NULL))
        return;
    good = right == STORE_OK && refused(stale) && refused(other) && refused(missing) &&
           holds(gate, "match", "two");
    gate->report->put_if_match = good;
    say(gate, "put_if_match", good,
        right != STORE_OK   ? "If-Match refuses the ETag that is there"
        : !refused(stale)   ? "If-Match takes an ETag that is gone"
        : !refused(other)   ? "If-Match takes any ETag"
        : !refused(missing) ? "If-Match creates a key that is not there"
                            : "only the ETag that is there is replaced");
}

static void check_etags(struct gate *gate)
{
    struct request head, list;
    enum store_status status;
    char one[STORE_ETAG_SIZE], two[STORE_ETAG_SIZE];
    bool same, listed;

    if (!put(gate, "etag/a", STORE_ALWAYS, NULL, "one", &status, one) ||
        !put(gate, "etag/a", STORE_ALWAYS, NULL, "two", &status, two))
        return;
    prepare(gate, &head, STORE_HEAD, "etag/a");
    prepare(gate, &list, STORE_LIST, "etag/");
    if (ask(gate, &head) && ask(gate, &list)) {
        same = strcmp(one, two) != 0 && strcmp(head.op.etag_r, two) == 0;
        listed = list.op.entry_count == 1 && strcmp(list.op.entries[0].etag, two) == 0;
        say(gate, "etag", same && listed,
            !same     ? "PUT and HEAD disagree about the ETag, or it does not change with the body"
            : !listed ? "a listing does not show an overwrite at once"
                      : "PUT, HEAD and LIST agree, at once");
    }
    store_op_release(&head.op);
    store_op_release(&list.op);
}

static void check_missing(struct gate *gate)
{
    struct request request;

    prepare(gate, &request, STORE_GET, "missing");
    if (ask(gate, &request))
        say(gate, "missing_key", request.op.status == STORE_NOT_FOUND,
            request.op.status == STORE_NOT_FOUND ? "a missing key is said to be missing"
                                                 : "a missing key is found");
    store_op_release(&request.op);
}

static void check_metadata(struct gate *gate)
{
    struct store_meta meta = {.name = "claim", .value = (char *)"0123456789abcdef"};
    struct request request, head;
    const char *value;

    prepare(gate, &request, STORE_PUT, "meta");
    set_body(&request, "body");
    request.op.put_meta = &meta;
    request.op.put_meta_count = 1;
    prepare(gate, &head, STORE_HEAD, "meta");
    if (ask(gate, &request) && ask(gate, &head)) {
        value = store_op_meta(&head.op, "claim");
        say(gate, "metadata", value != NULL && strcmp(value, meta.value) == 0,
            value != NULL ? "user metadata is kept" : "user metadata is dropped");
    }
    store_op_release(&request.op);
    store_op_release(&head.op);
}

static void check_clock(struct gate *gate)
{
    struct request request;
    int64_t before, after, offset, spread;

    prepare(gate, &request, STORE_PUT, "clock");
    set_body(&request, "tick");
    if (ask(gate, &request)) {
        store_op_release(&request.op);
        prepare(gate, &request, STORE_GET, "clock");
        before = clock_wall_ms(gate->queue->clock);
        if (ask(gate, &request)) {
            after = clock_wall_ms(gate->queue->clock);
            offset = request.op.date_ms_r - (before + after) / 2;
            spread = request.op.date_ms_r - request.op.modified_ms_r;
            gate->report->clock_offset_ms = offset;
            if (request.op.date_ms_r == 0)
                add_check(gate, "clock", GATE_FAIL, "answers carry no Date");
            else
                add_check(gate, "clock",
                          spread >= -CLOCK_SPREAD_MS &&
                                  spread <= CLOCK_SPREAD_MS + 2 * (after - before) + 10000
                              ? GATE_PASS
                              : GATE_FAIL,
                          "the server's clock is %lld ms from ours; Date and LastModified are "
                          "%lld ms apart",
                          (long long)offset, (long long)spread);
        }
    }
    store_op_release(&request.op);
}

/* ---- deletes ---- */

/* Tried as if the store honoured the condition: the S3 store sends it only then. */
static void check_conditional_delete(struct gate *gate)
{
    struct store_properties tried = gate->properties;
    enum store_status status;
    char etag[STORE_ETAG_SIZE];
    struct request wrong, right;
    bool kept, gone;

    tried.conditional_delete = true;
    store_set_properties(gate->queue->store, &tried);
    prepare(gate, &wrong, STORE_DELETE, "delete");
    prepare(gate, &right, STORE_DELETE, "delete");
    if (put(gate, "delete", STORE_ALWAYS, NULL, "stays", &status, etag)) {
        wrong.op.cond = right.op.cond = STORE_IF_MATCH;
        snprintf(wrong.op.etag, sizeof(wrong.op.etag), "00000000000000000000000000000000");
        memcpy(right.op.etag, etag, sizeof(right.op.etag));
        status = store_do(gate->queue->store, &wrong.op);
        kept = holds(gate, "delete", "stays");
        status = store_do(gate->queue->store, &right.op);
        gone = !holds(gate, "delete", "stays") && !gate->failed;
        gate->report->delete_if_match = kept && gone && status == STORE_OK;
        add_check(gate, "delete_if_match", gate->report->delete_if_match ? GATE_PASS : GATE_NA,
                  "%s",
                  !kept  ? "DELETE does not look at If-Match"
                  : gone ? "DELETE goes by If-Match"
                         : "DELETE with the right If-Match is refused");
    }
    store_op_release(&wrong.op);
    store_op_release(&right.op);
    tried.conditional_delete = gate->report->delete_if_match;
    store_set_properties(gate->queue->store, &tried);
}

static void check_expiring_delete(struct gate *gate)
{
    struct store_properties tried = gate->properties;
    enum store_status status;
    struct request late, timely;
    bool kept, gone;

    tried.conditional_delete = false;
    store_set_properties(gate->queue->store, &tried);
    prepare(gate, &late, STORE_DELETE, "expire");
    prepare(gate, &timely, STORE_DELETE, "expire");
    if (put(gate, "expire", STORE_ALWAYS, NULL, "stays", &status, NULL)) {
        int64_t server = store_server_ms(gate->queue->store, gate->queue->clock);

        late.op.expires_ms = server - 60 * 1000;
        timely.op.expires_ms = server + 60 * 1000;
        status = store_do(gate->queue->store, &late.op);
        kept = holds(gate, "expire", "stays");
        status = store_do(gate->queue->store, &timely.op);
        gone = !holds(gate, "expire", "stays") && !gate->failed;
        gate->report->delete_expires = kept && gone && status == STORE_OK;
        add_check(gate, "delete_expires", gate->report->delete_expires ? GATE_PASS : GATE_NA, "%s",
                  !kept  ? "a DELETE that has expired is done"
                  : gone ? "a DELETE that has expired is refused"
                         : "a DELETE that expires later is refused");
    }
    store_op_release(&late.op);
    store_op_release(&timely.op);
    store_set_properties(gate->queue->store, &gate->properties);
}

/* ---- races ---- */

struct racer {
    struct request request;
    char *body;
};

struct race {
    struct gate *gate;
    struct racer racers[RACERS];
    struct store_batch batches[RACE_STORES];
    struct store_op ops[RACERS];
};

/* Sends all of them at once, over all stores. */
static void run_race(struct race *race)
{
    struct gate *gate = race->gate;
    size_t share = RACERS / gate->store_count, left = gate->store_count;

    for (size_t i = 0; i < gate->store_count; i++) {
        struct store_batch *batch = &race->batches[i];

        memset(batch, 0, sizeof(*batch));
        batch->ops = &race->ops[i * share];
        batch->count = i + 1 == gate->store_count ? RACERS - i * share : share;
        store_submit(gate->stores[i], batch);
    }
    for (size_t turn = 0; left > 0; turn++) {
        struct store *store = gate->stores[turn % gate->store_count];

        if (store_wait(store, gate->store_count == 1 ? -1 : 5, -1) != NULL)
            left--;
    }
    for (size_t i = 0; i < RACERS; i++)
        note_answer(gate, &race->ops[i]);
}

/* One winner, whose whole body stands; or none that was told so and one of those left unknown. */
static const char *judge_race(struct race *race, const char *name)
{
    size_t won = 0, unknown = 0, winner = 0;
    bool stands = false;
    char *text;

    for (size_t i = 0; i < RACERS; i++) {
        won += race->ops[i].status == STORE_OK;
        unknown += race->ops[i].status == STORE_UNKNOWN || race->ops[i].status == STORE_AGAIN;
        if (race->ops[i].status == STORE_OK)
            winner = i;
        if (race->ops[i].status == STORE_FATAL)
            give_up(race->gate, &race->ops[i]);
    }
    text = get(race->gate, name, NULL);
    for (size_t i = 0; i < RACERS && text != NULL; i++)
        if (strcmp(text, race->racers[i].body) == 0)
            stands = won == 0 ? race->ops[i].status == STORE_UNKNOWN : i == winner;
    free(text);
    if (won > 1)
        return "of several writers at once more than one is told that it won";
    if (won == 1 && !stands)
        return "what stands is not what the winner wrote";
    if (won == 0 && unknown == 0)
        return "of several writers at once none wins";
    return NULL;
}

static const char *race_once(struct gate *gate, const char *name, const char *etag, size_t size)
{
    struct race *race = mem_alloc(sizeof(*race));
    const char *fault;

    race->gate = gate;
    for (size_t i = 0; i < RACERS; i++) {
        struct racer *racer = &race->racers[i];

        racer->body = mem_alloc(size + 1);
        memset(racer->body, 'a' + (int)i, size);
        prepare(gate, &racer->request, STORE_PUT, name);
        race->ops[i] = racer->request.op;
        race->ops[i].key = racer->request.key;
        race->ops[i].cond = etag != NULL ? STORE_IF_MATCH : STORE_IF_ABSENT;
        snprintf(race->ops[i].etag, sizeof(race->ops[i].etag), "%s", etag != NULL ? etag : "");
        race->ops[i].body = racer->body;
        race->ops[i].body_len = size;
    }
    run_race(race);
    fault = judge_race(race, name);
    for (size_t i = 0; i < RACERS; i++) {
        store_op_release(&race->ops[i]);
        free(race->racers[i].body);
    }
    free(race);
    return fault;
}

static void check_races(struct gate *gate)
{
    const char *fault = NULL, *match_fault = NULL;

    for (int round = 0; round < ROUNDS && fault == NULL && match_fault == NULL && !gate->failed;
         round++) {
        size_t size = round % 3 == 2 ? LARGE : SMALL;
        enum store_status status;
        char name[32], etag[STORE_ETAG_SIZE];

        snprintf(name, sizeof(name), "race/create%d", round);
        fault = race_once(gate, name, NULL, size);
        snprintf(name, sizeof(name), "race/match%d", round);
        if (gate->failed || !put(gate, name, STORE_ALWAYS, NULL, "old", &status, etag))
            return;
        match_fault = race_once(gate, name, etag, size);
    }
    if (fault != NULL)
        gate->report->put_if_none_match = false;
    if (match_fault != NULL)
        gate->report->put_if_match = false;
    say(gate, "race_create", fault == NULL, fault != NULL ? fault : "one creator wins");
    say(gate, "race_replace", match_fault == NULL,
        match_fault != NULL ? match_fault : "one replacer wins");
}

/* ---- the whole ---- */

static void clean_up(struct gate *gate)
{
    struct request list;
    size_t count;

    do {
        prepare(gate, &list, STORE_LIST, "");
        if (store_do(gate->queue->store, &list.op) != STORE_OK) {
            store_op_release(&list.op);
            return;
        }
        count = 0;
        for (size_t i = 0; i < list.op.entry_count; i++) {
            struct store_op op;

            store_op_init(&op, STORE_DELETE, list.op.entries[i].key);
            op.expires_ms = list.op.date_ms_r + 60 * 1000;
            if (store_do(gate->queue->store, &op) == STORE_OK)
                count++;
            store_op_release(&op);
        }
        store_op_release(&list.op);
    } while (count > 0);
}

static void check_versioning(struct gate *gate)
{
    gate->report->versioned = gate->versioned;
    say(gate, "versioning", !gate->versioned,
        gate->versioned ? "the bucket is versioned: conditions do not hold there on every server; "
                          "use one without versioning"
                        : "the bucket is not versioned");
}

static void judge(struct gate *gate)
{
    struct gate_report *report = gate->report;

    if (gate->failed) {
        report->verdict = GATE_UNREACHABLE;
        return;
    }
    report->verdict = GATE_FIT;
    for (size_t i = 0; i < report->check_count; i++) {
        if (report->checks[i].result != GATE_FAIL)
            continue;
        report->verdict = GATE_UNFIT;
        if (report->reason == NULL)
            report->reason = mem_printf("%s; use a store that keeps conditions, or a directory",
                                        report->checks[i].text);
    }
    if (report->verdict == GATE_FIT && !report->delete_if_match && !report->delete_expires) {
        report->verdict = GATE_UNFIT;
        report->reason = mem_strdup("the store neither conditions a DELETE nor lets it expire; use "
                                    "another one, or a directory");
    }
}

static void set_properties(struct queue *queue, const struct gate_report *report)
{
    struct store_properties properties = *store_properties(queue->store);

    properties.conditional_put = report->put_if_none_match && report->put_if_match;
    properties.conditional_delete = report->delete_if_match;
    properties.expiring_delete = report->delete_expires;
    store_set_properties(queue->store, &properties);
}

void gate_probe(struct queue *queue, const struct gate_opener *opener, struct gate_report *report_r)
{
    static void (*const checks[])(struct gate * gate) = {check_create,
                                                         check_match,
                                                         check_etags,
                                                         check_missing,
                                                         check_metadata,
                                                         check_clock,
                                                         check_conditional_delete,
                                                         check_expiring_delete,
                                                         check_races,
                                                         check_versioning};
    struct gate gate = {.queue = queue, .report = report_r};
    char id[33], name[64], key[KEY_SIZE];

    memset(report_r, 0, sizeof(*report_r));
    gate.properties = *store_properties(queue->store);
    rng_hex(queue->rng, 16, id);
    snprintf(name, sizeof(name), "probe/%s/", id);
    snprintf(gate.folder, sizeof(gate.folder), "%s", key_registry(&queue->keys, name, key));
    gate.stores[gate.store_count++] = queue->store;
    while (opener != NULL && gate.store_count < RACE_STORES) {
        struct store *store = opener->open(opener->arg);

        if (store == NULL)
            break;
        gate.stores[gate.store_count++] = store;
    }
    for (size_t i = 0; i < ARRAY_LEN(checks) && !gate.failed; i++)
        checks[i](&gate);
    report_r->etag_form = store_properties(queue->store)->quoted_etag ? "quoted"
                          : store_properties(queue->store)->presigns  ? "bare"
                                                                      : "both";
    judge(&gate);
    if (report_r->verdict == GATE_FIT)
        set_properties(queue, report_r);
    clean_up(&gate);
    for (size_t i = 1; i < gate.store_count; i++)
        store_close(gate.stores[i]);
}

/* ---- remembering ---- */

static bool flag(struct json_object *object, const char *name)
{
    bool value = false;

    return json_get_bool(object, name, &value) && value;
}

/* Is this the memory of a pass that still holds? */
static bool take_memory(struct queue *queue, struct json_object *object,
                        struct gate_report *report_r)
{
    struct json_object *properties = json_get_object(object, "properties");
    const char *endpoint = json_get_text(object, "endpoint");
    const char *verdict = json_get_text(object, "verdict");
    int64_t version = 0, checked = 0, now = store_server_ms(queue->store, queue->clock);
    struct store_properties known;

    if (endpoint == NULL || strcmp(endpoint, store_url(queue->store)) != 0 || verdict == NULL ||
        strcmp(verdict, "fit") != 0 || properties == NULL)
        return false;
    if (!json_get_int(object, "probe_version", &version) || version != GATE_VERSION ||
        !json_get_int(object, "checked_ms", &checked) || checked > now + CLOCK_SPREAD_MS ||
        now - checked > WEEK_MS)
        return false;
    report_r->verdict = GATE_FIT;
    report_r->put_if_none_match = flag(properties, "put_if_none_match");
    report_r->put_if_match = flag(properties, "put_if_match");
    report_r->delete_if_match = flag(properties, "delete_if_match");
    report_r->delete_expires = flag(properties, "delete_expires");
    report_r->versioned = flag(object, "versioned");
    known = *store_properties(queue->store);
    known.quoted_etag = flag(properties, "quoted_etag");
    report_r->etag_form = known.quoted_etag ? "quoted" : known.presigns ? "bare" : "both";
    store_set_properties(queue->store, &known);
    set_properties(queue, report_r);
    return true;
}

static bool recall(struct queue *queue, struct gate_report *report_r)
{
    struct json_object *object = NULL;
    struct store_op op;
    char key[KEY_SIZE];
    bool known = false;

    store_op_init(&op, STORE_GET, key_registry(&queue->keys, "gate.json", key));
    if (store_do(queue->store, &op) == STORE_OK && !op.versioned_r &&
        json_parse(buf_text(&op.data), op.data.len, JSON_RECORD_MAX, &object) == JSON_OK)
        known = take_memory(queue, object, report_r);
    json_object_put(object);
    store_op_release(&op);
    return known;
}

/* A note for the next start; one that cannot be written costs another probe. */
static void remember(struct queue *queue, const struct gate_report *report)
{
    struct json_object *object = json_object_new_object(), *properties = json_object_new_object();
    struct buf body = BUF_INIT;
    struct store_op op;
    char key[KEY_SIZE];
    char *ignored = NULL;

    json_set_int(object, "probe_version", GATE_VERSION);
    json_set_text(object, "endpoint", store_url(queue->store));
    json_set_text(object, "verdict", report->verdict == GATE_FIT ? "fit" : "unfit");
    json_set_bool(object, "versioned", report->versioned);
    json_set_int(object, "checked_ms", store_server_ms(queue->store, queue->clock));
    json_set_bool(properties, "put_if_none_match", report->put_if_none_match);
    json_set_bool(properties, "put_if_match", report->put_if_match);
    json_set_bool(properties, "delete_if_match", report->delete_if_match);
    json_set_bool(properties, "delete_expires", report->delete_expires);
    json_set_bool(properties, "quoted_etag", store_properties(queue->store)->quoted_etag);
    json_set_object(object, "properties", properties);
    json_append(&body, object);
    json_object_put(object);
    store_op_init(&op, STORE_PUT, key_registry(&queue->keys, "gate.json", key));
    op.body = buf_text(&body);
    op.body_len = body.len;
    op.content_type = "application/json";
    if (step_note(queue, NULL, &op, 1, &ignored) != QUEUE_OK)
        step_notice(queue, "gate", NULL, ignored != NULL ? ignored : "the verdict is not kept");
    free(ignored);
    store_op_release(&op);
    buf_release(&body);
}

void gate_check(struct queue *queue, const struct gate_opener *opener, struct gate_report *report_r)
{
    memset(report_r, 0, sizeof(*report_r));
    if (recall(queue, report_r))
        return;
    gate_probe(queue, opener, report_r);
    if (report_r->verdict != GATE_UNREACHABLE)
        remember(queue, report_r);
}

void gate_report_release(struct gate_report *report)
{
    for (size_t i = 0; i < report->check_count; i++)
        free(report->checks[i].text);
    free(report->checks);
    free(report->reason);
    memset(report, 0, sizeof(*report));
}
