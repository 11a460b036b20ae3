/* See result.h: a result zip, read with distrust. */
#include "cli/result.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "base/alloc.h"
#include "base/quote.h"
#include "cli/cli.h"
#include "convert/slot.h"

#define NAME_MAX_BYTES 1024
#define CHUNK 65536

struct member {
    zip_uint64_t index;
    char *name;
    int64_t bytes;
};

struct result {
    zip_t *zip;
    struct member *members;
    size_t count;
    int64_t total;
};

static bool refuse(const char *name, const char *why, char **error_r)
{
    char *quoted = quote_name(name);

    free(*error_r);
    *error_r = mem_printf("result: member %s %s, it is not unpacked", quoted, why);
    free(quoted);
    return false;
}

/* A matter of the disk, not of the result. */
static void refuse_write(const char *name, int error, char **error_r)
{
    char *quoted = quote_name(name);

    free(*error_r);
    *error_r =
        mem_printf("member %s cannot be written: %s; free space there or name another folder",
                   quoted, strerror(error));
    free(quoted);
}

/* ---- the table of contents ---- */

/* A path of plain segments: nothing leads up, out, or where another system would read more into
 * it. */
static bool name_is_safe(const char *name)
{
    size_t len = strlen(name);
    const char *segment = name;

    if (len == 0 || len > NAME_MAX_BYTES || !utf8_is_valid(name, len) || strchr(name, '\\') != NULL)
        return false;
    for (const char *c = name; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    }
    for (;;) {
        size_t n = strcspn(segment, "/");
        if (n == 0 || n > 255 || (n == 1 && segment[0] == '.') ||
            (n == 2 && memcmp(segment, "..", 2) == 0))
            return false;
        if (segment[n] == '\0')
            return true;
        segment += n + 1;
    }
}

static bool is_regular(zip_t *zip, zip_uint64_t index)
{
    zip_uint8_t system = 0;
    zip_uint32_t attributes = 0;
    unsigned format;

    if (zip_file_get_external_attributes(zip, index, 0, &system, &attributes) != 0 ||
        system != ZIP_OPSYS_UNIX)
        return true;
    format = (attributes >> 16) & S_IFMT;
    return format == 0 || format == S_IFREG;
}

static bool add_member(struct result *result, zip_uint64_t index, char **error_r)
{
    zip_stat_t stat;
    size_t len;
    struct member *member;

    if (zip_stat_index(result->zip, index, 0, &stat) != 0 || (stat.valid & ZIP_STAT_NAME) == 0 ||
        (stat.valid & ZIP_STAT_SIZE) == 0) {
        *error_r = mem_strdup("result: a member without name or size, the zip is damaged");
        return false;
    }
    len = strlen(stat.name);
    if (len > 1 && stat.name[len - 1] == '/') /* a folder: made when something is in it */
        return true;
    if (!name_is_safe(stat.name))
        return refuse(stat.name, "has a name that leads elsewhere", error_r);
    if (!is_regular(result->zip, index))
        return refuse(stat.name, "is no plain file", error_r);
    if ((stat.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && stat.encryption_method != ZIP_EM_NONE)
        return refuse(stat.name, "is encrypted", error_r);
    if (stat.size > (zip_uint64_t)(RESULT_BYTES_MAX - result->total))
        return refuse(stat.name, "is too large", error_r);
    member = &result->members[result->count++];
    member->index = index;
    member->name = mem_strdup(stat.name);
    member->bytes = (int64_t)stat.size;
    result->total += member->bytes;
    return true;
}

/* By way of a FILE: zip_fdopen() would make a descriptor that children inherit. */
static zip_t *open_zip(int fd, zip_error_t *error)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    FILE *file = copy < 0 ? NULL : fdopen(copy, "rb");
    zip_source_t *source = NULL;
    zip_t *zip = NULL;

    if (file == NULL) {
        zip_error_set(error, ZIP_ER_OPEN, errno);
        if (copy >= 0)
            close(copy);
        return NULL;
    }
    source = zip_source_filep_create(file, 0, -1, error);
    if (source == NULL) {
        fclose(file);
        return NULL;
    }
    zip = zip_open_from_source(source, ZIP_RDONLY, error);
    if (zip == NULL)
        zip_source_free(source);
    return zip;
}

bool result_is_whole(int fd, char **error_r)
{
    zip_error_t error;
    zip_t *zip;
    bool whole;

    *error_r = NULL;
    zip_error_init(&error);
    zip = open_zip(fd, &error);
    whole = zip != NULL && zip_get_num_entries(zip, 0) > 0;
    if (!whole)
        *error_r = mem_printf("result: not a zip that can be read: %s",
                              zip == NULL ? zip_error_strerror(&error) : "nothing is in it");
    zip_error_fini(&error);
    if (zip != NULL)
        zip_discard(zip);
    return whole;
}

struct result *result_open(int fd, char **error_r)
{
    struct result *result = mem_alloc(sizeof(*result));
    zip_error_t error;
    zip_int64_t entries;

    *error_r = NULL;
    zip_error_init(&error);
    result->zip = open_zip(fd, &error);
    if (result->zip == NULL) {
        *error_r = mem_printf("result: not a zip that can be read: %s", zip_error_strerror(&error));
        zip_error_fini(&error);
        free(result);
        return NULL;
    }
    zip_error_fini(&error);
    entries = zip_get_num_entries(result->zip, 0);
    if (entries > RESULT_MEMBERS_MAX) {
        *error_r =
            mem_printf("result: %lld members are more than any result has", (long long)entries);
        result_close(result);
        return NULL;
    }
    result->members = mem_alloc((size_t)(entries > 0 ? entries : 1) * sizeof(*result->members));
    for (zip_int64_t i = 0; i < entries; i++) {
        if (!add_member(result, (zip_uint64_t)i, error_r)) {
            result_close(result);
            return NULL;
        }
    }
    return result;
}

void result_close(struct result *result)
{
    if (result == NULL)
        return;
    for (size_t i = 0; i < result->count; i++)
        free(result->members[i].name);
    free(result->members);
    zip_discard(result->zip);
    free(result);
}

size_t result_count(const struct result *result)
{
    return result->count;
}

const char *result_name(const struct result *result, size_t i)
{
    return result->members[i].name;
}

int64_t result_bytes(const struct result *result, size_t i)
{
    return result->members[i].bytes;
}

int64_t result_total(const struct result *result)
{
    return result->total;
}

/* ---- contents ---- */

/* Unpacks a member into `out`, or into descriptor `fd` when out is NULL. libzip checks size and
 * checksum. */
static enum exitcode unpack(struct result *result, const struct member *member, struct buf *out,
                            int fd, char **error_r)
{
    zip_file_t *file = zip_fopen_index(result->zip, member->index, 0);
    char *chunk = mem_alloc(CHUNK);
    enum exitcode code = EXITCODE_OK;
    zip_int64_t n = 0;

    if (file == NULL) {
        refuse(member->name, zip_strerror(result->zip), error_r);
        free(chunk);
        return EXITCODE_DATAERR;
    }
    while (code == EXITCODE_OK && (n = zip_fread(file, chunk, CHUNK)) > 0) {
        if (out != NULL) {
            buf_append(out, chunk, (size_t)n);
        } else if (write(fd, chunk, (size_t)n) != (ssize_t)n) {
            refuse_write(member->name, errno != 0 ? errno : ENOSPC, error_r);
            code = EXITCODE_IOERR;
        }
    }
    if (n < 0) {
        refuse(member->name, "is damaged", error_r);
        code = EXITCODE_DATAERR;
    }
    zip_fclose(file);
    free(chunk);
    return code;
}

bool result_read(struct result *result, const char *name, size_t max, struct buf *out,
                 char **error_r)
{
    *error_r = NULL;
    for (size_t i = 0; i < result->count; i++) {
        const struct member *member = &result->members[i];
        if (strcmp(member->name, name) != 0)
            continue;
        if ((uint64_t)member->bytes > max) {
            *error_r = mem_printf("result: %s is too large; `blobforge download` fetches it", name);
            return false;
        }
        return unpack(result, member, out, -1, error_r) == EXITCODE_OK;
    }
    return refuse(name, "is missing", error_r);
}

/* ---- a tree on disk ---- */

/* Opens (makes) the folder that `name` lies in, below `root`; *leaf_r is the last segment. -1 with
 * errno. The caller closes. */
static int open_parent(int root, const char *name, const char **leaf_r)
{
    int dir = fcntl(root, F_DUPFD_CLOEXEC, 3);

    for (const char *slash; dir >= 0 && (slash = strchr(name, '/')) != NULL; name = slash + 1) {
        char *segment = mem_strndup(name, (size_t)(slash - name));
        int next = -1;

        if (mkdirat(dir, segment, 0777) == 0 || errno == EEXIST)
            next = openat(dir, segment, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        free(segment);
        int saved = errno;
        close(dir);
        errno = saved;
        dir = next;
    }
    *leaf_r = name;
    return dir;
}

static enum exitcode write_member(struct result *result, const struct member *member, int root,
                                  char **error_r)
{
    const char *leaf;
    int dir = open_parent(root, member->name, &leaf);
    int fd = dir < 0
                 ? -1
                 : openat(dir, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    enum exitcode code = EXITCODE_CANTCREAT;

    if (fd < 0) {
        int error = errno;

        if (error == EEXIST || error == ENOTDIR) {
            refuse(member->name, error == EEXIST ? "occurs twice" : strerror(error), error_r);
            code = EXITCODE_DATAERR;
        } else {
            refuse_write(member->name, error, error_r);
            if (error == ENOSPC || error == EDQUOT)
                code = EXITCODE_IOERR;
        }
    } else {
        errno = 0;
        code = unpack(result, member, NULL, fd, error_r);
        if (close(fd) != 0 && code == EXITCODE_OK) {
            refuse_write(member->name, errno, error_r);
            code = EXITCODE_IOERR;
        }
    }
    if (dir >= 0)
        close(dir);
    return code;
}

/* An existing folder gets the members of `from`, each by rename. */
static enum exitcode merge(const struct result *result, int from, const char *target,
                           char **error_r)
{
    int to = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum exitcode code = EXITCODE_OK;

    if (to < 0) {
        char *quoted = quote_name(target);
        *error_r = mem_printf("%s: %s", quoted, strerror(errno));
        free(quoted);
        return EXITCODE_CANTCREAT;
    }
    for (size_t i = 0; i < result->count && code == EXITCODE_OK; i++) {
        const char *leaf, *same;
        int out_dir = open_parent(to, result->members[i].name, &leaf);
        int in_dir = open_parent(from, result->members[i].name, &same);

        if (out_dir < 0 || in_dir < 0 || renameat(in_dir, same, out_dir, leaf) != 0) {
            refuse(result->members[i].name, strerror(errno), error_r);
            code = EXITCODE_CANTCREAT;
        }
        if (out_dir >= 0)
            close(out_dir);
        if (in_dir >= 0)
            close(in_dir);
    }
    close(to);
    return code;
}

static enum exitcode publish(const struct result *result, const char *staged, int staged_fd,
                             const char *target, bool force, char **error_r)
{
    mode_t mask = umask(0);
    struct stat st;
    char *quoted;

    umask(mask);
    (void)!fchmod(staged_fd, 0777 & ~mask); /* mkdtemp made it 0700 */
    /* rename(2) takes a missing target or an empty folder, and nothing else. */
    if (rename(staged, target) == 0)
        return EXITCODE_OK;
    if (force && stat(target, &st) == 0 && S_ISDIR(st.st_mode))
        return merge(result, staged_fd, target, error_r);
    quoted = quote_name(target);
    if (lstat(target, &st) != 0)
        *error_r = mem_printf("%s: %s", quoted, strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        *error_r = mem_printf("%s: is no folder; name another one", quoted);
    else
        *error_r = mem_printf("%s: exists already; name another folder, or give --force", quoted);
    free(quoted);
    return EXITCODE_CANTCREAT;
}

/* "DIR/.blobforge-XXXXXX" beside target, so that a rename can publish it. The caller frees. */
static char *stage_beside(const char *target)
{
    char *copy = mem_strdup(target);
    char *staged = mem_printf("%s/.blobforge-XXXXXX", dirname(copy));

    free(copy);
    if (mkdtemp(staged) == NULL) {
        free(staged);
        return NULL;
    }
    return staged;
}

enum exitcode result_extract(struct result *result, const char *target, bool force, char **error_r)
{
    char *staged = stage_beside(target);
    enum exitcode code = EXITCODE_OK;
    int root;

    *error_r = NULL;
    if (staged == NULL) {
        int number = errno;
        char *quoted = quote_name(target);
        *error_r = mem_printf("%s: cannot be made: %s; make its folder, or name another one",
                              quoted, strerror(number));
        free(quoted);
        return number == ENOSPC ? EXITCODE_IOERR : EXITCODE_CANTCREAT;
    }
    root = open(staged, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (root < 0)
        code = EXITCODE_OSERR;
    for (size_t i = 0; i < result->count && code == EXITCODE_OK; i++) {
        code = cli_stopped() ? EXITCODE_INTERRUPTED
                             : write_member(result, &result->members[i], root, error_r);
    }
    if (code == EXITCODE_IOERR || code == EXITCODE_CANTCREAT) {
        char *quoted = quote_name(target), *where = mem_printf("%s: %s", quoted, *error_r);

        free(*error_r);
        *error_r = where;
        free(quoted);
    }
    if (code == EXITCODE_OK)
        code = publish(result, staged, root, target, force, error_r);
    if (root >= 0)
        close(root);
    if (!tree_remove(AT_FDCWD, staged)) /* gone by its rename when all went well */
        cli_error("%s: is left: %s; remove it", staged, strerror(errno));
    free(staged);
    return code;
}

enum exitcode result_write_folder(struct result *result, const char *folder, int root,
                                  size_t *count_r, char **error_r)
{
    enum exitcode code = EXITCODE_OK;
    size_t len = strlen(folder);

    *error_r = NULL;
    *count_r = 0;
    for (size_t i = 0; i < result->count && code == EXITCODE_OK; i++) {
        const char *name = result->members[i].name;

        if (strncmp(name, folder, len) != 0 || name[len] != '/')
            continue;
        code = cli_stopped() ? EXITCODE_INTERRUPTED
                             : write_member(result, &result->members[i], root, error_r);
        *count_r += 1;
    }
    return code;
}

char *result_stem(const char *name, const char *otherwise)
{
    struct buf stem = BUF_INIT;
    const char *slash, *dot;
    size_t len;

    if (name == NULL)
        return mem_strdup(otherwise);
    slash = strrchr(name, '/');
    name = slash != NULL ? slash + 1 : name;
    dot = strrchr(name, '.');
    len = dot != NULL && dot != name ? (size_t)(dot - name) : strlen(name);
    while (len > 0 && (*name == '.' || *name == '-' || *name == ' ')) {
        name++;
        len--;
    }
    for (size_t i = 0; i < len && stem.len < 200;) {
        unsigned rune = 0;
        size_t n = utf8_sequence((const unsigned char *)name + i, len - i, &rune);
        struct buf shown = BUF_INIT;

        /* What the escaping function would change is no part of a file name either. */
        quote_append(&shown, name + i, n > 0 ? n : 1);
        if (n > 0 && shown.len == n && strchr("\\:*?\"<>|", name[i]) == NULL)
            buf_append(&stem, name + i, n);
        else
            buf_putc(&stem, '_');
        buf_release(&shown);
        i += n > 0 ? n : 1;
    }
    if (stem.len == 0)
        buf_puts(&stem, otherwise);
    return buf_steal(&stem);
}
