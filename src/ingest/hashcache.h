/* The hash of a file, remembered in its extended attributes.
 *
 *     user.checksum.sha256   64 hex digits
 *     user.checksum.mtime    modification time as integer seconds, as text
 *
 * The names are shared with other programs. The time is in whole seconds, so a file written twice
 * within one second would pass for unchanged; a write sets mtime and ctime to the same instant,
 * while writing the attribute moves ctime on: an entry counts only while ctime is later than mtime.
 * A hash from here decides what may be skipped; nothing is uploaded under a hash that was not
 * computed from the bytes in this run.
 *
 * File systems without user attributes, and files of others, simply have no cache. Any thread. */
#ifndef BF_INGEST_HASHCACHE_H
#define BF_INGEST_HASHCACHE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/compiler.h"

/* true: hash_r is what the attributes say and they fit `st` (of the same descriptor). */
bool hashcache_read(int fd, const struct stat *st, char hash_r[static 65]) MUST_CHECK;
/* Remembers. The caller has found size and mtime (nanoseconds) equal before and after hashing.
 * Failure is no error: there is no cache then. */
void hashcache_write(int fd, const struct stat *st, const char *hash);

#endif
