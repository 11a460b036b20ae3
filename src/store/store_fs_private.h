/* What the rooms of the directory store share: see store_fs.h for the promises.
 *
 *   store_fs_path.c  key to path, names, modes of folders
 *   store_fs_home.c  open and close: .blobforge, format, session, sweep, generations, locks
 *   store_fs_file.c  one body: write it aside, name it, find it, its ETag and metadata
 *   store_fs_list.c  pages of a listing
 *   store_fs.c       operations and grants
 *
 * One thread per store. Nobody outside src/store/store_fs*.c includes this. */
#ifndef BF_STORE_STORE_FS_PRIVATE_H
#define BF_STORE_STORE_FS_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "store/store.h"
#include "store/store_open.h"

#define FS_OWN ".blobforge"          /* segments that begin so are ours alone */
#define FS_PATH_SIZE 1280            /* a key of 1024 bytes and a shard folder per hash in it */
#define FS_SESSION_SIZE 17           /* 16 hex digits */
#define FS_TEMP_SIZE 48              /* "<session>-<n>" */
#define FS_DEFAULT_DEADLINE_MS 30000 /* an op that names none waits so long for a key's lock */

struct fs_queued;

struct fs_store {
    struct store base; /* first: a struct store is one of these */
    struct clock *clock;
    struct rng *rng;
    char *root; /* absolute path, for messages and staged files */
    int root_fd, own_fd, tmp_fd, locks_fd, session_fd; /* -1: none (read-only) */
    char session[FS_SESSION_SIZE];                     /* our temporary files begin so */
    uint64_t temp_count;                               /* of our temporary files so far */
    uint64_t generation, generation_end;               /* reserved, not used yet */
    bool has_xattrs;
    bool read_only;
    struct fs_queued *queue; /* submitted, not run yet, oldest first */
    struct fs_queued **queue_tail;
};

/* ---- store_fs_path.c ---- */

struct fs_place {
    char path[FS_PATH_SIZE]; /* below the root, with shard folders */
    char flat[FS_PATH_SIZE]; /* the same without them; "": none, or another key's shard place */
};

/* 64 hex digits, then the end or '.'. */
bool fs_name_is_hash(const char *name);
/* Two hex digits: may be a shard folder. */
bool fs_name_is_shard(const char *name);
/* NULL, or why no file can hold this key. */
const char *fs_place_of_key(const char *key, struct fs_place *place_r);
/* Makes the folders above `path` that are missing, and syncs those it made: what was there, its
 * maker synced. false with errno. */
bool fs_make_folders(struct fs_store *fs, const char *path);
/* A folder of mode 2770. false with errno; one that is there already is fine: *made_r (may be
 * NULL) is false then. */
bool fs_make_folder(int at_fd, const char *path, bool *made_r);
/* Opens the folder that holds `path`. *fd_r -1: it went with its last key, and what was put there
 * is deleted already. false with errno. */
bool fs_open_folder_of(struct fs_store *fs, const char *path, int *fd_r);
/* Syncs the folder that holds `path`. false with errno. */
bool fs_sync_folder_of(struct fs_store *fs, const char *path);

/* ---- store_fs_home.c ---- */

/* Everything that opening needs, in order. false: *status_r and *error_r say why. */
bool fs_open_home(struct fs_store *fs, const struct store_options *options,
                  enum store_open_status *status_r, char **error_r);
/* A number not used before in this second, below 10^9. false with errno. */
bool fs_generation(struct fs_store *fs, uint32_t *generation_r);
/* Takes the lock of a key; waits until deadline_boot_ms. false with errno (ETIMEDOUT). */
bool fs_lock(struct fs_store *fs, const char *key, int64_t deadline_boot_ms);
void fs_unlock(struct fs_store *fs, const char *key);
void fs_close(struct store *store);

/* ---- store_fs_file.c ---- */

/* Sets status and text for errno `error` met while doing `what` ("write the body"). */
void fs_fail(struct fs_store *fs, struct store_op *op, int error, const char *what);
void fs_etag(const struct stat *st, char etag_r[static STORE_ETAG_SIZE]);
/* A fresh temporary file, 0660, open for reading and writing. -1 with errno. */
int fs_temp_create(struct fs_store *fs, char name_r[static FS_TEMP_SIZE]);
/* Writes op's body into fd, stamps time and metadata: op->etag_r. false: op failed. */
bool fs_temp_fill(struct fs_store *fs, struct store_op *op, int fd);
bool fs_temp_stamp(struct fs_store *fs, struct store_op *op, int fd);
/* Gives the temporary file its name under op's condition. STORE_OK, or op failed. The folder is not
 * synced yet. */
enum store_status fs_temp_publish(struct fs_store *fs, struct store_op *op,
                                  const struct fs_place *place, const char *temp);
/* STORE_OK when op's condition holds now: spares writing a body for nothing. */
enum store_status fs_check_early(struct fs_store *fs, struct store_op *op,
                                 const struct fs_place *place);
void fs_delete(struct fs_store *fs, struct store_op *op, const struct fs_place *place);
/* Opens a body and fills etag_r, size_r, modified_ms_r and metadata. -1: op failed. */
int fs_open_body(struct fs_store *fs, struct store_op *op, const struct fs_place *place);
/* GET: reads what fs_open_body() opened. */
void fs_read_body(struct fs_store *fs, struct store_op *op, int fd);

/* ---- store_fs_list.c ---- */

void fs_list(struct fs_store *fs, struct store_op *op);

#endif
