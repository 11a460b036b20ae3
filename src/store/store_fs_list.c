/* See store_fs_private.h: a page of a listing.
 *
 * Keys come in byte order although the folders are not sorted and a shard folder is not part of the
 * key. Entries of a folder are taken in groups of equal first two bytes: a shard folder `ab` holds
 * names that begin with `ab` and nothing else of its parent, so reading it when its group's turn
 * has come, and sorting only that group, is enough. A page thus reads the folder (256 shards) and
 * the one or two shards that it needs, however many keys there are. */
#include "store/store_fs_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

#define PAGE_MAX 1000

struct item {
    char *name;    /* of a folder: with '/' at its end, as it sorts in a listing */
    bool in_shard; /* the file is in the shard folder named by its first two bytes */
    bool folder;
};

struct items {
    struct item *item;
    size_t count, room;
};

struct walk {
    struct fs_store *fs;
    struct store_op *op;
    const char *after; /* keys up to this one are not wanted; "": all are */
    size_t max;
    bool probe; /* only: is there a key at all? */
    bool found; /* the answer */
};

/* What of prefix and start_after concerns the names of one folder. */
struct filter {
    const char *prefix, *after; /* what is left of them behind the folder's key; "": nothing */
    const char *not_shard;      /* names of hashes that begin so are the parent's; NULL: none */
    bool shard;                 /* only names of hashes that begin so */
};

static int compare_items(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order != 0 ? order : (int)y->in_shard - (int)x->in_shard; /* the shard place wins */
}

static void items_add(struct items *items, const char *name, bool folder, bool in_shard)
{
    size_t len = strlen(name);
    char *copy;

    if (items->count == items->room) {
        items->room = items->room ? items->room * 2 : 64;
        items->item = mem_resize(items->item, items->room, sizeof(*items->item));
    }
    copy = mem_alloc(len + 2);
    memcpy(copy, name, len);
    copy[len] = folder ? '/' : '\0';
    items->item[items->count++] =
        (struct item){.name = copy, .folder = folder, .in_shard = in_shard};
}

static void items_release(struct items *items)
{
    for (size_t i = 0; i < items->count; i++)
        free(items->item[i].name);
    free(items->item);
}

/* Do `len` bytes of a and the string b agree as far as both go? */
static bool agree(const char *a, size_t len, const char *b)
{
    size_t other = strlen(b);

    return memcmp(a, b, len < other ? len : other) == 0;
}

/* Does `after` lie behind every key below the folder? */
static bool is_behind(const char *after, const char *folder_key)
{
    return strcmp(after, folder_key) > 0 && strncmp(after, folder_key, strlen(folder_key)) != 0;
}

/* Can the name (of a folder: anything below it) be wanted? */
static bool is_wanted(const struct filter *filter, const char *name, bool folder)
{
    size_t len = strlen(name);

    if (strncmp(name, FS_OWN, strlen(FS_OWN)) == 0 || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0)
        return false;
    if (filter->not_shard != NULL && fs_name_is_hash(name) &&
        (strncmp(name, filter->not_shard, 2) == 0) != filter->shard)
        return false;
    if (filter->shard && !fs_name_is_hash(name))
        return false;
    if (!folder)
        return strncmp(name, filter->prefix, strlen(filter->prefix)) == 0 &&
               strcmp(name, filter->after) > 0;
    /* As a shard it holds names that go on behind its two digits, as a folder behind "ab/". */
    return agree(name, len, filter->prefix) &&
           (strcmp(name, filter->after) >= 0 || agree(name, len, filter->after));
}

/* DT_UNKNOWN comes from file systems that keep no types in their folders. */
static unsigned char kind_of(int dir_fd, const struct dirent *entry)
{
    struct stat st;

    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type;
    if (fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return DT_UNKNOWN;
    return S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
}

/* Adds the wanted names of a folder. false with errno. Takes dir_fd. */
static bool read_folder(int dir_fd, const struct filter *filter, struct items *items)
{
    DIR *dir = fdopendir(dir_fd);
    const struct dirent *entry;
    int error;

    if (dir == NULL) {
        error = errno;
        close(dir_fd);
        errno = error;
        return false;
    }
    while (errno = 0, (entry = readdir(dir)) != NULL) {
        unsigned char kind = kind_of(dirfd(dir), entry);

        if ((kind == DT_DIR || kind == DT_REG) && is_wanted(filter, entry->d_name, kind == DT_DIR))
            items_add(items, entry->d_name, kind == DT_DIR, filter->shard);
    }
    error = errno;
    closedir(dir);
    errno = error;
    return error == 0;
}

static int open_folder(int at_fd, const char *name)
{
    return openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Counts a key or folded folder; false: the page is full. */
static bool take(struct walk *walk)
{
    walk->found = true;
    if (walk->probe)
        return false;
    if (walk->op->entry_count < walk->max)
        return true;
    store_op_set_more(walk->op);
    return false;
}

static bool walk_folder(struct walk *walk, int dir_fd, const char *key, const char *name);

/* A key in the folder dir_fd: false ends the walk. */
static bool emit_file(struct walk *walk, int dir_fd, const char *folder_key,
                      const struct item *item)
{
    char path[NAME_MAX + 8];
    char etag[STORE_ETAG_SIZE];
    struct stat st;
    char *key;

    snprintf(path, sizeof(path), "%.2s%s%s", item->in_shard ? item->name : "",
             item->in_shard ? "/" : "", item->name);
    if (fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT)
            return true; /* deleted a moment ago */
        fs_fail(walk->fs, walk->op, errno, "look at a key");
        return false;
    }
    if (!S_ISREG(st.st_mode))
        return true;
    if (!take(walk))
        return false;
    key = mem_printf("%s%s", folder_key, item->name);
    fs_etag(&st, etag);
    store_op_add_entry(walk->op, key, etag, st.st_size, (int64_t)st.st_mtim.tv_sec * 1000);
    free(key);
    return true;
}

static bool emit_folder(struct walk *walk, int dir_fd, const char *folder_key,
                        const struct item *item)
{
    char *key = mem_printf("%s%s", folder_key, item->name);
    char *path = mem_printf("%.2s%s%.*s", item->in_shard ? item->name : "",
                            item->in_shard ? "/" : "", (int)strlen(item->name) - 1, item->name);
    char *own = mem_strndup(item->name, strlen(item->name) - 1);
    bool fold = walk->op->delimiter && !walk->probe && strlen(key) > strlen(walk->op->key);
    struct walk inner = *walk;
    int fd = open_folder(dir_fd, path);
    bool go_on = true;

    if (!agree(key, strlen(key), walk->op->key) || is_behind(walk->after, key)) {
        if (fd >= 0)
            close(fd); /* was kept for what its shard might hold */
    } else if (fd < 0) {
        go_on = errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
        if (!go_on)
            fs_fail(walk->fs, walk->op, errno, "open a folder");
    } else if (!fold) {
        go_on = walk_folder(walk, fd, key, own);
    } else {
        inner.probe = true;
        inner.found = false;
        go_on = walk_folder(&inner, fd, key, own) || inner.found;
        if (inner.found) {
            go_on = take(walk);
            if (go_on)
                store_op_add_entry(walk->op, key, "", 0, 0);
        }
    }
    free(key);
    free(path);
    free(own);
    return go_on;
}

/* The items of one group: first[0..count) of a folder; false ends the walk. */
static bool walk_group(struct walk *walk, int dir_fd, const char *key, const struct filter *filter,
                       const struct item *first, size_t count)
{
    struct items items = {NULL, 0, 0};
    bool go_on = true;

    for (size_t i = 0; i < count; i++) {
        struct filter members = {filter->prefix, filter->after, first[i].name, true};
        char shard[3] = {first[i].name[0], first[i].name[1], '\0'}; /* no name is empty */
        bool may_be_shard = strlen(first[i].name) == 3 && first[i].folder;
        int fd;

        items_add(&items, first[i].name, false, false);
        items.item[items.count - 1].folder = first[i].folder;
        if (!may_be_shard || !fs_name_is_shard(shard))
            continue;
        fd = open_folder(dir_fd, shard);
        if (fd < 0 ? errno != ENOENT : !read_folder(fd, &members, &items)) {
            fs_fail(walk->fs, walk->op, errno, "read a folder");
            go_on = false;
        }
    }
    if (items.count > 1)
        qsort(items.item, items.count, sizeof(*items.item), compare_items);
    for (size_t i = 0; go_on && i < items.count; i++) {
        if (i > 0 && strcmp(items.item[i].name, items.item[i - 1].name) == 0)
            continue; /* flat and in its shard: the shard's counts */
        go_on = items.item[i].folder ? emit_folder(walk, dir_fd, key, &items.item[i])
                                     : emit_file(walk, dir_fd, key, &items.item[i]);
    }
    items_release(&items);
    return go_on;
}

/* What is left of `whole` behind the folder's key. */
static const char *rest_of(const char *whole, const char *key)
{
    size_t len = strlen(key);

    return strncmp(whole, key, len) == 0 ? whole + len : "";
}

/* All keys below a folder, in order. `key`: its key with '/' at the end, "" for the root; `name`:
 * its own name. Takes dir_fd. false ends the walk: page full, found, or failed. */
static bool walk_folder(struct walk *walk, int dir_fd, const char *key, const char *name)
{
    struct filter filter = {rest_of(walk->op->key, key), rest_of(walk->after, key),
                            fs_name_is_shard(name) ? name : NULL, false};
    struct items items = {NULL, 0, 0};
    int list_fd = dup(dir_fd);
    bool go_on = true;

    if (list_fd < 0 || !read_folder(list_fd, &filter, &items)) {
        fs_fail(walk->fs, walk->op, errno, "read a folder");
        go_on = false;
    }
    if (items.count > 1)
        qsort(items.item, items.count, sizeof(*items.item), compare_items);
    for (size_t i = 0, end; go_on && i < items.count; i = end) {
        for (end = i + 1; end < items.count; end++)
            if (strncmp(items.item[i].name, items.item[end].name, 2) != 0)
                break;
        go_on = walk_group(walk, dir_fd, key, &filter, &items.item[i], end - i);
    }
    items_release(&items);
    close(dir_fd);
    return go_on;
}

/* The folder that the prefix names as a whole: "a/b/" of "a/b/c". NULL: no key can begin so. */
static char *folder_of_prefix(const char *prefix, struct fs_place *place_r)
{
    const char *slash = strrchr(prefix, '/');
    char *folder;

    if (slash == NULL) {
        snprintf(place_r->path, sizeof(place_r->path), ".");
        place_r->flat[0] = '\0';
        return mem_strdup("");
    }
    folder = mem_strndup(prefix, (size_t)(slash - prefix));
    if (fs_place_of_key(folder, place_r) != NULL) {
        free(folder);
        return NULL;
    }
    free(folder);
    return mem_strndup(prefix, (size_t)(slash - prefix) + 1);
}

void fs_list(struct fs_store *fs, struct store_op *op)
{
    struct walk walk = {.fs = fs, .op = op, .after = op->start_after ? op->start_after : ""};
    struct fs_place place;
    char *key = folder_of_prefix(op->key, &place);
    const char *name;
    int fd;

    walk.max = op->max_keys > 0 && op->max_keys < PAGE_MAX ? (size_t)op->max_keys : PAGE_MAX;
    op->status = STORE_OK;
    if (key == NULL || is_behind(walk.after, key)) {
        free(key);
        return;
    }
    fd = open_folder(fs->root_fd, place.path);
    if (fd < 0 && errno == ENOENT && place.flat[0] != '\0')
        fd = open_folder(fs->root_fd, place.flat);
    name = strrchr(place.path, '/');
    if (fd >= 0)
        walk_folder(&walk, fd, key, name != NULL ? name + 1 : place.path);
    else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
        fs_fail(fs, op, errno, "open a folder");
    free(key);
}
