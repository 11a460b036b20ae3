/* Words of a command line against tables of options. Pure. One thread.
 *
 * Options may stand before and after operands; `--` ends them; `-` is an operand. -n5, -n 5,
 * --limit=5 and --limit 5 are the same; flags may be bundled (-qv). A long option may be cut short
 * where that is unambiguous. */
#ifndef BF_CLI_ARGS_H
#define BF_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "cli/cli.h"

struct args_found {
    const struct cli_option *option;
    const char *value; /* NULL for a flag; borrowed from argv */
};

struct args {
    struct args_found *found;
    size_t found_count;
    char **operands;
    size_t operand_count;
};

/* Reads words[0..count). `tables`: NULL-terminated list of option lists. `first_only`: stops at the
 * first operand, *used_r words were read; else all are. false: *error_r is `WHAT: WHY; REMEDY`, the
 * caller frees. Adds to *args. */
bool args_parse(char **words, size_t count, const struct cli_option *const *tables, bool first_only,
                struct args *args, size_t *used_r, char **error_r) MUST_CHECK;
void args_release(struct args *args);

/* The last occurrence; NULL: not given. */
const struct args_found *args_find(const struct args *args, const char *name);

#endif
