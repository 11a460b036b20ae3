/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Opens PDFs, damaged ones too: MuPDF repairs what it can. Numbers that the file claims are not
 * believed: pages are counted by walking the tree when the claim is larger than the file can hold.
 */
#include "open.h"
#include "labels.h"

#include <mupdf/pdf.h>
#include <stdio.h>
#include <string.h>

/* Counts leaves of the page tree, at most `limit`, without following a loop. */
static int count_leaves(fz_context *ctx, pdf_obj *node, int depth, int limit)
{
    pdf_obj *kids = pdf_dict_get(ctx, node, PDF_NAME(Kids));
    int n = 0, len;

    if (!pdf_is_array(ctx, kids)) {
        return pdf_is_dict(ctx, node) ? 1 : 0;
    }
    if (depth > 50 || pdf_mark_obj(ctx, node)) {
        return 0;
    }
    len = pdf_array_len(ctx, kids);
    fz_try(ctx)
    {
        for (int i = 0; i < len && n < limit; i++) {
            n += count_leaves(ctx, pdf_array_get(ctx, kids, i), depth + 1, limit - n);
        }
    }
    fz_always(ctx) pdf_unmark_obj(ctx, node);
    fz_catch(ctx) fz_rethrow(ctx);
    return n;
}

static int count_pages(fz_context *ctx, pdf_document *pdf)
{
    int claimed = pdf_count_pages(ctx, pdf);
    int objects = pdf_count_objects(ctx, pdf);

    if (claimed > objects || claimed <= 0) {
        pdf_obj *root = pdf_dict_getp(ctx, pdf_trailer(ctx, pdf), "Root/Pages");
        int walked = count_leaves(ctx, root, 0, objects);
        return claimed > 0 && claimed < walked ? claimed : walked;
    }
    return claimed;
}

static void add_outline(fz_context *ctx, fz_document *fzdoc, struct document *doc,
                        const fz_outline *at, uint32_t level)
{
    char key[1024];

    for (; at != NULL && doc->outline.n < OUTLINE_MAX_ITEMS; at = at->next) {
        if (at->title != NULL) {
            struct outline_item item = {0, -1, level, 0};
            if (at->page.page >= 0) {
                item.page = fz_page_number_from_location(ctx, fzdoc, at->page);
            }
            item.title = document_text_add(doc, at->title);
            (void)match_key(key, sizeof key, at->title, strlen(at->title));
            item.match = document_text_add(doc, key);
            *ARRAY_ADD(doc->outline) = item;
        }
        if (level < OUTLINE_MAX_DEPTH) {
            add_outline(ctx, fzdoc, doc, at->down, level + 1);
        }
    }
}

static uint32_t metadata(fz_context *ctx, fz_document *fzdoc, struct document *doc, const char *key)
{
    char value[2000];

    if (fz_lookup_metadata(ctx, fzdoc, key, value, sizeof value) <= 0 || value[0] == 0) {
        return NONE;
    }
    return document_text_add(doc, value);
}

static void describe(fz_context *ctx, fz_document *fzdoc, pdf_document *pdf, struct document *doc)
{
    fz_outline *outline = NULL;

    doc->title = doc->author = doc->language = NONE;
    doc->pages = (uint32_t)count_pages(ctx, pdf);
    doc->repaired = pdf_was_repaired(ctx, pdf);
    doc->tagged = pdf_dict_getp(ctx, pdf_trailer(ctx, pdf), "Root/StructTreeRoot") != NULL;
    doc->form = pdf_dict_getp(ctx, pdf_trailer(ctx, pdf), "Root/AcroForm") != NULL;
    /* Each of these is an extra: damage in one must not cost the document. */
    fz_try(ctx)
    {
        const char *lang =
            pdf_to_text_string(ctx, pdf_dict_getp(ctx, pdf_trailer(ctx, pdf), "Root/Lang"));
        doc->title = metadata(ctx, fzdoc, doc, FZ_META_INFO_TITLE);
        doc->author = metadata(ctx, fzdoc, doc, FZ_META_INFO_AUTHOR);
        doc->language = lang[0] != 0 ? document_text_add(doc, lang) : NONE;
    }
    fz_catch(ctx)
    {
    }
    fz_try(ctx) labels_load(ctx, fzdoc, doc);
    fz_catch(ctx) doc->labels.n = 0;
    fz_var(outline);
    fz_try(ctx)
    {
        outline = fz_load_outline(ctx, fzdoc);
        add_outline(ctx, fzdoc, doc, outline, 1);
    }
    fz_always(ctx) fz_drop_outline(ctx, outline);
    fz_catch(ctx)
    {
    }
}

static enum exit_status status_of_error(const char *message)
{
    if (strstr(message, "encrypt") != NULL || strstr(message, "crypt") != NULL) {
        return EXIT_UNSUPPORTED;
    }
    if (strstr(message, "malloc") != NULL) {
        return EXIT_LIMIT;
    }
    return EXIT_BAD_DOCUMENT;
}

enum exit_status open_document(fz_context *ctx, const char *path, const char *password,
                               fz_document **fzdoc_r, struct document *doc, char *why,
                               size_t why_size)
{
    enum exit_status status = EXIT_OK;
    pdf_document *pdf = NULL;
    bool locked = false;

    *fzdoc_r = NULL;
    fz_var(pdf);
    fz_var(status);
    fz_var(locked);
    fz_try(ctx)
    {
        pdf = pdf_open_document(ctx, path);
        locked = pdf_needs_password(ctx, pdf);
        if (locked && (password == NULL || !pdf_authenticate_password(ctx, pdf, password))) {
            snprintf(why, why_size, "%s",
                     password == NULL ? "needs a password" : "password is wrong");
            status = EXIT_PASSWORD;
        } else if (doc != NULL) {
            doc->encrypted = locked;
            describe(ctx, &pdf->super, pdf, doc);
            if (doc->pages == 0) {
                snprintf(why, why_size, "no pages found");
                status = EXIT_BAD_DOCUMENT;
            }
        }
    }
    fz_catch(ctx)
    {
        status = status_of_error(fz_caught_message(ctx));
        snprintf(why, why_size, "%s", fz_caught_message(ctx));
    }
    if (status != EXIT_OK) {
        pdf_drop_document(ctx, pdf);
        return status;
    }
    *fzdoc_r = &pdf->super;
    return EXIT_OK;
}
