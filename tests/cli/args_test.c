/* Words of a command line: every form of an option, and every way to get one wrong. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"
#include "cli/commands.h"

static const struct cli_option own[] = {
    {'n', "limit", "N", ""}, {'l', "long", NULL, ""}, {'L', "follow-links", NULL, ""},
    {0, "lower", "X", ""},   {0, NULL, NULL, NULL},
};
static const struct cli_option other[] = {{'q', "quiet", NULL, ""}, {0, NULL, NULL, NULL}};
static const struct cli_option *const tables[] = {other, own, NULL};

#define WORDS_MAX 8

static const struct {
    const char *words[WORDS_MAX];
    const char *found; /* "name=value name …" */
    const char *operands;
    const char *error; /* NULL: fine */
} cases[] = {
    {{NULL}, "", "", NULL},
    {{"a", "b"}, "", "a b", NULL},
    {{"-n", "5", "a"}, "limit=5", "a", NULL},
    {{"-n5"}, "limit=5", "", NULL},
    {{"a", "--limit", "5"}, "limit=5", "a", NULL},
    {{"--limit=5"}, "limit=5", "", NULL},
    {{"--limit="}, "limit=", "", NULL},
    {{"--lim=5"}, "limit=5", "", NULL},
    {{"-qln5"}, "quiet long limit=5", "", NULL},
    {{"-n", "-5"}, "limit=-5", "", NULL},
    {{"--", "-n", "--limit"}, "", "-n --limit", NULL},
    {{"-", "-l"}, "long", "-", NULL},
    {{"-l", "-l"}, "long long", "", NULL},
    {{"--limit", "--"}, "limit=--", "", NULL},
    {{""}, "", "", NULL},
    {{"--nope"}, "", "", "'--nope': unknown option"},
    {{"--limti", "3"}, "", "", "did you mean --limit?"},
    {{"-x"}, "", "", "'-x': unknown option"},
    {{"-lx"}, "", "", "'-x': unknown option"},
    {{"-l\xc3\xa9"}, "", "", "'-\\xc3': unknown option"},
    {{"--lo"}, "", "", "ambiguous"},
    {{"--l=3"}, "", "", "ambiguous"},
    {{"--long=3"}, "", "", "--long: takes no value"},
    {{"-n"}, "", "", "-n: value missing; write -n N"},
    {{"--limit"}, "", "", "--limit: value missing; write --limit N"},
    {{"--a\033b"}, "", "", "'--a\\x1bb': unknown option"},
    {{"--=3"}, "", "", "unknown option"},
};

static void append(char *text, const char *more)
{
    if (*text != '\0')
        strcat(text, " ");
    strcat(text, more);
}

START_TEST(line_of_words)
{
    struct args args = {0};
    char found[200] = "", operands[200] = "", *error = NULL;
    size_t count = 0, used = 0;
    bool ok;

    while (count < WORDS_MAX && cases[_i].words[count] != NULL)
        count++;
    ok = args_parse((char **)cases[_i].words, count, tables, false, &args, &used, &error);
    ck_assert_msg(ok == (cases[_i].error == NULL), "%s", error);
    if (!ok) {
        ck_assert_msg(strstr(error, cases[_i].error) != NULL, "%s", error);
    } else {
        for (size_t i = 0; i < args.found_count; i++) {
            append(found, args.found[i].option->name);
            if (args.found[i].value != NULL) {
                strcat(found, "=");
                strcat(found, args.found[i].value);
            }
        }
        for (size_t i = 0; i < args.operand_count; i++)
            append(operands, args.operands[i]);
        ck_assert_str_eq(found, cases[_i].found);
        ck_assert_str_eq(operands, cases[_i].operands);
        ck_assert_uint_eq(used, count);
    }
    free(error);
    args_release(&args);
}
END_TEST

START_TEST(first_only_stops_at_the_command)
{
    char *words[] = {"-q", "--limit", "3", "list", "--nope"}, *error = NULL;
    struct args args = {0};
    size_t used = 0;

    ck_assert(args_parse(words, ARRAY_LEN(words), tables, true, &args, &used, &error));
    ck_assert_uint_eq(used, 3);
    ck_assert_uint_eq(args.operand_count, 0);
    ck_assert_str_eq(args_find(&args, "limit")->value, "3");
    ck_assert_ptr_null(args_find(&args, "long"));
    args_release(&args);
}
END_TEST

/* No command has an option that hides one of every command, and every row is complete. */
START_TEST(the_table_is_sound)
{
    for (const struct cli_command *const *c = cli_commands; *c != NULL; c++) {
        const struct cli_command *command = *c;

        ck_assert_ptr_eq(cli_command_find(command->name), command);
        ck_assert_ptr_nonnull(command->run);
        ck_assert_ptr_nonnull(command->resume);
        ck_assert_uint_le(command->operands_min, command->operands_max);
        ck_assert_msg(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ", command->summary[0]) == NULL, "%s",
                      command->name);
        for (const struct cli_option *o = command->options; o != NULL && o->name != NULL; o++) {
            ck_assert_msg(*o->text != '\0', "%s --%s", command->name, o->name);
            for (const struct cli_option *g = cli_global_options; g->name != NULL; g++)
                ck_assert_msg(strcmp(o->name, g->name) != 0 &&
                                  (o->letter == '\0' || o->letter != g->letter),
                              "%s --%s hides --%s", command->name, o->name, g->name);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli");
    TCase *tc = tcase_create("args");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tc, line_of_words, 0, (int)ARRAY_LEN(cases));
    tcase_add_test(tc, first_only_stops_at_the_command);
    tcase_add_test(tc, the_table_is_sound);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
