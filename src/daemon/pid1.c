/* See pid1.h. */
#include "daemon/pid1.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/exitcode.h"

static const int handed_on[] = {SIGTERM, SIGINT,   SIGQUIT, SIGHUP, SIGUSR1,
                                SIGUSR2, SIGWINCH, SIGTTIN, SIGTTOU};

/* These count only when a process sent them, not the terminal; handed on, they would come from one.
 */
static bool is_handed_on(const siginfo_t *info)
{
    bool by_process = info->si_code <= 0;

    return by_process ||
           (info->si_signo != SIGWINCH && info->si_signo != SIGTTIN && info->si_signo != SIGTTOU);
}

/* true: the daemon itself has ended. */
static bool reap(pid_t daemon, int *status_r)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != daemon)
            continue;
        *status_r = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        return true;
    }
    return false;
}

bool pid1_split(int *status_r)
{
    sigset_t set, before;
    siginfo_t info;
    pid_t daemon;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (size_t i = 0; i < ARRAY_LEN(handed_on); i++)
        sigaddset(&set, handed_on[i]);
    sigprocmask(SIG_BLOCK, &set, &before);
    daemon = fork();
    if (daemon == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        prctl(PR_SET_PDEATHSIG, SIGQUIT);
        setpgid(0,
                0); /* a Ctrl-C for all of the group would come twice: by itself, and handed on */
        return true;
    }
    *status_r = EXITCODE_OSERR;
    if (daemon < 0)
        return false;
    for (;;) {
        int signo = sigwaitinfo(&set, &info);
        if (signo == SIGCHLD && reap(daemon, status_r))
            return false;
        if (signo > 0 && signo != SIGCHLD && is_handed_on(&info))
            kill(daemon, signo);
    }
}
