/* See identity.h. System calls are made directly: libc's setresuid() also asks the other threads,
 * and may not be called between a fork that shares memory and its exec. */
#include "convert/identity.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IDENTITY_NOBODY 65534U

/* FNV-1a: the same path has the same id in every worker. */
static uint32_t path_number(const char *path)
{
    uint32_t sum = 2166136261U;

    for (const unsigned char *p = (const unsigned char *)path; *p != '\0'; p++)
        sum = (sum ^ *p) * 16777619U;
    return (sum ^ (sum >> 20)) % IDENTITY_COUNT;
}

/* Does this user namespace know the id, as a user and as a group? */
static bool is_mapped(const char *file, unsigned id)
{
    FILE *map = fopen(file, "re");
    unsigned long inside, outside, count;
    bool found = map == NULL; /* no user namespaces in this kernel */

    while (!found && fscanf(map, "%lu %lu %lu", &inside, &outside, &count) == 3)
        found = id >= inside && id - inside < count;
    if (map != NULL)
        fclose(map);
    return found;
}

static bool is_known(unsigned id)
{
    return is_mapped("/proc/self/uid_map", id) && is_mapped("/proc/self/gid_map", id);
}

void identity_of_folder(const char *path, struct identity *identity_r)
{
    unsigned own = IDENTITY_FIRST + path_number(path);

    *identity_r = (struct identity){.change = false, .own = false, .uid = geteuid()};
    if (geteuid() != 0)
        return;
    if (is_known(own))
        *identity_r = (struct identity){.change = true, .own = true, .uid = own};
    else if (is_known(IDENTITY_NOBODY))
        *identity_r = (struct identity){.change = true, .own = false, .uid = IDENTITY_NOBODY};
    /* else: "root" is the only user here, and outside of its namespace an ordinary one */
}

bool identity_may_search(const struct identity *identity, const struct stat *folder)
{
    mode_t bit = folder->st_uid == identity->uid   ? S_IXUSR
                 : folder->st_gid == identity->uid ? S_IXGRP
                                                   : S_IXOTH;

    return !identity->change || (folder->st_mode & bit) != 0;
}

int identity_enter(const struct identity *identity)
{
    uid_t id = identity->uid;

    if (syscall(SYS_setgroups, 0, NULL) == -1 || syscall(SYS_setresgid, id, id, id) == -1 ||
        syscall(SYS_setresuid, id, id, id) == -1)
        return errno;
    return 0;
}
