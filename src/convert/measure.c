/* See measure.h: bytes and files in out/ and tmp/. Runs beside the writer, so that entries may come
 * and go under its hands; what vanishes is not counted, what comes is seen next time. */
#include "convert/measure.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct measure_bounds {
    int64_t files, bytes;
};

static bool beyond(const struct measure *measure, const struct measure_bounds *bounds)
{
    return (bounds->files > 0 && measure->files > bounds->files) ||
           (bounds->bytes > 0 && measure->bytes > bounds->bytes);
}

static void measure_folder(int parent_fd, const char *name, int depth,
                           const struct measure_bounds *bounds, struct measure *measure)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd != -1 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (fd == -1 && errno == EACCES) /* it hides what it wrote */
        measure->too_deep = true;
    if (dir == NULL && fd != -1)
        close(fd);
    while (dir != NULL && !beyond(measure, bounds) && (entry = readdir(dir)) != NULL) {
        struct stat st;
        int64_t disk;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1)
            continue;
        measure->files++;
        disk = (int64_t)st.st_blocks * 512;
        if (S_ISREG(st.st_mode))
            measure->bytes += disk > (int64_t)st.st_size ? disk : (int64_t)st.st_size;
        if (!S_ISDIR(st.st_mode))
            continue;
        if (depth == MEASURE_DEPTH_MAX)
            measure->too_deep = true;
        else
            measure_folder(fd, entry->d_name, depth + 1, bounds, measure);
    }
    if (dir != NULL)
        closedir(dir);
}

void measure_slot(int slot_fd, int64_t files_max, int64_t bytes_max, struct measure *measure_r)
{
    struct measure_bounds bounds = {files_max, bytes_max};

    *measure_r = (struct measure){0, 0, false};
    measure_folder(slot_fd, "out", 1, &bounds, measure_r);
    measure_folder(slot_fd, "tmp", 1, &bounds, measure_r);
}
