/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * What is set right on a page before anybody looks for lines.
 */
#include "upright.h"

static struct box turn_box(struct box b, uint32_t turns, float w, float h)
{
    switch (turns) {
    case 1:
        return (struct box){b.y0, w - b.x1, b.y1, w - b.x0};
    case 2:
        return (struct box){w - b.x1, h - b.y1, w - b.x0, h - b.y0};
    case 3:
        return (struct box){h - b.y1, b.x0, h - b.y0, b.x1};
    default:
        return b;
    }
}

static void turn_page(struct page *page, uint32_t turns)
{
    float w = page->width, h = page->height;

    for (uint32_t i = 0; i < page->glyphs.n; i++) {
        struct glyph *g = &page->glyphs.at[i];
        struct box at = turn_box((struct box){g->x, g->y, g->x, g->y}, turns, w, h);
        g->x = at.x0;
        g->y = at.y0;
        g->box = turn_box(g->box, turns, w, h);
        if (g->dir != DIR_SLANTED) {
            g->dir = (uint8_t)((g->dir + 4 - turns) % 4);
        }
    }
    for (uint32_t i = 0; i < page->rulings.n; i++) {
        struct ruling *r = &page->rulings.at[i];
        struct box b = r->vertical ? (struct box){r->at, r->from, r->at, r->to}
                                   : (struct box){r->from, r->at, r->to, r->at};
        b = turn_box(b, turns, w, h);
        r->vertical = (turns % 2 == 1) != r->vertical;
        r->at = r->vertical ? b.x0 : b.y0;
        r->from = r->vertical ? b.y0 : b.x0;
        r->to = r->vertical ? b.y1 : b.x1;
    }
    for (uint32_t i = 0; i < page->shapes.n; i++) {
        page->shapes.at[i].box = turn_box(page->shapes.at[i].box, turns, w, h);
    }
    for (uint32_t i = 0; i < page->images.n; i++) {
        page->images.at[i].box = turn_box(page->images.at[i].box, turns, w, h);
    }
    for (uint32_t i = 0; i < page->links.n; i++) {
        page->links.at[i].box = turn_box(page->links.at[i].box, turns, w, h);
    }
    if (turns % 2 == 1) {
        page->width = h;
        page->height = w;
    }
    page->turned = turns;
}

void page_make_upright(struct page *page)
{
    uint32_t count[5] = {0};
    uint32_t best = 0;

    for (uint32_t i = 0; i < page->glyphs.n; i++) {
        count[page->glyphs.at[i].dir]++;
    }
    for (uint32_t d = 1; d < 4; d++) {
        if (count[d] > 2 * count[best] && count[d] > count[0] + 20) {
            best = d;
        }
    }
    if (best != 0) {
        turn_page(page, best);
    }
}

/* Text that is drawn to be found, not seen, counts only where nothing is seen: the layer under a
 * scan stays, a second copy under visible text goes. */
void page_drop_hidden_copies(struct page *page)
{
    uint32_t kept = 0;

    if (page->invisible == 0 || page->invisible * 2 > page->glyphs.n) {
        return;
    }
    for (uint32_t i = 0; i < page->glyphs.n; i++) {
        const struct glyph *g = &page->glyphs.at[i];
        bool covered = false;
        if (g->flags & GLYPH_INVISIBLE) {
            for (uint32_t k = 0; k < page->glyphs.n && !covered; k++) {
                const struct glyph *o = &page->glyphs.at[k];
                covered = !(o->flags & GLYPH_INVISIBLE) && box_holds_centre(o->box, g->box);
            }
        }
        if (!covered) {
            page->glyphs.at[kept++] = *g;
        }
    }
    page->glyphs.n = kept;
}
