/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * The stages of pdf2md one by one, on pages written as text (page_load): no PDF, no file, no
 * process. What a whole page becomes is in pages/.
 */
#include "converter/anchors.h"
#include "converter/blocks.h"
#include "converter/columns.h"
#include "converter/document.h"
#include "converter/pagetext.h"
#include "converter/escape.h"
#include "converter/lines.h"
#include "converter/marker.h"
#include "converter/page.h"
#include "converter/roles.h"
#include "converter/rulings.h"
#include "converter/runs.h"
#include "converter/stats.h"
#include "converter/tables.h"
#include "converter/utf8.h"
#include "converter/worker.h"
#include "stages_test.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* Writes a word glyph by glyph, each half an em wide; returns the x behind it. */
static float put_word(char *out, size_t size, float x, float y, float em, const char *word)
{
    size_t n = strlen(out);

    for (const char *p = word; *p != 0; p++) {
        n += (size_t)snprintf(out + n, size - n, "glyph %.2f %.2f %.2f %.2f 0 %04x\n", x, y, em,
                              em / 2, (unsigned char)*p);
        x += em / 2;
    }
    return x;
}

static void put_text(char *out, size_t size, float x, float y, float em, const char *text)
{
    char word[64];

    while (*text != 0) {
        size_t len = strcspn(text, " ");
        memcpy(word, text, len);
        word[len] = 0;
        x = put_word(out, size, x, y, em, word) + em / 3;
        text += len + (text[len] == ' ');
    }
}

static char spec[200000];

static void spec_start(void)
{
    snprintf(spec, sizeof spec, "page 600 800\nfont Test - - -\n");
}

static void load(struct page *page)
{
    page_init(page);
    ck_assert(page_load(page, spec, strlen(spec), NULL));
}

static const char *text_of(const struct page *page, uint32_t line)
{
    static char text[2000];
    (void)line_text(page, &page->lines.at[line], text, sizeof text);
    return text;
}

START_TEST(words_are_parted_by_gaps_and_joined_across_draw_order)
{
    struct page page;

    spec_start();
    put_text(spec, sizeof spec, 200, 100, 10, "second half");
    put_text(spec, sizeof spec, 148, 100, 10, "first half");
    load(&page);
    lines_build(&page);
    ck_assert_uint_eq(page.words.n, 4);
    ck_assert_uint_eq(page.lines.n, 1);
    *ARRAY_ADD(page.order) = (struct item){ITEM_LINE, 0, 0};
    runs_build(&page);
    ck_assert_str_eq(text_of(&page, 0), "first half second half");
    page_release(&page);
}
END_TEST

START_TEST(letter_spaced_titles_are_words)
{
    struct page page;
    float x = 100;

    spec_start();
    for (const char *p = "SPACED"; *p != 0; p++) {
        char one[2] = {*p, 0};
        (void)put_word(spec, sizeof spec, x, 100, 10, one);
        x += 8;
    }
    load(&page);
    lines_build(&page);
    ck_assert_uint_eq(page.words.n, 1);
    page_release(&page);
}
END_TEST

START_TEST(rulings_in_pieces_become_one)
{
    struct page page;

    spec_start();
    strcat(spec, "ruling h 100 50 120 0.5 line\nruling h 100.8 121 200 0.5 edge\n"
                 "ruling h 140 50 200 0.5 line\nruling v 50 100 140 0.5 line\n");
    load(&page);
    rulings_merge(&page);
    ck_assert_uint_eq(page.rulings.n, 3);
    ck_assert_float_eq_tol(page.rulings.at[0].to, 200, 0.01);
    ck_assert(!page.rulings.at[0].edge);
    ck_assert(page.rulings.at[2].vertical);
    page_release(&page);
}
END_TEST

START_TEST(two_columns_are_read_one_after_the_other)
{
    struct page page;
    uint32_t first;

    spec_start();
    for (int i = 0; i < 6; i++) {
        put_text(spec, sizeof spec, 50, (float)(100 + 12 * i), 10, "left words of a column here");
        put_text(spec, sizeof spec, 320, (float)(100 + 12 * i), 10, "right words of a column too");
    }
    load(&page);
    worker_stages(&page);
    first = page.order.n - page.flow.n;
    ck_assert_uint_eq(page.flow.n, 12);
    for (uint32_t i = 0; i < 12; i++) {
        const char *text = text_of(&page, page.order.at[first + i].at);
        ck_assert_msg(strncmp(text, i < 6 ? "left" : "right", 4) == 0, "line %u: %s", i, text);
    }
    page_release(&page);
}
END_TEST

START_TEST(columns_of_prose_are_no_table)
{
    struct page page;

    spec_start();
    for (int i = 0; i < 8; i++) {
        put_text(spec, sizeof spec, 50, (float)(100 + 12 * i), 10,
                 "some words of prose stand here");
        put_text(spec, sizeof spec, 320, (float)(100 + 12 * i), 10, "and other words stand there");
    }
    load(&page);
    worker_stages(&page);
    ck_assert_uint_eq(page.tables.n, 0);
    page_release(&page);
}
END_TEST

START_TEST(a_table_without_rulings_is_found)
{
    static const char *const rows[][3] = {{"City", "People", "River"},
                                          {"Paris", "2100", "Seine"},
                                          {"London", "8900", "Thames"},
                                          {"Vienna", "1900", "Danube"}};
    struct page page;

    spec_start();
    for (int i = 0; i < 4; i++) {
        for (int c = 0; c < 3; c++) {
            put_text(spec, sizeof spec, (float)(60 + 120 * c), (float)(100 + 14 * i), 10,
                     rows[i][c]);
        }
    }
    load(&page);
    worker_stages(&page);
    ck_assert_uint_eq(page.tables.n, 1);
    ck_assert_uint_eq(page.tables.at[0].rows, 4);
    ck_assert_uint_eq(page.tables.at[0].cols, 3);
    for (uint32_t i = 0; i < page.cells.n; i++) {
        const struct cell *c = &page.cells.at[i];
        ck_assert_uint_eq(c->n, 1);
        ck_assert_str_eq(text_of(&page, page.order.at[c->order].at), rows[c->row][c->col]);
    }
    page_release(&page);
}
END_TEST

START_TEST(missing_inner_borders_are_spans)
{
    struct page page;
    bool span = false;

    spec_start();
    strcat(spec, "ruling h 100 50 250 1 line\nruling h 120 50 250 1 line\n"
                 "ruling h 140 50 250 1 line\nruling v 50 100 140 1 line\n"
                 "ruling v 150 120 140 1 line\nruling v 250 100 140 1 line\n");
    put_text(spec, sizeof spec, 100, 114, 10, "Over both");
    put_text(spec, sizeof spec, 60, 134, 10, "one");
    put_text(spec, sizeof spec, 160, 134, 10, "two");
    load(&page);
    worker_stages(&page);
    /* Three filled cells are no table; a third row makes it one. */
    ck_assert_uint_eq(page.tables.n, 0);
    page_release(&page);
    strcat(spec, "ruling h 160 50 250 1 line\nruling v 50 140 160 1 line\n"
                 "ruling v 150 140 160 1 line\nruling v 250 140 160 1 line\n");
    put_text(spec, sizeof spec, 60, 154, 10, "three");
    put_text(spec, sizeof spec, 160, 154, 10, "four");
    load(&page);
    worker_stages(&page);
    ck_assert_uint_eq(page.tables.n, 1);
    for (uint32_t i = 0; i < page.cells.n; i++) {
        span = span || page.cells.at[i].cols == 2;
    }
    ck_assert(span);
    page_release(&page);
}
END_TEST

START_TEST(pages_survive_the_pipe_and_damage_does_not)
{
    struct page page, back;
    struct bytes bytes = {0};
    unsigned seed = 1;

    spec_start();
    put_text(spec, sizeof spec, 60, 100, 10, "Some text to be sent");
    load(&page);
    worker_stages(&page);
    page_write(&page, &bytes);
    page_init(&back);
    ck_assert(page_read(&back, bytes.at, bytes.n));
    ck_assert_uint_eq(back.blocks.n, page.blocks.n);
    ck_assert_str_eq(text_of(&back, back.order.at[0].at), "Some text to be sent");
    for (uint32_t len = 0; len < bytes.n; len++) {
        ck_assert(!page_read(&back, bytes.at, len));
    }
    /* Any other damage is refused or harmless: the sanitizers watch. */
    for (int round = 0; round < 2000; round++) {
        struct bytes copy = {0};
        char text[600];
        bytes_add(&copy, bytes.at, bytes.n);
        for (int i = 0; i < 4; i++) {
            seed = seed * 1103515245 + 12345;
            copy.at[(seed >> 8) % copy.n] = (char)(seed >> 16);
        }
        if (page_read(&back, copy.at, copy.n)) {
            for (uint32_t b = 0; b < back.blocks.n; b++) {
                if (back.blocks.at[b].kind == BLOCK_TEXT) {
                    (void)block_text(&back, &back.blocks.at[b], text, sizeof text);
                }
            }
        }
        bytes_release(&copy);
    }
    bytes_release(&bytes);
    page_release(&back);
    page_release(&page);
}
END_TEST

static const struct {
    const char *text, *want;
    enum escape_place place;
} escapes[] = {
    {"plain text, 3 < 4 & 5", "plain text, 3 < 4 & 5", ESCAPE_INLINE},
    {"<script>alert(1)</script>", "\\<script>alert(1)\\</script>", ESCAPE_INLINE},
    {"<!-- no comment -->", "\\<!-- no comment -->", ESCAPE_INLINE},
    {"&amp; &#60;", "\\&amp; \\&#60;", ESCAPE_INLINE},
    {"*bold* `code` snake_case _em_", "\\*bold\\* \\`code\\` snake_case \\_em\\_", ESCAPE_INLINE},
    {"[text](javascript:x)", "[text\\](javascript:x)", ESCAPE_INLINE},
    {"[x] [ ] done", "\\[x] \\[ ] done", ESCAPE_INLINE},
    {"![pic](y)", "\\![pic\\](y)", ESCAPE_INLINE},
    {"[^1] [1]: x", "\\[^1] [1\\]: x", ESCAPE_INLINE},
    {"# no heading", "\\# no heading", ESCAPE_LINE_START},
    {"#hashtag", "#hashtag", ESCAPE_LINE_START},
    {"> no quote", "\\> no quote", ESCAPE_LINE_START},
    {"1. no list", "1\\. no list", ESCAPE_LINE_START},
    {"- no list", "\\- no list", ESCAPE_LINE_START},
    {"--- no rule", "\\--- no rule", ESCAPE_LINE_START},
    {"1.5 kg", "1.5 kg", ESCAPE_LINE_START},
    {"~~~ no fence", "\\~\\~\\~ no fence", ESCAPE_LINE_START},
    {"a | b", "a \\| b", ESCAPE_CELL},
    {"<b>&", "&lt;b&gt;&amp;", ESCAPE_HTML},
};

START_TEST(text_never_becomes_markup)
{
    struct bytes out = {0};
    size_t len = strlen(escapes[_i].text);

    escape_text(&out, escapes[_i].text, len, 0, len, escapes[_i].place);
    bytes_add(&out, "", 1);
    ck_assert_str_eq(out.at, escapes[_i].want);
    bytes_release(&out);
}
END_TEST

static const struct {
    const char *text;
    enum marker_kind kind;
    uint32_t number;
    size_t len;
} markers[] = {
    {"\xe2\x80\xa2 item", MARKER_BULLET, 0, 3},
    {"- item", MARKER_BULLET, 0, 1},
    {"-5 degrees", MARKER_NONE, 0, 0},
    {"12. item", MARKER_NUMBER, 12, 3},
    {"(3) item", MARKER_NUMBER, 3, 3},
    {"a) item", MARKER_LETTER, 1, 2},
    {"iv. item", MARKER_ROMAN, 4, 3},
    {"1.2 Title", MARKER_SECTION, 2, 3},
    {"A.3.1. Title", MARKER_SECTION, 3, 6},
    {"[7] Book", MARKER_REFERENCE, 7, 3},
    {"J. Smith", MARKER_NONE, 0, 0},
    {"2019. A year", MARKER_NONE, 0, 0},
    {"3.14159 is pi", MARKER_NONE, 0, 0},
    {"", MARKER_NONE, 0, 0},
};

START_TEST(markers_are_told_from_text)
{
    struct marker m = marker_parse(markers[_i].text, strlen(markers[_i].text));

    ck_assert_msg(m.kind == markers[_i].kind, "%s: kind %d", markers[_i].text, (int)m.kind);
    if (m.kind != MARKER_NONE) {
        ck_assert_uint_eq(m.number, markers[_i].number);
        ck_assert_uint_eq(m.len, markers[_i].len);
    }
}
END_TEST

START_TEST(broken_utf8_is_one_replacement_a_byte)
{
    static const char *const broken[] = {"\x80",         "\xc0\x80",         "\xe2\x82",
                                         "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff"};
    size_t took;

    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        ck_assert_uint_eq(utf8_get(broken[i], strlen(broken[i]), &took), 0xfffd);
        ck_assert_uint_eq(took, 1);
    }
    ck_assert_uint_eq(utf8_get("\xe2\x82\xac", 3, &took), 0x20ac);
    ck_assert_uint_eq(took, 3);
}
END_TEST

START_TEST(titles_match_by_letters_and_digits)
{
    char key[64];

    (void)match_key(key, sizeof key, "1.2  The \xe2\x80\x9cTitle\xe2\x80\x9d", 20);
    ck_assert_str_eq(key, "12thetitle");
    (void)match_key(key, 8, "abcdefghijkl", 12);
    ck_assert_uint_lt(strlen(key), 8);
}
END_TEST

/* ---- dumps ---- */

/* The text of a page after `stage`, from malloc. */
static char *dump_of(const struct page *page, enum dump_stage stage)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    ck_assert_ptr_nonnull(out);
    page_dump(page, stage, out);
    ck_assert_int_eq(fclose(out), 0);
    return text;
}

/* A page that has something for each stage: two columns, a ruled table, an image, a link. */
static void load_rich(struct page *page)
{
    spec_start();
    for (int i = 0; i < 6; i++) {
        put_text(spec, sizeof spec, 50, (float)(100 + 12 * i), 10, "left words of a column here");
        put_text(spec, sizeof spec, 320, (float)(100 + 12 * i), 10, "right words of a column too");
    }
    for (int i = 0; i < 4; i++) {
        put_text(spec, sizeof spec, 60, (float)(314 + 20 * i), 10, "one");
        put_text(spec, sizeof spec, 160, (float)(314 + 20 * i), 10, "two");
    }
    strcat(spec, "ruling h 300 50 250 1 line\nruling h 320 50 250 1 line # a remark\n"
                 "ruling h 340 50 250 1 line\nruling h 360 50 250 1 line\n"
                 "ruling h 380 50 250 1 line\nruling v 50 300 380 1 line\n"
                 "ruling v 150 300 380 1 line\nruling v 250 300 380 1 line\n"
                 "image 50 500 250 600 64 32 - - \"x-0.png\" 000102030405060708090a0b0c0d0e0f\n"
                 "shape 300 500 310 600 7 slanted\n"
                 "link 50 90 90 110 -1 0 \"https://example.org/\\\"a\\x01\"\n");
    load(page);
}

START_TEST(each_stage_goes_on_from_the_dump_of_the_one_before)
{
    struct page page, back;
    enum dump_stage stage, got;

    load_rich(&page);
    page_init(&back);
    for (stage = DUMP_PASS; stage <= DUMP_BLOCKS; stage++) {
        char *before, *after, *again;
        if (stage > DUMP_PASS) {
            /* What was read back from the dump before this stage. */
            worker_stage(&back, stage);
            worker_stage(&page, stage);
        }
        before = dump_of(&page, stage);
        if (stage > DUMP_PASS) {
            after = dump_of(&back, stage);
            ck_assert_str_eq(after, before);
            free(after);
        }
        ck_assert(page_load(&back, before, strlen(before), &got));
        ck_assert_int_eq(got, stage);
        again = dump_of(&back, stage);
        ck_assert_str_eq(again, before);
        free(again);
        free(before);
    }
    ck_assert_uint_eq(page.tables.n, 1);
    ck_assert_uint_gt(page.blocks.n, 3);
    page_release(&back);
    page_release(&page);
}
END_TEST

START_TEST(damaged_dumps_are_refused_or_harmless)
{
    struct page page, back;
    enum dump_stage stage;
    unsigned seed = 1;
    uint32_t refused = 0;

    page_init(&back);
    for (stage = DUMP_PASS; stage <= DUMP_BLOCKS; stage++) {
        char *text;
        size_t len;
        load_rich(&page);
        for (enum dump_stage s = DUMP_LINES; s <= stage; s++) {
            worker_stage(&page, s);
        }
        text = dump_of(&page, stage);
        len = strlen(text);
        for (int round = 0; round < 60; round++) {
            char *copy = strdup(text);
            enum dump_stage got;
            for (int i = 0; i < 3; i++) {
                seed = seed * 1103515245 + 12345;
                copy[(seed >> 4) % len] = "0123456789-. \n"[(seed >> 24) % 14];
            }
            if (!page_load(&back, copy, len, &got)) {
                refused++;
            } else {
                while (got < DUMP_BLOCKS) {
                    worker_stage(&back, ++got);
                }
            }
            free(copy);
        }
        free(text);
        page_release(&page);
    }
    ck_assert_uint_gt(refused, 0);
    page_release(&back);
}
END_TEST

static const char *const nonsense[] = {"word 1 2 3",
                                       "glyph 0 0 10 5 0 0041", /* there is no font 0 */
                                       "stage strange",
                                       "strange 1",
                                       "page 600 nan",
                                       "run \"open",
                                       "page 1 2 3 4 5 6 7 8 - - - 9",
                                       "line 0 0 9 9 8 10 0 1", /* there is no run 0 */
                                       "order line 0 0",        /* there is no line 0 */
                                       "font A bold - -\nfont B slim - -",
                                       "ruling h 100 50 20 1 line",
                                       "block text 0 0 9 9 0 0 0"};

START_TEST(nonsense_is_no_page)
{
    struct page page;

    page_init(&page);
    ck_assert_msg(!page_load(&page, nonsense[_i], strlen(nonsense[_i]), NULL), "%s", nonsense[_i]);
    page_release(&page);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stages");
    TCase *tc = tcase_create("stages");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, words_are_parted_by_gaps_and_joined_across_draw_order);
    tcase_add_test(tc, letter_spaced_titles_are_words);
    tcase_add_test(tc, rulings_in_pieces_become_one);
    tcase_add_test(tc, two_columns_are_read_one_after_the_other);
    tcase_add_test(tc, columns_of_prose_are_no_table);
    tcase_add_test(tc, a_table_without_rulings_is_found);
    tcase_add_test(tc, missing_inner_borders_are_spans);
    tcase_add_test(tc, pages_survive_the_pipe_and_damage_does_not);
    tcase_add_loop_test(tc, text_never_becomes_markup, 0,
                        (int)(sizeof escapes / sizeof escapes[0]));
    tcase_add_loop_test(tc, markers_are_told_from_text, 0,
                        (int)(sizeof markers / sizeof markers[0]));
    tcase_add_test(tc, broken_utf8_is_one_replacement_a_byte);
    tcase_add_test(tc, titles_match_by_letters_and_digits);
    tcase_add_test(tc, each_stage_goes_on_from_the_dump_of_the_one_before);
    tcase_add_test(tc, damaged_dumps_are_refused_or_harmless);
    tcase_add_loop_test(tc, nonsense_is_no_page, 0, (int)(sizeof nonsense / sizeof nonsense[0]));
    blocks_add_tests(tc);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
