/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Tesseract is loaded when the first page needs it, by name: most documents never do, and its
 * libraries would double the start of every conversion. Only its C interface is used. A recognised
 * word becomes glyphs of equal width in a font without style; its size comes from the height of
 * its line, so that headings can still be told.
 */
#include "ocr.h"

#include <config.h>
#include <stdio.h>
#include <string.h>

#ifdef HAVE_TESSERACT

#include "utf8.h"

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <tesseract/capi.h>

static const float OCR_DPI = 250;
/* More samples than this take too long: larger pages are drawn coarser. */
static const float MAX_SAMPLES = 14e6f;
/* Words the recogniser itself does not believe are specks and ornaments. */
static const float LEAST_CONFIDENCE = 25;

#define TESS_CALLS(DO)                                                                             \
    DO(TessBaseAPICreate)                                                                          \
    DO(TessBaseAPIDelete)                                                                          \
    DO(TessBaseAPIEnd)                                                                             \
    DO(TessBaseAPIInit3)                                                                           \
    DO(TessBaseAPISetVariable)                                                                     \
    DO(TessBaseAPISetPageSegMode)                                                                  \
    DO(TessBaseAPISetImage)                                                                        \
    DO(TessBaseAPISetSourceResolution)                                                             \
    DO(TessBaseAPIRecognize)                                                                       \
    DO(TessBaseAPIGetIterator)                                                                     \
    DO(TessBaseAPIClear)                                                                           \
    DO(TessResultIteratorGetPageIteratorConst)                                                     \
    DO(TessResultIteratorNext)                                                                     \
    DO(TessResultIteratorGetUTF8Text)                                                              \
    DO(TessResultIteratorConfidence)                                                               \
    DO(TessResultIteratorDelete)                                                                   \
    DO(TessPageIteratorBoundingBox)                                                                \
    DO(TessPageIteratorBaseline)                                                                   \
    DO(TessDeleteText)

struct ocr {
    void *library;
    TessBaseAPI *api;
#define DECLARE(name) __typeof__(&name) name;
    TESS_CALLS(DECLARE)
#undef DECLARE
};

struct ocr *ocr_open(const char *languages, char *why, size_t size)
{
    struct ocr *ocr = calloc(1, sizeof *ocr);

    if (ocr == NULL) {
        snprintf(why, size, "no memory for OCR");
        return NULL;
    }
    /* Read when the library is loaded. Its threads gain little on a page and wait by spinning. */
    (void)setenv("OMP_THREAD_LIMIT", "1", 1);
    ocr->library = dlopen("libtesseract.so.5", RTLD_NOW | RTLD_LOCAL);
    if (ocr->library == NULL) {
        snprintf(why, size, "OCR is not installed (Debian package libtesseract5)");
        free(ocr);
        return NULL;
    }
#define FIND(call)                                                                                 \
    *(void **)&ocr->call = dlsym(ocr->library, #call);                                             \
    if (ocr->call == NULL) {                                                                       \
        snprintf(why, size, "OCR library without " #call);                                         \
        ocr_close(ocr);                                                                            \
        return NULL;                                                                               \
    }
    TESS_CALLS(FIND)
#undef FIND
    ocr->api = ocr->TessBaseAPICreate();
    if (ocr->api == NULL || ocr->TessBaseAPIInit3(ocr->api, NULL, languages) != 0) {
        snprintf(why, size, "no OCR data for %.40s (Debian packages tesseract-ocr-LANG)",
                 languages);
        ocr_close(ocr);
        return NULL;
    }
    (void)ocr->TessBaseAPISetVariable(ocr->api, "debug_file", "/dev/null");
    ocr->TessBaseAPISetPageSegMode(ocr->api, PSM_AUTO);
    return ocr;
}

void ocr_close(struct ocr *ocr)
{
    if (ocr == NULL) {
        return;
    }
    if (ocr->api != NULL) {
        ocr->TessBaseAPIEnd(ocr->api);
        ocr->TessBaseAPIDelete(ocr->api);
    }
    /* The library stays loaded: its destructors do not like to go first. */
    free(ocr);
}

static void word_take(struct page *page, const char *text, struct box box, float baseline,
                      float size, bool first)
{
    size_t len = strlen(text), chars = 0;
    float width, x = box.x0;

    for (size_t i = 0, took; i < len; i += took) {
        (void)utf8_get(text + i, len - i, &took);
        chars++;
    }
    if (chars == 0 || page->glyphs.n + chars + 1 > PAGE_MAX_GLYPHS) {
        return;
    }
    if (!first) {
        /* A blank before the word, as typesetters draw it. */
        struct glyph blank = {.box = {box.x0, baseline, box.x0, baseline},
                              .x = box.x0,
                              .y = baseline,
                              .size = size,
                              .ucs = ' '};
        *ARRAY_ADD(page->glyphs) = blank;
    }
    width = box_width(box) / (float)chars;
    for (size_t i = 0, took; i < len; i += took) {
        struct glyph g = {0};
        g.ucs = utf8_get(text + i, len - i, &took);
        g.x = x;
        g.y = baseline;
        g.size = size;
        g.box = (struct box){x, baseline - 0.78f * size, x + width, baseline + 0.22f * size};
        *ARRAY_ADD(page->glyphs) = g;
        x += width;
    }
}

/* Takes the words of one recognised line; all get one size and one baseline. */
struct recognised {
    struct box box;
    char *text;
};

static void line_take(struct ocr *ocr, struct page *page, struct recognised *words, uint32_t n,
                      float base)
{
    struct box box = {0};
    float size;

    if (n == 0) {
        return;
    }
    box = words[0].box;
    for (uint32_t i = 1; i < n; i++) {
        box = box_union(box, words[i].box);
    }
    /* Most lines reach from a capital's top to a descender's end: nine tenths of an em. */
    size = roundf(box_height(box) / 0.9f);
    size = size < 4 ? 4 : size;
    for (uint32_t i = 0; i < n; i++) {
        word_take(page, words[i].text, words[i].box, base, size, i == 0);
        ocr->TessDeleteText(words[i].text);
    }
}

static void words_take(struct ocr *ocr, struct page *page, float scale)
{
    enum {
        MAX_LINE = 400
    };
    TessResultIterator *it = ocr->TessBaseAPIGetIterator(ocr->api);
    struct recognised words[MAX_LINE];
    uint32_t n = 0;
    float base = 0, last_base = -1e9f;
    int last_right = -1;

    if (it == NULL) {
        return;
    }
    do {
        const TessPageIterator *place = ocr->TessResultIteratorGetPageIteratorConst(it);
        char *text = ocr->TessResultIteratorGetUTF8Text(it, RIL_WORD);
        int l, t, r, b, x1, y1, x2, y2;
        if (text == NULL) {
            continue;
        }
        if (ocr->TessResultIteratorConfidence(it, RIL_WORD) < LEAST_CONFIDENCE ||
            !ocr->TessPageIteratorBoundingBox(place, RIL_WORD, &l, &t, &r, &b)) {
            ocr->TessDeleteText(text);
            continue;
        }
        base = (float)b;
        if (ocr->TessPageIteratorBaseline(place, RIL_TEXTLINE, &x1, &y1, &x2, &y2)) {
            base = (float)(y1 + y2) / 2;
        }
        if (n > 0 && (fabsf(base - last_base) > 2 || l < last_right - 20 || n == MAX_LINE)) {
            line_take(ocr, page, words, n, last_base / scale);
            n = 0;
        }
        words[n].box =
            (struct box){(float)l / scale, (float)t / scale, (float)r / scale, (float)b / scale};
        words[n++].text = text;
        last_base = base;
        last_right = r;
    } while (ocr->TessResultIteratorNext(it, RIL_WORD));
    line_take(ocr, page, words, n, last_base / scale);
    ocr->TessResultIteratorDelete(it);
}

void ocr_page(fz_context *ctx, struct ocr *ocr, fz_document *doc, struct page *page)
{
    fz_page *fzpage = fz_load_page(ctx, doc, (int)page->number);
    fz_pixmap *pix = NULL;
    float scale = OCR_DPI / 72, area = page->width * page->height;

    if (area * scale * scale > MAX_SAMPLES) {
        scale = sqrtf(MAX_SAMPLES / (area > 1 ? area : 1));
    }
    fz_var(pix);
    fz_try(ctx)
    {
        pix = fz_new_pixmap_from_page(ctx, fzpage, fz_scale(scale, scale), fz_device_gray(ctx), 0);
        page->glyphs.n = 0;
        page->fonts.n = 0;
        page->invisible = page->unmapped = 0;
        *ARRAY_ADD(page->fonts) = (struct font_face){.name = "ocr"};
        ocr->TessBaseAPISetImage(ocr->api, pix->samples, pix->w, pix->h, 1, (int)pix->stride);
        ocr->TessBaseAPISetSourceResolution(ocr->api, (int)(scale * 72));
        if (ocr->TessBaseAPIRecognize(ocr->api, NULL) == 0) {
            words_take(ocr, page, scale);
        }
        ocr->TessBaseAPIClear(ocr->api);
        page->ocr_done = true;
    }
    fz_always(ctx)
    {
        fz_drop_pixmap(ctx, pix);
        fz_drop_page(ctx, fzpage);
    }
    fz_catch(ctx) fz_rethrow(ctx);
}

#else

struct ocr *ocr_open(const char *languages, char *why, size_t size)
{
    snprintf(why, size, "built without OCR");
    return NULL;
}

void ocr_close(struct ocr *ocr)
{
}

void ocr_page(fz_context *ctx, struct ocr *ocr, fz_document *doc, struct page *page)
{
}

#endif
