/* See worker.h: one document at a time, without keys.
 *
 * One thread. Everything that takes long keeps an eye on the socket: the transfer by its progress
 * callback, the converter's run by its watch_fd. The master sends nothing while a job is being
 * worked on, so anything readable then means that the master is gone or out of its mind; both end
 * this process. */
#include "daemon/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/exitcode.h"
#include "base/json.h"
#include "base/log.h"
#include "convert/convert.h"
#include "daemon/ipc.h"

/* A PDF's header may have junk before it, within its first 1024 bytes (ISO 32000, Adobe's
 * implementation note 13). */
#define PDF_HEADER_WITHIN 1024
#define PROGRESS_EVERY_MS 1000 /* at most so often, but for a new phase */

struct worker {
    int sock;
    int watch; /* epoll: socket and end_pipe */
    struct ipc_setup setup;
    struct slot_folder *folder;
    struct resident *resident; /* NULL: the converter runs once */
    struct clock *clock;

    /* of the job in hand */
    int64_t seq; /* 0: none */
    char short_hash[13];
    struct ipc_progress progress;
    int64_t told_boot_ms;
    int64_t fetch_until_boot_ms;
    struct convert_result result; /* packed: waits to be published */
    bool has_result;
    struct transfer_limits transfer;
    char *ca_file;
    struct sandbox *sandbox; /* kept from job to job */
};

static int end_pipe[2] = {-1, -1};

/* WARNING: a signal handler: write(2) and nothing more. */
static void on_term(int signo)
{
    int saved = errno;
    ssize_t n = write(end_pipe[1], "", 1);

    (void)n;
    errno = saved;
}

static bool master_is_gone(struct worker *worker)
{
    struct pollfd pfd[2] = {{.fd = worker->sock, .events = POLLIN},
                            {.fd = end_pipe[0], .events = POLLIN}};

    return poll(pfd, 2, 0) > 0;
}

static bool on_readable(void *arg)
{
    return !master_is_gone(arg);
}

/* ---- progress ---- */

static void show_title(const struct worker *worker)
{
    const struct ipc_progress *p = &worker->progress;

    if (worker->seq == 0)
        setproctitle("slot %lld [idle]", (long long)worker->setup.slot);
    else if (p->pages > 0)
        setproctitle("slot %lld [%s %s %lld/%lld]", (long long)worker->setup.slot, p->phase,
                     worker->short_hash, (long long)(p->page < 0 ? 0 : p->page),
                     (long long)p->pages);
    else
        setproctitle("slot %lld [%s %s]", (long long)worker->setup.slot, p->phase,
                     worker->short_hash);
}

/* A lost progress message costs nothing; a gone master is noticed elsewhere. */
static void tell_progress(struct worker *worker)
{
    enum ipc_result sent = ipc_progress_write(worker->sock, worker->seq, &worker->progress);

    (void)sent;
    worker->told_boot_ms = clock_boot_ms(worker->clock);
    show_title(worker);
}

static void on_phase(void *arg, const char *phase)
{
    struct worker *worker = arg;

    snprintf(worker->progress.phase, sizeof(worker->progress.phase), "%s", phase);
    tell_progress(worker);
}

static void on_progress(void *arg, const struct progress *progress, double cpu_seconds,
                        int64_t rss_bytes)
{
    struct worker *worker = arg;
    struct ipc_progress *p = &worker->progress;

    p->page = progress->page;
    p->pages = progress->pages;
    snprintf(p->stage, sizeof(p->stage), "%s", progress->stage);
    p->cpu_seconds = cpu_seconds;
    p->rss_bytes = rss_bytes;
    if (clock_boot_ms(worker->clock) - worker->told_boot_ms >= PROGRESS_EVERY_MS)
        tell_progress(worker);
}

static bool on_transfer(void *arg, int64_t done)
{
    return !master_is_gone(arg);
}

/* ---- reports ---- */

/* Tells how the attempt ended; the strings of `record` stay the caller's. */
static bool tell_ended(struct worker *worker, struct outcome outcome, struct record_attempt *record)
{
    struct ipc_ended ended = {.blame = outcome.blame, .breaker = outcome.breaker, .record = record};

    record->cause = outcome.cause;
    record->charged = outcome.charged;
    return ipc_ended_write(worker->sock, worker->seq, &ended) == IPC_OK;
}

/* Ends before the converter ran. Takes ownership of `error`. */
static bool tell_early_end(struct worker *worker, struct outcome outcome, char *error)
{
    struct record_attempt record;
    bool told;

    record_attempt_init(&record);
    record.phase = mem_strdup(worker->progress.phase);
    record.error = error;
    told = tell_ended(worker, outcome, &record);
    record_attempt_release(&record);
    return told;
}

/* ---- the document ---- */

enum document_check {
    DOCUMENT_FINE,
    DOCUMENT_OTHER,
    DOCUMENT_NOT_PDF,
    DOCUMENT_UNREADABLE
};

/* Is it the document whose hash the job has, and what its type says? */
static enum document_check document_check(int fd, const struct ipc_job *job)
{
    enum {
        CHUNK = 65536
    };
    struct digest *digest = digest_begin();
    char *chunk = mem_alloc(CHUNK);
    unsigned char sha[SHA256_BYTES];
    char hex[SHA256_HEX_SIZE];
    bool pdf = false;
    int64_t at = 0;
    ssize_t n;

    while ((n = pread(fd, chunk, CHUNK, at)) > 0) {
        if (at == 0)
            pdf = memmem(chunk, (size_t)n < PDF_HEADER_WITHIN ? (size_t)n : PDF_HEADER_WITHIN,
                         "%PDF-", 5) != NULL;
        digest_update(digest, chunk, (size_t)n);
        at += n;
    }
    digest_end(digest, sha);
    free(chunk);
    if (n < 0)
        return DOCUMENT_UNREADABLE;
    hex_encode(sha, sizeof(sha), hex);
    if (strcmp(hex, job->hash) != 0)
        return DOCUMENT_OTHER;
    return pdf || strcmp(job->type, "pdf") != 0 ? DOCUMENT_FINE : DOCUMENT_NOT_PDF;
}

/* What came with the document: its name and tags, as far as they survived. */
struct document_facts {
    char *name;
    struct json_object *tags;
    int64_t size;
};

static void facts_read(const struct transfer_body *body, struct document_facts *facts_r)
{
    memset(facts_r, 0, sizeof(*facts_r));
    facts_r->size = body->size;
    for (size_t i = 0; i < body->meta_count; i++) {
        struct buf text = BUF_INIT;
        percent_decode(&text, body->meta[i].value);
        if (strcmp(body->meta[i].name, "original-name") == 0 && facts_r->name == NULL) {
            facts_r->name = buf_steal(&text);
        } else if (strcmp(body->meta[i].name, "tags") == 0 && facts_r->tags == NULL) {
            facts_r->tags = json_tokener_parse(buf_text(&text));
            if (!json_object_is_type(facts_r->tags, json_type_array)) {
                json_object_put(facts_r->tags);
                facts_r->tags = NULL;
            }
        }
        buf_release(&text);
    }
}

static void facts_release(struct document_facts *facts)
{
    free(facts->name);
    json_object_put(facts->tags);
}

/* A fetch fails for the store or for our own disk; the transfer says which only in words. */
static bool is_ours_to_blame(const char *error)
{
    static const int codes[] = {ENOSPC, EDQUOT, EIO, EFBIG, EROFS};

    for (size_t i = 0; error != NULL && i < ARRAY_LEN(codes); i++)
        if (strstr(error, strerror(codes[i])) != NULL)
            return true;
    return false;
}

/* An empty folder for the job; a resident converter that stays for it lives on in it. */
static bool folder_prepare(struct worker *worker, const struct ipc_job *job, char **error_r)
{
    struct convert_job wanted = {.command = job->command,
                                 .env = job->env,
                                 .type = job->type,
                                 .sandbox = job->sandbox,
                                 .limits = job->limits};

    if (job->resident_jobs <= 0) {
        resident_destroy(worker->resident);
        worker->resident = NULL;
        return slot_folder_prepare(worker->folder, error_r);
    }
    if (worker->resident == NULL)
        worker->resident = resident_create(job->resident_jobs);
    return resident_prepare(worker->resident, worker->folder, &wanted, error_r);
}

/* The document lies in S/in and is the right one; otherwise the attempt's end was told. */
enum fetched {
    FETCHED,
    FETCH_ENDED,
    FETCH_GONE
};

static enum fetched fetch_document(struct worker *worker, struct ipc_job *job,
                                   struct document_facts *facts_r)
{
    struct transfer_body body = {0};
    char *error = NULL;
    enum store_status status;
    enum document_check check;
    struct outcome host = outcome_of(OUTCOME_HOST, 0);
    int fd;

    memset(facts_r, 0, sizeof(*facts_r));
    if (!folder_prepare(worker, job, &error))
        return tell_early_end(worker, host, error) ? FETCH_ENDED : FETCH_GONE;
    fd = slot_folder_create_input(worker->folder, job->type, &error);
    if (fd < 0)
        return tell_early_end(worker, host, error) ? FETCH_ENDED : FETCH_GONE;
    worker->transfer.deadline_ms = job->fetch_deadline_ms;
    status = transfer_fetch(&job->grant, fd, &worker->transfer, &body, &error);
    if (status != STORE_OK) {
        close(fd);
        if (master_is_gone(worker)) {
            free(error);
            return FETCH_GONE;
        }
        if (!is_ours_to_blame(error))
            host = outcome_of(OUTCOME_STORE, 0);
        return tell_early_end(worker, host, error) ? FETCH_ENDED : FETCH_GONE;
    }
    check = document_check(fd, job);
    close(fd);
    facts_read(&body, facts_r);
    transfer_body_release(&body);
    switch (check) {
    case DOCUMENT_FINE:
        return FETCHED;
    case DOCUMENT_OTHER: /* not the converter's word that it is hopeless: a later fetch may do */
        error = mem_strdup("stored document is damaged: its SHA-256 is not the job's; `blobforge "
                           "remove` it, then ingest the file again");
        host = outcome_of(OUTCOME_REFUSED, 0);
        host.cause = CAUSE_DOCUMENT;
        break;
    case DOCUMENT_NOT_PDF:
        error = mem_strdup("not a PDF: no %PDF- within its first 1024 bytes");
        host = outcome_of(OUTCOME_EXIT, EXITCODE_DATAERR);
        break;
    case DOCUMENT_UNREADABLE:
        error = mem_printf("cannot read the fetched document: %s; look at the disk of work_dir",
                           strerror(errno));
        break;
    }
    return tell_early_end(worker, host, error) ? FETCH_ENDED : FETCH_GONE;
}

/* ---- the job ---- */

static bool folder_clear(struct worker *worker, char **error_r)
{
    return worker->resident != NULL ? resident_clear(worker->resident, worker->folder, error_r)
                                    : slot_folder_empty(worker->folder, error_r);
}

static void drop_result(struct worker *worker)
{
    char *error = NULL;

    if (worker->has_result)
        convert_result_release(&worker->result);
    worker->has_result = false;
    if (!folder_clear(worker, &error))
        log_event(LOG_WARNING, "slot_stop", LOG_I("slot", worker->setup.slot), LOG_S("msg", error));
    free(error);
}

static void job_to_convert(struct worker *worker, const struct ipc_job *job,
                           const struct document_facts *facts, struct convert_job *convert_r)
{
    memset(convert_r, 0, sizeof(*convert_r));
    convert_r->command = job->command;
    convert_r->env = job->env;
    convert_r->type = job->type;
    convert_r->hash = job->hash;
    convert_r->claim = job->claim;
    convert_r->worker_id = job->worker_id;
    convert_r->original_filename = facts->name;
    convert_r->tags = facts->tags;
    convert_r->size_bytes = facts->size;
    convert_r->attempt = job->attempt;
    convert_r->sandbox = job->sandbox;
    convert_r->resident = worker->resident;
    convert_r->profile = job->profile;
    convert_r->sandbox_command = job->sandbox_command;
    convert_r->kept = &worker->sandbox;
    convert_r->limits = job->limits;
    convert_r->clock = worker->clock;
    convert_r->watch_fd = worker->watch;
    convert_r->readable = on_readable;
    convert_r->progress = on_progress;
    convert_r->phase = on_phase;
    convert_r->arg = worker;
}

/* false: the master is gone. */
static bool run_job(struct worker *worker, struct ipc_job *job)
{
    struct document_facts facts;
    struct convert_job convert;
    bool told = false;

    worker->seq = job->seq;
    snprintf(worker->short_hash, sizeof(worker->short_hash), "%.12s", job->hash);
    worker->progress =
        (struct ipc_progress){.phase = "fetch", .page = -1, .pages = -1, .size_bytes = -1};
    worker->transfer.connect_timeout_ms = job->connect_timeout_ms;
    worker->transfer.stall_timeout_ms = job->stall_timeout_ms;
    free(worker->ca_file);
    worker->ca_file = mem_strdup(job->ca_file);
    worker->transfer.ca_file = worker->ca_file;
    tell_progress(worker);
    switch (fetch_document(worker, job, &facts)) {
    case FETCHED:
        break;
    case FETCH_ENDED:
        facts_release(&facts);
        return true;
    case FETCH_GONE:
        facts_release(&facts);
        return false;
    }
    worker->progress.size_bytes = facts.size;
    snprintf(worker->progress.name, sizeof(worker->progress.name), "%s",
             facts.name == NULL ? "" : facts.name);
    job_to_convert(worker, job, &facts, &convert);
    convert_document(worker->folder, &convert, &worker->result);
    worker->has_result = true;
    facts_release(&facts);
    if (worker->result.stopped)
        return false;
    if (worker->result.warning != NULL &&
        ipc_note_write(worker->sock, worker->seq, worker->result.warning) == IPC_END)
        return false;
    if (worker->result.packed) {
        on_phase(worker, "publish");
        told = ipc_packed_write(worker->sock, worker->seq, worker->result.pack.length,
                                worker->result.pack.md5) == IPC_OK;
    } else {
        told = tell_ended(worker, worker->result.outcome, &worker->result.record);
    }
    return told;
}

static bool publish(struct worker *worker, struct store_grant *grant)
{
    char *error = NULL;
    enum store_status status;
    bool told;

    worker->transfer.deadline_ms = 0; /* the grant's own end is the deadline */
    status = transfer_publish(grant, worker->result.pack.fd, worker->result.pack.length,
                              &worker->transfer, &error);
    /* Before the report: the master may look at what we have open once it has that. */
    store_grant_release(grant);
    told = !master_is_gone(worker) &&
           ipc_sent_write(worker->sock, worker->seq, status, error) == IPC_OK;
    free(error);
    return told;
}

/* ---- messages ---- */

static bool on_setup(struct worker *worker, const struct ipc_message *message)
{
    char *error = NULL;

    if (worker->folder != NULL || !ipc_setup_read(message, &worker->setup))
        return false;
    worker->folder = slot_folder_open(worker->setup.work_dir, worker->setup.folder, &error);
    if (worker->folder == NULL) {
        log_event(LOG_ERROR, "slot_stop", LOG_I("slot", worker->setup.slot), LOG_S("msg", error));
        free(error);
        return false;
    }
    show_title(worker);
    return ipc_hello_write(worker->sock, getpid()) == IPC_OK;
}

static bool on_job(struct worker *worker, struct ipc_message *message)
{
    struct ipc_job job;
    bool go_on = false;

    if (ipc_job_read(message, &job) && worker->folder != NULL && worker->seq == 0)
        go_on = run_job(worker, &job);
    ipc_job_release(&job);
    return go_on;
}

static bool on_publish(struct worker *worker, struct ipc_message *message)
{
    struct store_grant grant;
    bool go_on = false;

    if (ipc_publish_read(message, &grant) && message->seq == worker->seq && worker->has_result &&
        worker->result.packed)
        go_on = publish(worker, &grant);
    store_grant_release(&grant);
    return go_on;
}

/* false: this process has nothing more to do. */
static bool on_message(struct worker *worker, struct ipc_message *message)
{
    switch (message->type) {
    case IPC_SETUP:
        return on_setup(worker, message);
    case IPC_JOB:
        return on_job(worker, message);
    case IPC_PUBLISH:
        return on_publish(worker, message);
    case IPC_CLEAR:
        drop_result(worker);
        worker->seq = 0;
        show_title(worker);
        return true;
    case IPC_HELLO:
    case IPC_PROGRESS:
    case IPC_PACKED:
    case IPC_SENT:
    case IPC_ENDED:
    case IPC_NOTE:
        break;
    }
    return false;
}

static bool set_up(struct worker *worker)
{
    struct sigaction action = {.sa_handler = on_term, .sa_flags = SA_RESTART};
    struct epoll_event event = {.events = EPOLLIN};

    memset(worker, 0, sizeof(*worker));
    worker->sock = IPC_FD;
    worker->clock = clock_system();
    worker->transfer.progress = on_transfer;
    worker->transfer.progress_arg = worker;
    if (fcntl(IPC_FD, F_SETFD, FD_CLOEXEC) != 0)
        return false;
    worker->watch = epoll_create1(EPOLL_CLOEXEC);
    if (worker->watch < 0 || pipe2(end_pipe, O_CLOEXEC | O_NONBLOCK) != 0 ||
        epoll_ctl(worker->watch, EPOLL_CTL_ADD, worker->sock, &event) != 0 ||
        epoll_ctl(worker->watch, EPOLL_CTL_ADD, end_pipe[0], &event) != 0)
        return false;
    sigaction(SIGTERM, &action, NULL);
    /* The end of file says the same; the signal also reaches us while a write blocks. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    return true;
}

int worker_main(void)
{
    struct worker worker;
    bool go_on = true;

    if (!set_up(&worker)) {
        log_event(LOG_ERROR, "slot_stop",
                  LOG_S("msg", "worker has no socket: -x worker is for blobforged itself"));
        return EXITCODE_USAGE;
    }
    while (go_on) {
        struct pollfd pfd[2] = {{.fd = worker.sock, .events = POLLIN},
                                {.fd = end_pipe[0], .events = POLLIN}};
        struct ipc_message message;

        if (poll(pfd, 2, -1) < 0 && errno != EINTR)
            break;
        if (pfd[1].revents != 0)
            break;
        switch (ipc_read(worker.sock, &message)) {
        case IPC_OK:
            go_on = on_message(&worker, &message);
            ipc_message_release(&message);
            break;
        case IPC_NONE:
            break;
        case IPC_END:
        case IPC_BAD:
            go_on = false;
            break;
        }
    }
    if (worker.folder != NULL) {
        if (worker.has_result)
            convert_result_release(&worker.result);
        resident_destroy(worker.resident);
        slot_folder_close(worker.folder);
    }
    sandbox_release(worker.sandbox);
    ipc_setup_release(&worker.setup);
    free(worker.ca_file);
    return EXITCODE_OK;
}
