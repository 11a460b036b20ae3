/* See store_fs_private.h: keys as paths. Pure but for making and syncing folders. */
#include "store/store_fs_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"

#define HASH_LEN 64
#define SEGMENT_MAX 255 /* NAME_MAX of every file system we care for */

bool fs_name_is_hash(const char *name)
{
    return strnlen(name, HASH_LEN) == HASH_LEN && hex_is_lower(name, HASH_LEN) &&
           (name[HASH_LEN] == '\0' || name[HASH_LEN] == '.');
}

bool fs_name_is_shard(const char *name)
{
    return strlen(name) == 2 && hex_is_lower(name, 2);
}

static const char *check_segment(const char *segment, size_t len)
{
    if (len == 0)
        return "a part between slashes is empty";
    if ((len == 1 && segment[0] == '.') || (len == 2 && memcmp(segment, "..", 2) == 0))
        return "a part is '.' or '..'";
    if (len > SEGMENT_MAX)
        return "a part is longer than 255 bytes";
    if (len >= strlen(FS_OWN) && memcmp(segment, FS_OWN, strlen(FS_OWN)) == 0)
        return "parts that begin with '" FS_OWN "' are the store's own";
    return NULL;
}

const char *fs_place_of_key(const char *key, struct fs_place *place_r)
{
    char segment[SEGMENT_MAX + 1], before[SEGMENT_MAX + 1] = "";
    size_t used = 0;
    bool sharded = false, flat_is_other = false;

    if (key[0] == '\0' || strlen(key) > STORE_KEY_MAX)
        return "a key has 1 to 1024 bytes";
    for (const char *p = key;;) {
        size_t len = strcspn(p, "/");
        const char *why = check_segment(p, len);

        if (why != NULL)
            return why;
        memcpy(segment, p, len);
        segment[len] = '\0';
        if (fs_name_is_hash(segment)) {
            sharded = true;
            flat_is_other |= fs_name_is_shard(before) && memcmp(before, segment, 2) == 0;
            used += (size_t)snprintf(place_r->path + used, FS_PATH_SIZE - used, "%.2s/", segment);
        }
        used += (size_t)snprintf(place_r->path + used, FS_PATH_SIZE - used, "%s%s", segment,
                                 p[len] == '/' ? "/" : "");
        if (p[len] == '\0')
            break;
        memcpy(before, segment, sizeof(before));
        p += len + 1;
    }
    snprintf(place_r->flat, FS_PATH_SIZE, "%s", sharded && !flat_is_other ? key : "");
    return NULL;
}

bool fs_make_folder(int at_fd, const char *path, bool *made_r)
{
    struct stat st;
    bool made = mkdirat(at_fd, path, 0770) == 0;

    if (made_r != NULL)
        *made_r = made;
    if (!made)
        return errno == EEXIST;
    /* umask took bits away, and setgid may not have been inherited. Someone else's file system may
     * refuse: what mkdir made is then the best there is. */
    if (fstatat(at_fd, path, &st, 0) == 0 && (st.st_mode & 07777) != 02770 &&
        fchmodat(at_fd, path, 02770, 0) != 0 && errno != EPERM)
        return false;
    return true;
}

bool fs_open_folder_of(struct fs_store *fs, const char *path, int *fd_r)
{
    char folder[FS_PATH_SIZE];
    char *slash;

    snprintf(folder, sizeof(folder), "%s", path);
    slash = strrchr(folder, '/');
    if (slash != NULL)
        *slash = '\0';
    *fd_r = openat(fs->root_fd, slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *fd_r >= 0 || errno == ENOENT;
}

bool fs_sync_folder_of(struct fs_store *fs, const char *path)
{
    int fd, error;
    bool done;

    if (!fs_open_folder_of(fs, path, &fd))
        return false;
    if (fd < 0)
        return true;
    done = fsync(fd) == 0;
    error = errno;
    close(fd);
    errno = error;
    return done;
}

bool fs_make_folders(struct fs_store *fs, const char *path)
{
    char folder[FS_PATH_SIZE];
    bool made;

    snprintf(folder, sizeof(folder), "%s", path);
    for (char *slash = strchr(folder, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (!fs_make_folder(fs->root_fd, folder, &made) || (made && !fs_sync_folder_of(fs, folder)))
            return false;
        *slash = '/';
    }
    return true;
}
