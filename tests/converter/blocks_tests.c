/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * The stages blocks and roles alone, each on pages written by hand as the stage before leaves them.
 */
#include "converter/document.h"
#include "converter/page.h"
#include "converter/pagetext.h"
#include "converter/roles.h"
#include "converter/stats.h"
#include "converter/worker.h"
#include "stages_test.h"

#include <stdlib.h>
#include <string.h>

static char spec[20000];

/* A line that a person wrote; `^` begins a raised end. */
struct hand {
    float x0, base, x1, size;
    const char *look; /* "bold", "mono" or "" */
    const char *text;
};

static void put_hand(const struct hand *h, uint32_t at, uint32_t *run)
{
    bool bold = strcmp(h->look, "bold") == 0;
    const char *raised = strchr(h->text, '^');
    size_t n = strlen(spec), len = raised != NULL ? (size_t)(raised - h->text) : strlen(h->text);

    n += (size_t)snprintf(
        spec + n, sizeof spec - n, "line %g %g %g %g %g %g %u %u 0 0 right %s - %s %s %s\n", h->x0,
        h->base - 0.8 * h->size, h->x1, h->base + 0.2 * h->size, h->base, h->size, *run,
        raised != NULL ? 2 : 1, bold ? "bold" : "-", strcmp(h->look, "mono") == 0 ? "mono" : "-",
        bold ? "bold-first" : "-", bold ? "bold-last" : "-");
    n += (size_t)snprintf(spec + n, sizeof spec - n, "run \"%.*s\" %g %g %d\n", (int)len, h->text,
                          h->x0, h->x1, bold ? STYLE_BOLD : 0);
    if (raised != NULL) {
        n += (size_t)snprintf(spec + n, sizeof spec - n, "run \"%s\" %g %g %d\n", raised + 1, h->x1,
                              h->x1 + 3, STYLE_SUPER);
    }
    (void)snprintf(spec + n, sizeof spec - n, "order line %u 0\nflow line %u 0\n", at, at);
    *run += raised != NULL ? 2 : 1;
}

#define SENTENCE "the words of a line that goes from side to side"

static const struct {
    const char *why;
    struct hand lines[6];
    uint32_t blocks[6]; /* lines of each */
} paragraphs[] = {
    {"one paragraph",
     {{50, 100, 550, 10, "", "A first, " SENTENCE},
      {50, 112, 548, 10, "", SENTENCE},
      {50, 124, 200, 10, "", "and its end."}},
     {3}},
    {"an indent begins a paragraph",
     {{50, 100, 550, 10, "", SENTENCE},
      {50, 112, 549, 10, "", SENTENCE " done."},
      {65, 124, 550, 10, "", "An indent, " SENTENCE},
      {50, 136, 550, 10, "", SENTENCE}},
     {2, 2}},
    {"white between lines parts them",
     {{50, 100, 550, 10, "", SENTENCE},
      {50, 112, 550, 10, "", SENTENCE},
      {50, 136, 550, 10, "", SENTENCE},
      {50, 148, 550, 10, "", SENTENCE}},
     {2, 2}},
    {"another size is another block",
     {{50, 100, 300, 14, "", "A title"}, {50, 116, 550, 10, "", SENTENCE}},
     {1, 1}},
    {"a change of weight between lines is another block",
     {{50, 100, 300, 10, "bold", "A term"}, {50, 112, 550, 10, "", SENTENCE}},
     {1, 1}},
    {"each bullet is a block, with the lines that hang from it",
     {{50, 100, 550, 10, "", "\xe2\x80\xa2 first, " SENTENCE},
      {60, 112, 200, 10, "", "and more of it"},
      {50, 124, 200, 10, "", "\xe2\x80\xa2 second"}},
     {2, 1}},
    {"numbers that go on are items",
     {{50, 100, 200, 10, "", "1. first thing"},
      {50, 112, 200, 10, "", "2. second thing"},
      {50, 124, 200, 10, "", "3. third thing"}},
     {1, 1, 1}},
    {"a short line that ends a sentence ends a paragraph",
     {{50, 100, 550, 10, "", SENTENCE},
      {50, 112, 250, 10, "", "and ends."},
      {50, 124, 550, 10, "", "Another, " SENTENCE}},
     {2, 1}},
    {"code keeps its indents and its empty lines",
     {{50, 100, 150, 10, "mono", "if (x) {"},
      {74, 112, 200, 10, "mono", "return y;"},
      {50, 136, 60, 10, "mono", "}"}},
     {3}},
};

START_TEST(lines_become_paragraphs)
{
    struct page page;
    uint32_t run = 0, n = 0;
    enum dump_stage stage;

    snprintf(spec, sizeof spec, "stage columns\npage 600 800\n");
    for (uint32_t i = 0; i < 6 && paragraphs[_i].lines[i].text != NULL; i++) {
        put_hand(&paragraphs[_i].lines[i], i, &run);
    }
    page_init(&page);
    ck_assert(page_load(&page, spec, strlen(spec), &stage));
    ck_assert_int_eq(stage, DUMP_COLUMNS);
    worker_stage(&page, DUMP_BLOCKS);
    for (; n < 6 && paragraphs[_i].blocks[n] > 0; n++) {
        ck_assert_msg(n < page.blocks.n && page.blocks.at[n].n == paragraphs[_i].blocks[n],
                      "%s: block %u", paragraphs[_i].why, n);
    }
    ck_assert_msg(page.blocks.n == n, "%s: %u blocks", paragraphs[_i].why, page.blocks.n);
    page_release(&page);
}
END_TEST

START_TEST(tables_and_columns_part_paragraphs)
{
    static const char text[] = "stage columns\npage 600 800\n"
                               "line 50 92 290 102 100 10 0 1\nline 50 104 290 114 112 10 1 1\n"
                               "line 50 204 290 214 212 10 2 1\nline 310 92 550 102 100 10 3 1\n"
                               "run \"the text above\"\nrun \"goes on\"\nrun \"below\"\n"
                               "run \"and aside\"\n"
                               "table 50 120 290 200 0 0 0 0\n"
                               "order line 0 0\norder line 1 0\norder table 0 0\norder line 2 0\n"
                               "order line 3 1\n"
                               "flow line 0 0\nflow line 1 0\nflow table 0 0\nflow line 2 0\n"
                               "flow line 3 1\n";
    static const uint32_t kinds[] = {BLOCK_TEXT, BLOCK_TABLE, BLOCK_TEXT, BLOCK_TEXT};
    struct page page;

    page_init(&page);
    ck_assert(page_load(&page, text, strlen(text), NULL));
    worker_stage(&page, DUMP_BLOCKS);
    ck_assert_uint_eq(page.blocks.n, 4);
    for (uint32_t i = 0; i < 4; i++) {
        ck_assert_uint_eq(page.blocks.at[i].kind, kinds[i]);
    }
    ck_assert_uint_eq(page.blocks.at[0].n, 2);
    ck_assert_float_eq_tol(page.blocks.at[1].gap_above, 6, 0.01);
    ck_assert_uint_eq(page.blocks.at[3].leaf, 1);
    page_release(&page);
}
END_TEST

#define PROSE                                                                                      \
    {                                                                                              \
        50, 700, 550, 10, "", "Prose, " SENTENCE " and " SENTENCE " and " SENTENCE "."             \
    }

/* Each line is a block with white above it, beside one block of prose that says how large the
 * body is. */
static const struct {
    const char *why;
    struct hand lines[5];
    struct {
        enum role role;
        uint32_t level;
    } want[5];
} named[] = {
    {"larger type is a heading",
     {{50, 200, 200, 18, "", "The largest title"}, {50, 240, 200, 14, "", "A smaller title"}},
     {{ROLE_HEADING, 1}, {ROLE_HEADING, 2}}},
    {"a bold line that stands alone is a heading, and one that ends like a sentence is none",
     {{50, 200, 200, 10, "bold", "A bold line"}, {50, 240, 200, 10, "bold", "A bold sentence."}},
     {{ROLE_HEADING, 1}, {ROLE_PARAGRAPH, 0}}},
    {"numbers of sections say the level",
     {{50, 200, 200, 12, "bold", "2 Methods"},
      {50, 240, 200, 12, "bold", "2.1 Samples"},
      {50, 280, 200, 12, "bold", "2.1.4 Cleaning"}},
     {{ROLE_HEADING, 1}, {ROLE_HEADING, 2}, {ROLE_HEADING, 3}}},
    {"the outline knows better",
     {{50, 200, 200, 10, "", "Known to the outline"}},
     {{ROLE_HEADING, 3}}},
    {"indents nest the items of a list",
     {{50, 200, 200, 10, "", "\xe2\x80\xa2 outer"},
      {70, 215, 200, 10, "", "\xe2\x80\xa2 inner"},
      {90, 230, 200, 10, "", "1. innermost"},
      {50, 245, 200, 10, "", "\xe2\x80\xa2 outer again"}},
     {{ROLE_LIST_ITEM, 0}, {ROLE_LIST_ITEM, 1}, {ROLE_LIST_ITEM, 2}, {ROLE_LIST_ITEM, 0}}},
    {"captions say what they are of",
     {{50, 200, 200, 14, "", "Figure 3: A drawing"}, {50, 240, 200, 10, "", "Figures are fine"}},
     {{ROLE_CAPTION, 0}, {ROLE_PARAGRAPH, 0}}},
    {"a note has its number in the text, and what has none is no note",
     {{50, 200, 200, 10, "", "A statement^1"},
      {50, 640, 200, 8, "", "1 The note itself"},
      {50, 660, 200, 8, "", "2 No note of anything"}},
     {{ROLE_PARAGRAPH, 0}, {ROLE_FOOTNOTE, 0}, {ROLE_PARAGRAPH, 0}}},
    {"a number at the foot is the page's",
     {{290, 780, 300, 10, "", "17"}, {50, 400, 60, 10, "", "17"}},
     {{ROLE_PAGE_NUMBER, 0}, {ROLE_PARAGRAPH, 0}}},
};

static void put_blocks(const struct hand *lines, uint32_t n, uint32_t number)
{
    uint32_t run = 0;

    snprintf(spec, sizeof spec, "stage blocks\npage 600 800 %u\n", number);
    for (uint32_t i = 0; i < n; i++) {
        put_hand(&lines[i], i, &run);
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct hand *h = &lines[i];
        size_t at = strlen(spec);
        (void)snprintf(spec + at, sizeof spec - at,
                       "block text %g %g %g %g %u 1 0 %g 20 0 0 600 800 %s\n", h->x0,
                       h->base - 0.8 * h->size, h->x1, h->base + 0.2 * h->size, i, h->size,
                       strcmp(h->look, "bold") == 0 ? "bold" : "-");
    }
}

START_TEST(blocks_get_their_roles)
{
    static const char about[] = "document 1\noutline 3 0 \"Known to the Outline\"\n";
    struct hand lines[6] = {PROSE};
    struct document doc = {.title = NONE, .author = NONE, .language = NONE};
    struct page page;
    struct stats stats;
    enum dump_stage stage;
    uint32_t n = 1;

    for (; n < 6 && named[_i].lines[n - 1].text != NULL; n++) {
        lines[n] = named[_i].lines[n - 1];
    }
    put_blocks(lines, n, 0);
    page_init(&page);
    ck_assert(page_load(&page, spec, strlen(spec), &stage));
    ck_assert_int_eq(stage, DUMP_BLOCKS);
    if (strstr(named[_i].why, "outline") != NULL) {
        ck_assert(document_load(&doc, about, strlen(about)));
    }
    stats_init(&stats);
    stats_add_page(&stats, &page);
    stats_finish(&stats);
    roles_assign(&page, &doc, &stats);
    ck_assert_uint_eq(page.blocks.at[0].role, ROLE_PARAGRAPH);
    for (uint32_t i = 1; i < n; i++) {
        const struct block *b = &page.blocks.at[i];
        ck_assert_msg(
            b->role == named[_i].want[i - 1].role && b->level == named[_i].want[i - 1].level,
            "%s: %s has role %u, level %u", named[_i].why, lines[i].text, b->role, b->level);
    }
    stats_release(&stats);
    document_release(&doc);
    page_release(&page);
}
END_TEST

START_TEST(what_every_page_has_at_its_head_is_a_running_head)
{
    static const struct hand lines[] = {PROSE,
                                        {50, 40, 200, 10, "bold", "A book of pages"},
                                        {50, 200, 200, 10, "bold", "A book of pages"}};
    struct document doc = {.pages = 3, .title = NONE, .author = NONE, .language = NONE};
    struct page page;
    struct stats stats;

    page_init(&page);
    stats_init(&stats);
    for (uint32_t i = 0; i < 3; i++) {
        put_blocks(lines, 3, i);
        ck_assert(page_load(&page, spec, strlen(spec), NULL));
        stats_add_page(&stats, &page);
    }
    stats_finish(&stats);
    roles_assign(&page, &doc, &stats);
    ck_assert_uint_eq(page.blocks.at[1].role, ROLE_RUNNING_HEAD);
    ck_assert_uint_eq(page.blocks.at[2].role, ROLE_HEADING);
    stats_release(&stats);
    page_release(&page);
}
END_TEST

START_TEST(lines_of_one_width_are_code)
{
    static const char text[] = "stage blocks\npage 600 800\n"
                               "line 50 92 150 102 100 10 0 1 0 0 right - - mono\n"
                               "line 50 104 150 114 112 10 1 1 0 0 right - - mono\n"
                               "run \"int main(void)\"\nrun \"{\"\norder line 0 0\norder line 1 0\n"
                               "block text 50 92 150 114 0 2 0 10 50 50 92 150 114 - - mono\n";
    struct document doc = {.pages = 1, .title = NONE, .author = NONE, .language = NONE};
    struct page page;
    struct stats stats;

    page_init(&page);
    ck_assert(page_load(&page, text, strlen(text), NULL));
    stats_init(&stats);
    stats_add_page(&stats, &page);
    stats_finish(&stats);
    roles_assign(&page, &doc, &stats);
    ck_assert_uint_eq(page.blocks.at[0].role, ROLE_CODE);
    stats_release(&stats);
    page_release(&page);
}
END_TEST

void blocks_add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, lines_become_paragraphs, 0,
                        (int)(sizeof paragraphs / sizeof paragraphs[0]));
    tcase_add_test(tc, tables_and_columns_part_paragraphs);
    tcase_add_loop_test(tc, blocks_get_their_roles, 0, (int)(sizeof named / sizeof named[0]));
    tcase_add_test(tc, what_every_page_has_at_its_head_is_a_running_head);
    tcase_add_test(tc, lines_of_one_width_are_code);
}
