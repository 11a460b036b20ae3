/* See beneath.h: openat2(2) where the kernel has it, O_NOFOLLOW everywhere. */
#include "convert/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int beneath_open_flags(int dir_fd, const char *name, int flags)
{
    struct open_how how = {.flags = (unsigned long long)flags,
                           .resolve =
                               RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    int fd;

    if (strchr(name, '/') != NULL || strcmp(name, "..") == 0) {
        errno = EINVAL;
        return -1;
    }
    fd = (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
    if (fd == -1 && (errno == ENOSYS || errno == EPERM)) /* old kernel, or a filter around us */
        fd = openat(dir_fd, name, flags);
    return fd;
}

int beneath_open(int dir_fd, const char *name)
{
    return beneath_open_flags(dir_fd, name,
                              O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int beneath_open_folder(int dir_fd, const char *name)
{
    return beneath_open_flags(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}
