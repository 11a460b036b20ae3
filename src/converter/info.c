/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * JSON is written by hand: the writer needs nothing but strings and numbers, and the converter
 * links no library for it.
 */
#include "info.h"
#include "utf8.h"

#include <config.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void put_string(FILE *out, const char *text)
{
    size_t len = strlen(text);

    fputc('"', out);
    for (size_t i = 0; i < len;) {
        size_t took;
        uint32_t c = utf8_get(text + i, len - i, &took);
        char bytes[4];
        i += took;
        if (c == '"' || c == '\\') {
            fprintf(out, "\\%c", (char)c);
        } else if (c < 0x20 || c == 0x7f) {
            fprintf(out, "\\u%04x", c);
        } else {
            fwrite(bytes, 1, utf8_put(bytes, c), out);
        }
    }
    fputc('"', out);
}

static void put_text(FILE *out, const struct document *doc, const char *key, uint32_t at)
{
    fprintf(out, "  \"%s\": ", key);
    if (at == NONE || doc->text.n == 0) {
        fputs("null", out);
    } else {
        put_string(out, doc->text.at + at);
    }
    fputs(",\n", out);
}

static const char *state_word(enum page_state state)
{
    switch (state) {
    case PAGE_MISSING:
        return "not converted";
    case PAGE_READ:
        return NULL;
    case PAGE_DAMAGED:
        return "damaged: could not be loaded";
    case PAGE_CRASHED:
        return "the parser crashed";
    case PAGE_TIMED_OUT:
        return "took too long";
    case PAGE_TOO_BIG:
        return "took too much memory";
    }
    return "unknown";
}

static void put_page(FILE *out, const struct document *doc, uint32_t number,
                     const struct page_info *info, const struct spool_entry *entry)
{
    const char *label = document_label(doc, number);
    const char *state = state_word((enum page_state)entry->state);
    const char *comma = "";

    fprintf(out, "    {\"page\": %u, \"label\": ", number + 1);
    if (label != NULL && label[0] != 0) {
        put_string(out, label);
    } else {
        fprintf(out, "\"%u\"", number + 1);
    }
    fprintf(out,
            ", \"characters\": %u, \"images\": %u, \"tables\": %u, \"needs_ocr\": %s, \"ocr\": %s",
            info->characters, info->images, info->tables, info->needs_ocr ? "true" : "false",
            info->ocr_done ? "true" : "false");
    fputs(", \"warnings\": [", out);
    if (state != NULL) {
        put_string(out, state);
        comma = ", ";
    }
    if (info->cut) {
        fprintf(out, "%s\"incomplete: damaged content, or a limit\"", comma);
        comma = ", ";
    }
    if (info->unmapped > 0) {
        fprintf(out, "%s\"%u characters without a Unicode value\"", comma, info->unmapped);
    }
    fputs("]}", out);
}

static void put_outline(FILE *out, const struct document *doc)
{
    fputs("  \"outline\": [", out);
    for (uint32_t i = 0; i < doc->outline.n; i++) {
        const struct outline_item *o = &doc->outline.at[i];
        fprintf(out, "%s\n    {\"level\": %u, \"page\": ", i > 0 ? "," : "", o->level);
        if (o->page >= 0) {
            fprintf(out, "%d", o->page + 1);
        } else {
            fputs("null", out);
        }
        fputs(", \"title\": ", out);
        put_string(out, doc->text.at + o->title);
        fputs("}", out);
    }
    fputs(doc->outline.n > 0 ? "\n  ],\n" : "],\n", out);
}

static void put_options(FILE *out, const struct options *o)
{
    static const char *const ocr[] = {"auto", "never", "always"};

    fprintf(out,
            "  \"options\": {\"flavour\": \"%s\", \"ocr\": \"%s\", \"images\": %s, "
            "\"page_markers\": %s, \"headers\": \"%s\"},\n",
            o->flavour == FLAVOUR_PLAIN ? "plain" : "default", ocr[o->ocr],
            o->images ? "true" : "false", o->page_markers ? "true" : "false",
            o->keep_heads ? "keep" : "drop");
}

bool info_write(int outdir, const struct options *options, const struct document *doc,
                const struct page_info *pages, const struct spool *spool, enum exit_status status,
                const char *why)
{
    int fd =
        openat(outdir, "info.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    FILE *out = fd == -1 ? NULL : fdopen(fd, "w");
    bool first = true;
    bool ok;

    if (out == NULL) {
        return false;
    }
    fputs("{\n", out);
    fprintf(out, "  \"tool\": \"pdf2md\",\n  \"version\": \"%s\",\n", PACKAGE_VERSION);
    put_options(out, options);
    if (status == EXIT_OK) {
        fputs("  \"error\": null,\n", out);
    } else {
        fprintf(out, "  \"error\": {\"status\": %d, \"text\": ", (int)status);
        put_string(out, why);
        fputs("},\n", out);
    }
    put_text(out, doc, "title", doc->title);
    put_text(out, doc, "author", doc->author);
    put_text(out, doc, "language", doc->language);
    fprintf(out,
            "  \"encrypted\": %s,\n  \"repaired\": %s,\n  \"tagged\": %s,\n  \"form\": %s,\n"
            "  \"page_count\": %u,\n",
            doc->encrypted ? "true" : "false", doc->repaired ? "true" : "false",
            doc->tagged ? "true" : "false", doc->form ? "true" : "false", doc->pages);
    put_outline(out, doc);
    fputs("  \"pages\": [", out);
    for (uint32_t i = 0; i < doc->pages && pages != NULL; i++) {
        if (options_page_wanted(options, i)) {
            fputs(first ? "\n" : ",\n", out);
            put_page(out, doc, i, &pages[i], &spool->pages[i]);
            first = false;
        }
    }
    fputs(first ? "]\n}\n" : "\n  ]\n}\n", out);
    ok = ferror(out) == 0;
    return fclose(out) == 0 && ok;
}
