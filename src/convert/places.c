/* See places.h. */
#include "convert/places.h"

#include <dirent.h>
#include <glob.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

#define PLACES_ENTRIES_MAX 1000 /* of a folder that is shown piece by piece */

struct place_row {
    const char *path;
    enum landlock_access access;
};

static const struct place_row toolchain[] = {
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

/* Semaphores and shared memory of libc are files there; a cell has its own. */
static const struct place_row python[] = {{"/dev/shm", LANDLOCK_WRITE},
                                          {"/sys/devices/system/node", LANDLOCK_READ},
                                          {"/sys/fs/cgroup", LANDLOCK_READ}};

static const struct place_row gpu[] = {
    {"/sys/devices", LANDLOCK_READ}, {"/sys/class", LANDLOCK_READ},  {"/sys/bus", LANDLOCK_READ},
    {"/sys/dev", LANDLOCK_READ},     {"/sys/module", LANDLOCK_READ}, {"/etc/OpenCL", LANDLOCK_READ},
    {"/etc/vulkan", LANDLOCK_READ}};

static const char *const gpu_devices[] = {"/dev/nvidia*", "/dev/dri", "/dev/kfd"};

static const struct place_row network[] = {
    {"/etc/resolv.conf", LANDLOCK_READ},    {"/etc/hosts", LANDLOCK_READ},
    {"/etc/host.conf", LANDLOCK_READ},      {"/etc/gai.conf", LANDLOCK_READ},
    {"/etc/services", LANDLOCK_READ},       {"/etc/protocols", LANDLOCK_READ},
    {"/etc/ssl/certs", LANDLOCK_READ},      {"/etc/ca-certificates", LANDLOCK_READ},
    {"/run/systemd/resolve", LANDLOCK_READ}};

static bool is_beneath(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static void add(struct places *places, const char *path, enum landlock_access access, bool named)
{
    places->all = mem_resize(places->all, places->count + 1, sizeof(*places->all));
    places->all[places->count++] = (struct place){mem_strdup(path), access, named};
}

/* But what holds the slots: other jobs' files are there. */
static void add_rows(struct places *places, const char *slot, const struct place_row *rows,
                     size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!is_beneath(slot, rows[i].path))
            add(places, rows[i].path, rows[i].access, false);
}

static void add_devices(struct places *places)
{
    for (size_t i = 0; i < ARRAY_LEN(gpu_devices); i++) {
        glob_t found;
        if (glob(gpu_devices[i], 0, NULL, &found) == 0)
            for (size_t j = 0; j < found.gl_pathc; j++)
                add(places, found.gl_pathv[j], LANDLOCK_CONTROL, false);
        globfree(&found);
    }
}

static void add_profile(struct places *places, const struct sandbox_spec *spec)
{
    if (spec->profile == SANDBOX_DOCUMENT)
        return;
    add_rows(places, spec->folder, python, ARRAY_LEN(python));
    if (spec->profile == SANDBOX_GPU) {
        add_rows(places, spec->folder, gpu, ARRAY_LEN(gpu));
        add_devices(places);
    }
    if (spec->profile == SANDBOX_NETWORK)
        add_rows(places, spec->folder, network, ARRAY_LEN(network));
}

/* A folder where somebody lives: /root, /home/NAME, our own. */
static bool is_home(const char *folder)
{
    const char *home = getenv("HOME");
    const struct passwd *user = getpwuid(geteuid());

    return strcmp(folder, "/root") == 0 || strcmp(folder, "/home") == 0 ||
           (strncmp(folder, "/home/", 6) == 0 && strchr(folder + 6, '/') == NULL) ||
           (home != NULL && strcmp(folder, home) == 0) ||
           (user != NULL && strcmp(folder, user->pw_dir) == 0);
}

/* May a folder be read because a file that the operator named lies in it? Not the root, a home,
 * /etc, where everybody writes or where the slots are. */
static bool is_program_folder(const char *slot, const char *folder)
{
    struct stat st;

    return folder[0] != '\0' && !is_beneath(slot, folder) && !is_beneath(folder, "/etc") &&
           !is_home(folder) && (stat(folder, &st) != 0 || (st.st_mode & S_ISVTX) == 0);
}

/* A folder with all in it; piece by piece where the converter's own user id may not pass it. */
static void add_folder(struct places *places, const struct identity *identity, const char *folder)
{
    struct dirent *entry;
    struct stat st;
    DIR *dir;

    if (stat(folder, &st) == -1 || identity_may_search(identity, &st)) {
        add(places, folder, LANDLOCK_EXECUTE, true);
        return;
    }
    dir = opendir(folder);
    for (int count = 0; dir != NULL && count < PLACES_ENTRIES_MAX && (entry = readdir(dir)) != NULL;
         count++) {
        char *path = mem_printf("%s/%s", folder, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            stat(path, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
            add(places, path, LANDLOCK_EXECUTE, true);
        free(path);
    }
    if (dir != NULL)
        closedir(dir);
}

/* A program or script and what lies beside it; of a Python environment (pyvenv.cfg) the whole. */
static void add_program(struct places *places, const struct sandbox_spec *spec, const char *program)
{
    const char *slot = spec->folder;
    char *folder = mem_strdup(program), *slash = strrchr(folder, '/'), *config;

    *slash = '\0';
    if (is_program_folder(slot, folder))
        add_folder(places, &spec->identity, folder);
    add(places, program, LANDLOCK_EXECUTE, true);
    slash = strrchr(folder, '/');
    if (slash != NULL) {
        *slash = '\0';
        config = mem_printf("%s/pyvenv.cfg", folder);
        if (access(config, F_OK) == 0)
            add_folder(places, &spec->identity, folder);
        free(config);
    }
    free(folder);
}

static void add_path(struct places *places, const struct sandbox_spec *spec, const char *path)
{
    const char *slot = spec->folder;
    struct stat st;

    if (stat(path, &st) == -1 || is_beneath(path, slot) || is_beneath(slot, path))
        return;
    if (S_ISREG(st.st_mode))
        add_program(places, spec, path);
    else if (S_ISDIR(st.st_mode) && strcmp(path, "/") != 0)
        add_folder(places, &spec->identity, path);
}

/* What the operator's command names by an absolute path (`python3 /srv/conv/main.py
 * --models=/srv/models`) is meant to be read. */
static void add_word(struct places *places, const struct sandbox_spec *spec, const char *word)
{
    const char *path = word[0] == '/' ? word : strstr(word, "=/");

    if (path != NULL)
        add_path(places, spec, path + (*path == '=' ? 1 : 0));
}

/* NAME=/one:/two of converter_env. */
static void add_entry(struct places *places, const struct sandbox_spec *spec, const char *entry)
{
    const char *equals = strchr(entry, '=');
    char *list = mem_strdup(equals != NULL ? equals + 1 : ""), *rest = list, *path;

    while ((path = strsep(&rest, ":")) != NULL)
        if (path[0] == '/')
            add_path(places, spec, path);
    free(list);
}

static void add_slot(struct places *places, const char *slot)
{
    static const struct place_row subs[] = {
        {"in", LANDLOCK_READ}, {"out", LANDLOCK_WRITE}, {"tmp", LANDLOCK_WRITE}};

    for (size_t i = 0; i < ARRAY_LEN(subs); i++) {
        char *path = mem_printf("%s/%s", slot, subs[i].path);
        add(places, path, subs[i].access, true);
        free(path);
    }
}

void places_collect(const struct sandbox_spec *spec, struct places *places_r)
{
    char *real;

    *places_r = (struct places){NULL, 0};
    add_rows(places_r, spec->folder, toolchain, ARRAY_LEN(toolchain));
    add_profile(places_r, spec);
    for (size_t i = 1; spec->argv[0] != NULL && spec->argv[i] != NULL; i++)
        add_word(places_r, spec, spec->argv[i]);
    for (size_t i = 0; spec->env != NULL && spec->env[i] != NULL; i++)
        add_entry(places_r, spec, spec->env[i]);
    add_program(places_r, spec, spec->program);
    real = realpath(spec->program, NULL); /* what the name of a link leads to */
    if (real != NULL && strcmp(real, spec->program) != 0)
        add_program(places_r, spec, real);
    free(real);
    add_slot(places_r, spec->folder);
}

void places_release(struct places *places)
{
    for (size_t i = 0; i < places->count; i++)
        free(places->all[i].path);
    free(places->all);
    *places = (struct places){NULL, 0};
}
