/* See instance.h: this instance on this host. */
#include "daemon/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libutil.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/exitcode.h"
#include "base/json.h"
#include "base/quote.h"
#include "convert/cgroup.h"
#include "store/store_settings.h"

struct instance {
    struct pidfh *pidfile; /* NULL: adopted, then */
    int pid_fd;            /* its descriptor, */
    char *pid_path;        /* and its name */
};

/* Who we shall be. */
struct person {
    bool change;
    uid_t uid;
    gid_t gid;
    char *name;
};

/* ---- folders ---- */

static char *say_errno(const char *what, const char *path, const char *remedy)
{
    int error = errno;
    char *name = quote_name(path);
    char *text = mem_printf("%s %s: %s; %s", what, name, strerror(error), remedy);

    free(name);
    return text;
}

/* Makes the folder and its missing parents; *made_r: the folder itself was not there. */
static bool make_folders(const char *path, mode_t mode, bool *made_r)
{
    char *part = mem_strdup(path);
    bool there = true;

    for (char *slash = strchr(part + 1, '/'); there && slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        there = mkdir(part, 0755) == 0 || errno == EEXIST;
        *slash = '/';
    }
    *made_r = there && mkdir(path, mode) == 0;
    there = *made_r || (there && errno == EEXIST);
    free(part);
    return there;
}

/* A folder that only its owner may change, ours or to be ours. */
static int enter_folder(const char *path, mode_t mode, const struct person *person, char **error_r)
{
    struct stat st;
    uid_t me = person->change ? person->uid : geteuid();
    bool made;

    if (!make_folders(path, mode, &made)) {
        *error_r = say_errno("cannot make folder", path, "make it for this user or name another");
        return errno == EACCES || errno == EPERM ? EXITCODE_NOPERM : EXITCODE_CANTCREAT;
    }
    if (made && person->change && chown(path, person->uid, person->gid) != 0) {
        *error_r = say_errno("cannot give away folder", path, "give it to the daemon's user");
        return EXITCODE_CANTCREAT;
    }
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        *error_r = say_errno("no folder at", path, "make it or name another");
        return EXITCODE_CANTCREAT;
    }
    /* /tmp is everybody's: somebody else may have made the folder before us. */
    if (st.st_uid != me && st.st_uid != 0) {
        char *name = quote_name(path);
        *error_r = mem_printf("folder %s: belongs to uid %lu, not to us; remove it or name another",
                              name, (unsigned long)st.st_uid);
        free(name);
        return EXITCODE_NOPERM;
    }
    return 0;
}

/* ---- user ---- */

static void find_person(const struct settings *settings, struct person *person_r, char **note_r)
{
    const char *user = settings_text(settings, SETTING_USER);
    const char *group = settings_text(settings, SETTING_GROUP);
    struct passwd *pw;
    struct group *gr;

    memset(person_r, 0, sizeof(*person_r));
    if (geteuid() != 0 || *user == '\0' || strcmp(user, "root") == 0)
        return;
    pw = getpwnam(user);
    if (pw == NULL) {
        char *name = quote_name(user);
        *note_r = mem_printf("there is no user %s: running on as root", name);
        free(name);
        return;
    }
    gr = *group == '\0' ? NULL : getgrnam(group);
    person_r->change = true;
    person_r->uid = pw->pw_uid;
    person_r->gid = gr == NULL ? pw->pw_gid : gr->gr_gid;
    person_r->name = mem_strdup(user);
}

static int become(const struct person *person, char **error_r)
{
    if (!person->change)
        return 0;
    if (initgroups(person->name, person->gid) != 0 ||
        setresgid(person->gid, person->gid, person->gid) != 0 ||
        setresuid(person->uid, person->uid, person->uid) != 0) {
        *error_r = say_errno("cannot become user", person->name, "start as root or as that user");
        return EXITCODE_OSERR;
    }
    return 0;
}

/* ---- pid file ---- */

static int lock_pid_file(const struct settings *settings, const struct person *person,
                         struct instance *instance, char **error_r)
{
    const char *name = settings_text(settings, SETTING_INSTANCE);
    char *path = mem_printf("%s/%s.pid", settings_text(settings, SETTING_RUN_DIR), name);
    pid_t other = 0;
    int status = 0;

    instance->pidfile = pidfile_open(path, 0644, &other);
    if (instance->pidfile == NULL && errno == EEXIST) {
        char *quoted = quote_name(name);
        *error_r = mem_printf("instance %s: already running with pid %ld; stop it or choose "
                              "another with -i",
                              quoted, (long)other);
        free(quoted);
        status = EXITCODE_RUNNING;
    } else if (instance->pidfile == NULL) {
        status = errno == EACCES || errno == EPERM ? EXITCODE_NOPERM : EXITCODE_CANTCREAT;
        *error_r = say_errno("cannot lock pid file", path, "see run_dir");
    } else if (person->change &&
               fchown(pidfile_fileno(instance->pidfile), person->uid, person->gid) != 0) {
        *error_r = say_errno("cannot give away pid file", path, "see run_dir");
        status = EXITCODE_CANTCREAT;
    }
    free(path);
    return status;
}

int instance_enter(const struct settings *settings, struct instance **instance_r, char **note_r,
                   char **error_r)
{
    struct instance *instance = mem_alloc(sizeof(*instance));
    struct person person;
    int status;

    *note_r = NULL;
    find_person(settings, &person, note_r);
    status = enter_folder(settings_text(settings, SETTING_RUN_DIR),
                          geteuid() == 0 && person.change ? 0750 : 0700, &person, error_r);
    if (status == 0)
        status = enter_folder(settings_text(settings, SETTING_WORK_DIR), 0700, &person, error_r);
    if (status == 0)
        status = lock_pid_file(settings, &person, instance, error_r);
    /* While we may still give it away; which it is, is said with the sandbox. */
    if (status == 0)
        (void)cgroup_take(person.change ? person.uid : geteuid(),
                          person.change ? person.gid : getegid());
    if (status == 0)
        status = become(&person, error_r);
    if (status == 0 && pidfile_write(instance->pidfile) != 0) {
        *error_r = say_errno("cannot write pid file in", settings_text(settings, SETTING_RUN_DIR),
                             "is the disk full?");
        status = EXITCODE_IOERR;
    }
    free(person.name);
    if (status != 0) {
        free(instance);
        instance = NULL;
    }
    *instance_r = instance;
    return status;
}

void instance_leave(struct instance *instance)
{
    if (instance == NULL)
        return;
    if (instance->pidfile != NULL) {
        pidfile_remove(instance->pidfile);
    } else {
        unlink(instance->pid_path);
        close(instance->pid_fd);
    }
    free(instance->pid_path);
    free(instance);
}

struct instance *instance_adopt(const struct settings *settings, int pid_fd)
{
    struct instance *instance = mem_alloc(sizeof(*instance));

    fcntl(pid_fd, F_SETFD, FD_CLOEXEC);
    instance->pid_fd = pid_fd;
    instance->pid_path = mem_printf("%s/%s.pid", settings_text(settings, SETTING_RUN_DIR),
                                    settings_text(settings, SETTING_INSTANCE));
    return instance;
}

int instance_pid_fd(const struct instance *instance)
{
    return instance->pidfile != NULL ? pidfile_fileno(instance->pidfile) : instance->pid_fd;
}

/* ---- incarnations: one per line, newest first, in work_dir/WORKER_ID.incarnations ---- */

static char *incarnations_path(const struct settings *settings, const char *worker_id,
                               const char *suffix)
{
    char *safe = mem_strdup(worker_id);
    char *path;

    for (char *p = safe; *p != '\0'; p++)
        if (*p == '/')
            *p = '_';
    path =
        mem_printf("%s/%s.incarnations%s", settings_text(settings, SETTING_WORK_DIR), safe, suffix);
    free(safe);
    return path;
}

static void incarnations_read(const char *path, struct incarnations *incarnations_r)
{
    FILE *file = fopen(path, "re");
    char line[128];

    memset(incarnations_r, 0, sizeof(*incarnations_r));
    if (file == NULL)
        return;
    while (incarnations_r->count < INCARNATIONS_MAX && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strlen(line) == INCARNATION_SIZE - 1 && hex_is_lower(line, INCARNATION_SIZE - 1))
            memcpy(incarnations_r->all[incarnations_r->count++], line, INCARNATION_SIZE);
    }
    fclose(file);
}

static bool incarnations_write(const char *path, const char *temporary, const char *const *ours,
                               size_t ours_count, const struct incarnations *before)
{
    FILE *file = fopen(temporary, "we");
    bool written = file != NULL;

    for (size_t i = 0; written && i < ours_count; i++)
        written = fprintf(file, "%s\n", ours[i]) > 0;
    for (size_t i = 0; written && i < before->count && i + ours_count < INCARNATIONS_MAX; i++)
        written = fprintf(file, "%s\n", before->all[i]) > 0;
    written = written && fflush(file) == 0 && fsync(fileno(file)) == 0;
    if (file != NULL && fclose(file) != 0)
        written = false;
    return written && rename(temporary, path) == 0;
}

int incarnations_remember(const struct settings *settings, const char *worker_id,
                          const char *const *ours, size_t ours_count, struct incarnations *before_r,
                          char **error_r)
{
    char *path = incarnations_path(settings, worker_id, "");
    char *temporary = incarnations_path(settings, worker_id, ".new");
    int status = 0;

    incarnations_read(path, before_r);
    if (!incarnations_write(path, temporary, ours, ours_count, before_r)) {
        *error_r = say_errno("cannot write", temporary, "work_dir must have room and be ours");
        status = EXITCODE_IOERR;
    }
    free(path);
    free(temporary);
    return status;
}

void incarnations_forget(const struct settings *settings, const char *worker_id,
                         const char *const *ours, size_t ours_count)
{
    char *path = incarnations_path(settings, worker_id, "");
    char *temporary = incarnations_path(settings, worker_id, ".new");
    struct incarnations all, rest = {.count = 0};

    incarnations_read(path, &all);
    for (size_t i = 0; i < all.count; i++) {
        bool own = false;
        for (size_t k = 0; k < ours_count; k++)
            own = own || strcmp(all.all[i], ours[k]) == 0;
        if (!own)
            memcpy(rest.all[rest.count++], all.all[i], INCARNATION_SIZE);
    }
    /* Failing here costs the next start a look at the bucket, nothing else. */
    if (rest.count == 0)
        unlink(path);
    else if (!incarnations_write(path, temporary, NULL, 0, &rest))
        unlink(temporary);
    free(path);
    free(temporary);
}

/* ---- secrets ---- */

#define SECRETS_MAX 8
static char *first_bytes[SECRETS_MAX]; /* as the kernel laid them down */

static char *value_in(char **envp, const char *name)
{
    size_t len = strlen(name);

    for (; envp != NULL && *envp != NULL; envp++)
        if (strncmp(*envp, name, len) == 0 && (*envp)[len] == '=')
            return *envp + len + 1;
    return NULL;
}

void instance_note_environment(char **envp)
{
    const char *const *names = store_settings_secrets();

    for (size_t i = 0; i < SECRETS_MAX && names[i] != NULL; i++)
        first_bytes[i] = value_in(envp, names[i]);
}

void instance_wipe_environment(void)
{
    const char *const *names = store_settings_secrets();

    for (size_t i = 0; i < SECRETS_MAX && names[i] != NULL; i++) {
        if (first_bytes[i] == NULL)
            continue;
        if (getenv(names[i]) == first_bytes[i]) { /* setproctitle_init() had no memory for a copy */
            char *copy = mem_strdup(first_bytes[i]);
            setenv(names[i], copy, 1);
            explicit_bzero(copy, strlen(copy));
            free(copy);
        }
        if (getenv(names[i]) != first_bytes[i])
            explicit_bzero(first_bytes[i], strlen(first_bytes[i]));
        first_bytes[i] = NULL;
    }
}

static char *kept[SECRETS_MAX]; /* in our memory, as the store has them */

struct json_object *instance_kept_secrets(void)
{
    struct json_object *object = json_object_new_object();
    const char *const *names = store_settings_secrets();

    for (size_t i = 0; i < SECRETS_MAX && names[i] != NULL; i++)
        if (kept[i] != NULL)
            json_set_text(object, names[i], kept[i]);
    return object;
}

void instance_restore_secrets(struct json_object *object)
{
    const char *const *names = store_settings_secrets();

    for (size_t i = 0; object != NULL && i < SECRETS_MAX && names[i] != NULL; i++) {
        const char *value = json_get_text(object, names[i]);
        if (value != NULL)
            setenv(names[i], value, 1);
    }
}

void instance_forget_secrets(void)
{
    const char *const *names = store_settings_secrets();

    for (size_t i = 0; i < SECRETS_MAX && names[i] != NULL; i++) {
        char *value = getenv(names[i]);

        if (value == NULL)
            continue;
        free(kept[i]);
        kept[i] = mem_strdup(value);
        explicit_bzero(value, strlen(value));
        unsetenv(names[i]);
    }
}
