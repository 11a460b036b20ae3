/* See check.h: out/ is walked once, names and kinds first, contents last. */
#include "convert/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/quote.h"
#include "convert/beneath.h"
#include "convert/content.h"

#define CONTENT_NAME "content.md"
#define INFO_NAME "info.json"
#define ASSETS_NAME "assets"

struct check {
    struct check_output *output;
    int64_t max_bytes, max_files;
    int64_t bytes, files;
    int64_t info_size; /* -1: there is none */
    char *ignored;     /* the first ignored name */
    char **error_r;
};

static enum check_result check_refuse(struct check *check, const char *folder, const char *name,
                                      const char *why)
{
    struct buf path = BUF_INIT;
    char *quoted;

    buf_puts(&path, folder);
    buf_puts(&path, name);
    quoted = quote_name(buf_text(&path));
    *check->error_r = mem_printf("output refused: %s: %s", quoted, why);
    free(quoted);
    buf_release(&path);
    return CHECK_REFUSED;
}

/* What a system call said about a name of the converter's: permissions, links and kinds are its
 * doing, the rest is this host's. */
static enum check_result check_errno(struct check *check, const char *folder, const char *name)
{
    int error = errno;
    char *quoted;

    if (error == EACCES || error == ELOOP || error == ENOTDIR || error == ENOENT ||
        error == ENXIO || error == EXDEV)
        return check_refuse(check, folder, name, strerror(error));
    quoted = quote_name(name);
    *check->error_r = mem_printf("cannot read the output %s: %s", quoted, strerror(error));
    free(quoted);
    return CHECK_HOST;
}

static const char *kind_text(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFLNK:
        return "a symbolic link";
    case S_IFDIR:
        return "a folder";
    case S_IFIFO:
        return "a fifo";
    case S_IFSOCK:
        return "a socket";
    case S_IFCHR:
    case S_IFBLK:
        return "a device";
    }
    return "no regular file";
}

/* Kind, links, count and total of one file. */
static enum check_result check_file(struct check *check, int dir_fd, const char *folder,
                                    const char *name, int64_t *size_r)
{
    struct stat st;

    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
        return check_errno(check, folder, name);
    if (!S_ISREG(st.st_mode))
        return check_refuse(check, folder, name, kind_text(st.st_mode));
    /* It could be another job's file under a second name. */
    if (st.st_nlink > 1)
        return check_refuse(check, folder, name, "a hard link");
    check->files++;
    if (check->max_files > 0 && check->files > check->max_files)
        return check_refuse(check, "out", "", "more files than output_files allows");
    if (check->max_bytes > 0 && st.st_size > check->max_bytes - check->bytes)
        return check_refuse(check, folder, name, "larger than output_limit allows");
    check->bytes += st.st_size;
    *size_r = st.st_size;
    return CHECK_OK;
}

static bool asset_name_is_valid(const char *name)
{
    size_t len = strlen(name);

    return len >= 1 && len <= CHECK_ASSET_NAME_MAX && name[0] != '.' &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

static bool name_is_plain(const char *name)
{
    for (const char *p = name; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            return false;
    return utf8_is_valid(name, strlen(name));
}

static enum check_result check_asset(struct check *check, const char *name)
{
    struct check_output *output = check->output;
    struct check_asset asset;
    enum check_result result;

    if (!asset_name_is_valid(name))
        return check_refuse(check, "assets/", name,
                            "a name that is not 1 to 200 of A-Za-z0-9._- or begins with a dot");
    result = check_file(check, output->assets_fd, "assets/", name, &asset.size);
    if (result != CHECK_OK)
        return result;
    if ((output->asset_count & (output->asset_count + 1)) == 0) /* full at 0, 1, 3, 7, … */
        output->assets = mem_resize(output->assets, output->asset_count * 2 + 1, sizeof(asset));
    asset.name = mem_strdup(name);
    output->assets[output->asset_count++] = asset;
    return CHECK_OK;
}

static enum check_result check_top(struct check *check, const char *name)
{
    struct check_output *output = check->output;
    struct stat st;
    int64_t size = 0;
    enum check_result result;

    if (strcmp(name, ASSETS_NAME) == 0 &&
        fstatat(output->out_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
        output->assets_fd = beneath_open_folder(output->out_fd, name);
        return output->assets_fd != -1 ? CHECK_OK : check_errno(check, "", name);
    }
    if (!name_is_plain(name))
        return check_refuse(check, "", name, "a name with control characters or not UTF-8");
    result = check_file(check, output->out_fd, "", name, &size);
    if (result != CHECK_OK)
        return result;
    if (strcmp(name, CONTENT_NAME) == 0) {
        output->content_size = size;
    } else if (strcmp(name, INFO_NAME) == 0) {
        check->info_size = size;
    } else {
        output->ignored++;
        if (check->ignored == NULL)
            check->ignored = mem_strdup(name);
    }
    return CHECK_OK;
}

/* Calls `each` for every entry of the folder. */
static enum check_result check_folder(struct check *check, int dir_fd, const char *label,
                                      enum check_result (*each)(struct check *, const char *))
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd != -1 ? fdopendir(fd) : NULL;
    enum check_result result = CHECK_OK;
    struct dirent *entry;

    if (dir == NULL) {
        result = check_errno(check, "", label);
        if (fd != -1)
            close(fd);
        return result;
    }
    while (result == CHECK_OK && (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = each(check, entry->d_name);
    closedir(dir);
    return result;
}

/* Opens a file that check_file() has seen; it must still be what it was. */
static enum check_result check_open(struct check *check, const char *name, int64_t size, int *fd_r)
{
    struct stat st;

    *fd_r = beneath_open(check->output->out_fd, name);
    if (*fd_r == -1)
        return check_errno(check, "", name);
    if (fstat(*fd_r, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == size)
        return CHECK_OK;
    close(*fd_r);
    *fd_r = -1;
    return check_refuse(check, "", name, "changed while it was read");
}

static enum check_result check_content(struct check *check)
{
    struct content content = {0};
    char block[65536], why[96];
    enum check_result result;
    ssize_t n;
    int fd;

    if (check->output->content_size < 0)
        return check_refuse(check, "", CONTENT_NAME, "missing");
    result = check_open(check, CONTENT_NAME, check->output->content_size, &fd);
    if (result != CHECK_OK)
        return result;
    do {
        n = read(fd, block, sizeof(block));
        if (n == -1 && errno != EINTR)
            result = check_errno(check, "", CONTENT_NAME);
    } while (result == CHECK_OK &&
             ((n > 0 && content_feed(&content, block, (size_t)n)) || n == -1));
    close(fd);
    if (result == CHECK_OK && content_end(&content) != CONTENT_FINE) {
        snprintf(why, sizeof(why), "%s at byte %lld", content_fault_text(content.fault),
                 (long long)content.fault_at);
        result = check_refuse(check, "", CONTENT_NAME,
                              content.fault == CONTENT_BLANK || content.fault == CONTENT_PDF
                                  ? content_fault_text(content.fault)
                                  : why);
    }
    return result;
}

static enum check_result check_info(struct check *check)
{
    enum check_result result;
    char *bytes = NULL;
    int64_t have = 0, size = check->info_size;
    int fd = -1;

    if (size == -1)
        return CHECK_OK;
    if (size > CHECK_INFO_MAX)
        return check_refuse(check, "", INFO_NAME, "larger than 16 MiB");
    result = check_open(check, INFO_NAME, size, &fd);
    if (result != CHECK_OK)
        return result;
    bytes = mem_alloc((size_t)size + 1);
    while (have < size) {
        ssize_t n = read(fd, bytes + have, (size_t)(size - have));
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            result = check_errno(check, "", INFO_NAME);
        if (n <= 0)
            break;
        have += n;
    }
    if (result == CHECK_OK && !utf8_is_valid(bytes, (size_t)have))
        result = check_refuse(check, "", INFO_NAME, "not UTF-8");
    if (result == CHECK_OK) {
        enum json_result json =
            json_parse(bytes, (size_t)have, CHECK_INFO_MAX, &check->output->info);
        if (json != JSON_OK)
            result = check_refuse(check, "", INFO_NAME, "not one whole JSON object");
    }
    free(bytes);
    close(fd);
    return result;
}

static int asset_compare(const void *a, const void *b)
{
    return strcmp(((const struct check_asset *)a)->name, ((const struct check_asset *)b)->name);
}

enum check_result check_output(int slot_fd, int64_t max_bytes, int64_t max_files,
                               struct check_output *output_r, char **error_r)
{
    struct check check = {.output = output_r,
                          .max_bytes = max_bytes,
                          .max_files = max_files,
                          .info_size = -1,
                          .error_r = error_r};
    enum check_result result;

    *error_r = NULL;
    *output_r = (struct check_output){.out_fd = -1, .assets_fd = -1, .content_size = -1};
    output_r->out_fd = beneath_open_folder(slot_fd, "out");
    if (output_r->out_fd == -1)
        return check_errno(&check, "", "out");
    result = check_folder(&check, output_r->out_fd, "out", check_top);
    if (result == CHECK_OK && output_r->assets_fd != -1)
        result = check_folder(&check, output_r->assets_fd, ASSETS_NAME, check_asset);
    if (result == CHECK_OK)
        result = check_content(&check);
    if (result == CHECK_OK)
        result = check_info(&check);
    if (output_r->asset_count > 0)
        qsort(output_r->assets, output_r->asset_count, sizeof(*output_r->assets), asset_compare);
    if (output_r->ignored > 0) {
        char *name = quote_name(check.ignored);
        output_r->warning = mem_printf("%lld files beside content.md ignored, such as %s",
                                       (long long)output_r->ignored, name);
        free(name);
    }
    free(check.ignored);
    return result;
}

void check_output_release(struct check_output *output)
{
    if (output->out_fd != -1)
        close(output->out_fd);
    if (output->assets_fd != -1)
        close(output->assets_fd);
    json_object_put(output->info);
    for (size_t i = 0; i < output->asset_count; i++)
        free(output->assets[i].name);
    free(output->assets);
    free(output->warning);
    *output = (struct check_output){.out_fd = -1, .assets_fd = -1};
}
