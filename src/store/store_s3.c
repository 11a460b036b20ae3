/* See store_s3.h: opening, and the life of a task. */
#include "store/store_s3.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/quote.h"
#include "s3/s3_trust.h"
#include "store/store_s3_parts.h"

enum {
    BACKOFF_FIRST_MS = 100,
    BACKOFF_LAST_MS = 10 * 1000,
    BACKOFF_JITTER_PERCENT = 50,
    RETRY_AFTER_MAX_S = 30,
    PROBE_END_MS = 2000,
    STREAM_REPEATS_MAX = 5, /* of a transfer without a deadline */
};

/* ---- lists ---- */

void s3_list_init(struct s3_task_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

void s3_list_add(struct s3_task_list *list, struct s3_task *task)
{
    task->next = NULL;
    *list->end = task;
    list->end = &task->next;
}

struct s3_task *s3_list_take(struct s3_task_list *list)
{
    struct s3_task *task = list->first;

    if (task == NULL)
        return NULL;
    list->first = task->next;
    if (list->first == NULL)
        list->end = &list->first;
    task->next = NULL;
    return task;
}

static void delay(struct s3_task *task, int64_t wait_ms)
{
    struct s3_store *s3 = task->s3;
    struct s3_task **at = &s3->delayed;

    task->due_ms = clock_boot_ms(s3->clock) + wait_ms;
    while (*at != NULL && (*at)->due_ms <= task->due_ms)
        at = &(*at)->next;
    task->next = *at;
    *at = task;
}

/* ---- clock and keys ---- */

int64_t s3_now_server_ms(struct s3_store *s3)
{
    return store_server_ms(&s3->base, s3->clock);
}

/* An answer's Date is cut to seconds, so it says: the server's clock was within that second at some
 * time between sending and now. The estimate is moved only as far as an answer forces it, which
 * makes it better than a second after a few answers. */
static void learn_clock(struct s3_task *task, int64_t date_ms)
{
    struct s3_store *s3 = task->s3;
    int64_t least = date_ms - clock_wall_ms(s3->clock);
    int64_t most = date_ms + 999 - task->sent_wall_ms;

    if (date_ms == 0)
        return;
    if (!s3->clock_known)
        s3->base.clock_offset_ms = least / 2 + most / 2;
    else if (s3->base.clock_offset_ms < least)
        s3->base.clock_offset_ms = least;
    else if (s3->base.clock_offset_ms > most)
        s3->base.clock_offset_ms = most;
    s3->clock_known = true;
}

bool s3_fetch_keys(struct s3_store *s3, bool *changed_r, char **error_r)
{
    const struct s3_creds *creds = NULL;
    const char *token;

    *changed_r = false;
    if (s3_creds_fetch(s3->creds, &creds, error_r) != S3_CREDS_OK)
        return false;
    s3->renew_ms = creds->renew_ms;
    token = creds->token[0] != '\0' ? creds->token : NULL;
    if (s3_signer_has_keys(s3->signer, creds->access, creds->secret, token))
        return true;
    *changed_r = true;
    if (s3_signer_set_keys(s3->signer, creds->access, creds->secret, token))
        return true;
    *error_r = mem_printf("keys from %s: they hold blanks or bytes that no key has; correct them",
                          creds->origin);
    return false;
}

/* ---- tasks ---- */

struct s3_task *s3_task_new(struct s3_store *s3, struct store_batch *batch, struct store_op *op)
{
    struct s3_task *task = s3->idle;

    if (task != NULL) {
        struct buf url = task->url;
        s3->idle = task->next;
        memset(task, 0, offsetof(struct s3_task, headers));
        task->url = url;
    } else {
        task = mem_alloc(sizeof(*task));
    }
    task->s3 = s3;
    task->batch = batch;
    task->op = op;
    task->streams =
        op->sink_fd >= 0 || (op->kind == STORE_PUT && op->body == NULL && op->body_size >= 0);
    task->has_deadline = op->deadline_ms > 0 || !task->streams;
    task->deadline_ms =
        clock_boot_ms(s3->clock) + (op->deadline_ms > 0 ? op->deadline_ms : s3->patience_ms);
    return task;
}

void s3_task_free(struct s3_task *task)
{
    s3_upload_free(task->upload);
    task->upload = NULL;
    explicit_bzero(&task->signature, sizeof(task->signature));
    if (task->url.len > 0)
        explicit_bzero(task->url.data, task->url.len); /* may be a presigned one */
    task->next = task->s3->idle;
    task->s3->idle = task;
}

void s3_task_ready(struct s3_task *task)
{
    task->repeats = 0;
    s3_list_add(&task->s3->ready, task);
}

void s3_task_end(struct s3_task *task)
{
    struct s3_store *s3 = task->s3;
    struct store_batch *batch = task->batch;

    if (task->op->status == STORE_AGAIN && task->maybe_done)
        task->op->status =
            STORE_UNKNOWN; /* the last sending did nothing; an earlier one may have */
    s3->base.meter.results[task->op->status]++;
    s3->base.meter.ended[task->op->kind][task->op->status]++;
    if (batch == NULL) {
        s3_probe_step(task);
        return;
    }
    s3_task_free(task);
    if (batch->pending == 1)
        s3->ended++;
    store_op_ended(&s3->base, batch);
}

static void fail(struct s3_task *task)
{
    if (task->upload != NULL)
        s3_upload_failed(task);
    else
        s3_task_end(task);
}

/* Reads, and uploads whose content is a function of their key: whoever sends them twice does no
 * harm. The legs of an upload in parts have no effect before the last. */
static bool is_repeatable(const struct s3_task *task)
{
    switch (task->op->kind) {
    case STORE_GET:
    case STORE_HEAD:
    case STORE_LIST:
        return true;
    case STORE_PUT:
        return task->op->cond == STORE_ALWAYS && task->streams;
    case STORE_DELETE:
        return false;
    }
    return false;
}

/* How long to wait before repeating; -1: not any more. */
static int64_t backoff_ms(struct s3_task *task, int64_t retry_after_s)
{
    struct s3_store *s3 = task->s3;
    int64_t wait = BACKOFF_LAST_MS;

    if (!task->has_deadline && task->repeats >= STREAM_REPEATS_MAX)
        return -1;
    if (task->repeats < 7)
        wait = (int64_t)BACKOFF_FIRST_MS << task->repeats;
    if (wait > BACKOFF_LAST_MS)
        wait = BACKOFF_LAST_MS;
    wait = rng_jitter(s3->rng, wait, BACKOFF_JITTER_PERCENT);
    if (retry_after_s > 0 && retry_after_s * 1000 > wait)
        wait = 1000 * (retry_after_s < RETRY_AFTER_MAX_S ? retry_after_s : RETRY_AFTER_MAX_S);
    if (task->has_deadline && clock_boot_ms(s3->clock) + wait >= task->deadline_ms)
        return -1;
    return wait;
}

/* Expired keys are worth another try in any case; refused ones only when others have come (a file
 * was rewritten by whoever rotates them). */
static bool renew_keys(struct s3_store *s3, enum store_status status)
{
    char *error = NULL;
    bool changed, fetched;

    s3_creds_source_drop(s3->creds);
    fetched = s3_fetch_keys(s3, &changed, &error);
    free(error);
    return fetched && (changed || status != STORE_FATAL);
}

/* Sends again what may be and would help. False: the verdict is the result. */
static bool repeat(struct s3_task *task, struct s3_verdict verdict,
                   const struct s3_http_answer *answer)
{
    int64_t wait;

    if (task->op->trial != STORE_TRIAL_NONE)
        return false;
    switch (verdict.remedy) {
    case S3_REMEDY_NONE:
        return false;
    case S3_REMEDY_CLOCK: /* the offset was learnt from this very answer */
        if (task->clock_repaired || answer->date_ms == 0)
            return false;
        task->clock_repaired = true;
        s3_list_add(&task->s3->ready, task);
        return true;
    case S3_REMEDY_KEYS:
        if (task->keys_repaired || !renew_keys(task->s3, verdict.status))
            return false;
        task->keys_repaired = true;
        s3_list_add(&task->s3->ready, task);
        return true;
    case S3_REMEDY_WAIT:
        wait = is_repeatable(task) ? backoff_ms(task, answer->retry_after_s) : -1;
        if (wait < 0)
            return false;
        task->maybe_done = task->maybe_done || verdict.status == STORE_UNKNOWN;
        task->repeats++;
        delay(task, wait);
        return true;
    }
    return false;
}

/* A presigned request that expires was answered after its time, by the server's own clock. Its Date
 * is cut to seconds, as the expiry is: the second before counts as late too, which is harmless
 * since a refusal did nothing either way. */
static bool is_expired(const struct store_op *op, const struct s3_http_answer *answer)
{
    return op->kind == STORE_DELETE && op->expires_ms > 0 && answer->date_ms > 0 &&
           answer->date_ms + 1000 >= op->expires_ms;
}

static void meter_sending(struct s3_task *task, const struct s3_http_answer *answer)
{
    struct store_meter *meter = &task->s3->base.meter;

    if (answer->outcome != S3_HTTP_NOT_SENT) {
        meter->requests[task->op->kind]++;
        store_op_timed(&task->s3->base, task->op->kind, answer->sent_boot_ms, task->s3->clock);
    }
    meter->bytes_in += (uint64_t)answer->bytes_in;
    meter->bytes_out += (uint64_t)answer->bytes_out;
}

static void learn_server(struct s3_store *s3, const struct s3_http_answer *answer)
{
    memcpy(s3->address, answer->address, sizeof(s3->address));
    if (answer->status > 0)
        memcpy(s3->base.server, answer->server, sizeof(s3->base.server));
    s3->base.versions_seen |= answer->versioned;
}

/* The body has come to its last byte, or will not any more. */
static void arrive(struct s3_task *task)
{
    if (!task->held_back)
        task->op->hold->arrived++;
    task->held_back = true;
}

bool s3_task_may_end(void *arg)
{
    struct s3_task *task = arg;
    struct store_hold *hold = task->op->hold;

    arrive(task);
    return hold->open || hold->arrived >= hold->wanted;
}

static void on_answer(void *arg, struct s3_http_answer *answer)
{
    struct s3_task *task = arg;
    struct s3_store *s3 = task->s3;
    struct store_op *op = task->op;
    struct s3_xml_error error = {.code = ""};
    struct s3_facts facts = {
        .kind = op->kind, .cond = op->cond, .outcome = answer->outcome, .status = answer->status};
    struct s3_verdict verdict;

    LIST_REMOVE(task, flying);
    meter_sending(task, answer);
    learn_server(s3, answer);
    if (task->op->hold != NULL)
        arrive(task);
    learn_clock(task, answer->date_ms);
    if (task->leg == S3_LEG_ABORT) { /* best effort; the result is what failed before */
        s3_task_end(task);
        return;
    }
    op->http_status_r = answer->status;
    op->date_ms_r = answer->date_ms;
    op->sent_boot_ms_r = answer->sent_boot_ms;
    op->versioned_r = op->versioned_r || answer->versioned;
    if (answer->status >= 300 && answer->body->len > 0 &&
        !s3_xml_parse_error(answer->body->data, answer->body->len, &error))
        error.code[0] = '\0';
    facts.code = error.code;
    facts.expired = is_expired(op, answer);
    verdict = s3_verdict_of(&facts);
    if (verdict.status == STORE_OK) {
        op->status = STORE_OK;
        if (task->leg == S3_LEG_PLAIN) {
            s3_task_take_answer(task, answer);
            s3_task_end(task);
        } else {
            s3_upload_leg_done(task, answer);
        }
    } else if (!repeat(task, verdict, answer)) {
        s3_task_say(task, &facts, answer, &error, verdict.status);
        fail(task);
    }
}

/* ---- the loop ---- */

/* Keys that end are renewed before. Where that fails the old ones are tried for what is left of
 * them. */
static void renew_in_time(struct s3_store *s3)
{
    char *error = NULL;
    bool changed;

    if (s3->renew_ms == 0 || clock_wall_ms(clock_system()) < s3->renew_ms)
        return;
    if (!s3_fetch_keys(s3, &changed, &error))
        free(error);
}

static void send_task(struct s3_task *task)
{
    int64_t limit_ms = 0;

    renew_in_time(task->s3);

    if (task->has_deadline) {
        limit_ms = task->deadline_ms - clock_boot_ms(task->s3->clock);
        if (limit_ms <= 0) {
            store_op_fail(task->op, STORE_AGAIN, "%s: its time was over before it could be sent",
                          task->s3->base.url);
            fail(task);
            return;
        }
    }
    task->sent_wall_ms = clock_wall_ms(task->s3->clock);
    if (s3_task_send(task, on_answer, limit_ms))
        LIST_INSERT_HEAD(&task->s3->flying, task, flying);
    else
        fail(task);
}

bool s3_needs_probe(const struct s3_store *s3, enum store_kind kind, enum store_cond cond)
{
    return cond == STORE_IF_MATCH && !s3->etag_form_known && !s3->base.properties_given &&
           (kind == STORE_PUT || (kind == STORE_DELETE && s3->base.properties.conditional_delete));
}

/* Hands over what can go. */
static void pump(struct s3_store *s3)
{
    int64_t now = s3->delayed != NULL ? clock_boot_ms(s3->clock) : 0;

    while (s3->delayed != NULL && s3->delayed->due_ms <= now) {
        struct s3_task *task = s3->delayed;
        s3->delayed = task->next;
        s3_list_add(&s3->ready, task);
    }
    while (s3->ready.first != NULL && s3_http_free_places(s3->http) > 0) {
        struct s3_task *task = s3_list_take(&s3->ready);
        if (task->batch != NULL && s3_needs_probe(s3, task->op->kind, task->op->cond)) {
            s3_list_add(&s3->held, task);
            s3_probe_start(s3);
        } else {
            send_task(task);
        }
    }
}

static void s3_submit(struct store *store, struct store_batch *batch)
{
    struct s3_store *s3 = CONTAINER_OF(store, struct s3_store, base);

    for (size_t i = 0; i < batch->count; i++) {
        struct s3_task *task = s3_task_new(s3, batch, &batch->ops[i]);
        store_op_reset(task->op); /* it may have been sent before */
        if (s3_upload_wanted(s3, task->op))
            s3_upload_start(task);
        s3_task_ready(task);
    }
    pump(s3);
}

bool s3_turn(struct s3_store *s3, int64_t timeout_ms, int wake_fd)
{
    int64_t wait_ms = timeout_ms;
    bool woken;

    pump(s3);
    if (s3->delayed != NULL) {
        int64_t due_ms = s3->delayed->due_ms - clock_boot_ms(s3->clock);
        if (wait_ms < 0 || due_ms < wait_ms)
            wait_ms = due_ms > 0 ? due_ms : 0;
    }
    woken = s3_engines_turn(s3, wait_ms, wake_fd);
    pump(s3);
    return woken;
}

static void s3_wait(struct store *store, int64_t timeout_ms, int wake_fd)
{
    struct s3_store *s3 = CONTAINER_OF(store, struct s3_store, base);
    int64_t end_ms = timeout_ms < 0 ? 0 : clock_boot_ms(s3->clock) + timeout_ms;
    int64_t left_ms = timeout_ms;
    uint64_t ended = s3->ended;

    while (s3->ended == ended && store->done == NULL) {
        if (LIST_EMPTY(&s3->flying) && s3->delayed == NULL && s3->ready.first == NULL) {
            store_idle(left_ms, wake_fd);
            return;
        }
        if (s3_turn(s3, left_ms, wake_fd))
            return;
        if (timeout_ms >= 0) {
            left_ms = end_ms - clock_boot_ms(s3->clock);
            if (left_ms <= 0)
                return;
        }
    }
}

/* ---- opening and closing ---- */

static void free_tasks(struct s3_task *task)
{
    while (task != NULL) {
        struct s3_task *next = task->next;
        s3_upload_free(task->upload);
        buf_release(&task->url);
        free(task);
        task = next;
    }
}

/* The probe's object is removed, if the server answers soon: a command that wrote one record would
 * leave one behind each time. */
static void end_probe(struct s3_store *s3)
{
    int64_t end_ms = clock_boot_ms(s3->clock) + PROBE_END_MS;

    while (s3->probe != NULL && clock_boot_ms(s3->clock) < end_ms)
        (void)s3_turn(s3, 100, -1);
}

static void s3_close(struct store *store)
{
    struct s3_store *s3 = CONTAINER_OF(store, struct s3_store, base);
    struct s3_task *task;

    end_probe(s3);
    s3_engines_destroy(s3);
    while ((task = LIST_FIRST(&s3->flying)) != NULL) {
        LIST_REMOVE(task, flying);
        task->next = NULL;
        free_tasks(task);
    }
    s3_signer_destroy(s3->signer);
    if (s3->own_creds)
        s3_creds_source_destroy(s3->creds);
    s3_probe_free(s3);
    free_tasks(s3->ready.first);
    free_tasks(s3->held.first);
    free_tasks(s3->delayed);
    free_tasks(s3->idle);
    buf_release(&s3->scratch);
    free(s3->bucket);
    free(s3->prefix);
    free(s3->region);
    free(s3->pinned);
    free(s3->sse);
    free(s3->sse_kms_key_id);
    free(s3->storage_class);
    free(s3);
}

static enum store_status s3_grant_commit(struct store *store, const char *key,
                                         const struct store_put_terms *terms,
                                         struct store_grant *grant, char *etag_r, char **error_r)
{
    (void)store, (void)key, (void)terms, (void)grant;
    etag_r[0] = '\0';
    *error_r = mem_strdup("a granted write to S3 is its own commit: this is a bug; report it");
    return STORE_FATAL;
}

static const struct store_vtable s3_vtable = {
    .name = "s3",
    .addresses = s3_addresses,
    .tune = s3_tune,
    .submit = s3_submit,
    .wait = s3_wait,
    .grant_read = s3_grant_read,
    .grant_write = s3_grant_write,
    .grant_commit = s3_grant_commit,
    .close = s3_close,
};

void store_s3_options_init(struct store_s3_options *options)
{
    memset(options, 0, sizeof(*options));
    options->prefix = "";
    options->region = "us-east-1";
    options->tuning = (struct store_tuning){.connections = 16,
                                            .connect_timeout_ms = 10 * 1000,
                                            .stall_timeout_ms = 30 * 1000,
                                            .patience_ms = 60 * 1000,
                                            .part_size = 64 * 1024 * 1024};
    options->clock = clock_system();
    options->rng = rng_system();
}

bool store_s3_addressing_parse(const char *text, enum s3_addressing *addressing_r)
{
    static const struct {
        const char *text;
        enum s3_addressing addressing;
    } names[] = {{"auto", S3_ADDRESSING_AUTO},
                 {"path", S3_ADDRESSING_PATH},
                 {"virtual", S3_ADDRESSING_VIRTUAL}};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(text, names[i].text) == 0) {
            *addressing_r = names[i].addressing;
            return true;
        }
    }
    return false;
}

static bool is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* Where the bucket is, from the settings. */
static bool make_place(const struct store_s3_options *options, struct s3_place *place_r,
                       char **error_r)
{
    struct s3_endpoint endpoint;
    const char *why = NULL;
    char *name;

    if (is_set(options->endpoint_url)) {
        if (!s3_endpoint_parse(options->endpoint_url, strlen(options->endpoint_url), &endpoint,
                               &why)) {
            /* The text itself is not shown: it may hold a password. */
            *error_r = mem_printf("s3_endpoint_url: %s; write it like https://s3.example.org", why);
            return false;
        }
    } else if (!s3_endpoint_of_region(options->region, &endpoint)) {
        name = quote_name(options->region);
        *error_r = mem_printf("s3_region: %s is no region; write it like us-east-1", name);
        free(name);
        return false;
    }
    if (s3_place_make(&endpoint, options->bucket, options->addressing, place_r, &why))
        return true;
    name = quote_name(options->bucket);
    *error_r = mem_printf("bucket %s: %s; correct the setting store or s3_addressing", name, why);
    free(name);
    return false;
}

static void copy_options(struct s3_store *s3, const struct store_s3_options *options)
{
    s3->clock = options->clock;
    s3->rng = options->rng;
    s3->bucket = mem_strdup(options->bucket);
    s3->prefix = mem_strdup(options->prefix != NULL ? options->prefix : "");
    s3->region = mem_strdup(options->region);
    s3->pinned = mem_strdup(options->address);
}

struct store *store_s3_open(const struct store_s3_options *options, char **error_r)
{
    struct s3_place place;
    struct s3_store *s3;
    bool changed;
    char *url;

    *error_r = NULL;
    if (!s3_http_load(error_r) || !make_place(options, &place, error_r) ||
        (place.tls && !s3_trust_check(options->tuning.ca_file, error_r)))
        return NULL;
    s3 = mem_alloc(sizeof(*s3));
    url = mem_printf("s3://%s", options->bucket);
    store_init(&s3->base, &s3_vtable, url);
    free(url);
    s3->base.endpoint =
        mem_printf("%s://%s%s", place.tls ? "https" : "http", place.authority, place.path);
    s3->base.properties = (struct store_properties){
        .conditional_put = true, .expiring_delete = true, .presigns = true, .trials = true};
    s3->place = place;
    copy_options(s3, options);
    s3_list_init(&s3->ready);
    s3_list_init(&s3->held);
    LIST_INIT(&s3->flying);
    s3->own_creds = options->creds == NULL;
    s3->creds = s3->own_creds ? s3_creds_source_create() : options->creds;
    if (s3->own_creds) {
        s3_creds_source_set_region(s3->creds, s3->region);
        s3_creds_source_set_profile(s3->creds, options->profile);
    }
    s3->signer = s3_signer_create(s3->region, "s3");
    if (s3->signer == NULL)
        *error_r = mem_strdup("s3_region: it is too long; write it like us-east-1");
    if (s3->signer == NULL || !s3_fetch_keys(s3, &changed, error_r)) {
        store_close(&s3->base);
        return NULL;
    }
    s3_take_tuning(s3, &options->tuning);
    return &s3->base;
}
