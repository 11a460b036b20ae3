/* A result beside its PDF: <stem>.md and <stem>.assets/.
 *
 * Written into a hidden folder beside them first and then put in place by rename, the Markdown
 * last: it is what tells that all is there. Its time is set to that of the result in the bucket, so
 * that "older" compares two times of the store's clock; where the file system has extended
 * attributes, user.blobforge.hash says of which document it is, and what carries no such mark is
 * somebody else's: it is kept under its name with a `~`. Links to assets/ in the Markdown lead to
 * <stem>.assets/.
 *
 * Any thread; one target at a time each. Another process at the same target is noticed by a lock.
 */
#ifndef BF_CLI_HYDRATE_H
#define BF_CLI_HYDRATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "cli/result.h"

#define HYDRATE_TEXT_MAX (256u << 20) /* bytes of a content.md */

struct hydrate_target {
    int dir_fd; /* of the folder of the PDF; -1: none */
    char *name; /* of the PDF */
    char *stem, *markdown, *assets;
};

/* Where the result of the PDF at `path` goes. false with *error_r (WHY; REMEDY, the caller frees).
 */
bool hydrate_target_open(const char *path, struct hydrate_target *target_r,
                         char **error_r) MUST_CHECK;
void hydrate_target_release(struct hydrate_target *target);
/* Is the Markdown there, of this document, and not older than the result? */
bool hydrate_is_current(const struct hydrate_target *target, const char *hash,
                        int64_t result_seconds) MUST_CHECK;
/* Writes both from the zip in `zip_fd`. Unless OK all is as before and *error_r says why. */
enum exitcode hydrate_write(const struct hydrate_target *target, const char *hash,
                            int64_t result_seconds, int zip_fd, char **error_r) MUST_CHECK;

/* Appends Markdown `text` with its links to assets/NAME, NAME a member of the result, led to
 * <stem>.assets/NAME. Pure. */
void hydrate_links(struct buf *out, const char *text, size_t len, const char *stem,
                   const struct result *result);

#endif
