/* See machine.h: facts of this machine. */
#include "cli/machine.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"

#define LANDLOCK_VERSION_FLAG 1u /* LANDLOCK_CREATE_RULESET_VERSION, linux/landlock.h */

static int landlock_abi(void)
{
#ifdef SYS_landlock_create_ruleset
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_FLAG);

    return abi > 0 ? (int)abi : 0;
#else
    return 0;
#endif
}

static bool has_seccomp(void)
{
    unsigned action = SECCOMP_RET_KILL_PROCESS;

    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

/* Settings of the kernel, of Debian and of a container all have a say: only trying tells. */
static bool has_user_namespaces(void)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0)
        _exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

/* Our group's folder below /sys/fs/cgroup; the caller frees. NULL: no version 2. */
static char *cgroup_folder(void)
{
    char line[4096];
    FILE *file = fopen("/proc/self/cgroup", "re");
    char *folder = NULL;

    while (file != NULL && folder == NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "0::", 3) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        folder = mem_printf("/sys/fs/cgroup%s", line + 3);
    }
    if (file != NULL)
        fclose(file);
    return folder;
}

static bool has_cgroup(void)
{
    char *folder = cgroup_folder(), *path, text[512] = "";
    bool has = false;
    FILE *file;

    if (folder == NULL)
        return false;
    path = mem_printf("%s/cgroup.controllers", folder);
    file = fopen(path, "re");
    if (file != NULL && fgets(text, sizeof(text), file) != NULL)
        has = strstr(text, "memory") != NULL && access(folder, W_OK) == 0;
    if (file != NULL)
        fclose(file);
    free(path);
    free(folder);
    return has;
}

void machine_look(struct machine_facts *facts_r)
{
    facts_r->landlock_abi = landlock_abi();
    facts_r->seccomp = has_seccomp();
    facts_r->user_namespaces = has_user_namespaces();
    facts_r->cgroup = has_cgroup();
}
