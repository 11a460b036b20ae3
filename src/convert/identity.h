/* Whose processes a converter's are.
 *
 * A converter never runs as root. Where we are root it gets a user id of its own, made of the path
 * of its slot's folder: 0x70000000 and a number below 2^20, so that slots cannot touch each other's
 * files and processes, and RLIMIT_NPROC binds. Nobody else gives out ids of this range (systemd's
 * containers end at 0x6FFFFFFF); where a user namespace does not know it, it is 65534, `nobody`.
 * An ordinary user's converters stay that user's. Any thread. */
#ifndef BF_CONVERT_IDENTITY_H
#define BF_CONVERT_IDENTITY_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/compiler.h"

#define IDENTITY_FIRST 0x70000000U
#define IDENTITY_COUNT 0x100000U

struct identity {
    bool change; /* false: the converter stays who we are */
    bool own;    /* nobody else has this uid */
    uid_t uid;   /* as are groups: this one and no other */
};

void identity_of_folder(const char *path, struct identity *identity_r);
/* May this identity pass through a folder (x)? By its permissions alone, not by lists. */
bool identity_may_search(const struct identity *identity, const struct stat *folder) MUST_CHECK;
/* Takes it on for good, without any group; only when `change`. Async-signal-safe. 0 or an errno. */
int identity_enter(const struct identity *identity) MUST_CHECK;

#endif
