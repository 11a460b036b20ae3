/* See store_fault.h: a store that fails on purpose.
 *
 * Everything an operation needs is on the stack of fault_submit(), since hooks may switch fibers
 * and other operations of the net pass meanwhile. */
#include "store/store_fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define FEW 64 /* operations of a usual batch */

struct store_fault_late { /* a write that is under way */
    struct store_fault_late *next;
    struct store_op op; /* owns key, body and metadata below */
    char *key;
    struct buf body;
    struct store_meta meta[STORE_META_MAX];
    uint64_t number; /* of the call that sent it */
    uint64_t of_kind;
    int actor;
    uint64_t due_call; /* both must have been reached */
    int64_t due_boot_ms;
};

struct store_fault_script {
    struct store_fault_script *next; /* latest first */
    uint64_t number;
    struct store_fault fault;
};

struct fault_store {
    struct store base; /* first: a struct store is one of these */
    struct store_fault_net *net;
    int actor;
};

static bool is_write(const struct store_op *op)
{
    return op->kind == STORE_PUT || op->kind == STORE_DELETE;
}

static int64_t now_boot(const struct store_fault_net *net)
{
    return clock_boot_ms(net->clock);
}

/* What an actor hears that hears nothing. The outcome so far is dropped. */
static void end_unheard(struct store_fault_net *net, struct store_op *op, const char *what)
{
    store_op_reset(op);
    op->sent_boot_ms_r = now_boot(net);
    store_op_fail(op, is_write(op) ? STORE_UNKNOWN : STORE_AGAIN, "%s (injected)", what);
}

/* ---- lies ---- */

/* Does op's condition hold in the inner store at this moment? */
static bool holds_now(struct store_fault_net *net, const struct store_op *op)
{
    struct store_op head;
    enum store_status status;
    bool equal;

    store_op_init(&head, STORE_HEAD, op->key);
    status = store_do(net->inner, &head);
    equal = strcmp(head.etag_r, op->etag) == 0;
    store_op_release(&head);
    switch (op->cond) {
    case STORE_ALWAYS:
        return true;
    case STORE_IF_ABSENT:
        return status == STORE_NOT_FOUND;
    case STORE_IF_MATCH:
        return status == STORE_OK && equal;
    }
    return false;
}

static bool ignores_condition(unsigned lies, const struct store_op *op)
{
    if (op->kind == STORE_DELETE)
        return (lies & STORE_LIE_IGNORE_DELETE) != 0;
    return (op->cond == STORE_IF_ABSENT && (lies & STORE_LIE_IGNORE_ABSENT) != 0) ||
           (op->cond == STORE_IF_MATCH && (lies & STORE_LIE_IGNORE_MATCH) != 0);
}

/* One operation in the inner store, as a liar would do it. `held`: with STORE_LIE_RACE, whether the
 * condition held when the batch began. */
static void do_inner(struct store_fault_net *net, struct store_op *op, const bool *held)
{
    const struct store_op wish = *op;
    bool judged = op->kind == STORE_PUT && op->cond != STORE_ALWAYS;
    bool refuse = false;

    if (judged && (net->lies & STORE_LIE_INVERT) != 0)
        refuse = holds_now(net, op);
    else if (judged && held != NULL)
        refuse = !*held;
    else
        judged = false;
    if (judged || ignores_condition(net->lies, op))
        op->cond = STORE_ALWAYS;
    if ((net->lies & STORE_LIE_IGNORE_EXPIRY) != 0)
        op->expires_ms = 0;
    if ((net->lies & STORE_LIE_NO_META) != 0)
        op->put_meta_count = 0;
    if (refuse)
        store_op_fail(op, STORE_PRECONDITION, "refused by a store that lies (injected)");
    else
        store_run(net->inner, op, 1);
    op->versioned_r |= (net->lies & STORE_LIE_VERSIONED) != 0;
    op->cond = wish.cond;
    op->expires_ms = wish.expires_ms;
    op->put_meta_count = wish.put_meta_count;
}

static void trace(struct store_fault_net *net, const struct store_fault_call *call)
{
    if (net->hooks.trace != NULL)
        net->hooks.trace(net->hooks.arg, call);
}

/* ---- late requests ---- */

static void late_release(struct store_fault_late *late)
{
    store_op_release(&late->op);
    buf_release(&late->body);
    for (size_t i = 0; i < late->op.put_meta_count; i++)
        free(late->meta[i].value);
    free(late->key);
    free(late);
}

static bool is_before(const struct store_fault_late *a, const struct store_fault_late *b)
{
    if (a->due_boot_ms != b->due_boot_ms)
        return a->due_boot_ms < b->due_boot_ms;
    return a->due_call < b->due_call;
}

/* Takes a copy of the wish; false: its body cannot be read, it is lost. */
static bool send_late(struct store_fault_net *net, const struct store_fault_call *call)
{
    const struct store_op *op = call->op;
    struct store_fault_late *late = mem_alloc(sizeof(*late));
    struct store_fault_late **at = &net->late;

    store_op_init(&late->op, op->kind, NULL);
    late->key = mem_strdup(op->key);
    late->op.key = late->key;
    if (op->kind == STORE_PUT && !store_op_body_read(op, &late->body)) {
        late_release(late);
        return false;
    }
    late->op.body = buf_text(&late->body);
    late->op.body_len = late->body.len;
    late->op.cond = op->cond;
    memcpy(late->op.etag, op->etag, sizeof(op->etag));
    late->op.expires_ms = op->expires_ms;
    for (size_t i = 0; i < op->put_meta_count && i < STORE_META_MAX; i++) {
        late->meta[i] = op->put_meta[i];
        late->meta[i].value = mem_strdup(op->put_meta[i].value);
        late->op.put_meta_count++;
    }
    late->op.put_meta = late->meta;
    late->number = call->number;
    late->of_kind = call->of_kind;
    late->actor = call->actor;
    late->due_call = call->number + (uint64_t)call->fault.delay_calls;
    late->due_boot_ms = now_boot(net) + call->fault.delay_ms;
    while (*at != NULL && !is_before(late, *at))
        at = &(*at)->next;
    late->next = *at;
    *at = late;
    return true;
}

/* The first that is due is taken out of the list. */
static struct store_fault_late *take_due(struct store_fault_net *net, bool all)
{
    for (struct store_fault_late **at = &net->late; *at != NULL; at = &(*at)->next) {
        struct store_fault_late *late = *at;

        if (all || (net->calls >= late->due_call && now_boot(net) >= late->due_boot_ms)) {
            *at = late->next;
            return late;
        }
    }
    return NULL;
}

size_t store_fault_net_land(struct store_fault_net *net, bool all)
{
    struct store_fault_late *late;
    size_t count = 0;

    while ((late = take_due(net, all)) != NULL) {
        struct store_fault_call call = {.number = late->number,
                                        .of_kind = late->of_kind,
                                        .actor = late->actor,
                                        .landing = true,
                                        .op = &late->op,
                                        .fault = {.kind = STORE_FAULT_DELAYED}};

        do_inner(net, &late->op, NULL);
        trace(net, &call);
        late_release(late);
        count++;
    }
    return count;
}

size_t store_fault_net_late(const struct store_fault_net *net)
{
    size_t count = 0;

    for (const struct store_fault_late *late = net->late; late != NULL; late = late->next)
        count++;
    return count;
}

/* ---- the choice ---- */

void store_fault_net_script(struct store_fault_net *net, uint64_t number, struct store_fault fault)
{
    struct store_fault_script *entry = mem_alloc(sizeof(*entry));

    entry->number = number;
    entry->fault = fault;
    entry->next = net->script;
    net->script = entry;
}

static struct store_fault by_chance(struct store_fault_net *net)
{
    struct store_fault fault = {STORE_FAULT_NONE, 0, 0, 0};
    uint64_t dice;

    if (net->storm > 0) {
        net->storm--;
        fault.kind = STORE_FAULT_REFUSED;
        return fault;
    }
    if (net->rng == NULL)
        return fault;
    dice = rng_below(net->rng, 10000);
    for (int kind = 1; kind < STORE_FAULT_KIND_COUNT; kind++) {
        if (dice < net->chances.per_10000[kind]) {
            fault.kind = (enum store_fault_kind)kind;
            break;
        }
        dice -= net->chances.per_10000[kind];
    }
    if (fault.kind == STORE_FAULT_REFUSED) {
        static const int statuses[] = {409, 500, 503};

        fault.http_status = statuses[rng_below(net->rng, ARRAY_LEN(statuses))];
        net->storm = (int)rng_below(net->rng, (uint64_t)net->chances.refused_storm + 1);
    }
    if (fault.kind == STORE_FAULT_DELAYED) {
        fault.delay_calls =
            (int64_t)rng_below(net->rng, (uint64_t)net->chances.delay_calls_max + 1);
        fault.delay_ms = (int64_t)rng_below(net->rng, (uint64_t)net->chances.delay_ms_max + 1);
    }
    return fault;
}

static struct store_fault choose(struct store_fault_net *net, const struct store_fault_call *call)
{
    for (struct store_fault_script *entry = net->script; entry != NULL; entry = entry->next)
        if (entry->number == call->number)
            return entry->fault;
    if (net->hooks.decide != NULL)
        return net->hooks.decide(net->hooks.arg, call);
    return by_chance(net);
}

/* ---- one operation ---- */

/* How the inner store does one call: an operation, or a commit. */
struct performer {
    void (*perform)(struct store_fault_net *net, struct store_op *op, void *arg);
    void *arg;
    bool may_be_late; /* the wish can be copied */
};

static void perform_traced(struct store_fault_net *net, struct store_fault_call *call,
                           const struct performer *performer)
{
    performer->perform(net, call->op, performer->arg);
    trace(net, call);
}

static void crash(struct store_fault_net *net, struct store_fault_call *call)
{
    if (net->hooks.crash != NULL)
        net->hooks.crash(net->hooks.arg, call);
}

static void meet_fault(struct store_fault_net *net, struct store_fault_call *call,
                       const struct performer *performer)
{
    struct store_op *op = call->op;

    switch (call->fault.kind) {
    case STORE_FAULT_NONE:
        perform_traced(net, call, performer);
        return;
    case STORE_FAULT_LOST_REQUEST:
        end_unheard(net, op, "the request was lost");
        return;
    case STORE_FAULT_LOST_ANSWER:
        perform_traced(net, call, performer);
        end_unheard(net, op, "the answer was lost");
        return;
    case STORE_FAULT_DELAYED:
        if (is_write(op) && performer->may_be_late)
            (void)send_late(net, call);
        end_unheard(net, op, "no answer yet");
        return;
    case STORE_FAULT_REFUSED:
        end_unheard(net, op, "the store is busy");
        op->http_status_r = call->fault.http_status != 0 ? call->fault.http_status : 503;
        return;
    case STORE_FAULT_NOT_SENT:
        store_op_fail(op, STORE_AGAIN, "no connection (injected)");
        return;
    case STORE_FAULT_FATAL:
        store_op_fail(op, STORE_FATAL, "access denied (injected)");
        op->http_status_r = 403;
        return;
    case STORE_FAULT_CRASH_BEFORE:
        crash(net, call);
        end_unheard(net, op, "the request was lost");
        return;
    case STORE_FAULT_CRASH_AFTER:
        perform_traced(net, call, performer);
        crash(net, call);
        end_unheard(net, op, "the answer was lost");
        return;
    }
}

static void pass(struct fault_store *store, struct store_op *op, const struct performer *performer)
{
    struct store_fault_net *net = store->net;
    struct store_fault_call call = {.actor = store->actor, .op = op};

    (void)store_fault_net_land(net, false);
    call.number = ++net->calls;
    call.of_kind = ++net->calls_of_kind[op->kind];
    if (net->hooks.before != NULL)
        net->hooks.before(net->hooks.arg, &call);
    call.fault = choose(net, &call);
    net->faults[call.fault.kind]++;
    meet_fault(net, &call, performer);
    if (net->hooks.after != NULL)
        net->hooks.after(net->hooks.arg, &call);
    store_op_count(&store->base, op);
    store_op_timed(&store->base, op->kind, op->sent_boot_ms_r, net->clock);
}

static void perform_op(struct store_fault_net *net, struct store_op *op, void *arg)
{
    do_inner(net, op, arg);
}

/* ---- the store ---- */

static struct fault_store *of(struct store *store)
{
    return CONTAINER_OF(store, struct fault_store, base);
}

static void make_order(struct store_fault_net *net, size_t *order, size_t count)
{
    for (size_t i = 0; i < count; i++)
        order[i] = i;
    for (size_t i = count; net->shuffle && net->rng != NULL && i > 1; i--) {
        size_t other = (size_t)rng_below(net->rng, i);
        size_t kept = order[i - 1];

        order[i - 1] = order[other];
        order[other] = kept;
    }
}

/* STORE_LIE_RACE: all conditions before the first write. */
static void look_ahead(struct store_fault_net *net, const struct store_batch *batch, bool *held)
{
    for (size_t i = 0; i < batch->count; i++)
        held[i] = batch->ops[i].kind != STORE_PUT || holds_now(net, &batch->ops[i]);
}

static void fault_submit(struct store *store, struct store_batch *batch)
{
    struct store_fault_net *net = of(store)->net;
    size_t count = batch->count; /* the batch is the submitter's again after its last op */
    size_t few[FEW];             /* not from the heap: a crash never comes back here */
    bool few_held[FEW];
    size_t *order = count <= FEW ? few : mem_resize(NULL, count, sizeof(*order));
    bool *held = count <= FEW ? few_held : mem_resize(NULL, count, sizeof(*held));
    bool races = (net->lies & STORE_LIE_RACE) != 0;

    make_order(net, order, count);
    if (races)
        look_ahead(net, batch, held);
    for (size_t i = 0; i < count; i++) {
        size_t at = order[i];
        struct performer performer = {perform_op, races ? &held[at] : NULL, true};

        pass(of(store), &batch->ops[at], &performer);
        store_op_ended(store, batch);
    }
    if (order != few)
        free(order);
    if (held != few_held)
        free(held);
}

static void fault_wait(struct store *store, int64_t timeout_ms, int wake_fd)
{
    (void)store;
    store_idle(timeout_ms, wake_fd); /* everything ended in submit */
}

/* ---- grants ---- */

struct grant_call { /* arguments of a grant function, for its performer */
    const char *key;
    int64_t seconds;
    const struct store_put_terms *terms;
    struct store_grant *grant;
};

static void take_outcome(struct store_op *op, enum store_status status, char *error)
{
    op->status = status;
    free(op->error);
    op->error = error;
}

static void perform_grant_read(struct store_fault_net *net, struct store_op *op, void *arg)
{
    struct grant_call *wish = arg;
    char *error = NULL;
    enum store_status status =
        store_grant_read(net->inner, wish->key, wish->seconds, wish->grant, &error);

    take_outcome(op, status, error);
}

static void perform_commit(struct store_fault_net *net, struct store_op *op, void *arg)
{
    struct grant_call *wish = arg;
    struct store_put_terms terms = *wish->terms;
    char *error = NULL;
    enum store_status status;

    if (ignores_condition(net->lies, op))
        terms.cond = STORE_ALWAYS;
    status = store_grant_commit(net->inner, wish->key, &terms, wish->grant, op->etag_r, &error);
    take_outcome(op, status, error);
}

static enum store_status pass_grant(struct store *store, struct store_op *op,
                                    const struct performer *performer,
                                    char etag_r[static STORE_ETAG_SIZE], char **error_r)
{
    enum store_status status;

    pass(of(store), op, performer);
    status = op->status;
    memcpy(etag_r, op->etag_r, STORE_ETAG_SIZE);
    *error_r = op->error;
    op->error = NULL;
    store_op_release(op);
    return status;
}

static enum store_status fault_grant_read(struct store *store, const char *key, int64_t seconds,
                                          struct store_grant *grant_r, char **error_r)
{
    struct grant_call wish = {.key = key, .seconds = seconds, .grant = grant_r};
    struct performer performer = {perform_grant_read, &wish, false};
    struct store_op op;
    char etag[STORE_ETAG_SIZE];
    enum store_status status;

    store_op_init(&op, STORE_GET, key);
    status = pass_grant(store, &op, &performer, etag, error_r);
    if (status != STORE_OK)
        store_grant_release(grant_r); /* its answer was lost */
    return status;
}

static enum store_status fault_grant_write(struct store *store, const char *key,
                                           const struct store_put_terms *terms, int64_t seconds,
                                           struct store_grant *grant_r, char **error_r)
{
    return store_grant_write(of(store)->net->inner, key, terms, seconds, grant_r, error_r);
}

static enum store_status fault_grant_commit(struct store *store, const char *key,
                                            const struct store_put_terms *terms,
                                            struct store_grant *grant, char *etag_r, char **error_r)
{
    struct grant_call wish = {.key = key, .terms = terms, .grant = grant};
    struct performer performer = {perform_commit, &wish, false};
    struct store_op op;

    store_op_init(&op, STORE_PUT, key);
    op.cond = terms->cond;
    if (terms->etag != NULL)
        snprintf(op.etag, sizeof(op.etag), "%s", terms->etag);
    return pass_grant(store, &op, &performer, etag_r, error_r);
}

static void fault_close(struct store *store)
{
    free(of(store));
}

static size_t fault_addresses(struct store *base, char (*addresses_r)[STORE_ADDRESS_SIZE],
                              size_t max)
{
    const struct store_fault_net *net = CONTAINER_OF(base, struct fault_store, base)->net;
    size_t count = net->address_count < max ? net->address_count : max;

    memcpy(addresses_r, net->addresses, count * sizeof(addresses_r[0]));
    return count;
}

static const struct store_vtable fault_vtable = {
    .name = "fault",
    .addresses = fault_addresses,
    .submit = fault_submit,
    .wait = fault_wait,
    .grant_read = fault_grant_read,
    .grant_write = fault_grant_write,
    .grant_commit = fault_grant_commit,
    .close = fault_close,
};

struct store *store_fault_open(struct store_fault_net *net, int actor)
{
    struct fault_store *store = mem_alloc(sizeof(*store));

    store_init(&store->base, &fault_vtable, store_url(net->inner));
    store->base.properties = *store_properties(net->inner);
    store->net = net;
    store->actor = actor;
    return &store->base;
}

struct store_fault_net *store_fault_net_create(struct store *inner, struct clock *clock,
                                               struct rng *rng)
{
    struct store_fault_net *net = mem_alloc(sizeof(*net));

    net->inner = inner;
    net->clock = clock;
    net->rng = rng;
    return net;
}

void store_fault_net_destroy(struct store_fault_net *net)
{
    if (net == NULL)
        return;
    while (net->late != NULL) {
        struct store_fault_late *late = net->late;

        net->late = late->next;
        late_release(late);
    }
    while (net->script != NULL) {
        struct store_fault_script *entry = net->script;

        net->script = entry->next;
        free(entry);
    }
    free(net);
}

const char *store_fault_kind_name(enum store_fault_kind kind)
{
    static const char *const names[STORE_FAULT_KIND_COUNT] = {
        "none",     "lost request", "lost answer",  "delayed",    "refused",
        "not sent", "fatal",        "crash before", "crash after"};

    return names[kind];
}
