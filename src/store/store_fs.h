/* A directory as a bucket: the embedded default, file:///DIR.
 *
 * Safe between processes of one machine, safe against crashes, no server. Bodies are plain files:
 *
 *   key   pdf/queue/todo/3_normal/<h>        file  DIR/pdf/queue/todo/3_normal/ab/<h>
 *         pdf/store/raw/<h>.pdf                    DIR/pdf/store/raw/ab/<h>.pdf
 *         pdf/registry/logs/<h>/converter.log      DIR/pdf/registry/logs/ab/<h>/converter.log
 *         pdf/registry/config.json                 DIR/pdf/registry/config.json
 *   our own                                  DIR/.blobforge/{format,locks,generation,tmp/,meta/}
 *
 * Every segment that begins with 64 hex digits and then ends or goes on with '.' lies in a shard
 * folder named by its first two digits, so that a listing page reads a 256th of a million keys. A
 * bucket that was copied in without shard folders is read as well: what the shard place lacks is
 * looked for in the flat place, and a PUT or DELETE moves on from there.
 *
 * Keys never leave the directory: a key with an empty segment, `.`, `..`, a segment over 255 bytes
 * or one that begins with `.blobforge` is refused, and no symbolic link is followed at its end
 * (folders that are links are the administrator's business). A key that is also a folder of other
 * keys (`a` and `a/b`) cannot be held: STORE_FATAL. Folders are made 2770 and files 0660, the group
 * is the directory's.
 *
 * ETags. `<seconds>-<generation>-<size>`, all three read from the file's own modification time and
 * size, so that a listing knows them without opening anything. The time is not the clock's: its
 * nanoseconds are a number that this store never used before in the same second. It comes from a
 * counter that all processes share (DIR/.blobforge/generation, taken in blocks under a lock), and
 * that starts at a random number after each boot, since a crash may undo its last steps. Inode
 * numbers (reused at once) and clock ticks (several bodies in one) play no part. A store copied
 * with its times (cp -a, rsync -a) keeps its ETags. A file system that does not keep nanoseconds is
 * refused. Files are never changed in place: who edits one by hand changes its time, thus its ETag.
 *
 * Crashes. A body is written to .blobforge/tmp, synced, and then renamed to its name; the folder is
 * synced before the PUT is answered. So a body is there as a whole or not at all, and what was
 * answered STORE_OK survives a power cut. A DELETE is not synced on its own: a crash may undo it.
 * The protocol asks for no more: a marker that comes back is a leftover beside its result or dead
 * record, a lock that comes back is stale and finds its job settled, a failed record is a note.
 * Another process may see a new body a moment before it is synced; the file systems that journal
 * their metadata in order (ext4, xfs) then keep that order in a crash.
 *
 * Conditions. If-None-Match is rename without replacing: the kernel decides. Everything that
 * replaces or deletes compares and acts under the lock of its key (one of 1024 byte ranges of
 * DIR/.blobforge/locks, open file description locks: they end with the process). DELETE honours
 * If-Match; so expires_ms is not needed and ignored.
 *
 * Temporary files of a process that ended are swept by the next open: each store holds a lock on
 * DIR/.blobforge/tmp/<id>.lock and names its files <id>-<n>.
 *
 * Grants. A stage is such a temporary file; commit checks its length and MD5, syncs it and names
 * it. Whoever still has the stage open for writing could change the object afterwards: a worker
 * closes its descriptor before it reports. A store that is closed with stages outstanding leaves
 * them to the next sweep; their commit then fails, and the body is granted again.
 *
 * Results: no space or quota, too many open files, a lock not got within the deadline: STORE_AGAIN.
 * No permission, read-only, file size limit, I/O error: STORE_FATAL. A sync that fails after the
 * rename: STORE_UNKNOWN.
 *
 * Operations of all batches submitted run together in store_wait(): each phase (write, sync,
 * rename, sync of folders) is done for all before the next, so that one journal commit serves many.
 */
#ifndef BF_STORE_STORE_FS_H
#define BF_STORE_STORE_FS_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/rng.h"
#include "store/store.h"
#include "store/store_open.h"

/* `dir` is absolute. options: clock, rng, allow_network_fs, must_exist. */
enum store_open_status store_fs_open(const char *dir, const struct store_options *options,
                                     struct store **store_r, char **error_r) MUST_CHECK;

#endif
