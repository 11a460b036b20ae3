/* blobforge download: a result as a zip file, or unpacked as a folder of Markdown and images. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/human.h"
#include "base/json.h"
#include "base/quote.h"
#include "cli/cmd.h"
#include "cli/fetch.h"
#include "cli/progress.h"
#include "cli/result.h"

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Does --output name a folder for results, rather than one of them? "zips/" always does. */
static bool names_folder(const char *output, size_t count)
{
    return count > 1 || output[strlen(output) - 1] == '/';
}

/* Results of this call so far. */
struct saved {
    struct {
        char hash[65];
        char *path;
    } * list;
    size_t count;
    struct progress_line line;
};

static bool was_asked(const struct saved *saved, const char *hash)
{
    for (size_t i = 0; i < saved->count; i++)
        if (strcmp(saved->list[i].hash, hash) == 0)
            return true;
    return false;
}

static bool is_taken(const struct saved *saved, const char *path)
{
    for (size_t i = 0; i < saved->count; i++)
        if (strcmp(saved->list[i].path, path) == 0)
            return true;
    return false;
}

/* Where one of `count` results goes. A folder named by --output takes several results, or one zip,
 * into it. `tell`: "", or what tells it from another of its name. The caller frees. */
static char *target_path(struct cli *cli, const char *stem, const char *tell, size_t count,
                         bool extract)
{
    const char *output = cli_value(cli, "output"), *suffix = extract ? "" : ".zip";
    size_t len = output != NULL ? strlen(output) : 0;

    while (len > 1 && output[len - 1] == '/')
        len--;
    if (output == NULL)
        return mem_printf("%s%s%s", stem, tell, suffix);
    if (names_folder(output, count) || (!extract && is_folder(output)))
        return mem_printf("%.*s/%s%s%s", (int)(len == 1 && output[0] == '/' ? 0 : len), output,
                          stem, tell, suffix);
    return mem_strdup(output);
}

/* Two documents of one name both arrive: the later one's name has the beginning of its hash. */
static char *choose_target(struct cli *cli, struct saved *saved, const char *hash, const char *name,
                           size_t count, bool extract)
{
    char *stem = result_stem(name, hash), *path = target_path(cli, stem, "", count, extract);
    char tell[14];

    if (is_taken(saved, path)) {
        snprintf(tell, sizeof(tell), "-%.12s", hash);
        free(path);
        path = target_path(cli, stem, tell, count, extract);
    }
    saved->list = mem_resize(saved->list, saved->count + 1, sizeof(*saved->list));
    memcpy(saved->list[saved->count].hash, hash, sizeof(saved->list[0].hash));
    saved->list[saved->count++].path = path;
    free(stem);
    return path;
}

/* The folder for results, its parent being there. false: said. */
static bool make_folder(const char *output)
{
    int error = mkdir(output, 0777) == 0 ? 0 : errno;
    char *quoted;

    if (error == 0 || (error == EEXIST && is_folder(output)))
        return true;
    quoted = quote_name(output);
    if (error == EEXIST)
        cli_error("%s: is no folder; several results need one, name another with --output", quoted);
    else
        cli_error("%s: cannot be made: %s; name another folder with --output", quoted,
                  strerror(error));
    free(quoted);
    return false;
}

static enum exitcode say_errno(const char *path)
{
    int number = errno;
    char *quoted = quote_name(path);

    if (number == EEXIST)
        cli_error("%s: exists already; name another file with --output, or give --force", quoted);
    else if (number == ENOENT || number == ENOTDIR)
        cli_error("%s: %s; make its folder, or name another file with --output", quoted,
                  strerror(number));
    else
        cli_error("%s: cannot be written: %s; name another file with --output", quoted,
                  strerror(number));
    free(quoted);
    return number == ENOSPC || number == EDQUOT || number == EIO ? EXITCODE_IOERR
                                                                 : EXITCODE_CANTCREAT;
}

/* A pipe, a device, a link or a folder is nobody's old result. false: said. */
static bool may_be_target(const char *target)
{
    struct stat st;
    char *quoted;

    if (lstat(target, &st) != 0 || S_ISREG(st.st_mode))
        return true;
    quoted = quote_name(target);
    cli_error("%s: is no regular file, it stays as it is; name another file with --output", quoted);
    free(quoted);
    return false;
}

/* Without replacing, also where the file system cannot rename so. */
static bool publish_file(const char *staged, const char *target, bool force)
{
    if (force)
        return rename(staged, target) == 0;
    if (renameat2(AT_FDCWD, staged, AT_FDCWD, target, RENAME_NOREPLACE) == 0)
        return true;
    if (errno != EINVAL && errno != ENOSYS)
        return false;
    return link(staged, target) == 0 && unlink(staged) == 0;
}

static enum exitcode save_zip(struct cli *cli, struct queue *queue, const char *hash,
                              const char *target, int64_t *bytes_r)
{
    bool force = cli_flag(cli, "force");
    char *staged = mem_printf("%s.XXXXXX", target), *error = NULL;
    enum exitcode code;
    mode_t mask = umask(0);
    int fd;

    umask(mask);
    if (!may_be_target(target)) {
        free(staged);
        return EXITCODE_CANTCREAT;
    }
    if (!force && access(target, F_OK) == 0) { /* said before the bytes are fetched */
        errno = EEXIST;
        free(staged);
        return say_errno(target);
    }
    fd = mkostemp(staged, O_CLOEXEC);
    if (fd < 0) {
        free(staged);
        return say_errno(target);
    }
    cli_stop_unlinks(staged);
    code = fetch_result(cli, queue, hash, fd, bytes_r);
    if (code == EXITCODE_OK && cli_stopped())
        code = EXITCODE_INTERRUPTED;
    if (code == EXITCODE_OK && !result_is_whole(fd, &error))
        code = fetch_say_damaged(hash, error);
    if (code == EXITCODE_OK &&
        (fchmod(fd, 0666 & ~mask) != 0 || !publish_file(staged, target, force)))
        code = say_errno(target);
    close(fd);
    if (code != EXITCODE_OK)
        unlink(staged);
    cli_stop_unlinks(NULL);
    free(staged);
    return code;
}

static enum exitcode save_tree(struct cli *cli, struct queue *queue, const char *hash,
                               const char *target, int64_t *bytes_r)
{
    int fd = fetch_temporary();
    struct result *result = NULL;
    enum exitcode code;
    char *error = NULL;

    if (fd < 0)
        return EXITCODE_CANTCREAT;
    code = fetch_result(cli, queue, hash, fd, bytes_r);
    if (code == EXITCODE_OK) {
        result = result_open(fd, &error);
        code = result == NULL ? EXITCODE_DATAERR
                              : result_extract(result, target, cli_flag(cli, "force"), &error);
        if (code == EXITCODE_DATAERR)
            code = fetch_say_damaged(hash, error);
        else if (error != NULL)
            cli_error("%.12s: %s", hash, error);
        if (code != EXITCODE_DATAERR)
            free(error);
    }
    if (code == EXITCODE_OK)
        *bytes_r = result_total(result);
    result_close(result);
    close(fd);
    return code;
}

static void print_saved(struct cli *cli, const char *hash, const char *path, int64_t bytes)
{
    char size[HUMAN_SIZE];
    struct buf quoted = BUF_INIT;

    if (cli_json(cli)) {
        struct json_object *line = json_object_new_object();
        json_set_text(line, "hash", hash);
        json_set_text(line, "path", path);
        json_set_int(line, "bytes", bytes);
        cli_print_json(line);
        return;
    }
    quote_append(&quoted, path, strlen(path));
    if (!cli_quiet(cli))
        cli_printf("%.12s  %s  %s\n", hash, buf_text(&quoted), human_show_size(bytes, size));
    buf_release(&quoted);
}

static enum exitcode save_one(struct cli *cli, struct queue *queue, const char *text, size_t count,
                              struct saved *saved)
{
    char hash[65], *name = NULL, *target;
    int64_t bytes = 0;
    bool extract = cli_flag(cli, "extract");
    enum exitcode code = fetch_find(cli, queue, text, hash, &name);

    if (code == EXITCODE_OK && !was_asked(saved, hash)) { /* once is enough */
        target = choose_target(cli, saved, hash, name, count, extract);
        code = extract ? save_tree(cli, queue, hash, target, &bytes)
                       : save_zip(cli, queue, hash, target, &bytes);
        progress_end(&saved->line);
        if (code == EXITCODE_OK)
            print_saved(cli, hash, target, bytes);
    }
    free(name);
    return code;
}

/* What is wrong with one result, or with its place, is not with the others. */
static bool goes_on(enum exitcode code)
{
    return code == EXITCODE_OK || code == EXITCODE_PARTIAL || code == EXITCODE_DATAERR ||
           code == EXITCODE_CANTCREAT;
}

static enum exitcode run(struct cli *cli)
{
    struct queue *queue;
    size_t count;
    char *const *operands = cli_operands(cli, &count);
    const char *output = cli_value(cli, "output");
    struct saved saved = {.list = NULL};
    enum exitcode code, one = EXITCODE_OK;

    if (output != NULL && output[0] == '\0')
        return cli_usage(cli, "--output: a name is missing");
    code = cli_open(cli, CLI_READ, &queue);
    if (code != EXITCODE_OK)
        return code;
    if (output != NULL && names_folder(output, count) && !make_folder(output))
        return EXITCODE_CANTCREAT;
    progress_begin(&saved.line, cli, "downloading");
    for (size_t i = 0; i < count && goes_on(one); i++) {
        if (count > 1)
            progress_step(&saved.line, (int64_t)i, (int64_t)count, "results");
        one =
            cli_stopped() ? EXITCODE_INTERRUPTED : save_one(cli, queue, operands[i], count, &saved);
        code = goes_on(one) ? cli_worse(code, one) : one;
    }
    progress_end(&saved.line);
    for (size_t i = 0; i < saved.count; i++)
        free(saved.list[i].path);
    free(saved.list);
    return code;
}

static const struct cli_option options[] = {
    {'O', "output", "PATH", "file or folder to make; PATH/ is a folder to put results into"},
    {'x', "extract", NULL, "unpack: a folder with content.md, info.json, assets/"},
    {0, "force", NULL, "replace what is there"},
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_download = {
    .name = "download",
    .operands = "HASH ...",
    .operands_min = 1,
    .operands_max = CLI_ANY_NUMBER,
    .summary = "fetch results, as zip files or as folders of Markdown and images",
    .help = "Nothing is overwritten without --force, and a file or folder appears as a\n"
            "whole or not at all. With several HASHes, or with a / at its end, --output names\n"
            "a folder for all, which is made when it is not there.\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_BETWEEN,
    .resume = "what was printed is complete, of the rest nothing was left; run it again",
    .run = run,
};
