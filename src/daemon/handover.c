/* See handover.h. */
#include "daemon/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/human.h"
#include "base/json.h"
#include "daemon/ipc.h"

#define STATE_MAX (64u << 20)
#define FD_NAME "BLOBFORGE_HANDOVER"
#define TEXT_OF(x) TEXT_OF_(x)
#define TEXT_OF_(x) #x

static char program[4096]; /* "" when it cannot be known */
static char **words;
static int word_count;

const char *handover_version(void)
{
    return TEXT_OF(HANDOVER_VERSION) "." TEXT_OF(IPC_VERSION);
}

void handover_remember(int argc, char **argv)
{
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);

    program[len > 0 ? len : 0] = '\0';
    words = mem_resize(NULL, (size_t)argc + 1, sizeof(*words));
    for (word_count = 0; word_count < argc; word_count++)
        words[word_count] = mem_strdup(argv[word_count]);
    words[argc] = NULL;
}

/* WARNING: between fork and exec of a process with threads: async-signal-safe calls only. */
static void NO_RETURN become_check(int out, char **argv)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(out, STDOUT_FILENO) < 0)
        _exit(126);
    syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
    execv(program, argv);
    _exit(127);
}

pid_t handover_spawn_check(int *out_r)
{
    static char option[] = "-x", role[] = "handover";
    char **argv = mem_resize(NULL, (size_t)word_count + 3, sizeof(*argv));
    int ends[2];
    pid_t pid = -1;

    argv[0] = words[0];
    argv[1] = option;
    argv[2] = role;
    for (int i = 1; i <= word_count; i++) /* the NULL, too */
        argv[i + 2] = words[i];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) {
        pid = fork();
        if (pid == 0)
            become_check(ends[1], argv);
        close(ends[1]);
        *out_r = ends[0];
        if (pid < 0)
            close(ends[0]);
    }
    free(argv);
    return pid;
}

static void keep_open(const int *fds, size_t count, bool keep)
{
    for (size_t i = 0; i < count; i++)
        fcntl(fds[i], F_SETFD, keep ? 0 : FD_CLOEXEC);
}

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

void handover_exec(struct json_object *state, const int *keep, size_t keep_count)
{
    struct buf text = BUF_INIT;
    char number[16];
    int fd = memfd_create("blobforge-handover", MFD_CLOEXEC), error;

    json_append(&text, state);
    if (fd >= 0 && write_all(fd, text.data, text.len)) {
        snprintf(number, sizeof(number), "%d", fd);
        setenv(FD_NAME, number, 1);
        keep_open(keep, keep_count, true);
        keep_open(&fd, 1, true);
        execv(program, words);
        error = errno;
        keep_open(keep, keep_count, false);
        unsetenv(FD_NAME);
        errno = error;
    }
    error = errno;
    explicit_bzero(text.data, text.len);
    buf_release(&text);
    if (fd >= 0)
        close(fd);
    errno = error;
}

/* ---- the new program ---- */

static bool read_all(int fd, struct buf *text)
{
    struct stat st;
    size_t at = 0;

    /* a memory file of ours, not whatever a number in the environment happens to name */
    if (fcntl(fd, F_GET_SEALS) < 0 || fstat(fd, &st) != 0 || st.st_size <= 0 ||
        st.st_size > (off_t)STATE_MAX)
        return false;
    buf_reserve(text, (size_t)st.st_size);
    while (at < (size_t)st.st_size) {
        ssize_t n = pread(fd, text->data + at, (size_t)st.st_size - at, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    text->len = at;
    return true;
}

bool handover_take(struct json_object **state_r, char **error_r)
{
    const char *name = getenv(FD_NAME), *version;
    struct buf text = BUF_INIT;
    int64_t fd = -1, pid = 0;
    bool whole;

    *state_r = NULL;
    if (name == NULL)
        return true;
    whole = human_parse_int(name, &fd) && fd > STDERR_FILENO && fd < 1000000 &&
            read_all((int)fd, &text) &&
            json_parse(text.data, text.len, STATE_MAX, state_r) == JSON_OK;
    unsetenv(FD_NAME);
    if (text.data != NULL)
        explicit_bzero(text.data, text.len);
    buf_release(&text);
    if (whole)
        close((int)fd);
    version = whole ? json_get_text(*state_r, "version") : NULL;
    if (version != NULL && strcmp(version, handover_version()) == 0 &&
        json_get_int(*state_r, "pid", &pid) && pid == getpid())
        return true;
    json_object_put(*state_r);
    *state_r = NULL;
    *error_r = mem_strdup(FD_NAME ": names no state of this very process; unset it");
    return false;
}
