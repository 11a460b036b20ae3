/* Getting a job's result out of the bucket into a local file. */
#ifndef BF_CLI_FETCH_H
#define BF_CLI_FETCH_H

#include "cli/cli.h"

/* Whole hash in hash_r, the job's name (NULL: unknown; the caller frees) in *name_r. Unless OK it
 * was said: unknown, or not converted, and why. */
enum exitcode fetch_find(struct cli *cli, struct queue *queue, const char *text,
                         char hash_r[static 65], char **name_r) MUST_CHECK;
/* Writes the result zip to `fd` from offset 0. Unless OK it was said: 74 when `fd` does not take
 * it, with the folder that it is in. */
enum exitcode fetch_result(struct cli *cli, struct queue *queue, const char *hash, int fd,
                           int64_t *bytes_r) MUST_CHECK;
/* The error of a result that is damaged or not safe to unpack, with its remedy where it has none;
 * takes `error` (may be NULL). The caller frees. */
char *fetch_damaged_text(const char *hash, char *error) MUST_CHECK;
/* Says it; takes `error`. Returns 65. */
enum exitcode fetch_say_damaged(const char *hash, char *error);
/* An open file without a name, in TMPDIR; -1: said. The caller closes. */
int fetch_temporary(void) MUST_CHECK;

#endif
