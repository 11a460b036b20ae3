/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Limits first, then the document: address space by RLIMIT_AS, time by a timer that asks the
 * interpreter to stop (the supervisor kills what does not listen), no core files.
 */
#include "worker.h"
#include "blocks.h"
#include "columns.h"
#include "exits.h"
#include "figures.h"
#include "images.h"
#include "lines.h"
#include "ocr.h"
#include "open.h"
#include "pass.h"
#include "rulings.h"
#include "runs.h"
#include "tables.h"

#include "base/compiler.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

/* Decoded fonts, images and glyphs that MuPDF may keep for later pages. */
enum {
    STORE_BYTES = 24 << 20
};

static fz_cookie cookie;

static void on_alarm(int signo)
{
    (void)signo;
    cookie.abort = 1;
}

static bool write_all(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n == -1 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static bool read_all(int fd, void *data, size_t len)
{
    char *at = data;

    while (len > 0) {
        ssize_t n = read(fd, at, len);
        if (n == -1 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static void frame_send(int out, uint32_t kind, uint32_t number, const void *data, size_t len)
{
    struct frame frame = {kind, number, (uint32_t)len};

    if (len > FRAME_MAX) {
        _exit(EXIT_LIMIT);
    }
    if (!write_all(out, &frame, sizeof frame) || !write_all(out, data, len)) {
        _exit(EXIT_OK); /* the supervisor is gone */
    }
}

static _Noreturn void fail(int out, enum exit_status status, const char *why)
{
    struct failure failure = {(uint32_t)status, ""};

    strncpy(failure.why, why, sizeof failure.why - 1);
    frame_send(out, FRAME_FAILURE, 0, &failure, sizeof failure);
    _exit(EXIT_OK);
}

static void limits_set(const struct options *options)
{
    struct rlimit none = {0, 0}, memory = {options->memory, options->memory};
    struct sigaction action = {.sa_handler = on_alarm};

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setrlimit(RLIMIT_CORE, &none);
    if (options->memory > 0 && !SANITIZED) {
        (void)setrlimit(RLIMIT_AS, &memory);
    }
    (void)sigaction(SIGALRM, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

/* A worker that was taken over by its document finds nothing open but its own three descriptors. */
static void close_others(int a, int b, int c)
{
    int keep[3] = {a, b, c};
    unsigned next = 3;

    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 2; k++) {
            if (keep[k] > keep[k + 1]) {
                int swap = keep[k];
                keep[k] = keep[k + 1];
                keep[k + 1] = swap;
            }
        }
    }
    for (int i = 0; i < 3; i++) {
        if (keep[i] > (int)next) {
            (void)close_range(next, (unsigned)keep[i] - 1, 0);
        }
        next = (unsigned)keep[i] + 1 > next ? (unsigned)keep[i] + 1 : next;
    }
    (void)close_range(next, ~0U, 0);
}

static void timer_set(double seconds)
{
    struct itimerval timer = {{0, 0}, {0, 0}};

    timer.it_value.tv_sec = (time_t)seconds;
    timer.it_value.tv_usec = (suseconds_t)((seconds - (double)timer.it_value.tv_sec) * 1e6);
    (void)setitimer(ITIMER_REAL, &timer, NULL);
}

/* The library goes on as if a stream had ended, or a page were empty, and says so here alone. */
static bool damaged, missing;

static void on_message(void *user, const char *message)
{
    static const char *const lost[] = {"premature end", "zlib error", "treating as end of file",
                                       "is not a stream"};

    (void)user;
    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++) {
        damaged = damaged || strstr(message, lost[i]) != NULL;
    }
    missing = missing || strstr(message, "non-page object") != NULL; /* said of neighbours, too */
}

/* Text that nobody can read (no usable character map), or none under a picture of a page. */
static bool wants_ocr(const struct page *page)
{
    uint32_t seen = page->glyphs.n;
    float covered = 0;

    if (seen > 0 && page->unmapped * 2 > seen) {
        return true;
    }
    for (uint32_t i = 0; i < page->images.n; i++) {
        covered += box_width(page->images.at[i].box) * box_height(page->images.at[i].box);
    }
    if (seen < 20 && page->slanted_shapes > 200) {
        return true; /* letters drawn as outlines */
    }
    return seen < 20 && covered > 0.3f * page->width * page->height;
}

/* Pictures behind text are paper, not figures. */
static void mark_backgrounds(struct page *page)
{
    for (uint32_t i = 0; i < page->images.n; i++) {
        struct image *image = &page->images.at[i];
        uint32_t inside = 0;
        float area = box_width(image->box) * box_height(image->box);
        for (uint32_t k = 0; k < page->glyphs.n && inside < 200; k++) {
            inside += box_holds_centre(image->box, page->glyphs.at[k].box);
        }
        if ((inside > 100 && area > 0.25f * page->width * page->height) ||
            (inside > 20 && area > 0.7f * page->width * page->height)) {
            image->background = true;
        }
        if (box_width(image->box) < 12 || box_height(image->box) < 12) {
            image->background = true;
        }
    }
}

void worker_stage(struct page *page, enum dump_stage stage)
{
    switch (stage) {
    case DUMP_LINES:
        mark_backgrounds(page);
        lines_build(page);
        break;
    case DUMP_RULINGS:
        rulings_merge(page);
        break;
    case DUMP_TABLES:
        tables_find_ruled(page);
        tables_find_open(page);
        break;
    case DUMP_COLUMNS:
        (void)columns_order(page);
        runs_build(page);
        break;
    case DUMP_BLOCKS:
        blocks_build(page, page->order.n - page->flow.n);
        break;
    case DUMP_NONE:
    case DUMP_PASS:
    case DUMP_ROLES:
    case DUMP_WRITER:
    case DUMP_STAGES:
        break;
    }
}

void worker_stages(struct page *page)
{
    for (enum dump_stage stage = DUMP_LINES; stage <= DUMP_BLOCKS; stage++) {
        worker_stage(page, stage);
    }
}

/* What a worker keeps from page to page. */
struct tools {
    const struct options *options;
    struct image_sink *sink;
    struct ocr *ocr;
    bool ocr_tried;
    int out;
};

static void recognise(fz_context *ctx, fz_document *doc, struct tools *tools, struct page *page)
{
    char why[120];

    if (tools->options->ocr == OCR_NEVER || (tools->options->ocr == OCR_AUTO && !page->needs_ocr)) {
        return;
    }
    if (!tools->ocr_tried) {
        tools->ocr_tried = true;
        tools->ocr = ocr_open(tools->options->ocr_lang, why, sizeof why);
        if (tools->ocr == NULL) {
            frame_send(tools->out, FRAME_WARNING, page->number, why, strlen(why));
        }
    }
    if (tools->ocr != NULL) {
        frame_send(tools->out, FRAME_OCR, page->number, NULL, 0);
        ocr_page(ctx, tools->ocr, doc, page);
    }
}

static void page_convert(fz_context *ctx, fz_document *doc, struct tools *tools, uint32_t number,
                         struct page *page, struct bytes *record)
{
    const struct options *options = tools->options;
    struct image_sink *sink = tools->sink;
    int out = tools->out;

    cookie = (fz_cookie){0};
    timer_set(options->page_seconds * 0.7);
    fz_try(ctx)
    {
        damaged = missing = false;
        pass_page(ctx, doc, number, &cookie, sink, page);
        if ((damaged || missing) && page->glyphs.n == 0 && page->images.n == 0) {
            fz_throw(ctx, FZ_ERROR_GENERIC, "nothing of it can be read");
        }
        page->cut = page->cut || damaged;
        page->needs_ocr = wants_ocr(page);
        if (page->needs_ocr || options->ocr == OCR_ALWAYS) {
            timer_set(0); /* the supervisor has a longer deadline for it */
            recognise(ctx, doc, tools, page);
        }
        worker_stages(page);
        if (sink != NULL && !page->ocr_done && !cookie.abort) {
            figures_take(ctx, doc, sink, &cookie, page);
        }
        timer_set(0);
        record->n = 0;
        page_write(page, record);
        frame_send(out, FRAME_PAGE, number, record->at, record->n);
    }
    fz_catch(ctx)
    {
        const char *why = fz_caught_message(ctx);
        timer_set(0);
        if (fz_caught(ctx) == FZ_ERROR_MEMORY) {
            _exit(EXIT_LIMIT); /* the page is too large, not damaged; the next worker is empty */
        }
        frame_send(out, FRAME_PAGE_FAILED, number, why, strlen(why));
    }
}

_Noreturn void worker_main(const struct options *options, const char *password, int assets, int in,
                           int out)
{
    fz_context *ctx;
    fz_document *fzdoc;
    struct document doc = {0};
    struct page page;
    struct bytes record = {0};
    struct order order;
    enum exit_status status;
    char why[200];
    struct image_sink sink = {assets, options->image_min, (uint64_t)1 << 30};
    struct tools tools = {options, options->images ? &sink : NULL, NULL, false, out};

    limits_set(options);
    close_others(assets, in, out);
    ctx = fz_new_context(NULL, NULL, STORE_BYTES);
    if (ctx == NULL) {
        fail(out, EXIT_LIMIT, "no memory to start with");
    }
    fz_set_warning_callback(ctx, on_message, NULL);
    fz_set_error_callback(ctx, on_message, NULL);
    fz_disable_icc(ctx);
    status = open_document(ctx, options->input, password, &fzdoc, &doc, why, sizeof why);
    if (status != EXIT_OK) {
        fail(out, status, why);
    }
    document_write(&doc, &record);
    frame_send(out, FRAME_DOCUMENT, 0, record.at, record.n);
    page_init(&page);
    while (read_all(in, &order, sizeof order)) {
        for (uint32_t i = 0; i < order.n; i++) {
            page_convert(ctx, fzdoc, &tools, order.first + i, &page, &record);
        }
    }
    _exit(EXIT_OK);
}
