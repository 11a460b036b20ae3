/* See walk.h. The walk is a stack of open folders; `path` always spells the way to the entry in
 * hand, each level remembering how long it was there. */
#include "ingest/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"

struct folder_id {
    dev_t dev;
    ino_t ino;
    bool used;
};

struct level {
    DIR *dir;
    size_t path_len; /* of this folder, with the '/' after it */
};

struct walk {
    char *const *paths;
    size_t path_count, path_next;
    struct walk_options options;
    struct level *levels;
    size_t depth, level_room;
    struct buf path;
    size_t root_len; /* where `relative` begins in path */
    char *source;
    /* The file of the last WALK_FILE. */
    int file_dirfd; /* AT_FDCWD for a named file */
    const char *file_name;
    bool file_follow;
    /* Folders entered, with follow_symlinks alone: hash table of a power of two. */
    struct folder_id *seen;
    size_t seen_count, seen_room;
    int64_t links_passed;
    size_t roots_opened;
};

bool walk_name_is_pdf(const char *name)
{
    size_t len = strlen(name);

    return len > 4 && strcasecmp(name + len - 4, ".pdf") == 0;
}

struct walk *walk_create(char *const *paths, size_t count, const struct walk_options *options)
{
    struct walk *walk = mem_alloc(sizeof(*walk));

    walk->paths = paths;
    walk->path_count = count;
    walk->options = *options;
    walk->file_dirfd = AT_FDCWD;
    return walk;
}

void walk_destroy(struct walk *walk)
{
    if (walk == NULL)
        return;
    while (walk->depth > 0)
        closedir(walk->levels[--walk->depth].dir);
    free(walk->levels);
    free(walk->seen);
    free(walk->source);
    buf_release(&walk->path);
    free(walk);
}

int64_t walk_links_passed(const struct walk *walk)
{
    return walk->links_passed;
}

size_t walk_roots_opened(const struct walk *walk)
{
    return walk->roots_opened;
}

static size_t folder_slot(const struct folder_id *table, size_t room, dev_t dev, ino_t ino)
{
    size_t slot = ((uint64_t)ino * 0x9e3779b97f4a7c15u + dev) >> 20 & (room - 1);

    while (table[slot].used && (table[slot].dev != dev || table[slot].ino != ino))
        slot = (slot + 1) & (room - 1);
    return slot;
}

/* true: this folder was not entered before; it is remembered. */
static bool folder_is_new(struct walk *walk, dev_t dev, ino_t ino)
{
    size_t slot;

    if (walk->seen_count * 2 >= walk->seen_room) {
        size_t room = walk->seen_room > 0 ? walk->seen_room * 2 : 64;
        struct folder_id *table = mem_alloc(room * sizeof(*table));

        for (size_t i = 0; i < walk->seen_room; i++)
            if (walk->seen[i].used)
                table[folder_slot(table, room, walk->seen[i].dev, walk->seen[i].ino)] =
                    walk->seen[i];
        free(walk->seen);
        walk->seen = table;
        walk->seen_room = room;
    }
    slot = folder_slot(walk->seen, walk->seen_room, dev, ino);
    if (walk->seen[slot].used)
        return false;
    walk->seen[slot] = (struct folder_id){dev, ino, true};
    walk->seen_count++;
    return true;
}

static void fill_entry(struct walk *walk, struct walk_entry *entry_r)
{
    memset(entry_r, 0, sizeof(*entry_r));
    entry_r->path = buf_text(&walk->path);
    entry_r->relative = entry_r->path + walk->root_len;
    entry_r->source = walk->source;
    entry_r->size_hint = -1;
}

static enum walk_result say_error(struct walk *walk, struct walk_entry *entry_r, int error_number,
                                  const char *text)
{
    fill_entry(walk, entry_r);
    entry_r->error_number = error_number;
    entry_r->error = text;
    return WALK_ERROR;
}

static enum walk_result say_file(struct walk *walk, struct walk_entry *entry_r, int dirfd_of,
                                 const char *name, bool follow)
{
    struct stat st;

    walk->file_dirfd = dirfd_of;
    walk->file_name = name;
    walk->file_follow = follow;
    fill_entry(walk, entry_r);
    entry_r->named = walk->depth == 0;
    if (walk->options.sizes && fstatat(dirfd_of, name, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) == 0)
        entry_r->size_hint = S_ISREG(st.st_mode) ? (int64_t)st.st_size : 0;
    return WALK_FILE;
}

int walk_open(struct walk *walk)
{
    /* O_NONBLOCK: a FIFO named x.pdf must not hold us until somebody writes to it. */
    int fd =
        openat(walk->file_dirfd, walk->file_name,
               O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (walk->file_follow ? 0 : O_NOFOLLOW));

    if (fd >= 0 && walk->depth == 0)
        walk->roots_opened++;
    return fd;
}

/* Base name of the folder at `path` as the file system knows it; "" for "/". */
static char *folder_name(const char *path)
{
    char *real = realpath(path, NULL);
    const char *text = real != NULL ? real : path;
    const char *slash = strrchr(text, '/');
    char *name = mem_strdup(slash != NULL ? slash + 1 : text);

    free(real);
    return name;
}

/* Base name of the folder that holds the file at `path`. */
static char *parent_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *parent, *name;

    if (slash == NULL)
        return folder_name(".");
    parent = slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
    name = folder_name(parent);
    free(parent);
    return name;
}

/* Goes into a folder. 0, or -1 with errno; *error_r may say more. *again_r: it was entered before.
 */
static int push_folder(struct walk *walk, int at, const char *name, bool follow, bool *again_r,
                       const char **error_r)
{
    struct stat st;
    DIR *dir = NULL;
    int fd;

    *again_r = false;
    *error_r = NULL;
    if (walk->depth == WALK_DEPTH_MAX) {
        *error_r = "folders are nested too deep; name this one as a PATH of its own";
        errno = ELOOP;
        return -1;
    }
    fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
    if (fd < 0)
        return -1;
    if (walk->options.follow_symlinks && fstat(fd, &st) == 0 &&
        !folder_is_new(walk, st.st_dev, st.st_ino)) {
        close(fd);
        *again_r = true;
        return 0;
    }
    dir = fdopendir(fd);
    if (dir == NULL) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    if (walk->depth == walk->level_room) {
        walk->level_room = walk->level_room > 0 ? walk->level_room * 2 : 16;
        walk->levels = mem_resize(walk->levels, walk->level_room, sizeof(*walk->levels));
    }
    if (walk->path.len > 0 && walk->path.data[walk->path.len - 1] != '/')
        buf_putc(&walk->path, '/');
    if (walk->depth == 0)
        walk->root_len = walk->path.len;
    walk->levels[walk->depth++] = (struct level){dir, walk->path.len};
    return 0;
}

/* The next PATH, of those given or of those that come one by one; NULL: no more. */
static const char *next_path(struct walk *walk)
{
    if (walk->path_next < walk->path_count)
        return walk->paths[walk->path_next++];
    return walk->options.more != NULL ? walk->options.more(walk->options.more_arg) : NULL;
}

/* Begins with a PATH. true: *result_r is to be returned; false: go on. */
static bool next_root(struct walk *walk, const char *given, struct walk_entry *entry_r,
                      enum walk_result *result_r)
{
    size_t len = strlen(given);
    const char *slash, *error;
    struct stat st;
    bool again;

    while (len > 1 && given[len - 1] == '/')
        len--;
    buf_clear(&walk->path);
    buf_append(&walk->path, given, len);
    walk->root_len = 0;
    free(walk->source);
    walk->source = NULL;
    if (stat(given, &st) != 0) {
        *result_r = say_error(walk, entry_r, errno, NULL);
        return true;
    }
    if (!S_ISDIR(st.st_mode)) {
        slash = strrchr(buf_text(&walk->path), '/');
        walk->root_len = slash != NULL ? (size_t)(slash + 1 - walk->path.data) : 0;
        walk->source = parent_name(given);
        *result_r = say_file(walk, entry_r, AT_FDCWD, given, true);
        return true;
    }
    walk->source = folder_name(given);
    if (push_folder(walk, AT_FDCWD, given, true, &again, &error) != 0) {
        *result_r = say_error(walk, entry_r, errno, error);
        return true;
    }
    walk->roots_opened++;
    return false;
}

/* What an entry of a folder is: a file type of d_type, links resolved when they are followed.
 * DT_UNKNOWN: gone meanwhile, or a link that leads nowhere (*broken_r). */
static unsigned char entry_type(const struct walk *walk, int at, const struct dirent *ent,
                                bool *link_r, bool *broken_r)
{
    unsigned char type = ent->d_type;
    struct stat st;

    *link_r = *broken_r = false;
    if (type == DT_UNKNOWN) {
        if (fstatat(at, ent->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            return DT_UNKNOWN;
        type = IFTODT(st.st_mode);
    }
    if (type != DT_LNK)
        return type;
    *link_r = true;
    *broken_r = fstatat(at, ent->d_name, &st, 0) != 0;
    return *broken_r ? DT_UNKNOWN : IFTODT(st.st_mode);
}

/* One entry of the folder in hand. true: *result_r is to be returned; false: go on. */
static bool take_entry(struct walk *walk, const struct dirent *ent, struct walk_entry *entry_r,
                       enum walk_result *result_r)
{
    int at = dirfd(walk->levels[walk->depth - 1].dir);
    bool is_pdf = walk_name_is_pdf(ent->d_name);
    bool link, broken, again;
    const char *error;
    unsigned char type;

    if (!is_pdf && ent->d_type == DT_REG)
        return false;
    type = entry_type(walk, at, ent, &link, &broken);
    if (link && !walk->options.follow_symlinks) {
        walk->links_passed += is_pdf || type == DT_DIR;
        return false;
    }
    buf_puts(&walk->path, ent->d_name);
    if (type == DT_DIR) {
        if (push_folder(walk, at, ent->d_name, link, &again, &error) == 0)
            return false;
        *result_r = say_error(walk, entry_r, errno, error);
        return true;
    }
    if (!is_pdf)
        return false;
    if (broken)
        *result_r = say_error(walk, entry_r, ENOENT, "the symbolic link leads nowhere; remove it");
    else
        *result_r = say_file(walk, entry_r, at, ent->d_name, link);
    return true;
}

enum walk_result walk_next(struct walk *walk, struct walk_entry *entry_r)
{
    enum walk_result result;

    for (;;) {
        struct level *level;
        struct dirent *ent;

        if (walk->depth == 0) {
            const char *given = next_path(walk);

            if (given == NULL) {
                fill_entry(walk, entry_r);
                return WALK_END;
            }
            if (next_root(walk, given, entry_r, &result))
                return result;
            continue;
        }
        level = &walk->levels[walk->depth - 1];
        walk->path.len = level->path_len;
        walk->path.data[level->path_len] = '\0';
        errno = 0;
        ent = readdir(level->dir);
        if (ent == NULL) {
            int error_number = errno;

            closedir(level->dir);
            walk->depth--;
            if (error_number != 0)
                return say_error(walk, entry_r, error_number, NULL);
            continue;
        }
        if (strcmp(ent->d_name, ".") == 0 || strcmp(ent->d_name, "..") == 0)
            continue;
        if (take_entry(walk, ent, entry_r, &result))
            return result;
    }
}
