/* Markdown on a terminal: whole screens at 40 and 80 columns, with styles and without, and texts
 * that want to steer the terminal, to break a bound or to take for ever. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/quote.h"
#include "cli/markdown.h"
#include "cli/width.h"

static const char prose[] =
    "<!-- page 1 \"iii\" -->\n"
    "# A *great* title, with a long second half of it\n"
    "Some **bold** and *em* and `code *x*` text, 2 * 3 * 4, snake_case_word, \\*not\\* "
    "[link](https://example.org/a) and [https://example.org](https://example.org) ![alt "
    "text](assets/a.png) ![](assets/b.png).\n"
    "Second line.  \n"
    "Hard break. [in](#here) &amp; &lt; x^<sup>2</sup> **open\n"
    "### Level three ##\n"
    "- item one that is long enough to have to be wrapped\n"
    "   - (a) nested\n"
    "     continues\n"
    "\n"
    "   another paragraph\n"
    "- two\n"
    "10. ten\n"
    "\n"
    "> quoted text that is long enough to be wrapped on the screen\n"
    "> > deeper\n"
    "lazy\n"
    "```c\n"
    "int main(void)  {\treturn 0; } /* as it is, however long it may be, and *so* it stays */\n"
    "> x\n"
    "```\n"
    "[^1-1]: The note itself, in small type and long enough to be wrapped around.\n"
    "\n"
    "***\n"
    "漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字\n"
    "\n"
    "Below\n"
    "-----\n";

static const char prose_40[] = "[page 1 \"iii\"]\n"
                               "\n"
                               "# A *great* title, with a long second\n"
                               "half of it\n"
                               "\n"
                               "Some **bold** and *em* and `code *x*`\n"
                               "text, 2 * 3 * 4, snake_case_word, *not*\n"
                               "link [https://example.org/a] and\n"
                               "https://example.org [image: alt text]\n"
                               "[image: assets/b.png]. Second line.\n"
                               "Hard break. in & < x^2 **open\n"
                               "\n"
                               "### Level three\n"
                               "\n"
                               "- item one that is long enough to have\n"
                               "  to be wrapped\n"
                               "  - (a) nested continues\n"
                               "\n"
                               "  another paragraph\n"
                               "- two\n"
                               "10. ten\n"
                               "\n"
                               "> quoted text that is long enough to be\n"
                               "> wrapped on the screen\n"
                               "> > deeper lazy\n"
                               "\n"
                               "```c\n"
                               "int main(void)  {       return 0; } /* as it is, however long it "
                               "may be, and *so* it stays */\n"
                               "> x\n"
                               "```\n"
                               "\n"
                               "[^1-1]: The note itself, in small type\n"
                               "        and long enough to be wrapped\n"
                               "        around.\n"
                               "\n"
                               "----------------------------------------\n"
                               "漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字\n"
                               "漢字漢字\n"
                               "\n"
                               "## Below\n";

static const char prose_80[] =
    "[page 1 \"iii\"]\n"
    "\n"
    "# A *great* title, with a long second half of it\n"
    "\n"
    "Some **bold** and *em* and `code *x*` text, 2 * 3 * 4, snake_case_word, *not*\n"
    "link [https://example.org/a] and https://example.org [image: alt text] [image:\n"
    "assets/b.png]. Second line.\n"
    "Hard break. in & < x^2 **open\n"
    "\n"
    "### Level three\n"
    "\n"
    "- item one that is long enough to have to be wrapped\n"
    "  - (a) nested continues\n"
    "\n"
    "  another paragraph\n"
    "- two\n"
    "10. ten\n"
    "\n"
    "> quoted text that is long enough to be wrapped on the screen\n"
    "> > deeper lazy\n"
    "\n"
    "```c\n"
    "int main(void)  {       return 0; } /* as it is, however long it may be, and *so* it stays "
    "*/\n"
    "> x\n"
    "```\n"
    "\n"
    "[^1-1]: The note itself, in small type and long enough to be wrapped around.\n"
    "\n"
    "--------------------------------------------------------------------------------\n"
    "漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字\n"
    "\n"
    "## Below\n";

static const char prose_80_sgr[] =
    "\033[0;2m[page 1 \"iii\"]\033[0m\n"
    "\n"
    "\033[0;1;4mA great title, with a long second half of it\033[0m\n"
    "\n"
    "Some \033[0;1mbold\033[0m and \033[0;4mem\033[0m and \033[0;2mcode *x*\033[0m text, 2 * 3 * "
    "4, snake_case_word, *not* link\n"
    "\033[0;2m[https://example.org/a]\033[0m and https://example.org \033[0;2m[image: alt "
    "text]\033[0m \033[0;2m[image:\033[0m\n"
    "\033[0;2massets/b.png]\033[0m. Second line.\n"
    "Hard break. in & < x^2 **open\n"
    "\n"
    "\033[0;1m### Level three\033[0m\n"
    "\n"
    "- item one that is long enough to have to be wrapped\n"
    "  - (a) nested continues\n"
    "\n"
    "  another paragraph\n"
    "- two\n"
    "10. ten\n"
    "\n"
    "\033[0;2m|\033[0m quoted text that is long enough to be wrapped on the screen\n"
    "\033[0;2m|\033[0m \033[0;2m|\033[0m deeper lazy\n"
    "\n"
    "\033[0;2m```c\033[0m\n"
    "int main(void)  {       return 0; } /* as it is, however long it may be, and *so* it stays "
    "*/\n"
    "> x\n"
    "\033[0;2m```\033[0m\n"
    "\n"
    "[^1-1]: The note itself, in small type and long enough to be wrapped around.\n"
    "\n"
    "\033[0;2m--------------------------------------------------------------------------------\033["
    "0m\n"
    "漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字\n"
    "\n"
    "\033[0;1mBelow\033[0m\n";

static const char tables[] = "| Name | Count | What |\n"
                             "| --- | ---: | :-: |\n"
                             "| a | 1 | x |\n"
                             "| **bee** | 200 | yy \\| 漢 |\n"
                             "\n"
                             "| Name | Description | Another long column | D |\n"
                             "| --- | --- | --- | --- |\n"
                             "| something | A description that goes on and on for a while | "
                             "another one that does the same thing | 4 |\n"
                             "| next | short | | 5 |\n"
                             "\n"
                             "<table>\n"
                             "<tr><th colspan=\"2\">Two</th><th>Three</th></tr>\n"
                             "<tr><td rowspan=\"2\">A</td><td>b</td><td>c &lt;d&gt;</td></tr>\n"
                             "<tr><td>e</td><td>f</td></tr>\n"
                             "</table>\n"
                             "behind\n";

static const char tables_40[] = "Name     Count   What\n"
                                "-------  -----  -------\n"
                                "a            1     x\n"
                                "**bee**    200  yy | 漢\n"
                                "\n"
                                "Name       Description   Another long  D\n"
                                "                         column\n"
                                "---------  ------------  ------------  -\n"
                                "something  A             another one   4\n"
                                "           description   that does\n"
                                "           that goes on  the same\n"
                                "           and on for a  thing\n"
                                "           while\n"
                                "\n"
                                "next       short                       5\n"
                                "\n"
                                "Two     Three\n"
                                "---  -  -----\n"
                                "A    b  c <d>\n"
                                "     e  f\n"
                                "\n"
                                "behind\n";

static const char tables_80[] =
    "Name     Count   What\n"
    "-------  -----  -------\n"
    "a            1     x\n"
    "**bee**    200  yy | 漢\n"
    "\n"
    "Name       Description                       Another long column               D\n"
    "---------  --------------------------------  --------------------------------  -\n"
    "something  A description that goes on and    another one that does the same    4\n"
    "           on for a while                    thing\n"
    "\n"
    "next       short                                                               5\n"
    "\n"
    "Two     Three\n"
    "---  -  -----\n"
    "A    b  c <d>\n"
    "     e  f\n"
    "\n"
    "behind\n";

static const char tables_80_sgr[] =
    "\033[0;1mName\033[0m  \033[0;1mCount\033[0m   \033[0;1mWhat\033[0m\n"
    "\033[0;2m----  -----  -------\033[0m\n"
    "a         1     x\n"
    "\033[0;1mbee\033[0m     200  yy | 漢\n"
    "\n"
    "\033[0;1mName\033[0m       \033[0;1mDescription\033[0m                       \033[0;1mAnother "
    "long column\033[0m               \033[0;1mD\033[0m\n"
    "\033[0;2m---------  --------------------------------  --------------------------------  "
    "-\033[0m\n"
    "something  A description that goes on and    another one that does the same    4\n"
    "           on for a while                    thing\n"
    "\n"
    "next       short                                                               5\n"
    "\n"
    "\033[0;1mTwo\033[0m     \033[0;1mThree\033[0m\n"
    "\033[0;2m---  -  -----\033[0m\n"
    "A    b  c <d>\n"
    "     e  f\n"
    "\n"
    "behind\n";

static void collect(void *arg, const void *bytes, size_t len)
{
    buf_append(arg, bytes, len);
}

static void render(struct buf *out, const void *text, size_t len, size_t columns, bool styled)
{
    struct markdown_look look = {
        .columns = columns, .styled = styled, .write = collect, .arg = out};

    buf_clear(out);
    markdown_render(text, len, &look);
}

static const struct {
    const char *text, *screen;
    size_t columns;
    bool styled;
} screens[] = {
    {prose, prose_40, 40, false},
    {prose, prose_40, 1, false}, /* narrower than can be read: as 40 */
    {prose, prose_80, 80, false},
    {prose, prose_80_sgr, 80, true},
    {tables, tables_40, 40, false},
    {tables, tables_80, 80, false},
    {tables, tables_80_sgr, 80, true},
    {"", "", 80, true},
    {"\n\n", "", 80, true},
    {"no line end", "no line end\n", 80, true},
    {"**a *b* c** *d", "**a *b* c** *d\n", 80, false},
    {"**a *b* c** *d", "\033[0;1ma \033[0;1;4mb\033[0;1m c\033[0m *d\n", 80, true},
    {"a_b_c __d__", "a_b_c \033[0;1md\033[0m\n", 80, true},
    {"`` a`b `` `c", "\033[0;2ma`b\033[0m `c\n", 80, true},
    {"[a](b c) [d] [e](<f g>) ![h *i*](j \"k\")", "[a](b c) [d] e [f g] [image: h *i*]\n", 80,
     false},
    {"[![a](b)](http://c)", "[image: a] [http://c]\n", 80, false},
    {"<http://a> <b@c> <i>d</i> <e f> 1<2", "http://a b@c d <e f> 1<2\n", 80, false},
    {"a\\\nb<br>c  \nd \\", "a\nb\nc\nd \\\n", 80, false},
    {"    indented\tcode\n", "    indented    code\n", 80, false},
    {"- a\n\n  ```\n  x\n    y\n  ```\n- b", "- a\n\n  ```\n  x\n    y\n  ```\n\n- b\n", 80, false},
    {"> | a | b |\n> |---|--:|\n> | c | 22 |\n", "> a   b\n> -  --\n> c  22\n", 80, false},
    {"> a\n\nb", "> a\n\nb\n", 80, false},
    {"a | b\n", "a | b\n", 80, false}, /* no table: nothing underlines it */
    {"<table><caption>T</caption>x<tr><td>a</td> y</tr> z</table> after",
     "Tx\na y z\n-----\n\nafter\n", 80, false},
    {"<table> never ends", "never ends\n", 80, false},
    /* Columns narrower than words: one below the other. */
    {"|aa|bb|cc|dd|\n|-|-|-|-|\n|long words here|1|long words there|long words "
     "anywhere|\n|x||y|z|w|\n",
     "aa: long words here\nbb: 1\ncc: long words there\ndd: long words anywhere\n\n"
     "aa: x\ncc: y\ndd: z\nw\n",
     40, false},
};

START_TEST(screens_are_so)
{
    struct buf out = BUF_INIT;

    render(&out, screens[_i].text, strlen(screens[_i].text), screens[_i].columns,
           screens[_i].styled);
    ck_assert_str_eq(buf_text(&out), screens[_i].screen);
    buf_release(&out);
}
END_TEST

/* Only what the renderer itself writes may begin with an escape: SGR of four kinds. What is wrong,
 * or NULL. No assertion of its own: each costs a write, and there are millions of characters. */
static const char *harm_in(const struct buf *out, size_t columns)
{
    const char *p = buf_text(out), *end = p + out->len;
    size_t width = 0;

    while (p < end) {
        unsigned rune = 0;
        size_t n = utf8_sequence((const unsigned char *)p, (size_t)(end - p), &rune);

        if (n == 0)
            return "no UTF-8";
        if (rune == '\033') {
            const char *m = memchr(p, 'm', (size_t)(end - p));

            if (m == NULL || strncmp(p, "\033[0", 3) != 0 ||
                strspn(p + 2, "0124;") != (size_t)(m - p) - 2)
                return "an escape";
            n = (size_t)(m - p) + 1;
        } else if (rune == '\n') {
            width = 0;
        } else {
            if (rune < ' ' || (rune >= 0x7f && rune < 0xa0) || rune == 0x202e || rune == 0x2066)
                return "a control character";
            width += width_of_rune(rune);
            if (width > columns)
                return "a line wider than the screen";
        }
        p += n;
    }
    return NULL;
}

static void check_harmless(const struct buf *out, size_t columns)
{
    const char *harm;

    width_begin();
    harm = harm_in(out, columns);
    width_end();
    ck_assert_msg(harm == NULL, "%s", harm);
}

static void check_text(const void *text, size_t len, bool code)
{
    struct buf out = BUF_INIT;

    for (int styled = 0; styled < 2; styled++) {
        render(&out, text, len, 80, styled == 1);
        check_harmless(&out, code ? SIZE_MAX : 80);
    }
    buf_release(&out);
}

START_TEST(nothing_steers_the_terminal)
{
    static const char text[] =
        "\x1b[31mred\x9b"
        "31m \xc2\x9b"
        "5m\r\x07\0 \xff\xfe\xc0\x80 &#x1b;]0;t&#7;&#155; \xe2\x80\xae"
        "\x1b]8;;http://x\x1b\\ `\x1b[0m` \\\x1b *\x1b* [\x1b](\x1b[6m) ![\x1b](\x1b)\n\n"
        "<!-- \x1b[2J -->\n# \x1b[5m\n> \x1b\n\n- \x1b[1m\n\n[^\x1b]: "
        "x\n\n```\x1b[1m\n\x1b[2J\n```\n\n"
        "|\x1b[1m|\n|---|\n|\x1b[2m|\n\n<table><tr><td \x1b>\x1b[3m</table>\n\n    \x1b[4m\n";
    struct buf out = BUF_INIT;

    check_text(text, sizeof(text) - 1, false);
    render(&out, text, sizeof(text) - 1, 80, false);
    ck_assert_ptr_null(memchr(out.data, '\033', out.len));
    ck_assert_ptr_nonnull(strstr(out.data, "\\x1b[31mred"));
    ck_assert_ptr_nonnull(strstr(out.data, "\\x1b]0;t\\x07"));
    ck_assert_ptr_nonnull(strstr(out.data, "\\x1b[2J"));
    buf_release(&out);
}
END_TEST

/* Texts of a repeated piece: depth, width and length without bound. */
static const struct {
    const char *begin, *piece, *end;
    size_t count;
    bool code;
} long_texts[] = {
    {"", "a", "", 1 << 20, false},
    {"- ", "word ", "", 1 << 18, false},
    {"", "\xe6\xbc\xa2", "", 1 << 17, false},
    {"", "\xcc\x81", "", 1 << 16, false},
    {"```\n", "a", "", 1 << 20, true},
    {"", ">", " x\n", 10000, false},
    {"", "> \n>> a\n", "", 2000, false},
    {"", "*", "", 1 << 17, false},
    {"", "*a _b ", "", 1 << 16, false},
    {"", "a* b_ ", "", 1 << 16, false},
    {"", "[", "", 1 << 17, false},
    {"", "](", "", 1 << 17, false},
    {"", "[a](", "", 1 << 16, false},
    {"", "![", "](x)", 1 << 17, false},
    {"", "`a``b", "", 1 << 16, false},
    {"", "<!--", "", 1 << 16, false},
    {"", "<", "", 1 << 17, false},
    {"", "&#", "", 1 << 17, false},
    {"", "<table>\n", "", 1 << 15, false},
    {"<table>", "<tr><td rowspan=999 colspan=999>", "</table>", 1 << 10, false},
    {"<table><tr>", "<td>x", "</table>", 1 << 15, false},
    {"a|b\n-|-\n", "|", "\n", 1 << 17, false},
    {"|a|b|\n|-|-|\n", "|x|y|\n", "", 1 << 14, false},
    {"", "a\n==\n", "", 1 << 14, false},
    {"", "- a\n  ", "", 1 << 10, false},
    {"", "   - a\n", "", 1 << 10, false},
};

START_TEST(bounds_hold)
{
    struct buf text = BUF_INIT;

    buf_puts(&text, long_texts[_i].begin);
    for (size_t i = 0; i < long_texts[_i].count; i++)
        buf_puts(&text, long_texts[_i].piece);
    buf_puts(&text, long_texts[_i].end);
    check_text(text.data, text.len, long_texts[_i].code);
    buf_release(&text);
}
END_TEST

START_TEST(two_thousand_columns)
{
    struct buf text = BUF_INIT, out = BUF_INIT;

    for (int row = 0; row < 4; row++) {
        for (int i = 0; i < 2000; i++)
            buf_printf(&text, row == 1 ? "|---" : row == 0 ? "|head %d" : "|cell %d", i);
        buf_puts(&text, "|\n");
    }
    check_text(text.data, text.len, false);
    render(&out, text.data, text.len, 80, false);
    ck_assert_int_eq(strncmp(out.data, "head 0: cell 0\nhead 1: cell 1\n", 30), 0);
    ck_assert_ptr_nonnull(strstr(out.data, "\nhead 1999: cell 1999\n\nhead 0: cell 0\n"));
    buf_release(&text);
    buf_release(&out);
}
END_TEST

/* Whatever the pieces and their order: harmless. The loop's number is the seed. */
START_TEST(any_mixture)
{
    static const char *const pieces[] = {"*",
                                         "**",
                                         "_",
                                         "`",
                                         "[",
                                         "](",
                                         ")",
                                         "!",
                                         "<",
                                         ">",
                                         "\n",
                                         "\n\n",
                                         "|",
                                         "|-|-|\n",
                                         " ",
                                         "- ",
                                         "1. ",
                                         "#",
                                         "a",
                                         "word ",
                                         "<table>",
                                         "<tr>",
                                         "<td>",
                                         "</table>",
                                         "<th colspan=3>",
                                         "<td rowspan=2>",
                                         "\\",
                                         "&amp;",
                                         "&#",
                                         ";",
                                         "<!--",
                                         "-->",
                                         "\xe6\xbc\xa2",
                                         "\xff",
                                         "\x1b",
                                         "\t",
                                         "\r\n",
                                         "==\n",
                                         "---\n",
                                         "[^1]: ",
                                         "<br>",
                                         "> "};
    unsigned seed = (unsigned)_i * 2654435761u + 1;
    struct buf text = BUF_INIT;

    for (int i = 0; i < 400; i++) {
        seed = seed * 1664525u + 1013904223u;
        buf_puts(&text, pieces[(seed >> 8) % (sizeof(pieces) / sizeof(pieces[0]))]);
    }
    /* Code stays as wide as it is. */
    check_text(text.data, text.len, true);
    buf_release(&text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("markdown");
    TCase *tc = tcase_create("markdown");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, screens_are_so, 0, (int)ARRAY_LEN(screens));
    tcase_add_loop_test(tc, bounds_hold, 0, (int)ARRAY_LEN(long_texts));
    tcase_add_test(tc, nothing_steers_the_terminal);
    tcase_add_test(tc, two_thousand_columns);
    tcase_add_loop_test(tc, any_mixture, 0, 100);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
