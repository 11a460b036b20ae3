/* The content behind a Git LFS pointer: fetched into the working tree for as long as an upload
 * takes, then turned back into its pointer.
 *
 * `git lfs pull` for exactly one file writes the content where the pointer stood; when the file has
 * come to its outcome, the same pointer bytes take its place again by rename, and git's index is
 * told, so that `git status` finds the tree as clean as before. The download stays in .git/lfs,
 * where `git lfs prune` looks after it. Both ends are states that git calls clean: a run that is
 * killed in between leaves a file with its content, which the next run takes as it is.
 *
 * git and git-lfs run with the repository's own configuration, as they would for the user. Two
 * gits in one repository get into each other's way (index.lock): one thread does all of this. */
#ifndef BF_INGEST_LFS_PULL_H
#define BF_INGEST_LFS_PULL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/compiler.h"
#include "ingest/lfs.h"

struct lfs_content; /* a file that was materialised */

struct lfs_pull_rules {
    int64_t limit_ms;        /* for one file; 0: by its size */
    const atomic_bool *stop; /* give up */
};

/* Replaces the pointer at `path` (open as `fd`, looked at as `st`) by its content. *fd_r: the
 * content, open for reading, the caller's. NULL with *error_r (WHY; REMEDY, the caller frees): it
 * could not be had, and the pointer stands as before. */
struct lfs_content *lfs_content_pull(const char *path, int fd, const struct stat *st,
                                     const struct lfs_pull_rules *rules, int *fd_r,
                                     char **error_r) MUST_CHECK;
/* The SHA-256 that the pointer names. */
const char *lfs_content_hash(const struct lfs_content *content);
/* The pointer back in its place, and `content` freed. A file that was changed meanwhile is left
 * alone. false: *error_r (WHAT: WHY; REMEDY). */
bool lfs_content_return(struct lfs_content *content, char **error_r) MUST_CHECK;

/* `path` (any bytes, from the top of the repository) as a pattern of git-lfs that means just it,
 * rooted with '/'. git-lfs cuts such words at commas and has no escape for one: a comma becomes a
 * range of three bytes, and *exact_r false. The caller frees. Pure. */
char *lfs_pattern(const char *path, bool *exact_r) MUST_CHECK;

#endif
