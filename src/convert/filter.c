/* See filter.h: the program is made in the parent (libseccomp allocates) and installed in the child
 * by prctl(2). */
#include "config.h"

#include "convert/filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef HAVE_LIBSECCOMP
#include <seccomp.h>
#endif

#include "base/alloc.h"

struct filter {
    struct sock_fprog program;
};

#ifdef HAVE_LIBSECCOMP

/* By name: what this libseccomp or architecture does not know is passed over. */
static const char *const refused[] = {
    /* other processes */
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd",
    /* namespaces, mounts, roots */
    "unshare", "setns", "mount", "umount", "umount2", "pivot_root", "chroot", "open_tree",
    "move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "open_by_handle_at",
    "name_to_handle_at",
    /* wide doors into the kernel */
    "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter",
    "io_uring_register", "keyctl", "add_key", "request_key", "lookup_dcookie", "nfsservctl",
    "fanotify_init",
    /* the machine's own */
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module",
    "create_module", "reboot", "swapon", "swapoff", "syslog", "acct", "quotactl", "quotactl_fd",
    "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "stime", "sethostname",
    "setdomainname", "iopl", "ioperm", "vhangup", "vm86", "vm86old", "modify_ldt", "_sysctl",
    "ustat", "uselib"};

/* Ways out that have a path or a number and no other guard: the daemon's control socket, memory
 * that no process shows as its own, objects that outlive the job. */
static const char *const refused_sharing[] = {"memfd_create", "memfd_secret", "shmget", "msgget",
                                              "semget"};

static int filter_refuse_list(scmp_filter_ctx rules, const char *const *names, size_t count,
                              int with)
{
    int error = 0;

    for (size_t i = 0; i < count && error == 0; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        if (number != __NR_SCMP_ERROR)
            error = seccomp_rule_add(rules, SCMP_ACT_ERRNO((unsigned)with), number, 0);
        if (error == -EDOM) /* not on this architecture */
            error = 0;
    }
    return error;
}

static int filter_refuse_names(scmp_filter_ctx rules, const struct filter_doors *doors)
{
    static const char *const connecting[] = {"connect"};
    int error = filter_refuse_list(rules, refused, ARRAY_LEN(refused), EPERM);

    if (error == 0 && !doors->sharing)
        error = filter_refuse_list(rules, refused_sharing, ARRAY_LEN(refused_sharing), ENOSYS);
    /* A datagram names its address when it is sent; sendto(2) is let through, since pairs need it:
     * the daemon has no sockets of that kind. */
    if (error == 0 && !doors->sharing && !doors->network)
        error = filter_refuse_list(rules, connecting, ARRAY_LEN(connecting), EACCES);
    return error;
}

/* No sockets but AF_UNIX: this is what "no network" comes from where Landlock does not know TCP. */
static int filter_refuse_sockets(scmp_filter_ctx rules, const struct filter_doors *doors)
{
    static const int calls[] = {SCMP_SYS(socket), SCMP_SYS(socketpair)};
    int error = 0;

    if (doors->network)
        return 0;

    for (size_t i = 0; i < ARRAY_LEN(calls) && error == 0; i++)
        error = seccomp_rule_add(rules, SCMP_ACT_ERRNO(EACCES), calls[i], 1,
                                 SCMP_A0(SCMP_CMP_NE, AF_UNIX, 0));
    return error;
}

/* No new namespaces by clone(2); clone3(2) passes its flags in memory, where no filter sees them:
 * libc goes on with clone when it is not there. And no typing into terminals. */
static int filter_refuse_flags(scmp_filter_ctx rules)
{
    static const unsigned flags[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                     CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};
    static const unsigned requests[] = {TIOCSTI, 0x541C /* TIOCLINUX */};
    int error = seccomp_rule_add(rules, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

    for (size_t i = 0; i < ARRAY_LEN(flags) && error == 0; i++)
        error = seccomp_rule_add(rules, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                 SCMP_A0(SCMP_CMP_MASKED_EQ, flags[i], flags[i]));
    for (size_t i = 0; i < ARRAY_LEN(requests) && error == 0; i++)
        error = seccomp_rule_add(rules, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                                 SCMP_A1(SCMP_CMP_MASKED_EQ, 0xFFFFFFFFU, requests[i]));
    return error;
}

/* libseccomp writes the program into a file; in memory here. */
static int filter_take(scmp_filter_ctx rules, struct filter *filter)
{
    int fd = memfd_create("filter", MFD_CLOEXEC), error;
    off_t size;

    if (fd == -1)
        return -errno;
    error = seccomp_export_bpf(rules, fd);
    size = lseek(fd, 0, SEEK_END);
    if (error == 0 && (size <= 0 || size % (off_t)sizeof(struct sock_filter) != 0))
        error = -EINVAL;
    if (error == 0) {
        filter->program.filter = mem_alloc((size_t)size);
        filter->program.len = (unsigned short)((size_t)size / sizeof(struct sock_filter));
        if (pread(fd, filter->program.filter, (size_t)size, 0) != size)
            error = -EIO;
    }
    close(fd);
    return error;
}

struct filter *filter_create(const struct filter_doors *doors, char **error_r)
{
    struct filter *filter = mem_alloc(sizeof(*filter));
    scmp_filter_ctx rules = seccomp_init(SCMP_ACT_ALLOW);
    int error = rules != NULL ? 0 : -ENOMEM;

    *error_r = NULL;
    if (error == 0)
        error = filter_refuse_names(rules, doors);
    if (error == 0)
        error = filter_refuse_sockets(rules, doors);
    if (error == 0)
        error = filter_refuse_flags(rules);
    if (error == 0)
        error = filter_take(rules, filter);
    if (rules != NULL)
        seccomp_release(rules);
    if (error != 0) {
        *error_r = mem_printf("cannot make the filter of system calls: %s", strerror(-error));
        filter_destroy(filter);
        filter = NULL;
    }
    return filter;
}

#else

struct filter *filter_create(const struct filter_doors *doors, char **error_r)
{
    (void)doors;
    *error_r = mem_strdup("cannot filter system calls: built without libseccomp");
    return NULL;
}

#endif

bool filter_available(void)
{
#ifdef HAVE_LIBSECCOMP
    return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
#else
    return false;
#endif
}

int filter_enter(const struct filter *filter)
{
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter->program, 0, 0) == 0 ? 0 : errno;
}

void filter_destroy(struct filter *filter)
{
    if (filter != NULL)
        free(filter->program.filter);
    free(filter);
}
