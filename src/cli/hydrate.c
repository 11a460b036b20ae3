/* See hydrate.h. */
#include "cli/hydrate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/quote.h"
#include "convert/slot.h"

#define MARK "user.blobforge.hash"
#define MARK_TIME "user.blobforge.mtime" /* seconds that the Markdown was given */
#define ASSETS "assets"
#define OLD "old" /* in the hidden folder: what was replaced, until that goes */

/* ---- where ---- */

bool hydrate_target_open(const char *path, struct hydrate_target *target_r, char **error_r)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    size_t stem_len = dot != NULL && dot != name ? (size_t)(dot - name) : strlen(name);
    char *folder = slash == NULL ? mem_strdup(".")
                                 : mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));

    *error_r = NULL;
    target_r->name = mem_strdup(name);
    target_r->stem = mem_strndup(name, stem_len);
    target_r->markdown = mem_printf("%s.md", target_r->stem);
    target_r->assets = mem_printf("%s.assets", target_r->stem);
    target_r->dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (target_r->dir_fd < 0)
        *error_r = mem_printf("its folder: %s; check it", strerror(errno));
    else if (strcmp(target_r->markdown, name) == 0)
        *error_r = mem_strdup("its Markdown would take its own name; rename it");
    free(folder);
    return *error_r == NULL;
}

void hydrate_target_release(struct hydrate_target *target)
{
    if (target->dir_fd >= 0)
        close(target->dir_fd);
    free(target->name);
    free(target->stem);
    free(target->markdown);
    free(target->assets);
    memset(target, 0, sizeof(*target));
    target->dir_fd = -1;
}

/* ---- what is there ---- */

enum owner {
    OWNER_NONE, /* nothing is there */
    OWNER_US,   /* or, without extended attributes, most likely us */
    OWNER_OTHER
};

/* Whose is `name`; mark_r: the hash it carries, "" for none. */
static enum owner owner_of(int dir_fd, const char *name, char mark_r[static 65])
{
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    enum owner owner = OWNER_OTHER;
    ssize_t len;

    mark_r[0] = '\0';
    if (fd < 0)
        return errno == ENOENT ? OWNER_NONE : OWNER_OTHER;
    len = fgetxattr(fd, MARK, mark_r, 64);
    if (len == 64)
        owner = OWNER_US;
    else if (len < 0 && errno == ENOTSUP)
        owner = OWNER_US;
    mark_r[len == 64 ? 64 : 0] = '\0';
    close(fd);
    return owner;
}

/* As owner_of(), of the Markdown: what somebody edited since is his. */
static enum owner text_owner(const struct hydrate_target *target)
{
    char mark[65], seconds[32];
    enum owner owner = owner_of(target->dir_fd, target->markdown, mark);
    struct stat st;
    ssize_t len;
    int fd;

    if (owner != OWNER_US || mark[0] == '\0')
        return owner;
    fd = openat(target->dir_fd, target->markdown, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    len = fd >= 0 ? fgetxattr(fd, MARK_TIME, seconds, sizeof(seconds) - 1) : -1;
    if (len > 0 && fstat(fd, &st) == 0) {
        seconds[len] = '\0';
        owner = strtoll(seconds, NULL, 10) == (long long)st.st_mtim.tv_sec ? OWNER_US : OWNER_OTHER;
    }
    if (fd >= 0)
        close(fd);
    return owner;
}

bool hydrate_is_current(const struct hydrate_target *target, const char *hash,
                        int64_t result_seconds)
{
    char mark[65];
    struct stat st;

    if (fstatat(target->dir_fd, target->markdown, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !(S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)) || /* no Markdown */
        st.st_mtim.tv_sec < result_seconds)
        return false;
    return owner_of(target->dir_fd, target->markdown, mark) != OWNER_US || mark[0] == '\0' ||
           strcmp(mark, hash) == 0;
}

/* ---- links ---- */

static bool is_asset_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

static bool has_member(const struct result *result, const char *name, size_t len)
{
    for (size_t i = 0; i < result_count(result); i++) {
        const char *member = result_name(result, i);

        if (strlen(member) == len && memcmp(member, name, len) == 0)
            return true;
    }
    return false;
}

/* As part of a link: what Markdown, HTML or a URL could trip over is percent-encoded. */
static void append_encoded(struct buf *out, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (is_asset_byte(*c))
            buf_putc(out, *c);
        else
            buf_printf(out, "%%%02X", (unsigned char)*c);
    }
}

void hydrate_links(struct buf *out, const char *text, size_t len, const char *stem,
                   const struct result *result)
{
    static const char word[] = ASSETS "/";
    const char *at = text, *end = text + len, *hit;

    while ((hit = memmem(at, (size_t)(end - at), word, sizeof(word) - 1)) != NULL) {
        const char *name_end = hit + sizeof(word) - 1;
        bool begins = hit > text && strchr("(<\"' ", hit[-1]) != NULL;

        while (name_end < end && is_asset_byte(*name_end))
            name_end++;
        buf_append(out, at, (size_t)(hit - at));
        if (begins && has_member(result, hit, (size_t)(name_end - hit))) {
            append_encoded(out, stem);
            buf_putc(out, '.');
        }
        buf_append(out, hit, (size_t)(name_end - hit));
        at = name_end;
    }
    buf_append(out, at, (size_t)(end - at));
}

/* ---- the hidden folder ---- */

/* ".blobforge-" and the beginning of the stem's hash: a later run finds what a killed one left. */
static void stage_name(const struct hydrate_target *target, char name_r[static 32])
{
    unsigned char sha256[SHA256_BYTES];
    char hex[SHA256_HEX_SIZE];

    digest_sha256(target->stem, strlen(target->stem), sha256);
    hex_encode(sha256, sizeof(sha256), hex);
    snprintf(name_r, 32, ".blobforge-%.16s", hex);
}

static int stage_open(const struct hydrate_target *target, const char *name, char **error_r)
{
    int fd = -1;

    if (mkdirat(target->dir_fd, name, 0700) == 0 || errno == EEXIST)
        fd = openat(target->dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        *error_r = mem_printf("its folder: %s; make it writable", strerror(errno));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        *error_r = mem_strdup("another hydrate is writing it; let that one end");
    } else if (!tree_remove(fd, ASSETS) || !tree_remove(fd, OLD) || !tree_remove(fd, "text")) {
        *error_r =
            mem_printf("what an earlier run left: %s; remove %s beside it", strerror(errno), name);
    } else {
        return fd;
    }
    close(fd);
    return -1;
}

static void set_mark(int fd, const char *hash)
{
    (void)!fsetxattr(fd, MARK, hash, 64, 0);
}

/* The Markdown, on disk. */
static bool write_text(int stage, struct result *result, const char *stem, const char *hash,
                       int64_t seconds, mode_t mode, char **error_r)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = seconds}};
    struct buf text = BUF_INIT, led = BUF_INIT;
    int fd = -1;
    bool ok = result_read(result, "content.md", HYDRATE_TEXT_MAX, &text, error_r);

    if (ok) {
        hydrate_links(&led, buf_text(&text), text.len, stem, result);
        fd = openat(stage, "text", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        ok = fd >= 0;
        for (size_t at = 0; ok && at < led.len;) {
            ssize_t n = write(fd, led.data + at, led.len - at);

            ok = n > 0;
            at += ok ? (size_t)n : 0;
        }
        if (ok) {
            char time[32];

            set_mark(fd, hash);
            snprintf(time, sizeof(time), "%lld", (long long)seconds);
            (void)!fsetxattr(fd, MARK_TIME, time, strlen(time), 0);
            ok = fchmod(fd, mode) == 0 && futimens(fd, times) == 0 && fsync(fd) == 0;
        }
        if (!ok)
            *error_r = mem_printf("its Markdown: %s; make room", strerror(errno));
    }
    if (fd >= 0)
        close(fd);
    buf_release(&led);
    buf_release(&text);
    return ok;
}

/* Takes what stands at `name` out of the way: ours into the hidden folder, another's to `name~`. */
static bool move_aside(const struct hydrate_target *target, int stage, const char *name,
                       enum owner owner, char **error_r)
{
    char *backup;
    bool ok = true;

    switch (owner) {
    case OWNER_NONE:
        return true;
    case OWNER_US:
        (void)!tree_remove(stage, OLD);
        ok = renameat(target->dir_fd, name, stage, OLD) == 0;
        if (!ok)
            *error_r = mem_printf("%s: %s", name, strerror(errno));
        return ok;
    case OWNER_OTHER:
        break;
    }
    backup = mem_printf("%s~", name);
    ok = renameat2(target->dir_fd, name, target->dir_fd, backup, RENAME_NOREPLACE) == 0;
    if (!ok) {
        char *quoted = quote_name(name), *kept = quote_name(backup);

        *error_r = mem_printf("%s is not of blobforge and cannot be kept as %s: %s; move it away",
                              quoted, kept, strerror(errno));
        free(quoted);
        free(kept);
    }
    free(backup);
    return ok;
}

static bool put_in_place(const struct hydrate_target *target, int stage, bool has_assets,
                         char **error_r)
{
    char mark[65];
    enum owner assets = owner_of(target->dir_fd, target->assets, mark);
    bool ok = true;

    if (has_assets || assets == OWNER_US)
        ok = move_aside(target, stage, target->assets, assets, error_r);
    if (ok && has_assets && renameat(stage, ASSETS, target->dir_fd, target->assets) != 0) {
        *error_r = mem_printf("its images: %s", strerror(errno));
        ok = false;
    }
    /* Our own is replaced in one step; a reader always finds one. */
    if (ok && text_owner(target) == OWNER_OTHER)
        ok = move_aside(target, stage, target->markdown, OWNER_OTHER, error_r);
    if (ok && renameat(stage, "text", target->dir_fd, target->markdown) != 0) {
        *error_r = mem_printf("its Markdown: %s", strerror(errno));
        ok = false;
    }
    return ok;
}

enum exitcode hydrate_write(const struct hydrate_target *target, const char *hash,
                            int64_t result_seconds, int zip_fd, char **error_r)
{
    struct result *result = result_open(zip_fd, error_r);
    enum exitcode code = EXITCODE_CANTCREAT;
    size_t asset_count = 0;
    char name[32];
    struct stat pdf;
    int stage, assets;

    if (result == NULL)
        return EXITCODE_DATAERR;
    stage_name(target, name);
    stage = stage_open(target, name, error_r);
    if (stage < 0) {
        result_close(result);
        return code;
    }
    /* Who may read the PDF may read its text. */
    if (fstatat(target->dir_fd, target->name, &pdf, 0) != 0)
        pdf.st_mode = 0600;
    code = result_write_folder(result, ASSETS, stage, &asset_count, error_r);
    if (code == EXITCODE_OK && asset_count > 0) {
        assets = openat(stage, ASSETS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (assets >= 0) {
            set_mark(assets, hash);
            close(assets);
        }
    }
    if (code == EXITCODE_OK && (!write_text(stage, result, target->stem, hash, result_seconds,
                                            (pdf.st_mode & 0666) | 0600, error_r) ||
                                !put_in_place(target, stage, asset_count > 0, error_r)))
        code = EXITCODE_CANTCREAT;
    close(stage);
    if (!tree_remove(target->dir_fd, name) && code == EXITCODE_OK) {
        *error_r = mem_printf("%s is left: %s; remove it", name, strerror(errno));
        code = EXITCODE_CANTCREAT;
    }
    result_close(result);
    return code;
}
