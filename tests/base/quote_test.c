/* The one escaping function: whatever comes in, what goes out is harmless, and says the bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/quote.h"
#include "base/rng.h"
#include "suites.h"

static const struct {
    const char *bytes, *plain, *name;
} cases[] = {
    {"", "", "''"},
    {"my file.pdf", "my file.pdf", "'my file.pdf'"},
    {"it's", "it's", "'it\\x27s'"},
    {"a\nb\tc", "a\\nb\\tc", "'a\\nb\\tc'"},
    {"back\\slash", "back\\\\slash", "'back\\\\slash'"},
    {"\033[31m", "\\x1b[31m", "'\\x1b[31m'"},
    {"\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9", "'\xc3\xa9t\xc3\xa9'"},
    {"\xff\xfe", "\\xff\\xfe", "'\\xff\\xfe'"},
    {"\xc0\xaf", "\\xc0\\xaf", "'\\xc0\\xaf'"},                             /* overlong */
    {"\xed\xa0\x80", "\\xed\\xa0\\x80", "'\\xed\\xa0\\x80'"},               /* surrogate */
    {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "'\\xf4\\x90\\x80\\x80'"}, /* above U+10FFFF */
    {"\xe2\x80\xae", "\\xe2\\x80\\xae", "'\\xe2\\x80\\xae'"}, /* right-to-left override */
    {"\xc2\x9b", "\\xc2\\x9b", "'\\xc2\\x9b'"},               /* C1: CSI */
    {"\x7f", "\\x7f", "'\\x7f'"},
    {"\xe2\x82", "\\xe2\\x82", "'\\xe2\\x82'"}, /* cut short */
};

START_TEST(known)
{
    struct buf out = BUF_INIT;
    char *name = quote_name(cases[_i].bytes);

    quote_append(&out, cases[_i].bytes, strlen(cases[_i].bytes));
    ck_assert_str_eq(buf_text(&out), cases[_i].plain);
    ck_assert_str_eq(name, cases[_i].name);
    buf_release(&out);
    free(name);
}
END_TEST

START_TEST(none)
{
    char *name = quote_name(NULL);

    ck_assert_str_eq(name, "(none)");
    free(name);
}
END_TEST

static bool is_harmless(const struct buf *out)
{
    for (size_t i = 0; i < out->len; i++) {
        unsigned char c = (unsigned char)out->data[i];
        if (c < 0x20 || c == 0x7f)
            return false;
    }
    return utf8_is_valid(buf_text(out), out->len);
}

START_TEST(random_bytes_are_harmless)
{
    struct rng_seeded seeded;
    uint64_t seed = rng_u64(rng_system());

    rng_seeded_init(&seeded, seed);
    for (int i = 0; i < 5000; i++) {
        char bytes[64];
        size_t len = rng_below(&seeded.rng, sizeof(bytes));
        struct buf out = BUF_INIT;

        seeded.rng.fill(&seeded.rng, bytes, len);
        quote_append_name(&out, bytes, len);
        ck_assert_msg(is_harmless(&out), "seed %llu, round %d", (unsigned long long)seed, i);
        buf_release(&out);
    }
}
END_TEST

START_TEST(sequences)
{
    unsigned rune = 0;

    ck_assert_uint_eq(utf8_sequence((const unsigned char *)"\xf0\x9f\x98\x80", 4, &rune), 4);
    ck_assert_uint_eq(rune, 0x1f600);
    ck_assert_uint_eq(utf8_sequence((const unsigned char *)"\xf0\x9f\x98\x80", 3, NULL), 0);
    ck_assert_uint_eq(utf8_sequence((const unsigned char *)"a", 0, NULL), 0);
    ck_assert(utf8_is_valid("\xe2\x82\xac", 3));
    ck_assert(!utf8_is_valid("\x80", 1));
    ck_assert(utf8_is_valid("", 0));
}
END_TEST

TCase *tests_quote(void)
{
    TCase *tc = tcase_create("quote");

    tcase_add_loop_test(tc, known, 0, (int)ARRAY_LEN(cases));
    tcase_add_test(tc, none);
    tcase_add_test(tc, random_bytes_are_harmless);
    tcase_add_test(tc, sequences);
    return tc;
}
