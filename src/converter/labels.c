/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * PDF 32000-1, 12.4.2: a number tree of ranges, each with a style, a prefix and a start.
 */
#include "labels.h"

#include <mupdf/pdf.h>
#include <stdio.h>
#include <string.h>

enum {
    MAX_RANGES = 2000,
    MAX_LABELLED = 50000
};

struct range {
    int first, start;
    char style;
    char prefix[LABEL_SIZE];
};

struct ranges {
    struct range at[MAX_RANGES];
    int n;
};

static void walk(fz_context *ctx, pdf_obj *node, struct ranges *ranges, int depth)
{
    pdf_obj *kids = pdf_dict_get(ctx, node, PDF_NAME(Kids));
    pdf_obj *nums = pdf_dict_get(ctx, node, PDF_NAME(Nums));

    for (int i = 0; depth < 12 && i < pdf_array_len(ctx, kids) && ranges->n < MAX_RANGES; i++) {
        walk(ctx, pdf_array_get(ctx, kids, i), ranges, depth + 1);
    }
    for (int i = 0; i + 1 < pdf_array_len(ctx, nums) && ranges->n < MAX_RANGES; i += 2) {
        struct range *r = &ranges->at[ranges->n++];
        pdf_obj *dict = pdf_array_get(ctx, nums, i + 1);
        const char *style = pdf_to_name(ctx, pdf_dict_get(ctx, dict, PDF_NAME(S)));
        pdf_obj *start = pdf_dict_gets(ctx, dict, "St");
        memset(r, 0, sizeof *r);
        r->first = pdf_to_int(ctx, pdf_array_get(ctx, nums, i));
        r->style = style[0];
        r->start = start != NULL ? pdf_to_int(ctx, start) : 1;
        snprintf(r->prefix, sizeof r->prefix, "%s",
                 pdf_to_text_string(ctx, pdf_dict_get(ctx, dict, PDF_NAME(P))));
    }
}

static void roman(char *out, size_t size, int n, bool upper)
{
    static const struct {
        int value;
        const char *low, *high;
    } parts[] = {{1000, "m", "M"}, {900, "cm", "CM"}, {500, "d", "D"}, {400, "cd", "CD"},
                 {100, "c", "C"},  {90, "xc", "XC"},  {50, "l", "L"},  {40, "xl", "XL"},
                 {10, "x", "X"},   {9, "ix", "IX"},   {5, "v", "V"},   {4, "iv", "IV"},
                 {1, "i", "I"}};

    out[0] = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && n < 4000; i++) {
        while (n >= parts[i].value && strlen(out) + 3 < size) {
            strcat(out, upper ? parts[i].high : parts[i].low);
            n -= parts[i].value;
        }
    }
}

static void label_make(char *label, const struct range *r, int page)
{
    char number[LABEL_SIZE] = "";
    int n = r->start + (page - r->first);

    if (r->style == 'D') {
        snprintf(number, sizeof number, "%d", n);
    } else if (r->style == 'r' || r->style == 'R') {
        roman(number, sizeof number, n, r->style == 'R');
    } else if ((r->style == 'a' || r->style == 'A') && n > 0) {
        size_t times = (size_t)(n - 1) / 26 + 1;
        times = times > sizeof number - 1 ? sizeof number - 1 : times;
        memset(number, r->style + (n - 1) % 26, times);
    }
    snprintf(label, LABEL_SIZE, "%.11s%.12s", r->prefix, number);
}

void labels_load(fz_context *ctx, fz_document *fzdoc, struct document *doc)
{
    pdf_document *pdf = pdf_specifics(ctx, fzdoc);
    pdf_obj *tree = pdf_dict_getp(ctx, pdf_trailer(ctx, pdf), "Root/PageLabels");
    struct ranges *ranges;

    if (tree == NULL) {
        return;
    }
    ranges = fz_calloc(ctx, 1, sizeof *ranges);
    fz_try(ctx)
    {
        walk(ctx, tree, ranges, 0);
        for (uint32_t i = 0; i < doc->pages && i < MAX_LABELLED && ranges->n > 0; i++) {
            const struct range *best = NULL;
            char label[LABEL_SIZE] = "";
            for (int k = 0; k < ranges->n; k++) {
                if (ranges->at[k].first <= (int)i &&
                    (best == NULL || ranges->at[k].first >= best->first)) {
                    best = &ranges->at[k];
                }
            }
            if (best != NULL) {
                label_make(label, best, (int)i);
            }
            for (int k = 0; k < LABEL_SIZE; k++) {
                *ARRAY_ADD(doc->labels) = label[k];
            }
        }
    }
    fz_always(ctx) fz_free(ctx, ranges);
    fz_catch(ctx) fz_rethrow(ctx);
}
