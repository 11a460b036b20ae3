/* See landlock.h. Numbers are those of the kernel's UAPI, include/uapi/linux/landlock.h. */
#include "convert/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset /* the same on all architectures */
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

#define RULE_PATH_BENEATH 1
#define CREATE_RULESET_VERSION 1U

#define FS_EXECUTE (1ULL << 0)
#define FS_WRITE_FILE (1ULL << 1)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define FS_MAKE_CHAR (1ULL << 6)
#define FS_MAKE_BLOCK (1ULL << 11)
#define FS_REFER (1ULL << 13)
#define FS_TRUNCATE (1ULL << 14)
#define FS_IOCTL_DEV (1ULL << 15)
#define FS_OF_FILE (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)
#define NET_TCP (3ULL << 0)             /* bind and connect */
#define SCOPE_SOCKET_SIGNAL (3ULL << 0) /* abstract sockets and signals */

struct ruleset_attr {
    uint64_t fs, net, scoped;
};

struct path_attr {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));

int landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);

    return abi > 0 ? (int)abi : 0;
}

static uint64_t fs_known(int abi)
{
    if (abi >= 5)
        return (FS_IOCTL_DEV << 1) - 1;
    if (abi >= 3)
        return (FS_TRUNCATE << 1) - 1;
    return abi == 2 ? (FS_REFER << 1) - 1 : FS_REFER - 1;
}

int landlock_ruleset_create(int abi, bool network)
{
    struct ruleset_attr attr = {fs_known(abi), network ? 0 : NET_TCP, SCOPE_SOCKET_SIGNAL};
    size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;

    return (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0U);
}

static uint64_t fs_rights(int abi, enum landlock_access access)
{
    uint64_t rights = 0;

    switch (access) {
    case LANDLOCK_READ:
        rights = FS_READ_FILE | FS_READ_DIR;
        break;
    case LANDLOCK_EXECUTE:
        rights = FS_READ_FILE | FS_READ_DIR | FS_EXECUTE;
        break;
    case LANDLOCK_DEVICE:
        rights = FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE;
        break;
    case LANDLOCK_CONTROL:
        rights = FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV;
        break;
    case LANDLOCK_WRITE:
        rights = ~(FS_MAKE_CHAR | FS_MAKE_BLOCK | FS_IOCTL_DEV);
        break;
    }
    return rights & fs_known(abi);
}

bool landlock_ruleset_allow(int ruleset_fd, int abi, const char *path, enum landlock_access access)
{
    struct path_attr attr = {fs_rights(abi, access), -1};
    struct stat st;
    bool ok;

    attr.fd = open(path, O_PATH | O_CLOEXEC);
    if (attr.fd == -1)
        return errno == ENOENT || errno == EACCES || errno == ENOTDIR;
    if (fstat(attr.fd, &st) == 0 && !S_ISDIR(st.st_mode))
        attr.allowed &= FS_OF_FILE;
    ok = syscall(SYS_landlock_add_rule, ruleset_fd, RULE_PATH_BENEATH, &attr, 0U) == 0;
    close(attr.fd);
    return ok;
}

int landlock_ruleset_enter(int ruleset_fd)
{
    return syscall(SYS_landlock_restrict_self, ruleset_fd, 0U) == 0 ? 0 : errno;
}
