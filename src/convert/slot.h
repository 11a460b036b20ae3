/* A slot's folder S below work_dir: where one document at a time is converted.
 *
 *     S/in/document.TYPE   the document, read-only for the converter
 *     S/out, S/tmp         the converter's: results, and HOME, TMPDIR and current folder
 *     S/result.zip         the packed result, made after the converter's last process is gone
 *
 * All of S is on one file system, mode 0700. Where we are root the converter has a user id of its
 * own (identity.h): out/ and tmp/ belong to it, S and in/ it may only pass and read. in/, out/ and
 * tmp/ stay the same folders from job to job, so that rules and mounts made for them go on holding.
 * Whoever has a folder open holds a lock (flock) on it,
 * so that a folder whose lock is free was left by a killed predecessor and may be swept. What a
 * converter leaves is hostile: trees deeper than any path, folders without permissions, links out
 * of the folder. Emptying follows no link, needs a bounded number of descriptors and no recursion.
 * One thread per folder. */
#ifndef BF_CONVERT_SLOT_H
#define BF_CONVERT_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "convert/identity.h"

struct slot_folder;

/* Opens (makes where missing, work_dir too) work_dir/NAME, takes its lock, kills what a dead
 * predecessor's converter left running in it, and empties it. NAME: one path component, such as
 * `main.slot3`. NULL with *error_r (one line; the caller frees): somebody alive holds it, or the
 * host refuses. */
struct slot_folder *slot_folder_open(const char *work_dir, const char *name,
                                     char **error_r) MUST_CHECK;
/* The same under a name of its own, `PREFIX.XXXXXX`, for `blobforge convert`. */
struct slot_folder *slot_folder_open_temporary(const char *work_dir, const char *prefix,
                                               char **error_r) MUST_CHECK;
/* Empties, removes the folder itself and frees. Nothing may run in it. NULL is fine. */
void slot_folder_close(struct slot_folder *folder);

/* Empties the folder and makes in/, out/, tmp/ where they are not as they should be: before each
 * document. */
bool slot_folder_prepare(struct slot_folder *folder, char **error_r) MUST_CHECK;
/* Empties it: after each document. false: something is left; *error_r names it. */
bool slot_folder_empty(struct slot_folder *folder, char **error_r) MUST_CHECK;
/* Between two documents of a resident converter: in/ and out/ are emptied and tmp/ is left, and the
 * three are the same folders as before, since a sandbox knows them by more than their names. All
 * else in S goes. false: one of them is no folder any more, or something is left. */
bool slot_folder_renew(struct slot_folder *folder, char **error_r) MUST_CHECK;
/* S/in/document.TYPE, new, for writing and reading (0600, close-on-exec). TYPE: `[a-z0-9]{1,16}`.
 * -1 with *error_r. The caller closes it. */
int slot_folder_create_input(struct slot_folder *folder, const char *type,
                             char **error_r) MUST_CHECK;

const char *slot_folder_path(const struct slot_folder *folder);         /* absolute; borrowed */
int slot_folder_fd(const struct slot_folder *folder);                   /* of S; borrowed */
struct identity slot_folder_identity(const struct slot_folder *folder); /* of its converters */
/* Changes whenever in/, out/ or tmp/ became another folder. */
unsigned slot_folder_serial(const struct slot_folder *folder);
/* S/SUB for the command line; the caller frees. */
char *slot_folder_join(const struct slot_folder *folder, const char *sub) MUST_CHECK;

/* Removes the folders below work_dir that begin with `prefix` and whose lock is free (their
 * processes are killed first). Returns how many went. A missing work_dir: 0. */
int slot_folders_sweep(const char *work_dir, const char *prefix);

/* Bytes free for us on the file system of `path` (or of its nearest existing parent). */
bool slot_free_bytes(const char *path, int64_t *bytes_r) MUST_CHECK;

/* Removes `name` below dir_fd, file or tree, of any depth and permissions; a link is removed, never
 * followed. true: it is gone or was never there; else errno. Nobody else may change it meanwhile.
 */
bool tree_remove(int dir_fd, const char *name) MUST_CHECK;

#endif
