/* See store.h: what all stores share. */
#include "store/store.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

void store_op_init(struct store_op *op, enum store_kind kind, const char *key)
{
    memset(op, 0, sizeof(*op));
    op->kind = kind;
    op->key = key;
    op->body_fd = -1;
    op->body_size = -1;
    op->sink_fd = -1;
    op->status = STORE_AGAIN;
}

void store_op_reset(struct store_op *op)
{
    buf_release(&op->data);
    for (size_t i = 0; i < op->meta_count_r; i++)
        free(op->meta_r[i].value);
    for (size_t i = 0; i < op->entry_count; i++)
        free(op->entries[i].key);
    free(op->entries);
    free(op->next_after_r);
    free(op->error);
    op->meta_count_r = 0;
    op->entries = NULL;
    op->entry_count = 0;
    op->next_after_r = NULL;
    op->error = NULL;
    op->more_r = false;
    op->versioned_r = false;
    op->etag_r[0] = '\0';
    op->size_r = op->modified_ms_r = op->date_ms_r = op->sent_boot_ms_r = 0;
    op->http_status_r = op->errno_r = op->sink_errno_r = 0;
    op->status = STORE_AGAIN;
}

void store_op_release(struct store_op *op)
{
    store_op_reset(op);
}

const char *store_op_meta(const struct store_op *op, const char *name)
{
    for (size_t i = 0; i < op->meta_count_r; i++)
        if (strcmp(op->meta_r[i].name, name) == 0)
            return op->meta_r[i].value;
    return NULL;
}

void store_op_add_entry(struct store_op *op, const char *key, const char *etag, int64_t size,
                        int64_t modified_ms)
{
    struct store_entry *entry;

    if ((op->entry_count & (op->entry_count - 1)) == 0) /* full at every power of two */
        op->entries = mem_resize(op->entries, op->entry_count ? op->entry_count * 2 : 1,
                                 sizeof(*op->entries));
    entry = &op->entries[op->entry_count++];
    memset(entry, 0, sizeof(*entry));
    entry->key = mem_strdup(key);
    snprintf(entry->etag, sizeof(entry->etag), "%s", etag);
    entry->size = size;
    entry->modified_ms = modified_ms;
}

void store_op_set_more(struct store_op *op)
{
    const char *last = op->entries[op->entry_count - 1].key;
    bool folder = op->delimiter && last[strlen(last) - 1] == '/';

    op->more_r = true;
    op->next_after_r = mem_printf("%s%s", last, folder ? STORE_FOLDER_END : "");
}

uint64_t store_op_body_max(const struct store_op *op)
{
    if (op->max_bytes > 0)
        return op->max_bytes;
    return op->sink_fd >= 0 ? UINT64_MAX : STORE_GET_MEMORY_MAX;
}

int64_t store_op_body_size(const struct store_op *op)
{
    if (op->body != NULL || op->body_size < 0)
        return (int64_t)op->body_len;
    return op->body_size;
}

bool store_op_body_read(const struct store_op *op, struct buf *out)
{
    int64_t done = 0;
    int64_t size = store_op_body_size(op);

    if (op->body != NULL || op->body_size < 0) {
        buf_append(out, op->body, op->body_len);
        return true;
    }
    buf_reserve(out, (size_t)size);
    while (done < size) {
        ssize_t n = pread(op->body_fd, out->data + out->len, (size_t)(size - done),
                          (off_t)(op->body_offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n < 0 ? errno : EIO;
            return false;
        }
        out->len += (size_t)n;
        done += n;
    }
    out->data[out->len] = '\0';
    return true;
}

bool store_write_at(int fd, const void *bytes, size_t len, int64_t offset)
{
    const char *p = bytes;

    while (len > 0) {
        ssize_t n = pwrite(fd, p, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        p += n;
        offset += n;
        len -= (size_t)n;
    }
    return true;
}

void store_op_refuse_sink(struct store_op *op, int error)
{
    op->sink_errno_r = error;
    store_op_fail(op, STORE_FATAL, "cannot write the body that was read: %s", strerror(error));
}

void store_op_deliver(struct store_op *op, const void *bytes, size_t len)
{
    op->status = STORE_OK;
    if (op->sink_fd < 0)
        buf_append(&op->data, bytes, len);
    else if (!store_write_at(op->sink_fd, bytes, len, 0))
        store_op_refuse_sink(op, errno);
    else
        (void)!ftruncate(op->sink_fd, (off_t)len); /* no file: nothing to cut */
}

void store_op_add_meta(struct store_op *op, const char *name, const char *value)
{
    struct store_meta *meta = &op->meta_r[op->meta_count_r];

    if (op->meta_count_r == STORE_META_MAX || strlen(name) >= sizeof(meta->name))
        return;
    snprintf(meta->name, sizeof(meta->name), "%s", name);
    meta->value = mem_strdup(value);
    op->meta_count_r++;
}

void store_op_count(struct store *store, const struct store_op *op)
{
    store->meter.requests[op->kind]++;
    store->meter.results[op->status]++;
    store->meter.ended[op->kind][op->status]++;
    if (op->status == STORE_FATAL && op->errno_r != 0)
        store->refusal_errno = op->errno_r;
    if (op->status == STORE_OK && op->kind == STORE_GET)
        store->meter.bytes_in += (uint64_t)op->size_r;
    if (op->status == STORE_OK && op->kind == STORE_PUT)
        store->meter.bytes_out += (uint64_t)store_op_body_size(op);
}

void store_op_timed(struct store *store, enum store_kind kind, int64_t sent_boot_ms,
                    struct clock *clock)
{
    if (sent_boot_ms > 0)
        histogram_add(&store->meter.seconds[kind], histogram_short,
                      (double)(clock_boot_ms(clock) - sent_boot_ms) / 1000);
}

void store_idle(int64_t timeout_ms, int wake_fd)
{
    struct pollfd pfd = {.fd = wake_fd, .events = POLLIN};

    if (timeout_ms == 0 || (wake_fd < 0 && timeout_ms < 0))
        return;
    poll(&pfd, wake_fd >= 0 ? 1 : 0, timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms);
}

void store_op_fail(struct store_op *op, enum store_status status, const char *fmt, ...)
{
    va_list ap;
    struct buf text = BUF_INIT;
    char line[1024];

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    buf_puts(&text, line);
    free(op->error);
    op->error = buf_steal(&text);
    op->status = status;
}

void store_init(struct store *store, const struct store_vtable *vtable, const char *url)
{
    memset(store, 0, sizeof(*store));
    store->vtable = vtable;
    store->done_tail = &store->done;
    store->url = mem_strdup(url);
}

static void queue_done(struct store *store, struct store_batch *batch)
{
    batch->next_done = NULL;
    *store->done_tail = batch;
    store->done_tail = &batch->next_done;
}

static struct store_batch *take_done(struct store *store)
{
    struct store_batch *batch = store->done;

    if (batch == NULL)
        return NULL;
    store->done = batch->next_done;
    if (store->done == NULL)
        store->done_tail = &store->done;
    batch->next_done = NULL;
    return batch;
}

void store_op_ended(struct store *store, struct store_batch *batch)
{
    if (--batch->pending == 0 && batch->collected)
        queue_done(store, batch);
}

void store_submit(struct store *store, struct store_batch *batch)
{
    batch->pending = batch->count;
    batch->collected = true;
    if (batch->count == 0)
        queue_done(store, batch);
    else
        store->vtable->submit(store, batch);
}

struct store_batch *store_wait(struct store *store, int64_t timeout_ms, int wake_fd)
{
    struct store_batch *batch = take_done(store);

    if (batch == NULL) {
        store->vtable->wait(store, timeout_ms, wake_fd);
        batch = take_done(store);
    }
    return batch;
}

static void run(struct store *store, struct store_op *ops, size_t count)
{
    struct store_batch batch = {.ops = ops, .count = count, .pending = count};

    if (count == 0)
        return;
    store->vtable->submit(store, &batch);
    while (batch.pending > 0)
        store->vtable->wait(store, -1, -1);
    for (size_t i = 0; i < count; i++)
        store->versions_seen |= ops[i].versioned_r;
}

/* ---- conditions that we look at ourselves ---- */

static bool is_conditional_put(const struct store_op *op)
{
    return op->kind == STORE_PUT && op->cond != STORE_ALWAYS;
}

/* Does the condition hold for what `look` saw? Else *op ends here, unsent. */
static bool may_send(struct store_op *op, struct store_op *look)
{
    bool there = look->status == STORE_OK;
    bool answered = there || look->status == STORE_NOT_FOUND;

    if (answered &&
        (op->cond == STORE_IF_ABSENT ? !there : there && strcmp(look->etag_r, op->etag) == 0))
        return true;
    store_op_reset(op);
    op->status = there                         ? STORE_PRECONDITION
                 : answered                    ? STORE_NOT_FOUND
                 : look->status == STORE_FATAL ? STORE_FATAL
                                               : STORE_AGAIN;
    op->http_status_r = look->http_status_r;
    op->date_ms_r = look->date_ms_r;
    op->sent_boot_ms_r = look->sent_boot_ms_r;
    op->error = look->error;
    look->error = NULL;
    return false;
}

static void run_softly(struct store *store, struct store_op *ops, size_t count)
{
    struct store_op *looks = mem_alloc(2 * count * sizeof(*looks)), *sent = looks + count;
    size_t *places = mem_alloc(count * sizeof(*places));
    size_t looked = 0, sending = 0;

    for (size_t i = 0; i < count; i++) {
        if (!is_conditional_put(&ops[i]))
            continue;
        store_op_init(&looks[looked], STORE_HEAD, ops[i].key);
        looks[looked++].deadline_ms = ops[i].deadline_ms;
    }
    run(store, looks, looked);
    looked = 0;
    for (size_t i = 0; i < count; i++) {
        bool conditional = is_conditional_put(&ops[i]);

        if (!conditional || may_send(&ops[i], &looks[looked])) {
            places[sending] = i;
            sent[sending] = ops[i];
            sent[sending++].cond = conditional ? STORE_ALWAYS : ops[i].cond;
        }
        if (conditional)
            store_op_release(&looks[looked++]);
    }
    run(store, sent, sending);
    for (size_t i = 0; i < sending; i++) {
        sent[i].cond = ops[places[i]].cond;
        ops[places[i]] = sent[i];
    }
    free(places);
    free(looks);
}

void store_run(struct store *store, struct store_op *ops, size_t count)
{
    bool conditional = false;

    for (size_t i = 0; i < count && store->properties.soft; i++)
        conditional = conditional || is_conditional_put(&ops[i]);
    if (conditional)
        run_softly(store, ops, count);
    else
        run(store, ops, count);
}

enum store_status store_do(struct store *store, struct store_op *op)
{
    store_run(store, op, 1);
    return op->status;
}

const struct store_properties *store_properties(const struct store *store)
{
    return &store->properties;
}

void store_set_properties(struct store *store, const struct store_properties *properties)
{
    store->properties = *properties;
    store->properties_given = true;
}

const struct store_meter *store_meter(const struct store *store)
{
    return &store->meter;
}

void store_meter_merge(struct store_meter *into, const struct store_meter *from)
{
    for (size_t i = 0; i <= STORE_FATAL; i++)
        into->results[i] += from->results[i];
    for (size_t kind = 0; kind < STORE_KIND_COUNT; kind++) {
        into->requests[kind] += from->requests[kind];
        for (size_t i = 0; i <= STORE_FATAL; i++)
            into->ended[kind][i] += from->ended[kind][i];
        histogram_merge(&into->seconds[kind], &from->seconds[kind]);
    }
    into->bytes_in += from->bytes_in;
    into->bytes_out += from->bytes_out;
}

int64_t store_server_ms(const struct store *store, struct clock *clock)
{
    return clock_wall_ms(clock) + store->clock_offset_ms;
}

const char *store_url(const struct store *store)
{
    return store->url;
}

const char *store_endpoint(const struct store *store)
{
    return store->endpoint != NULL ? store->endpoint : "";
}

const char *store_server(const struct store *store)
{
    return store->server;
}

bool store_is_versioned(const struct store *store)
{
    return store->versions_seen && !store->versions_accepted && !store->properties.soft;
}

void store_accept_versions(struct store *store)
{
    store->versions_accepted = true;
}

void store_be_soft(struct store *store)
{
    struct store_properties properties = store->properties;

    properties.soft = true;
    store_set_properties(store, &properties);
}

int store_refusal_errno(const struct store *store)
{
    return store->refusal_errno;
}

const char *store_doubt(const struct store *store)
{
    if (store->versions_accepted || store->properties.soft)
        return NULL;
    return store->versions_seen ? "an answer carried a version id" : store->doubt;
}

void store_note_doubt(struct store *store, const char *why)
{
    store->doubt = why;
}

void store_clear_doubt(struct store *store)
{
    store->versions_seen = false;
    store->doubt = NULL;
}

size_t store_addresses(struct store *store, char (*addresses_r)[STORE_ADDRESS_SIZE], size_t max)
{
    return store->vtable->addresses != NULL ? store->vtable->addresses(store, addresses_r, max) : 0;
}

bool store_tune(struct store *store, const struct store_tuning *tuning, char **error_r)
{
    *error_r = NULL;
    return store->vtable->tune == NULL || store->vtable->tune(store, tuning, error_r);
}

void store_close(struct store *store)
{
    char *url, *endpoint;

    if (store == NULL)
        return;
    url = store->url;
    endpoint = store->endpoint;
    store->vtable->close(store);
    free(url);
    free(endpoint);
}

enum store_status store_grant_read(struct store *store, const char *key, int64_t seconds,
                                   struct store_grant *grant_r, char **error_r)
{
    memset(grant_r, 0, sizeof(*grant_r));
    grant_r->fd = -1;
    *error_r = NULL;
    return store->vtable->grant_read(store, key, seconds, grant_r, error_r);
}

enum store_status store_grant_write(struct store *store, const char *key,
                                    const struct store_put_terms *terms, int64_t seconds,
                                    struct store_grant *grant_r, char **error_r)
{
    memset(grant_r, 0, sizeof(*grant_r));
    grant_r->fd = -1;
    *error_r = NULL;
    return store->vtable->grant_write(store, key, terms, seconds, grant_r, error_r);
}

enum store_status store_grant_commit(struct store *store, const char *key,
                                     const struct store_put_terms *terms, struct store_grant *grant,
                                     char etag_r[static STORE_ETAG_SIZE], char **error_r)
{
    *error_r = NULL;
    return store->vtable->grant_commit(store, key, terms, grant, etag_r, error_r);
}

void store_grant_release(struct store_grant *grant)
{
    if (grant->fd >= 0)
        close(grant->fd);
    if (grant->stage != NULL)
        unlink(grant->stage);
    if (grant->url != NULL)
        explicit_bzero(grant->url, strlen(grant->url));
    for (size_t i = 0; i < grant->header_count; i++)
        free(grant->headers[i]);
    for (size_t i = 0; i < grant->meta_count; i++)
        free(grant->meta[i].value);
    free(grant->headers);
    free(grant->url);
    free(grant->stage);
    memset(grant, 0, sizeof(*grant));
    grant->fd = -1;
}

const char *store_status_name(enum store_status status)
{
    switch (status) {
    case STORE_OK:
        return "ok";
    case STORE_NOT_FOUND:
        return "not found";
    case STORE_PRECONDITION:
        return "precondition failed";
    case STORE_UNKNOWN:
        return "unknown";
    case STORE_AGAIN:
        return "try again";
    case STORE_FATAL:
        return "fatal";
    }
    return "?";
}

const char *store_kind_name(enum store_kind kind)
{
    switch (kind) {
    case STORE_GET:
        return "get";
    case STORE_HEAD:
        return "head";
    case STORE_PUT:
        return "put";
    case STORE_DELETE:
        return "delete";
    case STORE_LIST:
        return "list";
    }
    return "?";
}
