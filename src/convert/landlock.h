/* Landlock with definitions of our own, for kernels newer than the headers we are built with.
 *
 * Rights grow with the kernel's ABI: 1 files; 2 links and renames across folders; 3 truncate; 4
 * TCP; 5 device ioctls; 6 signals and abstract sockets. What an ABI does not know is not restricted
 * by it. No ABI restricts chmod, chown, times or extended attributes, nor connecting to a socket
 * that has a path. See landlock(7). */
#ifndef BF_CONVERT_LANDLOCK_H
#define BF_CONVERT_LANDLOCK_H

#include <stdbool.h>

#include "base/compiler.h"

enum landlock_access {
    LANDLOCK_READ,    /* files and folders beneath */
    LANDLOCK_EXECUTE, /* and execute */
    LANDLOCK_DEVICE,  /* read and write one file */
    LANDLOCK_CONTROL, /* and its ioctls; of a folder: of what is in it */
    LANDLOCK_WRITE    /* everything but devices */
};

/* The kernel's ABI, 0: no Landlock here. */
int landlock_abi(void);
/* A ruleset that allows nothing yet, TCP only with `network`: a descriptor, close-on-exec, the
 * caller closes it. -1, errno. */
int landlock_ruleset_create(int abi, bool network) MUST_CHECK;
/* Allows `access` beneath `path`; links are followed now, not later. A path that is not there is
 * skipped. false with errno. */
bool landlock_ruleset_allow(int ruleset_fd, int abi, const char *path,
                            enum landlock_access access) MUST_CHECK;
/* Restricts this process for good; no_new_privs must be set. Async-signal-safe. 0 or an errno. */
int landlock_ruleset_enter(int ruleset_fd) MUST_CHECK;

#endif
