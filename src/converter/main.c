/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * pdf2md: converts a PDF to Markdown. The picture of the program:
 *
 *   main ── supervisor ──► worker (forked): open → pass → lines → rulings → tables → columns
 *     │          │                           → runs → blocks, one record a page
 *     │          └── spool: the records, on disk
 *     └── stats over all records, then roles and writer, page by page, to OUTDIR
 *
 * Everything that touches the document happens in workers; this process reads their records, which
 * are checked. Memory does not grow with the number of pages but for a few bytes a page.
 */
#include "anchors.h"
#include "document.h"
#include "dump.h"
#include "exits.h"
#include "info.h"
#include "options.h"
#include "progress.h"
#include "roles.h"
#include "spool.h"
#include "stats.h"
#include "supervisor.h"
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct conversion {
    const struct options *options;
    int outdir, assets;
    struct document doc;
    struct spool spool;
    struct outcome outcome;
    struct stats stats;
    struct anchors anchors;
    struct page_info *infos;
    struct page page;
    char image_name[96];
    struct image_name {
        char file[48], given[48];
    } * given; /* files that have their final name */
    uint32_t given_n, given_cap;
};

static bool directory_make(const char *path)
{
    struct stat st;

    if (mkdir(path, 0777) == 0) {
        return true;
    }
    return errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void outdir_open(struct conversion *c)
{
    const char *path = c->options->outdir;

    if (!directory_make(path) ||
        (c->outdir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1) {
        say(path, strerror(errno), "name a directory that can be made or written");
        exit(EXIT_CANNOT_CREATE);
    }
    if (mkdirat(c->outdir, "assets", 0777) == -1 && errno != EEXIST) {
        say(path, strerror(errno), "the directory must be writable");
        exit(EXIT_CANNOT_CREATE);
    }
    c->assets = openat(c->outdir, "assets", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (c->assets == -1) {
        say(path, strerror(errno), "assets must be a directory");
        exit(EXIT_CANNOT_CREATE);
    }
}

/* First line of the password file, or NULL. Ends the program when the file cannot be read. */
static char *password_read(const struct options *o)
{
    FILE *in;
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    if (o->password_file == NULL) {
        return NULL;
    }
    in = fopen(o->password_file, "re");
    len = in != NULL ? getline(&line, &size, in) : -1;
    if (in == NULL || (len == -1 && ferror(in))) {
        say(o->password_file, strerror(errno), "name a readable file that holds the password");
        exit(EXIT_CANNOT_OPEN);
    }
    fclose(in);
    if (len == -1) {
        free(line);
        return strdup("");
    }
    line[strcspn(line, "\r\n")] = 0;
    return line;
}

static void password_free(char *password)
{
    if (password != NULL) {
        explicit_bzero(password, strlen(password));
        free(password);
    }
}

/* Gives an image its final name, by page and number on it, the first time it is shown. */
static const char *image_place(void *arg, const struct page *page, const struct image *image)
{
    struct conversion *c = arg;
    struct image_name *name;
    uint32_t n = 1;
    const char *ending = strrchr(image->file, '.');

    for (uint32_t i = 0; i < c->given_n; i++) {
        if (strcmp(c->given[i].file, image->file) == 0) {
            return c->given[i].given;
        }
    }
    /* Logos and ornaments of most pages say nothing. */
    if (c->stats.pages >= 4 && 2 * stats_image_repeats(&c->stats, image) > c->stats.pages) {
        return NULL;
    }
    for (uint32_t i = c->given_n; i-- > 0;) {
        unsigned of_page, number;
        if (sscanf(c->given[i].given, "page-%u-%u", &of_page, &number) == 2 &&
            of_page == page->number + 1) {
            n = number + 1;
            break;
        }
    }
    if (c->given_n == c->given_cap) {
        c->given = array_grow(c->given, &c->given_cap, c->given_n + 1, sizeof *c->given);
    }
    name = &c->given[c->given_n];
    memset(name, 0, sizeof *name);
    memcpy(name->file, image->file, sizeof name->file);
    snprintf(name->given, sizeof name->given, "page-%04u-%u%.8s", page->number + 1, n,
             ending != NULL ? ending : "");
    if (renameat(c->assets, name->file, c->assets, name->given) == -1) {
        return NULL;
    }
    c->given_n++;
    return name->given;
}

/* Files that no page shows, and the directory when it is empty. */
static void assets_clean(struct conversion *c)
{
    for (uint32_t i = 0; i < c->doc.pages && c->spool.pages != NULL; i++) {
        if (!spool_get(&c->spool, i, &c->page)) {
            continue;
        }
        for (uint32_t k = 0; k < c->page.images.n; k++) {
            if (c->page.images.at[k].file[0] == 'x') {
                (void)unlinkat(c->assets, c->page.images.at[k].file, 0);
            }
        }
    }
}

static void gather(struct conversion *c)
{
    bool internal_links = false;

    stats_init(&c->stats);
    c->infos = calloc(c->doc.pages + 1, sizeof *c->infos);
    if (c->infos == NULL) {
        say(c->options->input, "no memory", "give it more");
        exit(EXIT_LIMIT);
    }
    for (uint32_t i = 0; i < c->doc.pages; i++) {
        struct page_info *info = &c->infos[i];
        struct page *p = &c->page;
        progress_alive("write");
        if (!spool_get(&c->spool, i, p)) {
            continue;
        }
        stats_add_page(&c->stats, p);
        *info = (struct page_info){p->characters, p->images.n, p->tables.n, p->unmapped,
                                   p->needs_ocr,  p->ocr_done, p->cut};
        for (uint32_t k = 0; k < p->links.n; k++) {
            internal_links = internal_links || p->links.at[k].page >= 0;
        }
    }
    stats_finish(&c->stats);
    for (uint32_t i = 0; i < c->doc.pages && internal_links && c->options->flavour != FLAVOUR_PLAIN;
         i++) {
        if (spool_get(&c->spool, i, &c->page)) {
            roles_assign(&c->page, &c->doc, &c->stats);
            anchors_add_page(&c->anchors, &c->page);
        }
    }
}

static const char *placeholder_text(const struct conversion *c, uint32_t page)
{
    switch ((enum page_state)c->spool.pages[page].state) {
    case PAGE_TIMED_OUT:
        return "left out, it took too long";
    case PAGE_TOO_BIG:
        return "left out, it took too much memory";
    case PAGE_CRASHED:
        return "left out, the parser crashed";
    case PAGE_DAMAGED:
    case PAGE_READ:
        return "left out, it is damaged";
    case PAGE_MISSING:
        return "left out, the time limit of the document was reached";
    }
    return "left out";
}

static bool write_content(struct conversion *c)
{
    int fd = openat(c->outdir, "content.md", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                    0666);
    FILE *out = fd == -1 ? NULL : fdopen(fd, "w");
    struct writer *writer;
    bool ok;

    if (out == NULL) {
        return false;
    }
    setvbuf(out, NULL, _IOFBF, 1 << 16);
    writer = writer_create(out, c->options, &c->doc, &c->stats, &c->anchors, image_place, c);
    for (uint32_t i = 0; i < c->doc.pages; i++) {
        if (!options_page_wanted(c->options, i)) {
            continue;
        }
        progress_alive("write");
        if (spool_get(&c->spool, i, &c->page)) {
            roles_assign(&c->page, &c->doc, &c->stats);
            writer_page(writer, &c->page);
        } else {
            writer_placeholder(writer, i, placeholder_text(c, i));
        }
    }
    if (!writer_finish(writer)) {
        bool ocr = false;
        for (uint32_t i = 0; i < c->doc.pages; i++) {
            ocr = ocr || c->infos[i].needs_ocr;
        }
        fputs(ocr ? "<!-- no text: the pages are pictures and need OCR -->\n"
                  : "<!-- no text: the pages are empty -->\n",
              out);
    }
    ok = ferror(out) == 0;
    return fclose(out) == 0 && ok;
}

/* When no page could be read the document has failed, for the reason most pages have. */
static void judge(struct conversion *c)
{
    struct outcome *o = &c->outcome;

    if (o->wanted == 0) {
        o->status = EXIT_USAGE;
        snprintf(o->why, sizeof o->why, "none of its %u pages is in --pages", c->doc.pages);
    } else if (o->read == 0) {
        bool limit = false;
        for (uint32_t i = 0; i < c->doc.pages; i++) {
            uint8_t s = c->spool.pages[i].state;
            /* Wanted and missing: the time of the document was over before. */
            limit = limit || s == PAGE_TIMED_OUT || s == PAGE_TOO_BIG ||
                    (s == PAGE_MISSING && options_page_wanted(c->options, i));
        }
        o->status = limit ? EXIT_LIMIT : EXIT_BAD_DOCUMENT;
        snprintf(o->why, sizeof o->why, "no page could be read");
    }
}

static const char *remedy_for(enum exit_status status)
{
    switch (status) {
    case EXIT_PASSWORD:
        return "give it by --password-file";
    case EXIT_BAD_DOCUMENT:
        return "check that it is a whole PDF file";
    case EXIT_LIMIT:
        return "raise --page-time, --time or --memory";
    case EXIT_UNSUPPORTED:
        return "save it again with another program";
    case EXIT_USAGE:
        return "name other pages";
    case EXIT_CANNOT_CREATE:
    case EXIT_IO:
        return "make room in the output directory";
    case EXIT_TEMPORARY:
        return "try again when fewer processes run";
    case EXIT_OK:
    case EXIT_CANNOT_OPEN:
    case EXIT_OUR_BUG:
        return NULL;
    }
    return NULL;
}

static void input_check(const struct options *o)
{
    int fd = open(o->input, O_RDONLY | O_CLOEXEC);
    struct stat st;
    char byte;

    if (fd == -1 || fstat(fd, &st) == -1 || (S_ISDIR(st.st_mode) && (errno = EISDIR) != 0) ||
        (S_ISREG(st.st_mode) && st.st_size > 0 && read(fd, &byte, 1) == -1)) {
        say(o->input, strerror(errno), "name a readable PDF file");
        exit(EXIT_CANNOT_OPEN);
    }
    close(fd);
}

int main(int argc, char **argv)
{
    static struct conversion c; /* held to the end of the process, not a leak then */
    struct options options;
    char *password;

    options_parse(&options, argc, argv);
    c.options = &options;
    progress_open();
    input_check(&options);
    password = password_read(&options);
    if (options.dump != DUMP_NONE || options.draw_page > 0) {
        enum exit_status status = dump_run(&options, password);
        password_free(password);
        return (int)status;
    }
    outdir_open(&c);
    page_init(&c.page);
    c.doc.title = c.doc.author = c.doc.language = NONE;
    supervisor_run(&options, password, c.assets, &c.doc, &c.spool, &c.outcome);
    password_free(password);
    if (c.outcome.status == EXIT_OK) {
        progress_stage("write");
        gather(&c);
        judge(&c);
        if (!write_content(&c) && c.outcome.status == EXIT_OK) {
            c.outcome.status = EXIT_IO;
            snprintf(c.outcome.why, sizeof c.outcome.why, "content.md: %s", strerror(errno));
        }
        assets_clean(&c);
    }
    if (!info_write(c.outdir, &options, &c.doc, c.infos, &c.spool, c.outcome.status,
                    c.outcome.why)) {
        say("info.json", strerror(errno), "make room in the output directory");
        return EXIT_IO;
    }
    if (c.outcome.status != EXIT_OK) {
        say(options.input, c.outcome.why, remedy_for(c.outcome.status));
    }
    return (int)c.outcome.status;
}
