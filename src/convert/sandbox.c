/* See sandbox.h: rules, filter and room made of the same list of places. */
#include "convert/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "convert/cgroup.h"
#include "convert/filter.h"
#include "convert/landlock.h"
#include "convert/places.h"
#include "convert/room.h"

struct sandbox {
    enum sandbox_level level;
    struct identity identity;
    int ruleset_fd;
    struct filter *filter;
    struct room *room;
    char *key; /* what it was prepared for */
};

static const char *const level_names[] = {[SANDBOX_AUTO] = "auto",
                                          [SANDBOX_L0] = "l0",
                                          [SANDBOX_L1] = "l1",
                                          [SANDBOX_L2] = "l2",
                                          [SANDBOX_COMMAND] = "command"};

static const char *const profile_names[] = {[SANDBOX_DOCUMENT] = "document",
                                            [SANDBOX_PYTHON] = "python",
                                            [SANDBOX_GPU] = "gpu",
                                            [SANDBOX_NETWORK] = "network"};

const char *sandbox_level_name(enum sandbox_level level)
{
    return level_names[level];
}

bool sandbox_level_parse(const char *text, enum sandbox_level *level_r)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++)
        if (strcmp(text, level_names[i]) == 0) {
            *level_r = (enum sandbox_level)i;
            return true;
        }
    return false;
}

const char *sandbox_profile_name(enum sandbox_profile profile)
{
    return profile_names[profile];
}

bool sandbox_profile_parse(const char *text, enum sandbox_profile *profile_r)
{
    for (size_t i = 0; i < ARRAY_LEN(profile_names); i++)
        if (strcmp(text, profile_names[i]) == 0) {
            *profile_r = (enum sandbox_profile)i;
            return true;
        }
    return false;
}

bool sandbox_profile_reserves(enum sandbox_profile profile)
{
    return profile == SANDBOX_PYTHON || profile == SANDBOX_GPU || profile == SANDBOX_NETWORK;
}

/* --- what there is ---------------------------------------------------------------------------- */

enum sandbox_level sandbox_best(void)
{
    if (!filter_available())
        return SANDBOX_L0;
    if (room_probe(NULL))
        return SANDBOX_L2;
    return landlock_abi() > 0 ? SANDBOX_L1 : SANDBOX_L0;
}

static const char *cgroup_text(void)
{
    switch (cgroup_look()) {
    case CGROUP_NONE:
        return "not delegated (memory and processes are sampled)";
    case CGROUP_KILL:
        return "kill only (no memory and pids controllers; they are sampled)";
    case CGROUP_LIMITS:
        return "memory, pids, kill";
    }
    return "";
}

char *sandbox_describe(enum sandbox_level level)
{
    enum sandbox_level granted = level == SANDBOX_AUTO ? sandbox_best() : level;
    struct buf text = BUF_INIT;
    const char *why;

    buf_puts(&text, sandbox_level_name(granted));
    if (granted == SANDBOX_COMMAND || granted == SANDBOX_L0) {
        buf_puts(&text, granted == SANDBOX_L0 ? ": rlimits and sampling alone" : ": by wrapper");
        if (level == SANDBOX_AUTO)
            buf_puts(&text, filter_available() ? "; no Landlock" : "; no seccomp");
        return buf_steal(&text);
    }
    buf_printf(&text, ": Landlock %d, seccomp", landlock_abi());
    if (granted == SANDBOX_L2)
        buf_printf(&text, ", namespaces; cgroup: %s", cgroup_text());
    else if (level == SANDBOX_AUTO && !room_probe(&why))
        buf_printf(&text, "; not l2: %s", why);
    return buf_steal(&text);
}

/* --- preparing -------------------------------------------------------------------------------- */

static bool rules_make(struct sandbox *sandbox, const struct sandbox_spec *spec,
                       const struct places *places)
{
    int abi = landlock_abi();
    bool ok;

    if (abi == 0)
        return sandbox->level == SANDBOX_L2;
    sandbox->ruleset_fd = landlock_ruleset_create(abi, spec->profile == SANDBOX_NETWORK);
    ok = sandbox->ruleset_fd != -1;
    for (size_t i = 0; i < places->count && ok; i++)
        ok = landlock_ruleset_allow(sandbox->ruleset_fd, abi, places->all[i].path,
                                    places->all[i].access);
    return ok;
}

static enum room_access room_access_of(enum landlock_access access)
{
    switch (access) {
    case LANDLOCK_READ:
    case LANDLOCK_EXECUTE:
        return ROOM_READ;
    case LANDLOCK_DEVICE:
    case LANDLOCK_CONTROL:
        return ROOM_DEVICE;
    case LANDLOCK_WRITE:
        return ROOM_WRITE;
    }
    return ROOM_READ;
}

/* Does the operator or the slot name something beneath this folder? */
static bool is_named_beneath(const struct places *places, const char *folder)
{
    size_t len = strlen(folder);

    for (size_t i = 0; i < places->count; i++)
        if (places->all[i].named && strncmp(places->all[i].path, folder, len) == 0 &&
            places->all[i].path[len] == '/')
            return true;
    return false;
}

/* The room's own list; strings stay those of `places`. A cell's /tmp and /dev/shm are S/tmp, unless
 * something else must be seen there: mounting upon a folder that is emptied would end badly. */
static bool room_make(struct sandbox *sandbox, const struct sandbox_spec *spec,
                      const struct places *places, char **error_r)
{
    static const char *const shared[] = {"/tmp", "/dev/shm"};
    struct room_place *all = mem_alloc((places->count + ARRAY_LEN(shared) + 1) * sizeof(*all));
    char *tmp = mem_printf("%s/tmp", spec->folder);
    struct room_plan plan = {.kind = sandbox->level == SANDBOX_L2 ? ROOM_CELL : ROOM_VEIL,
                             .folder = spec->folder,
                             .places = all,
                             .identity = spec->identity,
                             .network = spec->profile == SANDBOX_NETWORK,
                             .ruleset_fd = sandbox->ruleset_fd};
    bool ok = true;

    for (size_t i = 0; i < ARRAY_LEN(shared) && plan.kind == ROOM_CELL; i++)
        if (!is_named_beneath(places, shared[i]))
            all[plan.count++] = (struct room_place){shared[i], tmp, ROOM_WRITE};
    /* As one mount, so that files can be moved from tmp/ to out/; in/ is mounted upon it. */
    if (plan.kind == ROOM_CELL)
        all[plan.count++] = (struct room_place){spec->folder, NULL, ROOM_WRITE};
    for (size_t i = 0; i < places->count; i++)
        if ((plan.kind == ROOM_CELL && strcmp(places->all[i].path, "/dev/shm") != 0) ||
            (plan.kind == ROOM_VEIL && places->all[i].named))
            all[plan.count++] = (struct room_place){places->all[i].path, NULL,
                                                    room_access_of(places->all[i].access)};
    if (plan.kind == ROOM_CELL || room_veil_needed(&plan)) {
        sandbox->room = room_build(&plan, error_r);
        ok = sandbox->room != NULL;
    }
    free(all);
    free(tmp);
    return ok;
}

/* At the level that is set; false with *error_r or errno. */
static bool prepare_level(struct sandbox *sandbox, const struct sandbox_spec *spec, char **error_r)
{
    struct filter_doors doors = {spec->profile == SANDBOX_NETWORK,
                                 spec->profile != SANDBOX_DOCUMENT};
    bool shut_in = sandbox->level == SANDBOX_L1 || sandbox->level == SANDBOX_L2;
    struct places places;
    bool ok = true;

    places_collect(spec, &places);
    if (shut_in && !rules_make(sandbox, spec, &places)) {
        *error_r = mem_printf("cannot restrict files (Landlock): %s; set sandbox to auto or l0",
                              strerror(errno));
        ok = false;
    }
    ok = ok && room_make(sandbox, spec, &places, error_r);
    places_release(&places);
    if (ok && shut_in) {
        sandbox->filter = filter_create(&doors, error_r);
        ok = sandbox->filter != NULL;
    }
    return ok;
}

static void sandbox_clear(struct sandbox *sandbox)
{
    if (sandbox->ruleset_fd != -1)
        close(sandbox->ruleset_fd);
    sandbox->ruleset_fd = -1;
    filter_destroy(sandbox->filter);
    room_destroy(sandbox->room);
    sandbox->filter = NULL;
    sandbox->room = NULL;
}

static char *key_make(const struct sandbox_spec *spec)
{
    struct buf key = BUF_INIT;

    buf_printf(&key, "%d %d %u %u %s\n%s\n", (int)spec->level, (int)spec->profile,
               spec->folder_serial, (unsigned)spec->identity.uid, spec->folder, spec->program);
    for (size_t i = 0; spec->argv[i] != NULL; i++)
        buf_printf(&key, "%s\n", spec->argv[i]);
    for (size_t i = 0; spec->env != NULL && spec->env[i] != NULL; i++)
        buf_printf(&key, "%s\n", spec->env[i]);
    return buf_steal(&key);
}

struct sandbox *sandbox_prepare(const struct sandbox_spec *spec, char **error_r)
{
    struct sandbox *sandbox = mem_alloc(sizeof(*sandbox));
    const char *why;
    bool ok;

    *error_r = NULL;
    sandbox->level = spec->level == SANDBOX_AUTO ? sandbox_best() : spec->level;
    sandbox->identity = spec->identity;
    sandbox->ruleset_fd = -1;
    sandbox->key = key_make(spec);
    if (sandbox->level == SANDBOX_L2 && !room_probe(&why)) {
        *error_r = mem_printf("sandbox level l2: not available here: %s; set sandbox to auto", why);
        sandbox_release(sandbox);
        return NULL;
    }
    ok = prepare_level(sandbox, spec, error_r);
    if (!ok && spec->level == SANDBOX_AUTO && sandbox->level == SANDBOX_L2 && landlock_abi() > 0) {
        /* Something about these folders; the record shows the level that it came to. */
        free(*error_r);
        *error_r = NULL;
        sandbox_clear(sandbox);
        sandbox->level = SANDBOX_L1;
        ok = prepare_level(sandbox, spec, error_r);
    }
    if (ok)
        return sandbox;
    sandbox_release(sandbox);
    return NULL;
}

bool sandbox_fits(const struct sandbox *sandbox, const struct sandbox_spec *spec)
{
    char *key;
    bool fits;

    if (sandbox == NULL)
        return false;
    key = key_make(spec);
    fits = strcmp(key, sandbox->key) == 0;
    free(key);
    return fits;
}

void sandbox_release(struct sandbox *sandbox)
{
    if (sandbox == NULL)
        return;
    sandbox_clear(sandbox);
    free(sandbox->key);
    free(sandbox);
}

enum sandbox_level sandbox_level(const struct sandbox *sandbox)
{
    return sandbox->level;
}

bool sandbox_is_cell(const struct sandbox *sandbox)
{
    return room_is_cell(sandbox->room);
}

bool sandbox_owns_user(const struct sandbox *sandbox)
{
    return sandbox->identity.own;
}

/* --- in the child ----------------------------------------------------------------------------- */

int sandbox_enter_room(const struct sandbox *sandbox)
{
    return sandbox->room != NULL ? room_enter(sandbox->room) : 0;
}

int sandbox_furnish(const struct sandbox *sandbox)
{
    return sandbox_is_cell(sandbox) ? room_furnish() : 0;
}

/* A process without capabilities is an ordinary user's; Landlock alone does not hold somebody who
 * may read any process's memory. */
static int capabilities_drop(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0, 0, 0}};

    return syscall(SYS_capset, &header, none) == 0 ? 0 : errno;
}

int sandbox_drop(const struct sandbox *sandbox)
{
    int error = 0;

    /* Refused to an ordinary user, who does not need it: exec gives nothing back to either. */
    (void)prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0);
    if (sandbox->identity.change)
        error = identity_enter(&sandbox->identity);
    return error != 0 ? error : capabilities_drop();
}

int sandbox_enter(const struct sandbox *sandbox)
{
    int error = 0;

    if (sandbox->ruleset_fd != -1)
        error = landlock_ruleset_enter(sandbox->ruleset_fd);
    if (error == 0 && sandbox->filter != NULL)
        error = filter_enter(sandbox->filter);
    return error;
}
