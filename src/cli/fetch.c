/* See fetch.h: getting a job's result into a local file. */
#include "cli/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/quote.h"
#include "cli/jobs.h"

static void say_no_result(const struct queue *queue, const struct job_view *view)
{
    struct job_facts facts;
    char *why = NULL, *remedy;

    job_facts_gather(queue, view, &facts);
    if (facts.error != NULL) {
        struct buf quoted = BUF_INIT;
        quote_append(&quoted, facts.error, strnlen(facts.error, 300));
        why = buf_steal(&quoted);
    }
    switch (view->state) {
    case JOB_UNKNOWN:
        cli_error("%s: no such job in %s; `blobforge list` counts what is there", view->hash,
                  store_url(queue->store));
        break;
    case JOB_RAW:
        cli_error("%s: not queued, so never converted; `blobforge retry %.12s` queues it",
                  view->hash, view->hash);
        break;
    case JOB_DEAD:
        remedy = job_dead_remedy(view);
        cli_error("%s: dead (%s): %s; %s", view->hash,
                  facts.reason != NULL ? facts.reason : "no reason",
                  why != NULL ? why : "no error was recorded", remedy);
        free(remedy);
        break;
    case JOB_FAILED:
        cli_error("%s: failed: %s; it is tried again by itself, `blobforge retry %.12s` does not "
                  "wait",
                  view->hash, why != NULL ? why : "no error was recorded", view->hash);
        break;
    case JOB_TODO:
    case JOB_PROCESSING:
    case JOB_DONE:
        cli_error("%s: not converted yet, it is %s; `blobforge status %.12s` says how far it is",
                  view->hash, job_state_name(view->state), view->hash);
        break;
    }
    free(why);
}

enum exitcode fetch_find(struct cli *cli, struct queue *queue, const char *text,
                         char hash_r[static 65], char **name_r)
{
    enum exitcode code = cli_resolve(cli, text, hash_r);
    struct job_view view;
    char *error = NULL;
    enum queue_result result;

    *name_r = NULL;
    if (code != EXITCODE_OK)
        return code;
    result = view_job(queue, hash_r, &view, &error);
    if (result != QUEUE_OK)
        return cli_queue_failed(cli, result, hash_r, error);
    if (!view.has_result) {
        say_no_result(queue, &view);
        code = EXITCODE_PARTIAL;
    } else {
        *name_r = mem_strdup(view.name);
    }
    job_view_release(&view);
    return code;
}

/* The disk that the result was to go to is full, or broken: where that is, since a temporary file
 * has no name. */
static enum exitcode say_sink_refused(const char *hash, int fd, int error)
{
    char *link = mem_printf("/proc/self/fd/%d", fd), path[4096] = "";
    bool temporary = false;
    struct stat st;
    ssize_t len = readlink(link, path, sizeof(path) - 1);
    char *slash, *quoted;

    path[len > 0 ? len : 0] = '\0';
    slash = strrchr(path, '/');
    if (slash != NULL)
        slash[slash == path] = '\0'; /* its folder */
    if (fstat(fd, &st) == 0)
        temporary = st.st_nlink == 0;
    quoted = quote_name(path[0] != '\0' ? path : ".");
    cli_error(
        "result of %.12s: cannot be written in %s: %s; free space there, or name another folder "
        "with %s",
        hash, quoted, strerror(error), temporary ? "TMPDIR" : "--output");
    free(quoted);
    free(link);
    return EXITCODE_IOERR;
}

enum exitcode fetch_result(struct cli *cli, struct queue *queue, const char *hash, int fd,
                           int64_t *bytes_r)
{
    struct store_op op;
    char key[KEY_SIZE], *what;
    enum exitcode code = EXITCODE_OK;

    store_op_init(&op, STORE_GET, key_out(&queue->keys, hash, key));
    op.sink_fd = fd;
    switch (store_do(queue->store, &op)) {
    case STORE_OK:
        *bytes_r = op.size_r;
        break;
    case STORE_NOT_FOUND:
        cli_error("%s: its result has gone meanwhile; try again", hash);
        code = EXITCODE_PARTIAL;
        break;
    case STORE_PRECONDITION:
    case STORE_UNKNOWN:
    case STORE_AGAIN:
    case STORE_FATAL:
        if (op.sink_errno_r != 0) {
            code = say_sink_refused(hash, fd, op.sink_errno_r);
            break;
        }
        what = mem_printf("result of %.12s", hash);
        code = cli_queue_failed(cli, op.status == STORE_FATAL ? QUEUE_FATAL : QUEUE_AGAIN, what,
                                mem_strdup(op.error));
        free(what);
        break;
    }
    store_op_release(&op);
    return code;
}

char *fetch_damaged_text(const char *hash, char *error)
{
    char *text;

    if (error != NULL && strstr(error, "; ") != NULL)
        return error;
    text = mem_printf("%s; `blobforge retry --reconvert %.12s` makes it anew",
                      error != NULL ? error : "its result is damaged", hash);
    free(error);
    return text;
}

enum exitcode fetch_say_damaged(const char *hash, char *error)
{
    char *text = fetch_damaged_text(hash, error);

    cli_error("%.12s: %s", hash, text);
    free(text);
    return EXITCODE_DATAERR;
}

int fetch_temporary(void)
{
    const char *dir = getenv("TMPDIR");
    char *path = mem_printf("%s/blobforge-XXXXXX", dir != NULL && *dir != '\0' ? dir : "/tmp");
    int fd = mkostemp(path, O_CLOEXEC);

    if (fd >= 0)
        unlink(path);
    else
        cli_error("temporary file in %s: %s; name another folder with TMPDIR",
                  dir != NULL ? dir : "/tmp", strerror(errno));
    free(path);
    return fd;
}
