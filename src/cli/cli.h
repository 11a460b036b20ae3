/* The command line: what a command is, and what it may ask of the program around it.
 *
 * One file per command (cmd_NAME.c) holds a `const struct cli_command cmd_NAME`: its options, its
 * text and its function; commands.c lists them all in one table, from which parsing, --help and
 * synopses are made. A command's function looks at its options and operands, opens the bucket when
 * it needs it, prints, and returns an exit status; everything is released by main().
 *
 * Messages are one line on standard error, `blobforge: WHAT: WHY; REMEDY`, whatever --json and -q
 * say. Standard output carries the answer: text for people, with --json one object per line and
 * nothing else. Names from outside pass through base/quote.h before they are shown as text.
 *
 * One thread. */
#ifndef BF_CLI_CLI_H
#define BF_CLI_CLI_H

#include <json-c/json.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/exitcode.h"
#include "base/settings.h"
#include "queue/queue.h"
#include "queue/view.h"
#include "store/store_settings.h"

struct cli;

/* ---- what a command is ---- */

struct cli_option {
    char letter;          /* 'n' for -n; 0: none */
    const char *name;     /* "limit" for --limit; NULL ends a list */
    const char *argument; /* "N": takes one; NULL: a flag */
    const char *text;     /* one line for --help */
};

/* What Ctrl-C does. The message that follows is `resume` in either case. */
enum cli_interrupt {
    CLI_INTERRUPT_NOW,    /* ends at once: nothing is changed by this command */
    CLI_INTERRUPT_BETWEEN /* cli_stopped() turns true, the step in hand is finished; a second one
                             ends at once, which costs nothing but a wait (blobforge-queue(7)) */
};

#define CLI_ANY_NUMBER ((size_t)-1)

struct cli_command {
    const char *name;
    const char *operands; /* for the synopsis: "HASH ..."; "" for none */
    size_t operands_min, operands_max;
    const char *summary; /* one line, lower case, no full stop */
    const char *help;    /* paragraphs for --help, lines within 78 columns; may be NULL */
    const struct cli_option *options; /* ends with a NULL name; may be NULL */
    enum cli_interrupt interrupt;
    const char *resume; /* said on Ctrl-C: what is so, and how to go on */
    bool hidden;        /* not for people: neither in --help nor completed */
    enum exitcode (*run)(struct cli *cli);
};

/* ---- what was asked ---- */

/* Last value of --name; NULL: not given. The name must be in the command's
 * table or in that of every command. */
const char *cli_value(const struct cli *cli, const char *name);
bool cli_flag(const struct cli *cli, const char *name);
/* Every value of --name, in order; borrowed. */
const char *const *cli_values(const struct cli *cli, const char *name, size_t *count_r);
/* Numeric value of --name within bounds; `otherwise` when it was not given. false: said, 64. */
bool cli_number(const struct cli *cli, const char *name, int64_t min, int64_t max,
                int64_t otherwise, int64_t *value_r) MUST_CHECK;
/* --tier: name, word or digit. false: said, 64. */
bool cli_tier(const struct cli *cli, const char *name, enum tier *tier_r) MUST_CHECK;
char *const *cli_operands(const struct cli *cli, size_t *count_r);
bool cli_json(const struct cli *cli);
bool cli_quiet(const struct cli *cli);
int cli_verbose(const struct cli *cli);
const struct settings *cli_settings(const struct cli *cli);

/* ---- the bucket ---- */

enum cli_open {
    CLI_READ = 0,
    CLI_CREATE = 1,    /* a directory store that is not there is made, if somebody named it */
    CLI_FLEET = 2,     /* the bucket's own settings are laid over the limits */
    CLI_WRITE = 4,     /* jobs will be changed: the store's promises are known to hold, or 1 */
    CLI_ANY_FORMAT = 8 /* a bucket of a newer format, too, which is refused otherwise: 1 */
};

/* Opens the bucket of the settings, the first time; *queue_r is borrowed. Unless OK the reason was
 * said. */
enum exitcode cli_open(struct cli *cli, unsigned flags, struct queue **queue_r) MUST_CHECK;
/* One more store of the same bucket; the caller closes it. NULL: said. */
struct store *cli_open_store(struct cli *cli) MUST_CHECK;
/* The program around another store, for a command between two: the same words and settings, but
 * for `url`, those of the file `config` (NULL: none) and `options` ("NAME=VALUE"). NULL: said, 78.
 * For cli_open() and its neighbours. */
struct cli *cli_other(const struct cli *cli, const char *url, const char *config,
                      const char *const *options, size_t count) MUST_CHECK;
void cli_other_close(struct cli *other); /* NULL is fine */
/* Says `what: error` (error may be NULL; is freed) and gives the exit status that `result` stands
 * for; asks the store once more where only that tells a refusal from a missing bucket. */
enum exitcode cli_queue_failed(struct cli *cli, enum queue_result result, const char *what,
                               char *error) MUST_CHECK;
/* The whole hash of a hash or a prefix of it. Unless OK the reason was said: 64 for what is no hash
 * or ambiguous, 1 for an unknown one. */
enum exitcode cli_resolve(struct cli *cli, const char *text, char hash_r[static 65]) MUST_CHECK;
/* The worse of two, for a command that goes on after a failure: OK, then 1, then any other. */
enum exitcode cli_worse(enum exitcode a, enum exitcode b);

/* ---- Ctrl-C ---- */

bool cli_stopped(void);
const volatile sig_atomic_t *cli_stop_flag(void);
/* Readable once Ctrl-C was pressed, for poll(2). */
int cli_stop_fd(void);
/* A temporary file that Ctrl-C removes; NULL: none any more. Copied. */
void cli_stop_unlinks(const char *path);

/* ---- saying ---- */

/* blobforge: ...: one line on standard error; the text is WHAT: WHY; REMEDY with names quoted. */
void cli_error(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* A usage error: the line, then where to read more. Returns 64. */
enum exitcode cli_usage(const struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* What is good to know, on standard error; not with -q. */
void cli_note(const struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Text for standard output. */
void cli_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);
void cli_write(const void *bytes, size_t len);
/* One object on one line of standard output. Takes ownership. */
void cli_print_json(struct json_object *object);
/* Flushes standard output; false: it could not be written (said; 74). */
bool cli_flush(void) MUST_CHECK;

bool cli_terminal_out(void); /* standard output is a terminal */
bool cli_terminal_err(void); /* standard error is one: a progress bar makes sense */
int cli_columns(void);       /* of the terminal; 80 when unknown */

#endif
