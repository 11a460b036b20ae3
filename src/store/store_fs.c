/* See store_fs.h for what it promises, store_fs_private.h for its rooms. Here: operations run in
 * rounds, and grants. */
#include "store/store_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "store/store_fs_private.h"

#define SYNC_THREADS 16
#define ROUND_OPS 64 /* one round's open files; enough to share a journal commit */

struct fs_queued { /* an operation that was submitted */
    struct fs_queued *next;
    struct store_batch *batch;
    struct store_op *op;
};

struct step { /* an operation in its round */
    struct store_op *op;
    struct store_batch *batch;
    struct fs_place place;
    char temp[FS_TEMP_SIZE];
    int fd;         /* PUT: the temporary file; -1: not, or no longer, on its way */
    bool published; /* PUT: has its name; the folder is to be synced */
};

static struct fs_store *of(struct store *store)
{
    return CONTAINER_OF(store, struct fs_store, base);
}

static void fs_submit(struct store *store, struct store_batch *batch)
{
    struct fs_store *fs = of(store);

    for (size_t i = 0; i < batch->count; i++) {
        struct fs_queued *queued = mem_alloc(sizeof(*queued));

        queued->batch = batch;
        queued->op = &batch->ops[i];
        *fs->queue_tail = queued;
        fs->queue_tail = &queued->next;
    }
}

/* The next operations: at most ROUND_OPS. */
static size_t take_round(struct fs_store *fs, struct step *steps)
{
    size_t count = 0;

    while (count < ROUND_OPS && fs->queue != NULL) {
        struct fs_queued *queued = fs->queue;

        fs->queue = queued->next;
        if (fs->queue == NULL)
            fs->queue_tail = &fs->queue;
        steps[count].op = queued->op;
        steps[count].batch = queued->batch;
        steps[count].fd = -1;
        steps[count].published = false;
        steps[count].temp[0] = '\0';
        count++;
        free(queued);
    }
    return count;
}

static void drop_temp(struct fs_store *fs, struct step *step)
{
    if (step->fd >= 0)
        close(step->fd);
    if (step->temp[0] != '\0' && !step->published)
        unlinkat(fs->tmp_fd, step->temp, 0);
    step->fd = -1;
}

/* Writes a body aside, unless its condition fails already. */
static void begin_put(struct fs_store *fs, struct step *step)
{
    if (fs_check_early(fs, step->op, &step->place) != STORE_OK)
        return;
    step->fd = fs_temp_create(fs, step->temp);
    if (step->fd < 0) {
        step->temp[0] = '\0';
        fs_fail(fs, step->op, errno, "make a temporary file");
        if (step->op->status == STORE_NOT_FOUND)
            step->op->status = STORE_FATAL; /* tmp/ itself is gone */
    } else if (!fs_temp_fill(fs, step->op, step->fd)) {
        drop_temp(fs, step);
    }
}

static void begin_step(struct fs_store *fs, struct step *step)
{
    struct store_op *op = step->op;
    const char *why = op->kind == STORE_LIST ? NULL : fs_place_of_key(op->key, &step->place);

    op->sent_boot_ms_r = clock_boot_ms(fs->clock);
    op->date_ms_r = clock_wall_ms(fs->clock);
    op->status = STORE_OK;
    if (why != NULL)
        store_op_fail(op, STORE_FATAL, "a directory store cannot hold this key: %s", why);
    else if (op->kind == STORE_PUT)
        begin_put(fs, step);
}

/* ---- to the disk ---- */

/* Every fsync waits for a flush of the disk, also when one flush could do for many: one after the
 * other 32 took 50 to 120 ms on a busy disk. So those of a round run at once. */
struct sync_share {
    const int *fds;
    int *errors; /* 0, or errno of each */
    size_t first, count;
};

static void *sync_share_run(void *arg)
{
    const struct sync_share *share = arg;

    for (size_t i = share->first; i < share->count; i += SYNC_THREADS)
        share->errors[i] = share->fds[i] < 0 || fsync(share->fds[i]) == 0 ? 0 : errno;
    return NULL;
}

static void sync_all(const int *fds, int *errors, size_t count)
{
    struct sync_share shares[SYNC_THREADS];
    pthread_t threads[SYNC_THREADS];
    bool runs[SYNC_THREADS] = {false};
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals stay with the threads they had */
    for (size_t i = 0; i < SYNC_THREADS && i < count; i++) {
        shares[i] = (struct sync_share){fds, errors, i, count};
        runs[i] = i > 0 && pthread_create(&threads[i], NULL, sync_share_run, &shares[i]) == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    for (size_t i = 0; i < SYNC_THREADS && i < count; i++)
        if (!runs[i])
            (void)sync_share_run(&shares[i]);
    for (size_t i = 0; i < SYNC_THREADS && i < count; i++)
        if (runs[i])
            pthread_join(threads[i], NULL);
}

/* Bodies reach the disk. */
static void sync_bodies(struct fs_store *fs, struct step *steps, size_t count)
{
    int fds[ROUND_OPS] = {0}, errors[ROUND_OPS] = {0};
    struct step *owners[ROUND_OPS];
    size_t written = 0;

    for (size_t i = 0; i < count; i++)
        if (steps[i].fd >= 0) {
            owners[written] = &steps[i];
            fds[written++] = steps[i].fd;
        }
    sync_all(fds, errors, written);
    for (size_t i = 0; i < written; i++)
        if (errors[i] != 0) {
            fs_fail(fs, owners[i]->op, errors[i], "sync the body");
            drop_temp(fs, owners[i]);
        }
}

static void read_key(struct fs_store *fs, struct step *step)
{
    int fd = fs_open_body(fs, step->op, &step->place);

    if (fd < 0)
        return;
    if (step->op->kind == STORE_GET)
        fs_read_body(fs, step->op, fd);
    close(fd);
}

static void act(struct fs_store *fs, struct step *step)
{
    if (step->op->status != STORE_OK)
        return;
    switch (step->op->kind) {
    case STORE_GET:
    case STORE_HEAD:
        read_key(fs, step);
        return;
    case STORE_PUT:
        step->published = fs_temp_publish(fs, step->op, &step->place, step->temp) == STORE_OK;
        return;
    case STORE_DELETE:
        fs_delete(fs, step->op, &step->place);
        return;
    case STORE_LIST:
        fs_list(fs, step->op);
        return;
    }
}

static bool same_folder(const char *a, const char *b)
{
    const char *slash_a = strrchr(a, '/'), *slash_b = strrchr(b, '/');
    size_t len_a = slash_a ? (size_t)(slash_a - a) : 0, len_b = slash_b ? (size_t)(slash_b - b) : 0;

    return len_a == len_b && memcmp(a, b, len_a) == 0;
}

static void fail_name(struct fs_store *fs, struct store_op *op, int error)
{
    store_op_fail(op, STORE_UNKNOWN, "%s: stored, but its folder was not synced: %s", fs->root,
                  strerror(error));
}

/* Names reach the disk: each folder once. */
static void sync_names(struct fs_store *fs, struct step *steps, size_t count)
{
    int fds[ROUND_OPS] = {0}, errors[ROUND_OPS] = {0};
    struct step *firsts[ROUND_OPS]; /* the first that was named in each folder */
    size_t folders = 0;

    for (size_t i = 0; i < count; i++) {
        size_t k = 0;

        while (k < folders && !same_folder(steps[i].place.path, firsts[k]->place.path))
            k++;
        if (!steps[i].published || k < folders)
            continue;
        firsts[folders] = &steps[i];
        if (fs_open_folder_of(fs, steps[i].place.path, &fds[folders]))
            folders++;
        else
            fail_name(fs, steps[i].op, errno);
    }
    sync_all(fds, errors, folders);
    for (size_t k = 0; k < folders; k++) {
        for (size_t i = 0; i < count && errors[k] != 0; i++)
            if (steps[i].published && same_folder(steps[i].place.path, firsts[k]->place.path))
                fail_name(fs, steps[i].op, errors[k]);
        if (fds[k] >= 0)
            close(fds[k]);
    }
}

static void run_round(struct fs_store *fs, struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++)
        begin_step(fs, &steps[i]);
    sync_bodies(fs, steps, count);
    for (size_t i = 0; i < count; i++)
        act(fs, &steps[i]);
    sync_names(fs, steps, count);
    for (size_t i = 0; i < count; i++) {
        drop_temp(fs, &steps[i]);
        store_op_count(&fs->base, steps[i].op);
        store_op_timed(&fs->base, steps[i].op->kind, steps[i].op->sent_boot_ms_r, fs->clock);
        store_op_ended(&fs->base, steps[i].batch);
    }
}

static void fs_wait(struct store *store, int64_t timeout_ms, int wake_fd)
{
    struct fs_store *fs = of(store);
    struct step *steps;
    size_t count;

    if (fs->queue == NULL) {
        store_idle(timeout_ms, wake_fd);
        return;
    }
    steps = mem_alloc(ROUND_OPS * sizeof(*steps));
    while ((count = take_round(fs, steps)) > 0)
        run_round(fs, steps, count);
    free(steps);
}

/* ---- grants ---- */

/* Hands op's error text over and its outcome to *grant_r. */
static enum store_status end_grant(struct store *store, struct store_op *op, char **error_r)
{
    enum store_status status = op->status;

    store_op_count(store, op);
    *error_r = op->error;
    op->error = NULL;
    store_op_release(op);
    return status;
}

static bool begin_grant(struct store_op *op, enum store_kind kind, const char *key,
                        struct fs_place *place_r)
{
    const char *why = fs_place_of_key(key, place_r);

    store_op_init(op, kind, key);
    op->status = STORE_OK;
    if (why != NULL)
        store_op_fail(op, STORE_FATAL, "a directory store cannot hold this key: %s", why);
    return why == NULL;
}

static enum store_status fs_grant_read(struct store *store, const char *key, int64_t seconds,
                                       struct store_grant *grant_r, char **error_r)
{
    struct fs_place place;
    struct store_op op;

    (void)seconds;
    if (begin_grant(&op, STORE_GET, key, &place)) {
        grant_r->fd = fs_open_body(of(store), &op, &place);
        memcpy(grant_r->meta, op.meta_r, sizeof(op.meta_r)); /* moved: the grant frees it */
        grant_r->meta_count = op.meta_count_r;
        op.meta_count_r = 0;
        op.size_r = 0; /* the worker reads it, not we */
    }
    return end_grant(store, &op, error_r);
}

static enum store_status fs_grant_write(struct store *store, const char *key,
                                        const struct store_put_terms *terms, int64_t seconds,
                                        struct store_grant *grant_r, char **error_r)
{
    struct fs_store *fs = of(store);
    struct fs_place place;
    struct store_op op;
    char temp[FS_TEMP_SIZE];
    enum store_status status;

    (void)terms, (void)seconds;
    if (begin_grant(&op, STORE_PUT, key, &place)) {
        grant_r->fd = fs_temp_create(fs, temp);
        if (grant_r->fd < 0)
            fs_fail(fs, &op, errno, "make a temporary file");
        else
            grant_r->stage = mem_printf("%s/%s/tmp/%s", fs->root, FS_OWN, temp);
    }
    status = op.status;
    *error_r = op.error;
    op.error = NULL;
    store_op_release(&op);
    return status;
}

static bool is_as_announced(int fd, const struct store_put_terms *terms)
{
    unsigned char md5[MD5_BYTES];
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == terms->length &&
           digest_md5_fd(fd, terms->length, md5) && memcmp(md5, terms->md5, sizeof(md5)) == 0;
}

/* The staged file becomes the object: op fails, or is STORE_OK. */
static void commit_stage(struct fs_store *fs, struct store_op *op, const struct fs_place *place,
                         const struct store_put_terms *terms, struct store_grant *grant)
{
    const char *name = grant->stage != NULL ? strrchr(grant->stage, '/') + 1 : "";
    int fd = openat(fs->tmp_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0) {
        store_op_fail(op, STORE_FATAL, "%s: the staged body cannot be opened: %s", fs->root,
                      strerror(errno));
        return;
    }
    if (!is_as_announced(fd, terms))
        store_op_fail(op, STORE_FATAL, "%s: the staged body is not the one announced", fs->root);
    else if (fs_temp_stamp(fs, op, fd)) {
        if (fsync(fd) != 0)
            fs_fail(fs, op, errno, "sync the body");
        else if (fs_temp_publish(fs, op, place, name) == STORE_OK) {
            free(grant->stage);
            grant->stage = NULL;
            if (!fs_sync_folder_of(fs, place->path))
                store_op_fail(op, STORE_UNKNOWN, "%s: stored, but its folder was not synced: %s",
                              fs->root, strerror(errno));
        }
    }
    close(fd);
}

static enum store_status fs_grant_commit(struct store *store, const char *key,
                                         const struct store_put_terms *terms,
                                         struct store_grant *grant, char *etag_r, char **error_r)
{
    struct fs_place place;
    struct store_op op;

    if (begin_grant(&op, STORE_PUT, key, &place)) {
        op.cond = terms->cond;
        if (terms->etag != NULL)
            snprintf(op.etag, sizeof(op.etag), "%s", terms->etag);
        op.put_meta = terms->meta;
        op.put_meta_count = terms->meta_count;
        op.body_size = terms->length;
        if (fs_check_early(of(store), &op, &place) == STORE_OK)
            commit_stage(of(store), &op, &place, terms, grant);
        memcpy(etag_r, op.etag_r, STORE_ETAG_SIZE);
    }
    return end_grant(store, &op, error_r);
}

static const struct store_vtable fs_vtable = {
    .name = "directory",
    .submit = fs_submit,
    .wait = fs_wait,
    .grant_read = fs_grant_read,
    .grant_write = fs_grant_write,
    .grant_commit = fs_grant_commit,
    .close = fs_close,
};

enum store_open_status store_fs_open(const char *dir, const struct store_options *options,
                                     struct store **store_r, char **error_r)
{
    struct fs_store *fs = mem_alloc(sizeof(*fs));
    enum store_open_status status;
    char *url = mem_printf("file://%s", dir);

    *store_r = NULL;
    *error_r = NULL;
    store_init(&fs->base, &fs_vtable, url);
    free(url);
    fs->base.properties =
        (struct store_properties){.conditional_put = true, .conditional_delete = true};
    fs->clock = options->clock != NULL ? options->clock : clock_system();
    fs->rng = options->rng != NULL ? options->rng : rng_system();
    fs->root = mem_strdup(dir);
    fs->root_fd = fs->own_fd = fs->tmp_fd = fs->locks_fd = fs->session_fd = -1;
    fs->queue_tail = &fs->queue;
    if (fs_open_home(fs, options, &status, error_r))
        *store_r = &fs->base;
    else
        store_close(&fs->base);
    return status;
}
