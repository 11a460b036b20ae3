/* See hashcache.h. */
#include "ingest/hashcache.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/xattr.h>

#include "base/digest.h"

#define NAME_HASH "user.checksum.sha256"
#define NAME_MTIME "user.checksum.mtime"

static bool later(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

bool hashcache_read(int fd, const struct stat *st, char hash_r[static 65])
{
    char hash[66], seconds[32];
    char *end;
    ssize_t len;
    long long cached;

    if (!later(st->st_ctim, st->st_mtim))
        return false;
    len = fgetxattr(fd, NAME_MTIME, seconds, sizeof(seconds) - 1);
    if (len <= 0)
        return false;
    seconds[len] = '\0';
    errno = 0;
    cached = strtoll(seconds, &end, 10);
    if (errno != 0 || *end != '\0' || cached != (long long)st->st_mtim.tv_sec)
        return false;
    len = fgetxattr(fd, NAME_HASH, hash, sizeof(hash) - 1);
    if (len != 64)
        return false;
    hash[64] = '\0';
    if (!hash_is_valid(hash))
        return false;
    memcpy(hash_r, hash, 65);
    return true;
}

void hashcache_write(int fd, const struct stat *st, const char *hash)
{
    char seconds[32];
    int len = snprintf(seconds, sizeof(seconds), "%lld", (long long)st->st_mtim.tv_sec);

    /* The time goes last: an entry cut in half is one that does not fit. */
    if (fremovexattr(fd, NAME_MTIME) != 0 && errno != ENODATA)
        return;
    if (fsetxattr(fd, NAME_HASH, hash, 64, 0) == 0 &&
        fsetxattr(fd, NAME_MTIME, seconds, (size_t)len, 0) != 0)
        (void)fremovexattr(fd, NAME_HASH);
}
