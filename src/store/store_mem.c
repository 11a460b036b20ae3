/* See store_mem.h: a bucket in memory.
 *
 * Keys are in a red-black tree in byte order, so that a listing page costs its own length and not
 * that of the bucket. One mutex per bucket: stores of several threads may share it. */
#include "store/store_mem.h"

#include <bsd/sys/tree.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"

#define PAGE_MAX 1000 /* as S3 */

struct object {
    RB_ENTRY(object) link;
    char *key;
    char etag[STORE_ETAG_SIZE];
    struct buf body;
    int64_t modified_ms;
    struct store_meta meta[STORE_META_MAX];
    size_t meta_count;
};

RB_HEAD(object_tree, object);

struct store_mem {
    pthread_mutex_t mutex; /* guards tree and count */
    struct object_tree tree;
    size_t count;
    struct store_mem_options options;
};

struct mem_store {
    struct store base; /* first: a struct store is one of these */
    struct store_mem *mem;
};

static int object_compare(const struct object *a, const struct object *b)
{
    return strcmp(a->key, b->key); /* compares as unsigned bytes, as S3 sorts */
}

RB_GENERATE_INTERNAL(object_tree, object, link, object_compare, __attribute__((unused)) static)

static struct object *find(struct store_mem *mem, const char *key)
{
    struct object wanted = {.key = (char *)key};

    return RB_FIND(object_tree, &mem->tree, &wanted);
}

static void object_clear(struct object *object)
{
    for (size_t i = 0; i < object->meta_count; i++)
        free(object->meta[i].value);
    object->meta_count = 0;
    buf_release(&object->body);
}

static void object_remove(struct store_mem *mem, struct object *object)
{
    RB_REMOVE(object_tree, &mem->tree, object);
    mem->count--;
    object_clear(object);
    free(object->key);
    free(object);
}

/* STORE_OK when `cond` holds for what is there. */
static enum store_status check_condition(const struct store_mem *mem, const struct object *object,
                                         enum store_cond cond, const char *etag)
{
    switch (cond) {
    case STORE_ALWAYS:
        return STORE_OK;
    case STORE_IF_ABSENT:
        return object == NULL ? STORE_OK : STORE_PRECONDITION;
    case STORE_IF_MATCH:
        if (object == NULL)
            return mem->options.missing_is_precondition ? STORE_PRECONDITION : STORE_NOT_FOUND;
        return strcmp(object->etag, etag) == 0 ? STORE_OK : STORE_PRECONDITION;
    }
    return STORE_FATAL;
}

/* Makes the object; takes body's memory. */
static void put_object(struct store_mem *mem, struct object *object, const char *key,
                       struct buf *body, const struct store_meta *meta, size_t meta_count,
                       char etag_r[static STORE_ETAG_SIZE])
{
    unsigned char md5[MD5_BYTES];

    if (object == NULL) {
        object = mem_alloc(sizeof(*object));
        object->key = mem_strdup(key);
        RB_INSERT(object_tree, &mem->tree, object);
        mem->count++;
    } else {
        object_clear(object);
    }
    object->body = *body;
    *body = (struct buf)BUF_INIT;
    for (size_t i = 0; i < meta_count && i < STORE_META_MAX; i++) {
        object->meta[i] = meta[i];
        object->meta[i].value = mem_strdup(meta[i].value);
        object->meta_count++;
    }
    object->modified_ms = clock_wall_ms(mem->options.clock) / 1000 * 1000;
    digest_md5(buf_text(&object->body), object->body.len, md5);
    hex_encode(md5, sizeof(md5), object->etag);
    memcpy(etag_r, object->etag, STORE_ETAG_SIZE);
}

static void do_put(struct store_mem *mem, struct store_op *op)
{
    struct object *object = find(mem, op->key);
    struct buf body = BUF_INIT;

    op->status = check_condition(mem, object, op->cond, op->etag);
    if (op->status != STORE_OK)
        return;
    if (!store_op_body_read(op, &body))
        store_op_fail(op, STORE_FATAL, "cannot read the body to store: %s", strerror(errno));
    else
        put_object(mem, object, op->key, &body, op->put_meta, op->put_meta_count, op->etag_r);
    buf_release(&body);
}

static void do_delete(struct store_mem *mem, struct store_op *op)
{
    struct object *object = find(mem, op->key);

    if (mem->options.expiring_delete && op->expires_ms != 0 &&
        clock_wall_ms(mem->options.clock) >= op->expires_ms) {
        store_op_fail(op, STORE_PRECONDITION, "the delete came after its expiry");
        return;
    }
    op->status = STORE_OK;
    if (mem->options.conditional_delete)
        op->status = check_condition(mem, object, op->cond, op->etag);
    if (op->status == STORE_OK && object != NULL)
        object_remove(mem, object);
}

static void do_read(struct store_mem *mem, struct store_op *op)
{
    struct object *object = find(mem, op->key);

    if (object == NULL) {
        op->status = STORE_NOT_FOUND;
        return;
    }
    op->status = STORE_OK;
    memcpy(op->etag_r, object->etag, sizeof(op->etag_r));
    op->size_r = (int64_t)object->body.len;
    op->modified_ms_r = object->modified_ms;
    for (size_t i = 0; i < object->meta_count; i++)
        store_op_add_meta(op, object->meta[i].name, object->meta[i].value);
    if (op->kind == STORE_HEAD)
        return;
    if (object->body.len > store_op_body_max(op))
        store_op_fail(op, STORE_FATAL, "body too large: %zu bytes", object->body.len);
    else
        store_op_deliver(op, buf_text(&object->body), object->body.len);
}

/* The object, or NULL when it is not (or no longer) one of the listing. */
static struct object *listed(struct object *object, const char *prefix)
{
    return object != NULL && strncmp(object->key, prefix, strlen(prefix)) == 0 ? object : NULL;
}

/* The first key of the listing at or after `key`, or NULL. */
static struct object *next_listed(struct store_mem *mem, const char *key, const char *prefix)
{
    struct object wanted = {.key = (char *)key};

    return listed(RB_NFIND(object_tree, &mem->tree, &wanted), prefix);
}

/* The first key behind folder "…/": the same with the next byte after '/'. */
static struct object *behind_folder(struct store_mem *mem, const char *folder, size_t len,
                                    const char *prefix)
{
    char *key = mem_strndup(folder, len);
    struct object *object;

    key[len - 1]++;
    object = next_listed(mem, key, prefix);
    free(key);
    return object;
}

static void do_list(struct store_mem *mem, struct store_op *op)
{
    size_t prefix_len = strlen(op->key);
    size_t max = op->max_keys > 0 && op->max_keys < PAGE_MAX ? (size_t)op->max_keys : PAGE_MAX;
    const char *after = op->start_after != NULL ? op->start_after : "";
    struct object *object;

    if (mem->options.page_max > 0 && max > (size_t)mem->options.page_max)
        max = (size_t)mem->options.page_max;
    object = next_listed(mem, strcmp(after, op->key) > 0 ? after : op->key, op->key);
    if (object != NULL && strcmp(object->key, after) == 0)
        object = listed(RB_NEXT(object_tree, &mem->tree, object), op->key);
    op->status = STORE_OK;
    while (object != NULL) {
        const char *slash = op->delimiter ? strchr(object->key + prefix_len, '/') : NULL;

        if (op->entry_count == max) {
            store_op_set_more(op);
            return;
        }
        if (slash == NULL) {
            store_op_add_entry(op, object->key, object->etag, (int64_t)object->body.len,
                               object->modified_ms);
            object = listed(RB_NEXT(object_tree, &mem->tree, object), op->key);
        } else {
            size_t len = (size_t)(slash - object->key) + 1;
            char *folder = mem_strndup(object->key, len);

            store_op_add_entry(op, folder, "", 0, 0);
            object = behind_folder(mem, folder, len, op->key);
            free(folder);
        }
    }
}

static void do_op(struct store_mem *mem, struct store_op *op)
{
    size_t len = strlen(op->key);

    op->sent_boot_ms_r = clock_boot_ms(mem->options.clock);
    op->date_ms_r = clock_wall_ms(mem->options.clock) / 1000 * 1000;
    if (len > STORE_KEY_MAX || (len == 0 && op->kind != STORE_LIST)) {
        store_op_fail(op, STORE_FATAL, "a key has 1 to %d bytes, this one %zu", STORE_KEY_MAX, len);
        return;
    }
    switch (op->kind) {
    case STORE_GET:
    case STORE_HEAD:
        do_read(mem, op);
        return;
    case STORE_PUT:
        do_put(mem, op);
        return;
    case STORE_DELETE:
        do_delete(mem, op);
        return;
    case STORE_LIST:
        do_list(mem, op);
        return;
    }
}

static struct mem_store *of(struct store *store)
{
    return CONTAINER_OF(store, struct mem_store, base);
}

static void mem_submit(struct store *store, struct store_batch *batch)
{
    struct store_mem *mem = of(store)->mem;

    for (size_t i = 0, n = batch->count; i < n; i++) {
        pthread_mutex_lock(&mem->mutex);
        do_op(mem, &batch->ops[i]);
        pthread_mutex_unlock(&mem->mutex);
        store_op_count(store, &batch->ops[i]);
        store_op_timed(store, batch->ops[i].kind, batch->ops[i].sent_boot_ms_r,
                       of(store)->mem->options.clock);
        store_op_ended(store, batch);
    }
}

static void mem_wait(struct store *store, int64_t timeout_ms, int wake_fd)
{
    (void)store;
    store_idle(timeout_ms, wake_fd); /* everything ended in submit */
}

static enum store_status mem_grant_read(struct store *store, const char *key, int64_t seconds,
                                        struct store_grant *grant_r, char **error_r)
{
    struct store_op op;
    enum store_status status;
    int file = memfd_create("blobforge-object", MFD_CLOEXEC);
    char path[64];

    (void)seconds;
    store_op_init(&op, STORE_GET, key);
    op.sink_fd = file;
    status = store_do(store, &op);
    if (status == STORE_OK) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
        grant_r->fd = open(path, O_RDONLY | O_CLOEXEC);      /* one that cannot write */
        memcpy(grant_r->meta, op.meta_r, sizeof(op.meta_r)); /* moved: the grant frees it */
        grant_r->meta_count = op.meta_count_r;
        op.meta_count_r = 0;
        if (grant_r->fd < 0) {
            status = STORE_FATAL;
            store_op_fail(&op, status, "cannot open the body: %s", strerror(errno));
        }
    }
    if (file >= 0)
        close(file);
    *error_r = op.error;
    op.error = NULL;
    store_op_release(&op);
    return status;
}

static enum store_status mem_grant_write(struct store *store, const char *key,
                                         const struct store_put_terms *terms, int64_t seconds,
                                         struct store_grant *grant_r, char **error_r)
{
    (void)store, (void)key, (void)terms, (void)seconds;
    grant_r->fd = memfd_create("blobforge-result", MFD_CLOEXEC);
    if (grant_r->fd >= 0)
        return STORE_OK;
    *error_r = mem_printf("cannot make a file in memory: %s", strerror(errno));
    return STORE_FATAL;
}

static enum store_status mem_grant_commit(struct store *store, const char *key,
                                          const struct store_put_terms *terms,
                                          struct store_grant *grant, char *etag_r, char **error_r)
{
    struct store_op op;
    unsigned char md5[MD5_BYTES];
    struct stat st;
    enum store_status status;

    if (fstat(grant->fd, &st) != 0 || st.st_size != terms->length ||
        !digest_md5_fd(grant->fd, terms->length, md5) ||
        memcmp(md5, terms->md5, sizeof(md5)) != 0) {
        *error_r = mem_strdup("the staged body is not the one announced: nothing was stored");
        return STORE_FATAL;
    }
    store_op_init(&op, STORE_PUT, key);
    op.cond = terms->cond;
    if (terms->etag != NULL)
        snprintf(op.etag, sizeof(op.etag), "%s", terms->etag);
    op.body_fd = grant->fd;
    op.body_size = terms->length;
    op.put_meta = terms->meta;
    op.put_meta_count = terms->meta_count;
    status = store_do(store, &op);
    memcpy(etag_r, op.etag_r, STORE_ETAG_SIZE);
    *error_r = op.error;
    op.error = NULL;
    store_op_release(&op);
    return status;
}

static void mem_close(struct store *store)
{
    free(of(store));
}

static const struct store_vtable mem_vtable = {
    .name = "memory",
    .submit = mem_submit,
    .wait = mem_wait,
    .grant_read = mem_grant_read,
    .grant_write = mem_grant_write,
    .grant_commit = mem_grant_commit,
    .close = mem_close,
};

struct store_mem *store_mem_create(const struct store_mem_options *options)
{
    struct store_mem *mem = mem_alloc(sizeof(*mem));

    if (options != NULL)
        mem->options = *options;
    if (mem->options.clock == NULL)
        mem->options.clock = clock_system();
    pthread_mutex_init(&mem->mutex, NULL);
    RB_INIT(&mem->tree);
    return mem;
}

void store_mem_destroy(struct store_mem *mem)
{
    struct object *object;

    if (mem == NULL)
        return;
    while ((object = RB_MIN(object_tree, &mem->tree)) != NULL)
        object_remove(mem, object);
    pthread_mutex_destroy(&mem->mutex);
    free(mem);
}

struct store *store_mem_open(struct store_mem *mem)
{
    struct mem_store *store = mem_alloc(sizeof(*store));

    store_init(&store->base, &mem_vtable, "memory:");
    store->base.properties = (struct store_properties){
        .conditional_put = true,
        .conditional_delete = mem->options.conditional_delete,
        .expiring_delete = mem->options.expiring_delete,
    };
    store->mem = mem;
    return &store->base;
}

size_t store_mem_count(struct store_mem *mem)
{
    size_t count;

    pthread_mutex_lock(&mem->mutex);
    count = mem->count;
    pthread_mutex_unlock(&mem->mutex);
    return count;
}
