/* See unix_socket.h. */
#include "base/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void set_path(struct unix_address *address, const char *path, size_t len)
{
    address->sun.sun_family = AF_UNIX;
    memcpy(address->sun.sun_path, path, len);
    address->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

bool unix_address_make(const char *dir, const char *name, struct unix_address *address_r)
{
    char path[sizeof(address_r->sun.sun_path)];
    int n;

    memset(address_r, 0, sizeof(*address_r));
    address_r->dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (address_r->dir_fd < 0)
        return false;
    n = snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", address_r->dir_fd, name);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        unix_address_release(address_r);
        errno = ENAMETOOLONG;
        return false;
    }
    set_path(address_r, path, (size_t)n + 1);
    return true;
}

bool unix_address_parse(const char *text, struct unix_address *address_r)
{
    size_t len = strlen(text);

    memset(address_r, 0, sizeof(*address_r));
    address_r->dir_fd = -1;
    if ((text[0] != '/' && text[0] != '@') || len < 2 || len >= sizeof(address_r->sun.sun_path)) {
        errno = EINVAL;
        return false;
    }
    set_path(address_r, text, text[0] == '@' ? len : len + 1);
    if (text[0] == '@')
        address_r->sun.sun_path[0] = '\0';
    return true;
}

void unix_address_release(struct unix_address *address)
{
    if (address->dir_fd >= 0)
        close(address->dir_fd);
    address->dir_fd = -1;
}
