/* Addresses of sockets that are files.
 *
 * A socket's address holds 107 bytes of path; a run_dir may be longer. So folders are opened first
 * and the socket named below /proc/self/fd. Any thread. */
#ifndef BF_BASE_UNIX_SOCKET_H
#define BF_BASE_UNIX_SOCKET_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/compiler.h"

struct unix_address {
    struct sockaddr_un sun;
    socklen_t len;
    int dir_fd; /* keeps the folder while the address is used; -1: none */
};

/* Of the socket `name` in the folder `dir`. false with errno; else release it. */
bool unix_address_make(const char *dir, const char *name,
                       struct unix_address *address_r) MUST_CHECK;
/* Of `$NOTIFY_SOCKET`'s form: an absolute path, or '@' and an abstract name. */
bool unix_address_parse(const char *text, struct unix_address *address_r) MUST_CHECK;
void unix_address_release(struct unix_address *address);

#endif
