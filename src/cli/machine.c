/* See machine.h: facts of this machine. */
#include "cli/machine.h"

#include <linux/seccomp.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "convert/cgroup.h"
#include "convert/landlock.h"

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

void machine_look(struct machine_facts *facts_r)
{
    facts_r->landlock_abi = landlock_abi();
    facts_r->seccomp = has_seccomp();
    facts_r->user_namespaces = has_user_namespaces();
    facts_r->cgroup = cgroup_look() == CGROUP_LIMITS;
}
