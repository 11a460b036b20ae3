/* The converter's command line: words, not a shell.
 *
 * The setting `converter` is split as sh splits words (blanks; '…', "…" and \ quote; no variables,
 * no globs, no operators: those characters are plain ones), then {input}, {output} and {type} are
 * replaced inside each word, so that a path with blanks stays one word. Pure but for
 * command_find(). Any thread. */
#ifndef BF_CONVERT_COMMAND_H
#define BF_CONVERT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

#define COMMAND_TEXT_MAX 4096 /* what a setting holds */
#define COMMAND_WORDS_MAX 128

enum command_result {
    COMMAND_OK,
    COMMAND_EMPTY,       /* no word at all */
    COMMAND_TOO_LONG,    /* more than COMMAND_TEXT_MAX bytes, or a NUL among them */
    COMMAND_TOO_MANY,    /* more than COMMAND_WORDS_MAX words */
    COMMAND_UNCLOSED,    /* a quote without its end, or \ at the end */
    COMMAND_PLACEHOLDER, /* {input} or {output} is missing */
    COMMAND_WRAPPER,     /* {command} is missing */
    COMMAND_PAIR         /* a word is not NAME=VALUE */
};
const char *command_result_text(enum command_result result); /* for a message */

struct command {
    char **words; /* NULL-terminated: an argv */
    size_t count;
};

/* Splits; placeholders stay. *command_r is empty unless OK; give back with command_release(). */
enum command_result command_split(const char *text, size_t len,
                                  struct command *command_r) MUST_CHECK;
/* Splits and checks that a converter's placeholders are there: what `blobforged -t` calls. */
enum command_result command_parse(const char *text, struct command *command_r) MUST_CHECK;
/* Splits the list converter_env, which may be empty or NULL, and checks its words. */
enum command_result command_env(const char *text, struct command *env_r) MUST_CHECK;
/* A copy with the placeholders replaced. Other braces stay as they are. */
void command_fill(const struct command *command, const char *input, const char *output,
                  const char *type, struct command *filled_r);
/* The setting sandbox_command: the wrapper's words, with the word {command} replaced by those of
 * `inner` and {folder} inside words by `folder`. *wrapped_r is empty unless OK. */
enum command_result command_wrap(const char *wrapper, const struct command *inner,
                                 const char *folder, struct command *wrapped_r) MUST_CHECK;
void command_release(struct command *command);

/* The file to execute for `word`: with a slash itself; else $BLOBFORGE_LIBEXECDIR/WORD when that
 * variable is set, the installed libexecdir/blobforge/WORD, then the folders of `path` (NULL: a
 * system default). The first that is an executable file; NULL: none. The caller frees. */
char *command_find(const char *word, const char *path) MUST_CHECK;

#endif
