/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Pages from a PDF or from a dump, brought to the stage that was asked for. Roles and writer need
 * the statistics of all pages: these are gathered first, so a page is made up to three times and
 * only one is held at a time.
 */
#include "dump.h"
#include "anchors.h"
#include "draw.h"
#include "open.h"
#include "pagetext.h"
#include "pass.h"
#include "roles.h"
#include "stats.h"
#include "worker.h"
#include "writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_DUMP = 1 << 30
};

struct source {
    const struct options *options;
    fz_context *ctx;
    fz_document *fzdoc; /* NULL: from a dump */
    struct document doc;
    struct bytes text;   /* of the dump */
    size_t *chunks;      /* where its pages begin, and its end */
    uint32_t pages;      /* of the document, or in the dump */
    enum dump_stage got; /* stage of the page that was made last */
};

static bool is_wanted(const struct source *s, uint32_t i)
{
    if (s->options->draw_page > 0) {
        return i + 1 == s->options->draw_page;
    }
    return options_page_wanted(s->options, i);
}

static bool file_read(const char *path, struct bytes *out)
{
    FILE *in = fopen(path, "re");
    char part[65536];
    size_t n;
    bool ok;

    if (in == NULL) {
        return false;
    }
    while ((n = fread(part, 1, sizeof part, in)) > 0 && out->n < MAX_DUMP) {
        bytes_add(out, part, n);
    }
    ok = ferror(in) == 0;
    fclose(in);
    bytes_add(out, "", 1);
    out->n--;
    return ok;
}

/* A page begins at each line `stage NAME`, or with the text when a person wrote none. */
static enum exit_status dump_open(struct source *s)
{
    const char *at, *end;
    uint32_t cap = 0;

    if (!file_read(s->options->input, &s->text)) {
        say(s->options->input, strerror(errno), "name a readable dump");
        return EXIT_CANNOT_OPEN;
    }
    end = s->text.at + s->text.n;
    for (at = s->text.at; at < end;) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        if (strncmp(at, "stage ", 6) == 0 || (s->pages == 0 && strncmp(at, "page ", 5) == 0)) {
            if (s->pages + 2 > cap) {
                s->chunks = array_grow(s->chunks, &cap, s->pages + 2, sizeof *s->chunks);
            }
            s->chunks[s->pages++] = (size_t)(at - s->text.at);
        }
        at = next != NULL ? next + 1 : end;
    }
    if (s->pages == 0 || !document_load(&s->doc, s->text.at, s->chunks[0])) {
        say(s->options->input, "not the text of a page",
            "give what --dump-stage printed, or leave out --from-dump");
        return EXIT_BAD_DOCUMENT;
    }
    s->chunks[s->pages] = s->text.n;
    return EXIT_OK;
}

static enum exit_status source_open(struct source *s, const char *password)
{
    char why[200];
    enum exit_status status;

    s->doc.title = s->doc.author = s->doc.language = NONE;
    if (s->options->from_dump) {
        return dump_open(s);
    }
    status =
        open_document(s->ctx, s->options->input, password, &s->fzdoc, &s->doc, why, sizeof why);
    if (status != EXIT_OK) {
        say(s->options->input, why, "convert it to see what is wrong");
    }
    s->pages = s->doc.pages;
    return status;
}

/* Makes page i and takes it to `stage`, at most DUMP_BLOCKS. Throws for a damaged page. */
static void source_page(struct source *s, uint32_t i, enum dump_stage stage, struct page *page)
{
    s->got = DUMP_PASS;
    if (s->fzdoc != NULL) {
        pass_page(s->ctx, s->fzdoc, i, NULL, NULL, page);
    } else if (!page_load(page, s->text.at + s->chunks[i], s->chunks[i + 1] - s->chunks[i],
                          &s->got)) {
        fz_throw(s->ctx, FZ_ERROR_GENERIC, "page %u of the dump makes no sense", i + 1);
    }
    if (s->got > s->options->dump && s->options->dump != DUMP_NONE) {
        fz_throw(s->ctx, FZ_ERROR_GENERIC, "page %u is past the stage %s already", i + 1,
                 dump_stage_names[s->options->dump]);
    }
    while (s->got < stage) {
        s->got++;
        worker_stage(page, s->got);
    }
}

/* The page with the roles of its blocks, unless it came with them. */
static void source_page_roles(struct source *s, uint32_t i, const struct stats *stats,
                              struct page *page)
{
    source_page(s, i, DUMP_BLOCKS, page);
    if (s->got < DUMP_ROLES) {
        roles_assign(page, &s->doc, stats);
        s->got = DUMP_ROLES;
    }
}

static const char *image_name(void *arg, const struct page *page, const struct image *image)
{
    (void)arg;
    (void)page;
    return image->file[0] != 0 ? image->file : NULL;
}

/* The page as it is after the stages of a worker. */
static void show_early(struct source *s, uint32_t i, struct page *page)
{
    enum dump_stage stage = s->options->dump != DUMP_NONE ? s->options->dump : DUMP_BLOCKS;

    source_page(s, i, stage, page);
    if (s->options->dump != DUMP_NONE) {
        page_dump(page, stage, stdout);
    }
}

/* What the stages behind the workers need of the whole document. */
struct whole {
    struct stats stats;
    struct anchors anchors;
    struct writer *writer; /* NULL: not asked for */
};

static void whole_gather(struct source *s, struct whole *w, struct page *page)
{
    for (uint32_t i = 0; i < s->pages; i++) {
        if (options_page_wanted(s->options, i)) {
            source_page(s, i, DUMP_BLOCKS, page);
            stats_add_page(&w->stats, page);
        }
    }
    stats_finish(&w->stats);
    if (s->options->dump != DUMP_WRITER) {
        return;
    }
    for (uint32_t i = 0; i < s->pages; i++) {
        if (options_page_wanted(s->options, i)) {
            source_page_roles(s, i, &w->stats, page);
            anchors_add_page(&w->anchors, page);
        }
    }
    w->writer =
        writer_create(stdout, s->options, &s->doc, &w->stats, &w->anchors, image_name, NULL);
}

static void show_late(struct source *s, uint32_t i, struct whole *w, struct page *page)
{
    source_page_roles(s, i, &w->stats, page);
    if (w->writer != NULL) {
        writer_page(w->writer, page);
    } else {
        page_dump(page, DUMP_ROLES, stdout);
    }
}

static void show_all(struct source *s, struct whole *w, struct page *page)
{
    const struct options *o = s->options;
    bool late = o->dump >= DUMP_ROLES;

    if (late) {
        whole_gather(s, w, page);
    }
    if (o->dump != DUMP_NONE && o->dump != DUMP_WRITER) {
        document_dump(&s->doc, stdout);
    }
    for (uint32_t i = 0; i < s->pages; i++) {
        if (!is_wanted(s, i)) {
            continue;
        }
        if (late) {
            show_late(s, i, w, page);
        } else {
            show_early(s, i, page);
        }
        if (o->draw_page > 0) {
            draw_page(s->ctx, s->fzdoc, page, o->dump, o->draw_file);
        }
    }
}

static bool show(struct source *s, struct whole *w, struct page *page)
{
    fz_try(s->ctx) show_all(s, w, page);
    fz_catch(s->ctx)
    {
        say(s->options->input, fz_caught_message(s->ctx), "choose other pages or another stage");
        return false;
    }
    return true;
}

enum exit_status dump_run(const struct options *options, const char *password)
{
    struct source s = {.options = options, .ctx = fz_new_context(NULL, NULL, FZ_STORE_DEFAULT)};
    struct whole whole = {0};
    struct page page;
    enum exit_status status;

    if (s.ctx == NULL) {
        say(options->input, "no memory to start with", "give it more");
        return EXIT_LIMIT;
    }
    page_init(&page);
    stats_init(&whole.stats);
    status = source_open(&s, password);
    if (status == EXIT_OK && !show(&s, &whole, &page)) {
        status = EXIT_BAD_DOCUMENT;
    }
    if (whole.writer != NULL) {
        (void)writer_finish(whole.writer);
    }
    if (status == EXIT_OK && (fflush(stdout) != 0 || ferror(stdout) != 0)) {
        say("standard output", strerror(errno), "make room for the dump");
        status = EXIT_IO;
    }
    anchors_release(&whole.anchors);
    stats_release(&whole.stats);
    page_release(&page);
    document_release(&s.doc);
    bytes_release(&s.text);
    free(s.chunks);
    fz_drop_document(s.ctx, s.fzdoc);
    fz_drop_context(s.ctx);
    return status;
}
