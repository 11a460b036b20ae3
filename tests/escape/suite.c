/* The escape suite: every attempt of escape.c at every level, and what came of it.
 *
 * A cell of the table is what is proven here: `held` where the attempt failed, `open` where it came
 * about and the level does not promise to prevent it, `ESCAPED` where it does: that fails the
 * suite. What this machine cannot show is printed as such, with the reason. Run as root and as an
 * ordinary user: some promises at lower levels stand on the converter's own user id. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "convert/cgroup.h"
#include "convert/convert.h"
#include "convert/landlock.h"
#include "convert/tree.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

enum promise { /* the lowest level that promises it */
    FROM_L0,
    FROM_L0_OWN_USER, /* there, where the converter has a user id of its own; else from L1 */
    FROM_L1,
    FROM_L1_SCOPE, /* there with Landlock 6 or a user id of its own; else from L2 */
    FROM_L2
};

enum proof {
    BY_WORD,       /* it says `refused` */
    BY_LIMIT,      /* it was killed for the limit named */
    BY_NONE_LEFT,  /* whatever it said, nothing of it runs on */
    BY_REFUSED_OUT /* the check of outputs refused it */
};

static const struct row {
    const char *attempt, *text;
    const char *page; /* its line in blobforged(8), perhaps with others */
    enum promise promise;
    enum proof proof;
    const char *limit;
} rows[] = {
    {"network", "network: TCP, UDP, netlink, raw", "network: TCP, UDP, netlink, raw", FROM_L1,
     BY_WORD, NULL},
    {"control-socket", "connect to the control socket", "connecting to the control socket", FROM_L1,
     BY_WORD, NULL},
    {"abstract-socket", "connect to an abstract socket", "connecting to an abstract socket",
     FROM_L1, BY_WORD, NULL},
    {"read-slot", "read another slot's document", "reading or writing another slot's files",
     FROM_L0_OWN_USER, BY_WORD, NULL},
    {"write-slot", "write into another slot", "reading or writing another slot's files",
     FROM_L0_OWN_USER, BY_WORD, NULL},
    {"read-keys", "read a file of the daemon's user",
     "reading files of the daemon's user, its keys", FROM_L0_OWN_USER, BY_WORD, NULL},
    {"write-host", "write to /etc, /usr, /, /var/tmp", "writing to the host's files", FROM_L1,
     BY_WORD, NULL},
    {"write-input", "change its own input", "changing its own input", FROM_L0_OWN_USER, BY_WORD,
     NULL},
    {"proc-1", "look into /proc/1", "/proc/1; environment and memory of the worker",
     FROM_L0_OWN_USER, BY_WORD, NULL},
    {"worker-look", "environment and maps of the worker",
     "/proc/1; environment and memory of the worker", FROM_L0_OWN_USER, BY_WORD, NULL},
    {"worker-trace", "ptrace, process_vm_readv of the worker",
     "ptrace and process_vm_readv of the worker", FROM_L0_OWN_USER, BY_WORD, NULL},
    {"worker-stop", "SIGSTOP to the worker", "SIGSTOP to the worker, killing another slot's",
     FROM_L1_SCOPE, BY_WORD, NULL},
    {"sibling-kill", "kill another slot's process", "SIGSTOP to the worker, killing another slot's",
     FROM_L1_SCOPE, BY_WORD, NULL},
    {"everybody-kill", "kill(-1)", "kill(-1)", FROM_L2, BY_WORD, NULL},
    {"namespaces", "unshare, mount, chroot", "unshare, mount, chroot", FROM_L1, BY_WORD, NULL},
    {"kernel-doors", "io_uring, bpf, keyctl, perf, userfaultfd",
     "io_uring, bpf, keyctl, perf, userfaultfd", FROM_L1, BY_WORD, NULL},
    {"descriptors", "inherited descriptors", "inherited descriptors", FROM_L0, BY_WORD, NULL},
    {"symlink-out", "a symbolic link as output", "a symbolic link as output", FROM_L0,
     BY_REFUSED_OUT, NULL},
    {"hidden-memory", "memory files, System V memory", "memory that is no process's", FROM_L1,
     BY_WORD, NULL},
    {"fork-bomb", "fork bomb", "fork bomb, memory bomb, 10 GB written", FROM_L0, BY_LIMIT,
     "processes"},
    {"double-fork", "double fork and setsid, signals ignored",
     "double fork and setsid, all signals ignored", FROM_L0, BY_NONE_LEFT, NULL},
    {"write-10g", "write 10 GB", "fork bomb, memory bomb, 10 GB written", FROM_L0, BY_LIMIT,
     "output"},
    {"memory-bomb", "memory bomb", "fork bomb, memory bomb, 10 GB written", FROM_L0, BY_LIMIT,
     "memory"},
    {"deaf", "hang with every signal ignored", "double fork and setsid, all signals ignored",
     FROM_L0, BY_LIMIT, "time"},
};

static char *root, *program, *env;
static struct slot_folder *other;
static pid_t victim, guard;
static int listeners[4], failures;

/* --- what it aims at ---------------------------------------------------------------------------
 */

/* Not our child: those are taken for the converter's. */
static pid_t stray_start(void (*run)(pid_t), pid_t of)
{
    int ends[2], status;
    pid_t pid = -1, child;

    if (pipe(ends) == -1)
        abort();
    child = fork();
    if (child == 0) {
        pid = fork();
        if (pid == 0) {
            setsid();
            close(ends[0]);
            close(ends[1]);
            run(of);
        }
        _exit(write(ends[1], &pid, sizeof(pid)) == (ssize_t)sizeof(pid) ? 0 : 1);
    }
    if (read(ends[0], &pid, sizeof(pid)) != (ssize_t)sizeof(pid) || waitpid(child, &status, 0) < 0)
        abort();
    close(ends[0]);
    close(ends[1]);
    return pid;
}

/* It survives what is allowed to reach it: the word of the one who sent it counts. */
static void sleep_on(pid_t of)
{
    signal(SIGTERM, SIG_IGN);
    while (kill(of, 0) == 0 || errno == EPERM)
        usleep(200 * 1000);
    _exit(0);
}

/* Wakes who was stopped. */
static void keep_awake(pid_t of)
{
    while (kill(of, SIGCONT) == 0)
        usleep(50 * 1000);
    _exit(0);
}

static int listen_on(int family, int type, const void *name, socklen_t len)
{
    int fd = socket(family, type, 0);

    if (fd == -1 || bind(fd, name, len) == -1 || (type == SOCK_STREAM && listen(fd, 8) == -1)) {
        perror("escape: socket");
        exit(1);
    }
    return fd;
}

static void aims_make(void)
{
    struct sockaddr_in inet = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    socklen_t len = sizeof(inet);
    char random[17], *names, *error;
    int fd;

    rng_hex(rng_system(), 8, random);
    listeners[0] = listen_on(AF_INET, SOCK_STREAM, &inet, sizeof(inet));
    if (getsockname(listeners[0], (struct sockaddr *)&inet, &len) == -1)
        abort();
    listeners[1] = listen_on(AF_INET, SOCK_DGRAM, &inet, sizeof(inet));
    snprintf(local.sun_path, sizeof(local.sun_path), "%.90s/sock", root);
    listeners[2] = listen_on(AF_UNIX, SOCK_STREAM, &local, sizeof(local));
    (void)chmod(local.sun_path, 0777); /* no permission is to keep it away */
    memset(local.sun_path, 0, sizeof(local.sun_path));
    len = (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1 +
          (socklen_t)snprintf(local.sun_path + 1, sizeof(local.sun_path) - 1, "escape-%s", random);
    listeners[3] = listen_on(AF_UNIX, SOCK_STREAM, &local, len);

    names = mem_printf("%s/secret", root);
    fd = open(names, O_WRONLY | O_CREAT, 0600);
    if (fd == -1 || write(fd, "key", 3) != 3)
        abort();
    close(fd);
    free(names);
    other = slot_folder_open(root, "other", &error);
    if (other == NULL || !slot_folder_prepare(other, &error))
        abort();
    fd = slot_folder_create_input(other, "pdf", &error);
    if (fd == -1 || write(fd, "%PDF-1.4", 8) != 8)
        abort();
    close(fd);
    names = mem_strdup(root);
    for (char *p = names; (p = strchr(p, '/')) != NULL;)
        *p = '@';
    env = mem_printf("ESCAPE_MARK=%s ESCAPE_PORT=%d ESCAPE_ABSTRACT=escape-%s ESCAPE_NAMES=%s "
                     "ESCAPE_WORKER=%d ESCAPE_VICTIM=%d",
                     random, ntohs(inet.sin_port), random, names, (int)getpid(), (int)victim);
    free(names);
}

/* --- one attempt -------------------------------------------------------------------------------
 */

static int marked_processes(void)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    size_t len = strcspn(env, " ");
    int found = 0;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        static char path[300], text[65536];
        ssize_t n;
        int fd;
        snprintf(path, sizeof(path), "/proc/%s/environ", entry->d_name);
        fd = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? open(path, O_RDONLY) : -1;
        n = fd != -1 ? read(fd, text, sizeof(text)) : -1;
        if (fd != -1)
            close(fd);
        found += n > 0 && memmem(text, (size_t)n, env, len) != NULL ? 1 : 0;
    }
    if (dir != NULL)
        closedir(dir);
    return found;
}

static bool is_alive(pid_t pid)
{
    return kill(pid, 0) == 0;
}

static bool said_refused(struct slot_folder *folder)
{
    char text[16] = "";
    int fd = openat(slot_folder_fd(folder), "out/content.md", O_RDONLY | O_NOFOLLOW);
    ssize_t n = fd != -1 ? read(fd, text, sizeof(text) - 1) : -1;

    if (fd != -1)
        close(fd);
    return n > 0 && strcmp(text, "refused\n") == 0;
}

static const char *proof_of(const struct row *row, struct slot_folder *folder,
                            const struct convert_result *result, double took, bool *late_r)
{
    static char text[200];
    const char *limit = result->record.limit;

    *late_r = false;
    if (marked_processes() > 0)
        return "it runs on";
    if (!is_alive(victim))
        return "another process was killed";
    switch (row->proof) {
    case BY_WORD:
        return said_refused(folder) ? NULL : "it came about";
    case BY_NONE_LEFT:
        return NULL;
    case BY_REFUSED_OUT:
        return !result->packed && result->record.error != NULL &&
                       strstr(result->record.error, "a symbolic link") != NULL
                   ? NULL
                   : "it was published";
    case BY_LIMIT:
        if (limit == NULL || strcmp(limit, row->limit) != 0) {
            snprintf(text, sizeof(text), "limit %s: %s", limit != NULL ? limit : "none",
                     result->record.error != NULL ? result->record.error : "-");
            *late_r = limit != NULL;
            return text;
        }
        *late_r = took - result->seconds > 1.0; /* from the limit to the last of it */
        return *late_r ? "gone only after more than a second" : NULL;
    }
    return "?";
}

/* NULL: held; else what came of it. *late_r: it was held, but by a later limit or late. */
static const char *attempt_once(const struct row *row, enum sandbox_level level, bool *late_r)
{
    char *error, *name = mem_printf("slot-%s", row->attempt);
    char *command = mem_printf("'%s' %s {input} {output}", program, row->attempt);
    struct slot_folder *folder = slot_folder_open(root, name, &error);
    struct convert_job job = {.command = command,
                              .env = env,
                              .type = "pdf",
                              .hash = HASH,
                              .worker_id = "escape",
                              .attempt = 1,
                              .sandbox = level,
                              .clock = clock_system(),
                              .watch_fd = -1};
    struct convert_result result;
    const char *why;
    int64_t start;

    if (folder == NULL || !slot_folder_prepare(folder, &error)) {
        fprintf(stderr, "escape: %s\n", error);
        exit(1);
    }
    close(slot_folder_create_input(folder, "pdf", &error));
    convert_limits_default(&job.limits);
    job.limits.time_limit_ms = strcmp(row->attempt, "deaf") == 0 ? 300 : 20000;
    job.limits.processes = 20;
    job.limits.memory_bytes = 64 << 20;
    job.limits.output_bytes = 64 << 20;
    start = clock_boot_ms(job.clock);
    convert_document(folder, &job, &result);
    why = proof_of(row, folder, &result, (double)(clock_boot_ms(job.clock) - start) / 1e3, late_r);
    if (why != NULL && row->proof == BY_WORD && !result.packed && result.record.error != NULL) {
        fprintf(stderr, "escape: %s at %s: %s: %s\n", row->attempt, sandbox_level_name(level),
                result.record.error, result.record.stderr_tail);
        failures++;
    }
    convert_result_release(&result);
    slot_folder_close(folder);
    free(command);
    free(name);
    return why;
}

/* A machine that is busy with other things may be late, but not three times. */
static const char *attempt(const struct row *row, enum sandbox_level level)
{
    bool late;
    const char *why = attempt_once(row, level, &late);

    for (int more = 2; late && more > 0; more--) {
        fprintf(stderr, "escape: %s at %s: %s; tried again\n", row->text, sandbox_level_name(level),
                why);
        why = attempt_once(row, level, &late);
    }
    return why;
}

/* --- the table ---------------------------------------------------------------------------------
 */

static bool is_promised(const struct row *row, enum sandbox_level level)
{
    bool own = slot_folder_identity(other).own;

    switch (row->promise) {
    case FROM_L0:
        return true;
    case FROM_L0_OWN_USER:
        return own || level >= SANDBOX_L1;
    case FROM_L1:
        return level >= SANDBOX_L1;
    case FROM_L1_SCOPE:
        return own || level >= SANDBOX_L2 || (level == SANDBOX_L1 && landlock_abi() >= 6);
    case FROM_L2:
        return level >= SANDBOX_L2;
    }
    return true;
}

static bool level_is_here(enum sandbox_level level)
{
    enum sandbox_level best = sandbox_best();

    return level == SANDBOX_L0 || (level == SANDBOX_L2 && best == SANDBOX_L2) ||
           (level == SANDBOX_L1 && best != SANDBOX_L0 && landlock_abi() > 0);
}

static void table_print(void)
{
    static const enum sandbox_level levels[] = {SANDBOX_L0, SANDBOX_L1, SANDBOX_L2};

    printf("%-42s %-8s %-8s %s\n", geteuid() == 0 ? "as root" : "as an ordinary user", "l0", "l1",
           "l2");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        printf("%-42s", rows[i].text);
        for (size_t k = 0; k < ARRAY_LEN(levels); k++) {
            bool promised = is_promised(&rows[i], levels[k]);
            const char *why;
            /* Where it is not refused it would reach everybody of this user. */
            if (!level_is_here(levels[k]) ||
                (!promised && strcmp(rows[i].attempt, "everybody-kill") == 0)) {
                printf(" %-8s", "-");
                continue;
            }
            why = attempt(&rows[i], levels[k]);
            printf(" %-8s", why == NULL ? "held" : promised ? "ESCAPED" : "open");
            if (why != NULL && promised) {
                fprintf(stderr, "escape: %s at %s: %s\n", rows[i].text,
                        sandbox_level_name(levels[k]), why);
                failures++;
            }
        }
        printf("\n");
        fflush(stdout);
    }
}

/* --- control groups ----------------------------------------------------------------------------
 */

/* A group that is delegated as systemd would, with us in it; NULL: it cannot be had. */
static char *group_make(char **why_r)
{
    char line[4096], at[1024] = "", pid[24], *path, *procs;
    FILE *file = fopen("/proc/self/mountinfo", "re");
    int fd;

    while (file != NULL && at[0] == '\0' && fgets(line, sizeof(line), file) != NULL)
        if (strstr(line, " - cgroup2 ") == NULL || sscanf(line, "%*s %*s %*s %*s %1023s", at) != 1)
            at[0] = '\0';
    if (file != NULL)
        fclose(file);
    if (at[0] == '\0') {
        *why_r = mem_strdup("no cgroup version 2 is mounted");
        return NULL;
    }
    path = mem_printf("%s/escape-%d", at, (int)getpid());
    if (mkdir(path, 0755) == -1 || setxattr(path, "user.delegate", "1", 1, 0) == -1) {
        *why_r = mem_printf("no group can be made: %s", strerror(errno));
        (void)rmdir(path);
        free(path);
        return NULL;
    }
    procs = mem_printf("%s/cgroup.procs", path);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    fd = open(procs, O_WRONLY);
    if (fd == -1 || write(fd, pid, strlen(pid)) == -1)
        *why_r = mem_printf("a group cannot be entered: %s", strerror(errno));
    if (fd != -1)
        close(fd);
    free(procs);
    if (*why_r == NULL)
        return path;
    (void)rmdir(path);
    free(path);
    return NULL;
}

static void groups_try(void)
{
    char *why = NULL, *path = group_make(&why), *own, *procs, pid[24];
    enum cgroup_state state;
    int fd;

    if (path == NULL) {
        printf("cgroup: not provable here: %s\n", why);
        free(why);
        return;
    }
    state = cgroup_take(geteuid(), getegid());
    if (state == CGROUP_NONE) {
        fprintf(stderr, "escape: a delegated group was not taken\n");
        failures++;
    }
    for (size_t i = 0; i < ARRAY_LEN(rows) && state != CGROUP_NONE; i++) {
        const char *why_not = rows[i].proof != BY_WORD ? attempt(&rows[i], sandbox_best()) : NULL;
        if (why_not != NULL) {
            fprintf(stderr, "escape: %s in a control group: %s\n", rows[i].text, why_not);
            failures++;
        }
    }
    printf("cgroup.kill: proven\n");
    printf("cgroup memory.max, pids.max: %s\n",
           state == CGROUP_LIMITS ? "in force"
                                  : "not provable here: their controllers are not version 2's");
    own = mem_printf("%s/blobforged", path);
    procs = mem_printf("%s/../cgroup.procs", path);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    fd = open(procs, O_WRONLY);
    if (fd == -1 || write(fd, pid, strlen(pid)) == -1 || rmdir(own) == -1 || rmdir(path) == -1) {
        fprintf(stderr, "escape: groups are left in %s: %s\n", path, strerror(errno));
        failures++;
    }
    if (fd != -1)
        close(fd);
    free(own);
    free(procs);
    free(path);
}

/* --- what is asked for -------------------------------------------------------------------------
 */

/* The lines of blobforged(8) that we prove: the lowest level, as root and as an ordinary user. */
static void page_print(void)
{
    static const char *const levels[] = {[FROM_L0] = "l0 Ta l0",
                                         [FROM_L0_OWN_USER] = "l0 Ta l1",
                                         [FROM_L1] = "l1 Ta l1",
                                         [FROM_L1_SCOPE] = "l0 Ta l1 (a), l2",
                                         [FROM_L2] = "l2 Ta l2"};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        printf(".It %s Ta %s\n", rows[i].page, levels[rows[i].promise]);
}

/* ESCAPE_REQUIRE=l1 or l2: a table without that level has proven nothing of it. */
static void requirement_check(void)
{
    const char *name = getenv("ESCAPE_REQUIRE");
    enum sandbox_level level;

    if (name == NULL || *name == '\0')
        return;
    if (!sandbox_level_parse(name, &level) || level == SANDBOX_AUTO || level == SANDBOX_COMMAND) {
        fprintf(stderr, "escape: ESCAPE_REQUIRE=%s: give l0, l1 or l2\n", name);
        failures++;
    } else if (!level_is_here(level)) {
        fprintf(stderr, "escape: level %s is required and was not tried: it is not here\n", name);
        failures++;
    }
}

int main(int argc, char **argv)
{
    const char *tmp = getenv("TMPDIR");
    char self[4096], *text;
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    int leak;

    if (argc > 1 && strcmp(argv[1], "--page") == 0) {
        page_print();
        return 0;
    }
    if (len <= 0)
        return 1;
    self[len] = '\0';
    *strrchr(self, '/') = '\0';
    program = mem_printf("%s/escape", self);
    root = mem_printf("%s/bf-escape.XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(root) == NULL)
        return 1;
    (void)chmod(root, 0755);
    leak = open("/etc/passwd", O_RDONLY); /* not close-on-exec: it must not get through */
    victim = stray_start(sleep_on, getpid());
    guard = stray_start(keep_awake, getpid());
    aims_make();
    text = sandbox_describe(SANDBOX_AUTO);
    printf("sandbox %s\n", text);
    table_print();
    requirement_check();
    groups_try();
    if (landlock_abi() < 6)
        printf("signals at l1: not provable here: Landlock %d, they need 6\n", landlock_abi());
    slot_folder_close(other);
    free(text);
    (void)kill(guard, SIGKILL);
    (void)kill(victim, SIGKILL);
    close(leak);
    text = mem_printf("rm -rf '%s'", root);
    if (system(text) != 0)
        failures++;
    free(text);
    printf("%s\n", failures == 0 ? "nothing escaped" : "ESCAPED");
    return failures == 0 ? 0 : 1;
}
