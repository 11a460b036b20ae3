/* See store_fiber.h: a store whose callers are fibers of one thread. */
#include "store/store_fiber.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct store_fiber {
    struct store store; /* first */
    struct store *inner;
};

/* One batch of a fiber on its way through the real store. Lives on the heap, since a fiber that the
 * thread gives up on must not take the batch with it. */
struct passage {
    struct store_batch inner;
    struct store_batch *outer;
    struct fiber *fiber;
};

static void copy_down(struct store_fiber *self)
{
    self->store.meter = self->inner->meter;
    self->store.clock_offset_ms = self->inner->clock_offset_ms;
    memcpy(self->store.server, self->inner->server, sizeof(self->store.server));
    self->store.versions_seen |= self->inner->versions_seen;
    self->inner->versions_seen = false; /* said here from now on, and cleared here */
    self->store.versions_accepted |= self->inner->versions_accepted;
    if (!self->store.properties_given)
        self->store.properties = self->inner->properties;
}

static void end_all(struct store_fiber *self, struct store_batch *batch)
{
    for (size_t i = batch->count; i > 0; i--)
        store_op_ended(&self->store, batch);
}

static void fiber_submit(struct store *store, struct store_batch *batch)
{
    struct store_fiber *self = (struct store_fiber *)store;
    struct passage *passage;

    if (self->store.properties_given) /* the gate's word is for both */
        store_set_properties(self->inner, &self->store.properties);
    if (fiber_current() == NULL) {
        store_run(self->inner, batch->ops, batch->count);
        copy_down(self);
        end_all(self, batch);
        return;
    }
    passage = mem_alloc(sizeof(*passage));
    passage->inner.ops = batch->ops;
    passage->inner.count = batch->count;
    passage->inner.owner = passage;
    passage->outer = batch;
    passage->fiber = fiber_current();
    store_submit(self->inner, &passage->inner);
}

/* Called by store_run() until its batch has ended: the loop resumes us when it has. */
static void fiber_wait(struct store *store, int64_t timeout_ms, int wake_fd)
{
    if (fiber_current() != NULL)
        fiber_yield();
}

static enum store_status fiber_grant_read(struct store *store, const char *key, int64_t seconds,
                                          struct store_grant *grant_r, char **error_r)
{
    return store_grant_read(((struct store_fiber *)store)->inner, key, seconds, grant_r, error_r);
}

static enum store_status fiber_grant_write(struct store *store, const char *key,
                                           const struct store_put_terms *terms, int64_t seconds,
                                           struct store_grant *grant_r, char **error_r)
{
    return store_grant_write(((struct store_fiber *)store)->inner, key, terms, seconds, grant_r,
                             error_r);
}

static enum store_status fiber_grant_commit(struct store *store, const char *key,
                                            const struct store_put_terms *terms,
                                            struct store_grant *grant, char *etag_r, char **error_r)
{
    return store_grant_commit(((struct store_fiber *)store)->inner, key, terms, grant, etag_r,
                              error_r);
}

static size_t fiber_addresses(struct store *store, char (*addresses_r)[STORE_ADDRESS_SIZE],
                              size_t max)
{
    return store_addresses(((struct store_fiber *)store)->inner, addresses_r, max);
}

static bool fiber_tune(struct store *store, const struct store_tuning *tuning, char **error_r)
{
    return store_tune(((struct store_fiber *)store)->inner, tuning, error_r);
}

static void fiber_close(struct store *store)
{
    struct store_fiber *self = (struct store_fiber *)store;

    store_close(self->inner);
    free(self);
}

static const struct store_vtable vtable = {
    .name = "fiber",
    .addresses = fiber_addresses,
    .tune = fiber_tune,
    .submit = fiber_submit,
    .wait = fiber_wait,
    .grant_read = fiber_grant_read,
    .grant_write = fiber_grant_write,
    .grant_commit = fiber_grant_commit,
    .close = fiber_close,
};

struct store *store_fiber_open(struct store *inner)
{
    struct store_fiber *self = mem_alloc(sizeof(*self));

    store_init(&self->store, &vtable, store_url(inner));
    self->store.endpoint = mem_strdup(inner->endpoint);
    self->inner = inner;
    copy_down(self);
    return &self->store;
}

struct fiber *store_fiber_wait(struct store *store, int64_t timeout_ms, int wake_fd)
{
    struct store_fiber *self = (struct store_fiber *)store;
    struct store_batch *batch = store_wait(self->inner, timeout_ms, wake_fd);
    struct passage *passage;
    struct fiber *fiber;

    copy_down(self);
    if (batch == NULL)
        return NULL;
    passage = batch->owner;
    fiber = passage->fiber;
    end_all(self, passage->outer);
    free(passage);
    return fiber;
}
