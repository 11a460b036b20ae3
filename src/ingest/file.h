/* One file on its way into the bucket: what it is, and its hash.
 *
 * file_examine() reads a file once: header, Git LFS pointer, size, hash from the attributes or from
 * the bytes. It runs on a hashing thread; a file belongs to whoever has it in hand. */
#ifndef BF_INGEST_FILE_H
#define BF_INGEST_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/compiler.h"
#include "ingest/ingest.h"
#include "ingest/lfs_pull.h"

#define FILE_HEADER_MAX 1024    /* readers of PDF look so far for %PDF (ISO 32000-1, annex H) */
#define FILE_BLOCK (256 * 1024) /* read and hashed at a time */

enum hash_origin {
    HASH_NONE,
    HASH_COMPUTED,
    HASH_CACHED,
    HASH_POINTER
};

struct file {
    struct file *next;
    char *path, *relative, *source; /* as in walk.h; owned */
    int fd;                         /* -1: none */
    struct stat st;                 /* before the first byte was read */
    int64_t size;                   /* of the document: a pointer's content; -1: unknown */
    char hash[65];                  /* "" : none */
    enum hash_origin origin;
    struct lfs_content *content; /* a pointer that was replaced by its content; NULL */
    bool must_compute;           /* the cache will not do: it is to be uploaded */
    bool abandoned;              /* stopped on the way: no outcome */
    enum ingest_reason reason;   /* why it goes no further; INGEST_REASON_NONE: it does */
    char *error;                 /* WHY; REMEDY */
};

/* Another descriptor takes the place of the file's own. */
void file_reopen(struct file *file, int fd);
/* Copies the strings, takes the descriptor (-1 with `error` and reason set later). */
struct file *file_create(const char *path, const char *relative, const char *source,
                         int fd) MUST_CHECK;
void file_destroy(struct file *file); /* NULL is fine */
/* Sets reason and error text, once. */
void file_refuse(struct file *file, enum ingest_reason reason, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* The same with INGEST_UNREADABLE and what errno says, with its remedy. */
void file_refuse_errno(struct file *file, int error_number);

struct file_rules {
    int64_t max_size;  /* bytes */
    bool write_cache;  /* false in a dry run */
    atomic_bool *stop; /* set: give up between two blocks */
};
/* `block` is FILE_BLOCK bytes of the calling thread. */
void file_examine(struct file *file, const struct file_rules *rules, void *block);
/* Does the open file still have the size and time it had before it was read? */
bool file_is_unchanged(const struct file *file) MUST_CHECK;

#endif
