/* A converter that misbehaves: `hostile MODE INPUT OUTDIR`. Each mode is one thing that a document
 * may make its converter do. Modes that end well write a small content.md. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *outdir;

struct text {
    char bytes[8192];
    size_t len;
};

static void say(const char *line)
{
    if (write(3, line, strlen(line)) < 0)
        _exit(99);
}

static void put(const char *name, const void *bytes, size_t len)
{
    char path[4096];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", outdir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd == -1 || write(fd, bytes, len) != (ssize_t)len)
        _exit(74);
    close(fd);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

static void out_path(char *path, size_t room, const char *name)
{
    snprintf(path, room, "%s/%s", outdir, name);
}

static void assets(void)
{
    char path[4096];

    out_path(path, sizeof(path), "assets");
    if (mkdir(path, 0700) == -1)
        _exit(74);
}

static void hang(void)
{
    for (;;)
        pause();
}

static void burn(void)
{
    for (;;)
        ;
}

/* --- processes -------------------------------------------------------------------------------- */

static void mode_ignore(void)
{
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_IGN);
    hang();
}

/* A grandchild in a session of its own that holds every pipe. */
static void escape(void)
{
    if (fork() == 0) {
        setsid();
        if (fork() == 0)
            hang();
        _exit(0);
    }
    wait(NULL);
}

static void mode_escape(void)
{
    escape();
    put_text("content.md", "# escaped\n");
}

static void mode_escape_hang(void)
{
    escape();
    say("stage escaped\n");
    hang();
}

/* Each process forks the next and ends. */
static void mode_chain(void)
{
    for (int i = 0; i < 1000000; i++) {
        pid_t pid = fork();
        if (pid != 0)
            _exit(pid == -1 ? 71 : 0);
        setsid();
        usleep(200);
    }
}

static void mode_chain_hang(void)
{
    if (fork() == 0)
        mode_chain();
    hang();
}

static void mode_bomb(void)
{
    signal(SIGCHLD, SIG_IGN);
    for (;;)
        if (fork() == -1)
            usleep(1000);
}

/* --- limits ----------------------------------------------------------------------------------- */

static void mode_stall(void)
{
    say("pages 3\npage 1\nstage ocr\n");
    hang();
}

static void eat(size_t bytes)
{
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
                   -1, 0);

    if (p == MAP_FAILED)
        hang();
}

static void mode_memory(void)
{
    for (;;) {
        eat(8 << 20);
        usleep(2000);
    }
}

/* The memory is that of many small processes. */
static void mode_memory_tree(void)
{
    for (int i = 0; i < 8; i++)
        if (fork() == 0) {
            eat(24 << 20);
            hang();
        }
    hang();
}

static void mode_flood(void)
{
    char block[4096];

    memset(block, 'x', sizeof(block));
    for (int i = 0; i < 4096; i++)
        if (write(1, block, sizeof(block)) < 0 || write(2, block, sizeof(block)) < 0)
            _exit(74);
    if (write(2, "the end", 7) != 7)
        _exit(74);
    put_text("content.md", "# flooded\n");
}

static void mode_sparse(void)
{
    char path[4096];
    int fd;

    out_path(path, sizeof(path), "content.md");
    fd = open(path, O_WRONLY | O_CREAT, 0644);
    _exit(ftruncate(fd, (off_t)1 << 40) == 0 ? 0 : 74);
}

static void mode_write(void)
{
    static char block[1 << 20];
    char name[64];

    for (int i = 0;; i++) {
        snprintf(name, sizeof(name), "part%d", i);
        memset(block, i, sizeof(block));
        put(name, block, sizeof(block));
        usleep(1000);
    }
}

static void mode_files(void)
{
    char name[64];

    for (int i = 0; i < 1000000; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        put_text(name, "");
    }
}

/* --- outputs ---------------------------------------------------------------------------------- */

static void mode_good(void)
{
    assets();
    say("stage parse\npages 2\npage 1\nbroken line\npage 2\nwarn page 2 has no text\n");
    put_text("content.md", "# Title\n\n![](assets/b.png)\n");
    put_text("assets/b.png", "bbb");
    put_text("assets/a.png", "aaa");
    put_text("assets/Z.png", "zzz");
    put_text("info.json", "{\"title\": \"T\", \"version\": \"7\"}");
    put_text("notes.txt", "ignored");
}

static void mode_environment(void)
{
    extern char **environ;
    char text[65536];
    size_t len = (size_t)snprintf(text, sizeof(text), "environment\n");

    for (char **entry = environ; *entry != NULL; entry++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\n", *entry);
    for (int fd = 0; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) != -1)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "fd %d\n", fd);
    len += (size_t)snprintf(text + len, sizeof(text) - len, "sid %d\n", getsid(0) == getpid());
    len += (size_t)snprintf(text + len, sizeof(text) - len, "cwd %s\n", getcwd(NULL, 0));
    put("content.md", text, len);
}

static void mode_symlink(void)
{
    char path[4096];

    out_path(path, sizeof(path), "content.md");
    _exit(symlink("/etc/passwd", path) == 0 ? 0 : 74);
}

static void mode_symlink_out(void)
{
    if (rmdir(outdir) == -1 || symlink("/etc", outdir) == -1)
        _exit(74);
}

static void mode_symlink_assets(void)
{
    char path[4096];

    put_text("content.md", "# x\n");
    out_path(path, sizeof(path), "assets");
    _exit(symlink("/etc", path) == 0 ? 0 : 74);
}

static void mode_hardlink(void)
{
    char path[4096], own[4096];
    int fd;

    put_text("content.md", "# x\n");
    assets();
    snprintf(own, sizeof(own), "%s/own", getenv("TMPDIR"));
    out_path(path, sizeof(path), "assets/x");
    fd = open(own, O_WRONLY | O_CREAT, 0600);
    if (fd == -1 || link(own, path) == -1)
        _exit(74);
}

static void mode_fifo(void)
{
    char path[4096];

    put_text("content.md", "# x\n");
    assets();
    out_path(path, sizeof(path), "assets/x.png");
    _exit(mkfifo(path, 0644) == 0 ? 0 : 74);
}

static void mode_socket(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    put_text("content.md", "# x\n");
    if (chdir(outdir) == -1)
        _exit(74);
    strcpy(name.sun_path, "sock");
    _exit(bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0 ? 0 : 74);
}

static void mode_asset_name(const char *name)
{
    char path[4096];

    put_text("content.md", "# x\n");
    assets();
    snprintf(path, sizeof(path), "assets/%s", name);
    put_text(path, "x");
}

static void mode_asset_folder(void)
{
    char path[4096];

    put_text("content.md", "# x\n");
    assets();
    out_path(path, sizeof(path), "assets/deep");
    _exit(mkdir(path, 0700) == 0 ? 0 : 74);
}

static void mode_unreadable(void)
{
    char path[4096];

    put_text("content.md", "# x\n");
    out_path(path, sizeof(path), "content.md");
    _exit(chmod(path, 0) == 0 ? 0 : 74);
}

/* A tree deeper than any path may be, then everything without permissions. */
static void mode_litter(void)
{
    put_text("content.md", "# x\n");
    if (chdir(getenv("TMPDIR")) == -1)
        _exit(74);
    for (int i = 0; i < 3000; i++) {
        int fd;
        if (mkdir("a-folder-within-a-folder", 0700) == -1 ||
            (fd = open("file", O_CREAT | O_WRONLY, 0)) == -1 || symlink("/etc", "link") == -1)
            _exit(74);
        close(fd);
        if (chdir("a-folder-within-a-folder") == -1)
            _exit(74);
    }
    for (int i = 0; i < 3000; i++)
        if (chmod(".", 0500) == -1 || chdir("..") == -1)
            _exit(74);
    if (chmod("a-folder-within-a-folder", 0) == -1 || chmod(outdir, 0500) == -1)
        _exit(74);
}

/* --- the sandbox ------------------------------------------------------------------------------ */

static void told(struct text *text, const char *what, bool done)
{
    text->len += (size_t)snprintf(text->bytes + text->len, sizeof(text->bytes) - text->len,
                                  "%s %s\n", what, done ? "done" : "refused");
}

static bool opens(const char *path, int flags)
{
    int fd = open(path, flags, 0600);

    if (fd != -1)
        close(fd);
    return fd != -1;
}

static bool has_socket(int family, int type)
{
    int fd = socket(family, type, 0);

    if (fd != -1)
        close(fd);
    return fd != -1;
}

/* Tries each thing and writes down which came about. */
static void mode_probe(void)
{
    static struct text text;
    char environ_of_parent[64], inside[4096], moved[4096], other[4096];

    snprintf(environ_of_parent, sizeof(environ_of_parent), "/proc/%d/environ", (int)getppid());
    snprintf(inside, sizeof(inside), "%s/inside", getenv("TMPDIR"));
    out_path(moved, sizeof(moved), "moved.txt");
    snprintf(other, sizeof(other), "%s/../../other-slot", getenv("TMPDIR"));
    told(&text, "probe:", true);
    told(&text, "inet", has_socket(AF_INET, SOCK_STREAM));
    told(&text, "inet6", has_socket(AF_INET6, SOCK_DGRAM));
    told(&text, "netlink", has_socket(AF_NETLINK, SOCK_RAW));
    told(&text, "unix", has_socket(AF_UNIX, SOCK_STREAM));
    told(&text, "read-other", opens(other, O_RDONLY));
    told(&text, "write-other", opens(other, O_WRONLY));
    told(&text, "read-config", opens("/etc/hostname", O_RDONLY));
    told(&text, "read-toolchain", opens("/bin/sh", O_RDONLY));
    told(&text, "write-inside", opens(inside, O_RDWR | O_CREAT));
    told(&text, "move-inside", rename(inside, moved) == 0);
    told(&text, "dev-null", opens("/dev/null", O_RDWR));
    told(&text, "parent-environ", opens(environ_of_parent, O_RDONLY));
    told(&text, "own-status", opens("/proc/self/status", O_RDONLY));
    told(&text, "ptrace-parent", ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0);
    told(&text, "user-namespace", unshare(CLONE_NEWUSER) == 0);
    told(&text, "io-uring", syscall(SYS_io_uring_setup, 1, NULL) == -1 && errno != EPERM);
    told(&text, "signal-parent", kill(getppid(), 0) == 0);
    told(&text, "fork-exec", system("exit 0") == 0);
    put("content.md", text.bytes, text.len);
}

/* Who it is, and what that lets it touch. */
static void mode_identity(void)
{
    static struct text text;
    char line[256], input[4096];
    uid_t real, effective, saved;
    FILE *status = fopen("/proc/self/status", "r");

    getresuid(&real, &effective, &saved);
    text.len =
        (size_t)snprintf(text.bytes, sizeof(text.bytes), "uid %u %u %u\n", real, effective, saved);
    while (status != NULL && fgets(line, sizeof(line), status) != NULL)
        if (strncmp(line, "Cap", 3) == 0 || strncmp(line, "NoNew", 5) == 0)
            text.len +=
                (size_t)snprintf(text.bytes + text.len, sizeof(text.bytes) - text.len, "%s", line);
    snprintf(input, sizeof(input), "%s/../in/document.pdf", getenv("TMPDIR"));
    told(&text, "input", opens(input, O_WRONLY));
    told(&text, "shadow", opens("/etc/shadow", O_RDONLY));
    put("content.md", text.bytes, text.len);
}

static const struct {
    const char *name;
    void (*run)(void);
} modes[] = {
    {"identity", mode_identity},
    {"probe", mode_probe},
    {"ignore", mode_ignore},
    {"escape", mode_escape},
    {"escape-hang", mode_escape_hang},
    {"chain", mode_chain_hang},
    {"bomb", mode_bomb},
    {"hang", hang},
    {"burn", burn},
    {"stall", mode_stall},
    {"memory", mode_memory},
    {"memory-tree", mode_memory_tree},
    {"flood", mode_flood},
    {"sparse", mode_sparse},
    {"write", mode_write},
    {"files", mode_files},
    {"good", mode_good},
    {"environment", mode_environment},
    {"symlink", mode_symlink},
    {"symlink-out", mode_symlink_out},
    {"symlink-assets", mode_symlink_assets},
    {"hardlink", mode_hardlink},
    {"fifo", mode_fifo},
    {"socket", mode_socket},
    {"asset-folder", mode_asset_folder},
    {"unreadable", mode_unreadable},
    {"litter", mode_litter},
};

/* What a document's hash has it do in the soak: of 256 documents, so many each. The hash is the
 * draw, so a run with the same documents draws the same. `first=` modes end well from the second
 * attempt on. */
static const struct {
    int share;
    const char *mode;
} draws[] = {
    {8, "exit=1"},      {6, "exit=65"}, {8, "signal=11"},       {4, "hang"},          {4, "ignore"},
    {4, "escape-hang"}, {4, "chain"},   {4, "memory"},          {4, "memory-tree"},   {4, "bomb"},
    {6, "flood"},       {4, "escape"},  {4, "write"},           {4, "files"},         {3, "sparse"},
    {3, "symlink"},     {3, "pdf"},     {6, "first=signal=11"}, {6, "first=exit=75"},
};

static const char *drawn(const char *hash)
{
    char digits[3] = {hash[0], hash[0] == '\0' ? '\0' : hash[1], '\0'};
    long draw = strtol(digits, NULL, 16);

    for (size_t i = 0; i < sizeof(draws) / sizeof(draws[0]); i++) {
        draw -= draws[i].share;
        if (draw < 0)
            return draws[i].mode;
    }
    return "good";
}

static const char *drawn_now(void)
{
    const char *hash = getenv("BLOBFORGE_HASH"), *attempt = getenv("BLOBFORGE_ATTEMPT");
    const char *mode = drawn(hash == NULL ? "" : hash);

    if (strncmp(mode, "first=", 6) != 0)
        return mode;
    return attempt != NULL && atoi(attempt) > 1 ? "good" : mode + 6;
}

/* `hostile draws`: HASH MODE of each hash on standard input. */
static int print_draws(void)
{
    char line[128];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        printf("%s %s\n", line, drawn(line));
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *mode = argc == 4 ? argv[1] : "";

    if (argc == 2 && strcmp(argv[1], "draws") == 0)
        return print_draws();
    outdir = argc == 4 ? argv[3] : ".";
    if (strcmp(mode, "drawn") == 0)
        mode = drawn_now();
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (strcmp(modes[i].name, mode) == 0) {
            modes[i].run();
            return 0;
        }
    if (strncmp(mode, "exit=", 5) == 0) {
        fprintf(stderr, "ending with %s\n", mode + 5);
        return atoi(mode + 5);
    }
    if (strncmp(mode, "signal=", 7) == 0) {
        signal(atoi(mode + 7), SIG_DFL);
        raise(atoi(mode + 7));
        return 98;
    }
    if (strncmp(mode, "eat=", 4) == 0) { /* megabytes, for a while */
        eat((size_t)atoi(mode + 4) << 20);
        usleep(400 * 1000);
        return 0;
    }
    if (strncmp(mode, "asset=", 6) == 0)
        mode_asset_name(mode + 6);
    else if (strncmp(mode, "info=", 5) == 0) {
        put_text("content.md", "# x\n");
        put_text("info.json", mode + 5);
    } else if (strncmp(mode, "content=", 8) == 0)
        put_text("content.md", mode + 8);
    else if (strcmp(mode, "content-nul") == 0)
        put("content.md", "a\0b", 3);
    else if (strcmp(mode, "nothing") == 0)
        return 0;
    else if (strcmp(mode, "pdf") == 0)
        put_text("content.md", "\n%PDF-1.7\n%\xc3\xa2\n1 0 obj\n");
    else
        return 64;
    return 0;
}
