/* See args.h: words of a command line against tables of options. */
#include "cli/args.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/human.h"
#include "base/quote.h"

static void add_found(struct args *args, const struct cli_option *option, const char *value)
{
    args->found = mem_resize(args->found, args->found_count + 1, sizeof(*args->found));
    args->found[args->found_count++] = (struct args_found){option, value};
}

static void add_operand(struct args *args, char *word)
{
    args->operands = mem_resize(args->operands, args->operand_count + 1, sizeof(*args->operands));
    args->operands[args->operand_count++] = word;
}

static const struct cli_option *find_letter(const struct cli_option *const *tables, char letter)
{
    for (; *tables != NULL; tables++) {
        for (const struct cli_option *o = *tables; o->name != NULL; o++) {
            if (o->letter == letter && letter != '\0')
                return o;
        }
    }
    return NULL;
}

/* The option called so, or the only one that begins so; *ambiguous_r names a second one. */
static const struct cli_option *find_name(const struct cli_option *const *tables, const char *name,
                                          size_t len, const char **ambiguous_r)
{
    const struct cli_option *begins = NULL;

    *ambiguous_r = NULL;
    if (len == 0)
        return NULL;
    for (; *tables != NULL; tables++) {
        for (const struct cli_option *o = *tables; o->name != NULL; o++) {
            if (strncmp(o->name, name, len) != 0)
                continue;
            if (o->name[len] == '\0')
                return o;
            if (begins != NULL)
                *ambiguous_r = o->name;
            else
                begins = o;
        }
    }
    return begins;
}

static const char *nearest_name(const struct cli_option *const *tables, const char *name)
{
    const char *near = NULL;
    int best = INT_MAX;

    for (; *tables != NULL; tables++) {
        for (const struct cli_option *o = *tables; o->name != NULL; o++) {
            int distance = human_distance(name, o->name);
            if (distance < best) {
                best = distance;
                near = o->name;
            }
        }
    }
    return human_is_near(name, best) ? near : NULL;
}

static bool say_unknown(const struct cli_option *const *tables, const char *name, char **error_r)
{
    char *shown = mem_printf("--%s", name);
    char *quoted = quote_name(shown);
    const char *near = nearest_name(tables, name);

    if (near != NULL)
        *error_r = mem_printf("%s: unknown option; did you mean --%s?", quoted, near);
    else
        *error_r = mem_printf("%s: unknown option", quoted);
    free(quoted);
    free(shown);
    return false;
}

/* A word that begins with "--". *next: the words that follow; advanced when one is taken. */
static bool parse_long(char *word, char ***next, char **end, const struct cli_option *const *tables,
                       struct args *args, char **error_r)
{
    char *name = word + 2, *equals = strchr(name, '=');
    size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const char *ambiguous;
    const struct cli_option *option = find_name(tables, name, len, &ambiguous);

    if (option == NULL || ambiguous != NULL) {
        char *bare = mem_strndup(name, len);
        if (ambiguous != NULL)
            *error_r = mem_printf("'--%s': ambiguous option; --%s or --%s?", bare, option->name,
                                  ambiguous);
        else
            (void)say_unknown(tables, bare, error_r);
        free(bare);
        return false;
    }
    if (option->argument == NULL) {
        if (equals != NULL) {
            *error_r = mem_printf("--%s: takes no value", option->name);
            return false;
        }
        add_found(args, option, NULL);
        return true;
    }
    if (equals == NULL && *next == end) {
        *error_r = mem_printf("--%s: value missing; write --%s %s", option->name, option->name,
                              option->argument);
        return false;
    }
    add_found(args, option, equals != NULL ? equals + 1 : *(*next)++);
    return true;
}

/* A word that begins with one '-': flags, at the end perhaps an option with its value. */
static bool parse_short(char *word, char ***next, char **end,
                        const struct cli_option *const *tables, struct args *args, char **error_r)
{
    for (char *letter = word + 1; *letter != '\0'; letter++) {
        const struct cli_option *option = find_letter(tables, *letter);

        if (option == NULL) {
            char *quoted = quote_name((char[]){'-', *letter, '\0'});
            *error_r = mem_printf("%s: unknown option", quoted);
            free(quoted);
            return false;
        }
        if (option->argument == NULL) {
            add_found(args, option, NULL);
            continue;
        }
        if (letter[1] != '\0') {
            add_found(args, option, letter + 1);
        } else if (*next == end) {
            *error_r =
                mem_printf("-%c: value missing; write -%c %s", *letter, *letter, option->argument);
            return false;
        } else {
            add_found(args, option, *(*next)++);
        }
        return true;
    }
    return true;
}

bool args_parse(char **words, size_t count, const struct cli_option *const *tables, bool first_only,
                struct args *args, size_t *used_r, char **error_r)
{
    char **next = words, **end = words + count;
    bool options_ended = false;

    *error_r = NULL;
    while (next != end) {
        char *word = *next++;
        bool ok = true;

        if (options_ended || word[0] != '-' || word[1] == '\0') {
            if (first_only) {
                next--;
                break;
            }
            add_operand(args, word);
        } else if (strcmp(word, "--") == 0) {
            options_ended = true;
        } else if (word[1] == '-') {
            ok = parse_long(word, &next, end, tables, args, error_r);
        } else {
            ok = parse_short(word, &next, end, tables, args, error_r);
        }
        if (!ok)
            return false;
    }
    *used_r = (size_t)(next - words);
    return true;
}

void args_release(struct args *args)
{
    free(args->found);
    free(args->operands);
    memset(args, 0, sizeof(*args));
}

const struct args_found *args_find(const struct args *args, const char *name)
{
    for (size_t i = args->found_count; i-- > 0;) {
        if (strcmp(args->found[i].option->name, name) == 0)
            return &args->found[i];
    }
    return NULL;
}
