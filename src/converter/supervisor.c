/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * One process looks, others touch. Each worker is a fork of this process, which never parses a
 * byte of the document; it gets runs of pages to convert and answers one frame a page. The page
 * that was due when a worker dies or misses its deadline is marked, and another worker goes on
 * behind it.
 */
#include "supervisor.h"
#include "progress.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_WORKERS = 64,
    RUN_PAGES = 16,
    MIN_PAGE_MS = 1000
};

struct worker {
    pid_t pid; /* 0: none */
    int in, out;
    bool opened;         /* sent its FRAME_DOCUMENT */
    uint32_t next, left; /* pages it still owes */
    int64_t deadline;
    struct bytes buffer; /* frames that are not complete yet */
};

struct supervisor {
    const struct options *options;
    const char *password;
    int assets;
    struct document *doc;
    struct spool *spool;
    struct outcome *outcome;
    struct worker workers[MAX_WORKERS];
    uint32_t workers_n;
    bool known;    /* the document is open and described */
    uint32_t next; /* first page nobody was given */
    uint32_t done;
    int64_t page_ms, end;
    int64_t last_progress;
    bool stop, warned;
};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool worker_start(struct supervisor *s, struct worker *w)
{
    int in[2], out[2];

    if (pipe2(in, O_CLOEXEC) == -1) {
        return false;
    }
    if (pipe2(out, O_CLOEXEC) == -1) {
        close(in[0]);
        close(in[1]);
        return false;
    }
    (void)fcntl(out[1], F_SETPIPE_SZ, 1 << 20);
    fflush(stderr);
    w->pid = fork();
    if (w->pid == 0) {
        close(in[1]);
        close(out[0]);
        worker_main(s->options, s->password, s->assets, in[0], out[1]);
    }
    close(in[0]);
    close(out[1]);
    if (w->pid == -1) {
        w->pid = 0;
        close(in[1]);
        close(out[0]);
        return false;
    }
    w->in = in[1];
    w->out = out[0];
    w->opened = false;
    w->next = w->left = 0;
    w->buffer.n = 0;
    w->deadline = now_ms() + s->page_ms;
    return true;
}

/* Ends a worker, whatever it does; returns its wait status. */
static int worker_end(struct worker *w)
{
    int status = 0;

    if (w->pid <= 0) {
        return 0;
    }
    close(w->in);
    close(w->out);
    (void)kill(w->pid, SIGKILL);
    while (waitpid(w->pid, &status, 0) == -1 && errno == EINTR) {
    }
    w->pid = 0;
    w->buffer.n = 0;
    return status;
}

static void count_done(struct supervisor *s)
{
    int64_t now = now_ms();

    s->done++;
    if (s->done == s->outcome->wanted || now - s->last_progress > 50) {
        progress_page(s->done);
        s->last_progress = now;
    }
}

static void page_failed(struct supervisor *s, uint32_t page, enum page_state state)
{
    char text[100];
    static const char *const words[] = {"missing", "read",          "damaged",
                                        "crashed", "took too long", "took too much memory"};

    s->spool->pages[page].state = (uint8_t)state;
    s->outcome->failed++;
    snprintf(text, sizeof text, "page %u: %s", page + 1, words[state]);
    progress_warn(text);
    count_done(s);
}

/* Gives a worker its next run of wanted pages; none are left when it owes nothing afterwards. */
static void worker_feed(struct supervisor *s, struct worker *w)
{
    struct order order;
    uint32_t max = s->workers_n > 1 ? RUN_PAGES : UINT32_MAX;

    while (s->next < s->doc->pages && !options_page_wanted(s->options, s->next)) {
        s->next++;
    }
    order.first = s->next;
    while (s->next < s->doc->pages && s->next - order.first < max &&
           options_page_wanted(s->options, s->next)) {
        s->next++;
    }
    order.n = s->next - order.first;
    w->next = order.first;
    w->left = order.n;
    if (order.n > 0 && write(w->in, &order, sizeof order) != (ssize_t)sizeof order) {
        w->deadline = 0; /* it is dead; the loop finds out */
    }
}

/* The worker is to go on where a dead one stopped. */
static void worker_resume(struct worker *w, uint32_t first, uint32_t n)
{
    struct order order = {first, n};

    w->next = first;
    w->left = n;
    if (n > 0 && write(w->in, &order, sizeof order) != (ssize_t)sizeof order) {
        w->deadline = 0;
    }
}

static void document_known(struct supervisor *s)
{
    struct outcome *o = s->outcome;

    s->known = true;
    for (uint32_t i = 0; i < s->doc->pages; i++) {
        o->wanted += options_page_wanted(s->options, i);
    }
    if (!spool_open(s->spool, s->options->outdir, s->doc->pages)) {
        o->status = EXIT_CANNOT_CREATE;
        snprintf(o->why, sizeof o->why, "no temporary file: %s", strerror(errno));
        s->stop = true;
        return;
    }
    progress_pages(o->wanted);
    progress_stage("pages");
}

static void frame_take(struct supervisor *s, struct worker *w, const struct frame *f,
                       const char *data)
{
    struct outcome *o = s->outcome;
    struct failure failure;

    w->deadline = now_ms() + s->page_ms;
    switch ((enum frame_kind)f->kind) {
    case FRAME_DOCUMENT:
        w->opened = true;
        if (!s->known) {
            if (!document_read(s->doc, data, f->len)) {
                o->status = EXIT_BAD_DOCUMENT;
                snprintf(o->why, sizeof o->why, "its description makes no sense");
                s->stop = true;
                return;
            }
            document_known(s);
        }
        return;
    case FRAME_FAILURE:
        if (f->len == sizeof failure && !s->known) {
            memcpy(&failure, data, sizeof failure);
            failure.why[sizeof failure.why - 1] = 0;
            o->status = (enum exit_status)failure.status;
            escape_name(o->why, sizeof o->why, failure.why);
            s->stop = true;
        }
        return;
    case FRAME_PAGE:
    case FRAME_PAGE_FAILED:
        if (w->left == 0 || f->number != w->next || f->number >= s->doc->pages) {
            w->deadline = 0; /* it lost its mind */
            return;
        }
        w->next++;
        w->left--;
        if (f->kind == FRAME_PAGE_FAILED) {
            page_failed(s, f->number, PAGE_DAMAGED);
        } else if (spool_put(s->spool, f->number, data, f->len)) {
            o->read++;
            count_done(s);
        } else {
            o->status = EXIT_IO;
            snprintf(o->why, sizeof o->why, "temporary file: %s", strerror(errno));
            s->stop = true;
        }
        return;
    case FRAME_WARNING:
        if (!s->warned) {
            char text[200];
            snprintf(text, sizeof text, "%.*s", (int)(f->len < 190 ? f->len : 190), data);
            progress_warn(text);
            say(s->options->input, text, "give --ocr never to do without");
            s->warned = true;
        }
        return;
    case FRAME_OCR:
        w->deadline = now_ms() + 6 * s->page_ms;
        return;
    }
    w->deadline = 0;
}

/* Takes complete frames out of the worker's buffer. */
static void frames_take(struct supervisor *s, struct worker *w)
{
    uint32_t at = 0;
    struct frame f;

    while (w->buffer.n - at >= sizeof f && !s->stop) {
        memcpy(&f, w->buffer.at + at, sizeof f);
        if (f.len > FRAME_MAX) {
            w->deadline = 0;
            break;
        }
        if (w->buffer.n - at - sizeof f < f.len) {
            break;
        }
        frame_take(s, w, &f, w->buffer.at + at + sizeof f);
        at += (uint32_t)sizeof f + f.len;
    }
    memmove(w->buffer.at, w->buffer.at + at, w->buffer.n - at);
    w->buffer.n -= at;
}

/* The worker is gone or late: charges the page that was due and starts another. */
static void worker_lost(struct supervisor *s, struct worker *w, bool late)
{
    uint32_t next = w->next, left = w->left;
    bool was_open = w->opened;
    int status = worker_end(w);
    bool memory = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_LIMIT;

    if (!s->known || (!was_open && left > 0 && late)) {
        if (!s->known) {
            s->outcome->status = late || memory ? EXIT_LIMIT : EXIT_BAD_DOCUMENT;
            snprintf(s->outcome->why, sizeof s->outcome->why, "%s",
                     late     ? "opening it takes too long"
                     : memory ? "opening it takes too much memory"
                              : "the parser crashed on opening it");
            s->stop = true;
            return;
        }
    }
    if (left == 0) {
        return;
    }
    page_failed(s, next, late ? PAGE_TIMED_OUT : memory ? PAGE_TOO_BIG : PAGE_CRASHED);
    if (late) {
        /* Documents made to waste time do it on every page: each may waste half as much. */
        s->page_ms = s->page_ms / 2 > MIN_PAGE_MS ? s->page_ms / 2 : MIN_PAGE_MS;
    }
    next++;
    left--;
    if (left > 0 && worker_start(s, w)) {
        worker_resume(w, next, left);
    } else {
        for (; left > 0; left--, next++) {
            page_failed(s, next, PAGE_CRASHED);
        }
    }
}

static void worker_read(struct supervisor *s, struct worker *w)
{
    ssize_t n;

    if (w->buffer.cap - w->buffer.n < 65536) {
        w->buffer.at = array_grow(w->buffer.at, &w->buffer.cap, w->buffer.cap + 131072, 1);
    }
    n = read(w->out, w->buffer.at + w->buffer.n, w->buffer.cap - w->buffer.n);
    if (n > 0) {
        w->buffer.n += (uint32_t)n;
        frames_take(s, w);
    } else if (n == 0 || errno != EINTR) {
        worker_lost(s, w, false);
    }
}

static bool work_left(struct supervisor *s)
{
    if (!s->known) {
        return true;
    }
    for (uint32_t i = 0; i < s->workers_n; i++) {
        if (s->workers[i].pid > 0 && s->workers[i].left > 0) {
            return true;
        }
    }
    while (s->next < s->doc->pages && !options_page_wanted(s->options, s->next)) {
        s->next++;
    }
    return s->next < s->doc->pages;
}

/* Every open worker that owes nothing gets pages; missing workers are started. */
static void feed_all(struct supervisor *s)
{
    for (uint32_t i = 0; i < s->workers_n && s->known && !s->stop; i++) {
        struct worker *w = &s->workers[i];
        if (w->left > 0 || s->next >= s->doc->pages) {
            continue;
        }
        if (w->pid == 0 && !worker_start(s, w)) {
            continue;
        }
        worker_feed(s, w);
    }
}

static void wait_once(struct supervisor *s)
{
    struct pollfd fds[MAX_WORKERS];
    uint32_t which[MAX_WORKERS];
    nfds_t n = 0;
    int64_t now = now_ms(), wake = now + progress_due_ms();

    for (uint32_t i = 0; i < s->workers_n; i++) {
        struct worker *w = &s->workers[i];
        if (w->pid > 0) {
            fds[n] = (struct pollfd){w->out, POLLIN, 0};
            which[n++] = i;
            if ((w->left > 0 || !s->known) && w->deadline < wake) {
                wake = w->deadline;
            }
        }
    }
    (void)poll(fds, n, wake > now ? (int)(wake - now) : 0);
    for (nfds_t i = 0; i < n && !s->stop; i++) {
        if (fds[i].revents != 0) {
            worker_read(s, &s->workers[which[i]]);
        }
    }
    now = now_ms();
    for (uint32_t i = 0; i < s->workers_n && !s->stop; i++) {
        struct worker *w = &s->workers[i];
        if (w->pid > 0 && (w->left > 0 || !s->known) && now >= w->deadline) {
            worker_lost(s, w, true);
        }
    }
    if (!s->known) {
        progress_alive("open");
    } else if (progress_due_ms() == 0) {
        progress_page(s->done);
    }
}

void supervisor_run(const struct options *options, const char *password, int assets,
                    struct document *doc, struct spool *spool, struct outcome *outcome)
{
    struct supervisor s = {0};

    s.options = options;
    s.password = password;
    s.assets = assets;
    s.doc = doc;
    s.spool = spool;
    s.outcome = outcome;
    s.page_ms = (int64_t)(options->page_seconds * 1000);
    s.end = options->total_seconds > 0 ? now_ms() + (int64_t)(options->total_seconds * 1000)
                                       : INT64_MAX;
    s.workers_n = options->jobs < MAX_WORKERS ? options->jobs : MAX_WORKERS;
    memset(outcome, 0, sizeof *outcome);
    outcome->status = EXIT_OK;
    (void)signal(SIGPIPE, SIG_IGN);
    progress_stage("open");
    if (!worker_start(&s, &s.workers[0])) {
        outcome->status = EXIT_TEMPORARY;
        snprintf(outcome->why, sizeof outcome->why, "no process: %s", strerror(errno));
        return;
    }
    while (!s.stop && work_left(&s)) {
        feed_all(&s);
        wait_once(&s);
        if (now_ms() >= s.end && !s.stop) {
            if (!s.known) {
                outcome->status = EXIT_LIMIT;
                snprintf(outcome->why, sizeof outcome->why, "opening it takes too long");
            }
            break;
        }
    }
    for (uint32_t i = 0; i < s.workers_n; i++) {
        (void)worker_end(&s.workers[i]);
        bytes_release(&s.workers[i].buffer);
    }
    if (s.known && outcome->status == EXIT_OK) {
        outcome->failed = outcome->wanted - outcome->read;
    } else if (s.known) {
        spool_close(spool);
    }
}
