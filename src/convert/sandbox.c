/* See sandbox.h. What a converter may read is the toolchain: where programs, libraries, fonts and
 * language data are installed, a few files of /etc, and what the command line names, with its
 * folder, since scripts have their modules beside them. /proc can be read: Landlock refuses what
 * belongs to processes outside, such as their environment and memory. */
#include "convert/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "convert/filter.h"
#include "convert/landlock.h"

struct sandbox {
    enum sandbox_level level;
    int ruleset_fd;
    struct filter *filter;
};

static const char *const sandbox_names[] = {[SANDBOX_AUTO] = "auto",
                                            [SANDBOX_L0] = "l0",
                                            [SANDBOX_L1] = "l1",
                                            [SANDBOX_L2] = "l2",
                                            [SANDBOX_COMMAND] = "command"};

const char *sandbox_level_name(enum sandbox_level level)
{
    return sandbox_names[level];
}

bool sandbox_level_parse(const char *text, enum sandbox_level *level_r)
{
    for (size_t i = 0; i < ARRAY_LEN(sandbox_names); i++)
        if (strcmp(text, sandbox_names[i]) == 0) {
            *level_r = (enum sandbox_level)i;
            return true;
        }
    return false;
}

static const struct {
    const char *path;
    enum landlock_access access;
} toolchain[] = {
    {"/usr", LANDLOCK_EXECUTE},
    {"/bin", LANDLOCK_EXECUTE},
    {"/sbin", LANDLOCK_EXECUTE},
    {"/lib", LANDLOCK_EXECUTE},
    {"/lib32", LANDLOCK_EXECUTE},
    {"/lib64", LANDLOCK_EXECUTE},
    {"/opt", LANDLOCK_EXECUTE},
    {"/nix/store", LANDLOCK_EXECUTE},
    {"/etc/alternatives", LANDLOCK_EXECUTE},
    {"/etc/ld.so.cache", LANDLOCK_READ},
    {"/etc/ld.so.conf", LANDLOCK_READ},
    {"/etc/ld.so.conf.d", LANDLOCK_READ},
    {"/etc/ld.so.preload", LANDLOCK_READ},
    {"/etc/passwd", LANDLOCK_READ},
    {"/etc/group", LANDLOCK_READ},
    {"/etc/nsswitch.conf", LANDLOCK_READ},
    {"/etc/localtime", LANDLOCK_READ},
    {"/etc/mime.types", LANDLOCK_READ},
    {"/etc/papersize", LANDLOCK_READ},
    {"/etc/fonts", LANDLOCK_READ},
    {"/etc/libreoffice", LANDLOCK_READ},
    {"/etc/ImageMagick-6", LANDLOCK_READ},
    {"/etc/ImageMagick-7", LANDLOCK_READ},
    {"/etc/texmf", LANDLOCK_READ},
    {"/etc/ssl/openssl.cnf", LANDLOCK_READ},
    {"/etc/python3", LANDLOCK_READ},
    {"/var/lib/texmf", LANDLOCK_READ},
    {"/var/cache/fontconfig", LANDLOCK_READ},
    {"/proc", LANDLOCK_READ},
    {"/sys/devices/system/cpu", LANDLOCK_READ},
    {"/dev/null", LANDLOCK_DEVICE},
    {"/dev/zero", LANDLOCK_DEVICE},
    {"/dev/full", LANDLOCK_DEVICE},
    {"/dev/random", LANDLOCK_DEVICE},
    {"/dev/urandom", LANDLOCK_DEVICE},
    {BF_LIBEXECDIR "/blobforge", LANDLOCK_EXECUTE},
};

enum sandbox_level sandbox_best(void)
{
    return landlock_abi() > 0 && filter_available() ? SANDBOX_L1 : SANDBOX_L0;
}

static bool allow_in_slot(int fd, int abi, const char *folder)
{
    static const struct {
        const char *name;
        enum landlock_access access;
    } subs[] = {{"in", LANDLOCK_READ}, {"out", LANDLOCK_WRITE}, {"tmp", LANDLOCK_WRITE}};
    bool ok = true;

    for (size_t i = 0; i < ARRAY_LEN(subs) && ok; i++) {
        char *path = mem_printf("%s/%s", folder, subs[i].name);
        ok = landlock_ruleset_allow(fd, abi, path, subs[i].access);
        free(path);
    }
    return ok;
}

static bool is_beneath(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* May a folder be read because a file that the operator named lies in it? Not the root, a home,
 * /etc or where the slots are. */
static bool is_program_folder(const char *slot, const char *folder)
{
    const char *home = getenv("HOME");

    return folder[0] != '\0' && !is_beneath(slot, folder) && !is_beneath(folder, "/etc") &&
           (home == NULL || strcmp(folder, home) != 0);
}

/* A program or script and what lies beside it; of a Python environment (pyvenv.cfg) the whole. */
static bool allow_program(int fd, int abi, const char *slot, const char *program)
{
    char *folder = mem_strdup(program), *slash = strrchr(folder, '/'), *config;
    bool ok = landlock_ruleset_allow(fd, abi, program, LANDLOCK_EXECUTE);

    *slash = '\0';
    if (is_program_folder(slot, folder))
        ok = ok && landlock_ruleset_allow(fd, abi, folder, LANDLOCK_EXECUTE);
    slash = strrchr(folder, '/');
    if (slash != NULL) {
        *slash = '\0';
        config = mem_printf("%s/pyvenv.cfg", folder);
        if (access(config, F_OK) == 0)
            ok = ok && landlock_ruleset_allow(fd, abi, folder, LANDLOCK_EXECUTE);
        free(config);
    }
    free(folder);
    return ok;
}

/* What the operator's command names by an absolute path (`python3 /srv/conv/main.py
 * --models=/srv/models`) is meant to be read. */
static bool allow_word(int fd, int abi, const char *slot, const char *word)
{
    const char *path = word[0] == '/' ? word : strstr(word, "=/");
    struct stat st;

    if (path == NULL)
        return true;
    path += *path == '=' ? 1 : 0;
    if (stat(path, &st) == -1 || is_beneath(path, slot) || is_beneath(slot, path))
        return true;
    if (S_ISREG(st.st_mode))
        return allow_program(fd, abi, slot, path);
    return !S_ISDIR(st.st_mode) || strcmp(path, "/") == 0 ||
           landlock_ruleset_allow(fd, abi, path, LANDLOCK_EXECUTE);
}

/* -1 with errno. */
static int ruleset_make(const char *folder, const char *program, char *const *argv)
{
    int abi = landlock_abi();
    int fd = abi > 0 ? landlock_ruleset_create(abi) : -1;
    bool ok = fd != -1;

    for (size_t i = 0; i < ARRAY_LEN(toolchain) && ok; i++)
        ok = landlock_ruleset_allow(fd, abi, toolchain[i].path, toolchain[i].access);
    for (size_t i = 1; argv[0] != NULL && argv[i] != NULL && ok; i++)
        ok = allow_word(fd, abi, folder, argv[i]);
    if (ok && allow_program(fd, abi, folder, program) && allow_in_slot(fd, abi, folder))
        return fd;
    if (fd != -1)
        close(fd);
    return -1;
}

static bool sandbox_prepare_l1(struct sandbox *sandbox, const char *folder, const char *program,
                               char *const *argv, char **error_r)
{
    sandbox->ruleset_fd = ruleset_make(folder, program, argv);
    if (sandbox->ruleset_fd == -1) {
        *error_r = mem_printf("cannot restrict files (Landlock): %s; set sandbox to auto or l0",
                              strerror(errno));
        return false;
    }
    sandbox->filter = filter_create(error_r);
    return sandbox->filter != NULL;
}

struct sandbox *sandbox_prepare(enum sandbox_level level, const char *folder, const char *program,
                                char *const *argv, char **error_r)
{
    struct sandbox *sandbox = mem_alloc(sizeof(*sandbox));

    *error_r = NULL;
    sandbox->level = level == SANDBOX_AUTO ? sandbox_best() : level;
    sandbox->ruleset_fd = -1;
    if (sandbox->level == SANDBOX_L1)
        (void)sandbox_prepare_l1(sandbox, folder, program, argv, error_r);
    else if (sandbox->level != SANDBOX_L0)
        *error_r = mem_printf("sandbox level %s: not available here; set sandbox to auto",
                              sandbox_level_name(level));
    if (*error_r == NULL)
        return sandbox;
    sandbox_release(sandbox);
    return NULL;
}

enum sandbox_level sandbox_level(const struct sandbox *sandbox)
{
    return sandbox->level;
}

/* Root without its capabilities is an ordinary user who owns root's files; Landlock alone does not
 * hold somebody who may read any process's memory. */
static int capabilities_drop(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0, 0, 0}};

    /* Refused to an ordinary user, who does not need it: exec gives nothing back to either. */
    (void)prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0);
    return syscall(SYS_capset, &header, none) == 0 ? 0 : errno;
}

int sandbox_enter(const struct sandbox *sandbox)
{
    int error = sandbox->level == SANDBOX_L0 ? 0 : capabilities_drop();

    if (error == 0 && sandbox->ruleset_fd != -1)
        error = landlock_ruleset_enter(sandbox->ruleset_fd);
    if (error == 0 && sandbox->filter != NULL)
        error = filter_enter(sandbox->filter);
    return error;
}

void sandbox_release(struct sandbox *sandbox)
{
    if (sandbox == NULL)
        return;
    if (sandbox->ruleset_fd != -1)
        close(sandbox->ruleset_fd);
    filter_destroy(sandbox->filter);
    free(sandbox);
}
