/* A converter that tries to get out: `escape ATTEMPT INPUT OUTDIR`. It writes `done` or `refused`
 * to content.md, or goes on until it is killed. What it aims at comes by the environment:
 *
 *     ESCAPE_PORT      TCP and UDP port on 127.0.0.1 where somebody listens
 *     ESCAPE_ABSTRACT  name of an abstract socket
 *     ESCAPE_NAMES     folder, with @ for each / (so that it is not named as a path): holds `sock`,
 *                      `secret`, `other/in/document.pdf` and `other/out`
 *     ESCAPE_WORKER    pid of who started us; ESCAPE_VICTIM: of somebody else */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *outdir;

static const char *aim(const char *name)
{
    static char path[2][4096];
    static int turn;
    char *at = path[turn ^= 1];

    snprintf(at, sizeof(path[0]), "%s/%s", getenv("ESCAPE_NAMES"), name);
    for (char *p = at; (p = strchr(p, '@')) != NULL;)
        *p = '/';
    return at;
}

static pid_t pid_of(const char *name)
{
    return (pid_t)atoi(getenv(name));
}

static bool opens(const char *path, int flags)
{
    int fd = open(path, flags, 0600);

    if (fd != -1)
        close(fd);
    return fd != -1;
}

static bool reads(const char *path)
{
    int fd = open(path, O_RDONLY);
    char byte;
    bool ok = fd != -1 && read(fd, &byte, 1) == 1;

    if (fd != -1)
        close(fd);
    return ok;
}

static bool reads_of(pid_t pid, const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    return reads(path);
}

static _Noreturn void hang(void)
{
    for (;;)
        pause();
}

/* --- one thing each: true: it came about -------------------------------------------------------
 */

static bool inet(int type)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(getenv("ESCAPE_PORT"))),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, type, 0);

    return fd != -1 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
           send(fd, "x", 1, MSG_NOSIGNAL) == 1;
}

static bool network(void)
{
    return inet(SOCK_STREAM) || inet(SOCK_DGRAM) || socket(AF_INET6, SOCK_STREAM, 0) != -1 ||
           socket(AF_NETLINK, SOCK_RAW, 0) != -1 || socket(AF_PACKET, SOCK_RAW, 0) != -1;
}

static bool control_socket(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(to.sun_path, sizeof(to.sun_path), "%.100s", aim("sock"));
    return fd != -1 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
}

static bool abstract_socket(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int len = snprintf(to.sun_path + 1, sizeof(to.sun_path) - 1, "%s", getenv("ESCAPE_ABSTRACT"));

    return fd != -1 &&
           connect(fd, (struct sockaddr *)&to,
                   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) + (socklen_t)len) == 0;
}

static bool read_slot(void)
{
    return reads(aim("other/in/document.pdf"));
}

static bool write_slot(void)
{
    return opens(aim("other/in/document.pdf"), O_WRONLY) ||
           opens(aim("other/out/planted"), O_WRONLY | O_CREAT) ||
           rename(aim("other/out"), aim("other/gone")) == 0;
}

static bool read_keys(void)
{
    return reads(aim("secret")) || reads("/etc/shadow");
}

static bool write_host(void)
{
    return opens("/etc/escaped", O_WRONLY | O_CREAT) || opens("/usr/bin/sh", O_WRONLY) ||
           opens("/escaped", O_WRONLY | O_CREAT) || opens("/var/tmp/escaped", O_WRONLY | O_CREAT);
}

static bool write_input(void)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/../in/document.pdf", outdir);
    return opens(path, O_WRONLY);
}

static bool proc_1(void)
{
    return reads_of(1, "environ") || reads_of(1, "mem") || opens("/proc/1/root/etc", O_RDONLY) ||
           opens("/proc/1/cwd", O_RDONLY) || opens("/proc/1/fd/0", O_RDONLY);
}

static bool worker_look(void)
{
    pid_t worker = pid_of("ESCAPE_WORKER");

    return reads_of(worker, "environ") || reads_of(worker, "maps") ||
           reads_of(getppid(), "environ") || reads_of(getppid(), "maps");
}

static bool worker_trace(void)
{
    pid_t worker = pid_of("ESCAPE_WORKER");
    char byte;
    struct iovec here = {&byte, 1}, there = {&byte, 1};

    return ptrace(PTRACE_SEIZE, worker, NULL, NULL) == 0 ||
           ptrace(PTRACE_SEIZE, getppid(), NULL, NULL) == 0 ||
           process_vm_readv(worker, &here, 1, &there, 1, 0) == 1 ||
           (errno == EFAULT); /* it was let in, and only the address is none */
}

static bool worker_stop(void)
{
    return kill(pid_of("ESCAPE_WORKER"), SIGSTOP) == 0;
}

static bool sibling_kill(void)
{
    return kill(pid_of("ESCAPE_VICTIM"), SIGTERM) == 0;
}

static bool everybody_kill(void)
{
    signal(SIGTERM, SIG_IGN);
    return kill(-1, SIGTERM) == 0 && kill(pid_of("ESCAPE_VICTIM"), 0) == 0;
}

static bool namespaces(void)
{
    return unshare(CLONE_NEWUSER) == 0 || unshare(CLONE_NEWNS) == 0 ||
           mount("tmpfs", outdir, "tmpfs", 0, NULL) == 0 || chroot(outdir) == 0;
}

static bool kernel_doors(void)
{
    return (syscall(SYS_io_uring_setup, 1, NULL) == -1 && errno == EFAULT) ||
           (syscall(SYS_bpf, 0, NULL, 0) == -1 && errno != EPERM) ||
           (syscall(SYS_keyctl, 0, -3, 1) != -1) ||
           (syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0) == -1 && errno == EFAULT) ||
           (syscall(SYS_userfaultfd, 1) != -1);
}

static bool descriptors(void)
{
    for (int fd = 4; fd < 4096; fd++)
        if (fcntl(fd, F_GETFD) != -1)
            return true;
    return lseek(0, 0, SEEK_CUR) == -1; /* 0 is /dev/null */
}

static bool symlink_out(void)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/content.md", outdir);
    if (symlink("/etc/passwd", path) == -1)
        _exit(74);
    exit(0); /* the check of outputs decides */
    return true;
}

/* Memory that is no process's. */
static bool hidden_memory(void)
{
    int fd = (int)syscall(SYS_memfd_create, "hidden", 0);

    return fd != -1 || shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600) != -1;
}

/* --- until killed ------------------------------------------------------------------------------
 */

static bool fork_bomb(void)
{
    signal(SIGCHLD, SIG_IGN);
    while (outdir != NULL) /* for ever */
        if (fork() == -1)
            usleep(1000);
    return true;
}

static bool double_fork(void)
{
    for (int i = 0; i < 4; i++)
        if (fork() == 0) {
            setsid();
            for (int number = 1; number < NSIG; number++)
                signal(number, SIG_IGN);
            if (fork() != 0)
                _exit(0);
            setsid();
            hang();
        }
    while (wait(NULL) > 0)
        ;
    return false;
}

static bool write_10g(void)
{
    static char block[1 << 20];
    char path[4096];

    for (int file = 0; file < 10; file++) {
        int fd;
        snprintf(path, sizeof(path), "%s/part%d", file % 2 == 0 ? outdir : ".", file);
        fd = open(path, O_WRONLY | O_CREAT, 0600);
        signal(SIGXFSZ, SIG_IGN);
        for (int i = 0; i < 1024 && write(fd, block, sizeof(block)) > 0; i++)
            ;
    }
    return true;
}

static bool memory_bomb(void)
{
    for (;;) {
        char *p = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (p == MAP_FAILED && fork() == 0)
            hang();
        if (p == MAP_FAILED)
            hang();
    }
}

static bool deaf(void)
{
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_IGN);
    hang();
    return true;
}

static const struct {
    const char *name;
    bool (*run)(void);
} attempts[] = {
    {"network", network},
    {"control-socket", control_socket},
    {"abstract-socket", abstract_socket},
    {"read-slot", read_slot},
    {"write-slot", write_slot},
    {"read-keys", read_keys},
    {"write-host", write_host},
    {"write-input", write_input},
    {"proc-1", proc_1},
    {"worker-look", worker_look},
    {"worker-trace", worker_trace},
    {"worker-stop", worker_stop},
    {"sibling-kill", sibling_kill},
    {"everybody-kill", everybody_kill},
    {"namespaces", namespaces},
    {"kernel-doors", kernel_doors},
    {"descriptors", descriptors},
    {"symlink-out", symlink_out},
    {"hidden-memory", hidden_memory},
    {"fork-bomb", fork_bomb},
    {"double-fork", double_fork},
    {"write-10g", write_10g},
    {"memory-bomb", memory_bomb},
    {"deaf", deaf},
};

int main(int argc, char **argv)
{
    const char *word;
    char path[4096];
    int fd;

    if (argc != 4)
        return 64;
    outdir = argv[3];
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        if (strcmp(attempts[i].name, argv[1]) != 0)
            continue;
        word = attempts[i].run() ? "done\n" : "refused\n";
        snprintf(path, sizeof(path), "%s/content.md", outdir);
        fd = open(path, O_WRONLY | O_CREAT, 0600);
        return fd != -1 && write(fd, word, strlen(word)) == (ssize_t)strlen(word) ? 0 : 74;
    }
    return 64;
}
