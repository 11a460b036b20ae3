/* A result zip, read with distrust: content.md, info.json, assets/...
 *
 * Whoever can write to the bucket made it. Names that lead out of the folder, links, encrypted or
 * absurdly large members are refused before a byte is written; nothing that is there is ever
 * written through or over unless asked for. One thread. */
#ifndef BF_CLI_RESULT_H
#define BF_CLI_RESULT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/exitcode.h"

#define RESULT_MEMBERS_MAX 1000000
#define RESULT_BYTES_MAX (16LL << 30) /* unpacked */

struct result;

/* Reads the table of contents; `fd` stays the caller's and open. NULL with *error_r (WHAT: WHY, the
 * caller frees): no zip, or one that is not safe to unpack. */
struct result *result_open(int fd, char **error_r) MUST_CHECK;
/* Is the zip in `fd` whole, as far as its table of contents tells? false with *error_r, as above.
 */
bool result_is_whole(int fd, char **error_r) MUST_CHECK;
void result_close(struct result *result); /* NULL is fine */

size_t result_count(const struct result *result);
const char *result_name(const struct result *result, size_t i); /* harmless as a path */
int64_t result_bytes(const struct result *result, size_t i);    /* unpacked */
int64_t result_total(const struct result *result);

/* Appends member `name`. false with *error_r: not there, larger than `max`, damaged. */
bool result_read(struct result *result, const char *name, size_t max, struct buf *out,
                 char **error_r) MUST_CHECK;

/* Writes all members below folder `target`, which is made (its parent must be there). The tree
 * appears as a whole, by rename. `force`: an existing folder gets the members, each by rename, and
 * keeps what else is in it. Unless OK nothing is left behind and *error_r says why: 73 exists
 * already or cannot be made, 74 disk, 65 damaged, 130 cli_stopped(). */
enum exitcode result_extract(struct result *result, const char *target, bool force,
                             char **error_r) MUST_CHECK;

/* Writes the members below `folder` ("assets"), folder included, into the open folder `root`, where
 * nothing of that name is. *count_r: how many. Unless OK *error_r says why, as result_extract(). */
enum exitcode result_write_folder(struct result *result, const char *folder, int root,
                                  size_t *count_r, char **error_r) MUST_CHECK;

/* `name` made a file name that surprises nobody: its last component without extension, no leading
 * dot, no byte that a terminal or shell would trip over; `otherwise` when nothing is left. The
 * caller frees. */
char *result_stem(const char *name, const char *otherwise) MUST_CHECK;

#endif
