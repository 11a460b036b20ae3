/* See git.h. */
#include "ingest/git.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/quote.h"

#define LOOK_MS 100   /* how long a stop flag may wait */
#define GRACE_MS 2000 /* between SIGTERM and SIGKILL */

extern char **environ;

/* What `git rev-parse --local-env-vars` lists, and what would make git ask or talk differently. */
static const char *const dropped[] = {
    "GIT_ALTERNATE_OBJECT_DIRECTORIES=",
    "GIT_CONFIG=",
    "GIT_CONFIG_PARAMETERS=",
    "GIT_CONFIG_COUNT=",
    "GIT_OBJECT_DIRECTORY=",
    "GIT_DIR=",
    "GIT_WORK_TREE=",
    "GIT_IMPLICIT_WORK_TREE=",
    "GIT_GRAFT_FILE=",
    "GIT_INDEX_FILE=",
    "GIT_NO_REPLACE_OBJECTS=",
    "GIT_REPLACE_REF_BASE=",
    "GIT_PREFIX=",
    "GIT_SHALLOW_FILE=",
    "GIT_COMMON_DIR=",
    "GIT_INTERNAL_SUPER_PREFIX=",
    "GIT_LITERAL_PATHSPECS=",
    "GIT_TERMINAL_PROMPT=",
    "GIT_TRACE=",
    "LC_ALL=",
};

static bool is_dropped(const char *entry)
{
    for (size_t i = 0; i < ARRAY_LEN(dropped); i++)
        if (strncmp(entry, dropped[i], strlen(dropped[i])) == 0)
            return true;
    return false;
}

/* Entries are borrowed; the array is the caller's. */
static char **clean_environment(void)
{
    size_t count = 0, kept = 0;
    char **clean;

    while (environ[count] != NULL)
        count++;
    clean = mem_alloc((count + 3) * sizeof(*clean));
    for (size_t i = 0; i < count; i++)
        if (!is_dropped(environ[i]))
            clean[kept++] = environ[i];
    clean[kept++] = (char *)"GIT_TERMINAL_PROMPT=0";
    clean[kept++] = (char *)"LC_ALL=C";
    clean[kept] = NULL;
    return clean;
}

static char **argument_vector(const char *const *words)
{
    size_t count = 0;
    char **argv;

    while (words[count] != NULL)
        count++;
    argv = mem_alloc((count + 2) * sizeof(*argv));
    argv[0] = (char *)"git";
    for (size_t i = 0; i < count; i++)
        argv[i + 1] = (char *)words[i];
    return argv;
}

/* A file in memory, so that nobody has to feed a pipe. */
static int open_input(const struct git_call *call)
{
    size_t at = 0;
    int fd;

    if (call->input == NULL)
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    fd = memfd_create("blobforge-git", MFD_CLOEXEC);
    while (fd >= 0 && at < call->input_len) {
        ssize_t n = write(fd, (const char *)call->input + at, call->input_len - at);

        if (n < 0) {
            close(fd);
            return -1;
        }
        at += (size_t)n;
    }
    if (fd >= 0)
        lseek(fd, 0, SEEK_SET);
    return fd;
}

/* 0, or an errno. The child has a session of its own and plain signals: this thread may block
 * them all. */
static int spawn(const struct git_call *call, int in, int out, int err, pid_t *pid_r)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    char **argv = argument_vector(call->words), **env = clean_environment();
    sigset_t none, plain;
    int error;

    sigemptyset(&none);
    sigfillset(&plain);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    error = posix_spawn_file_actions_addfchdir_np(&actions, call->dir_fd);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &plain);
    posix_spawnattr_setflags(&attr,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (error == 0)
        error = posix_spawnp(pid_r, "git", &actions, &attr, argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    free(env);
    free(argv);
    return error;
}

struct output {
    struct buf *buf;
    size_t max;
    bool tail; /* keep the end, else the beginning */
    bool cut;
};

/* What is there to be read now. */
static void drain(int fd, struct output *output)
{
    char block[4096];
    ssize_t n;

    while ((n = read(fd, block, sizeof(block))) > 0) {
        if (!output->tail && output->buf->len + (size_t)n > output->max) {
            output->cut = true;
            continue;
        }
        buf_append(output->buf, block, (size_t)n);
        if (output->buf->len > 2 * output->max) {
            memmove(output->buf->data, output->buf->data + output->buf->len - output->max,
                    output->max);
            output->buf->len = output->max;
            output->buf->data[output->max] = '\0';
        }
    }
}

/* Ends the child's session: politely, then not. It is reaped. */
static void end_child(pid_t pid, int pid_fd)
{
    struct pollfd ended = {.fd = pid_fd, .events = POLLIN};

    if (pid <= 0)
        return;
    kill(-pid, SIGTERM);
    (void)poll(&ended, 1, GRACE_MS);
    kill(-pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

/* Waits for the child with both pipes drained. A process that it left behind may hold them open, so
 * its end is what counts. */
static enum git_result wait_child(const struct git_call *call, pid_t pid, int pid_fd,
                                  const int pipes[2], struct output outputs[2], int *status_r)
{
    int64_t until = clock_boot_ms(clock_system()) + call->limit_ms;
    struct pollfd fds[3] = {{.fd = pid_fd, .events = POLLIN},
                            {.fd = pipes[0], .events = POLLIN},
                            {.fd = pipes[1], .events = POLLIN}};

    for (;;) {
        int n = poll(fds, 3, LOOK_MS);

        for (int i = 0; i < 2; i++) {
            drain(pipes[i], &outputs[i]);
            if (n > 0 && (fds[i + 1].revents & POLLHUP) != 0)
                fds[i + 1].fd = -1; /* nobody writes any more: no reason to wake up */
        }
        if (n > 0 && fds[0].revents != 0)
            break;
        if (call->stop != NULL && atomic_load(call->stop)) {
            end_child(pid, pid_fd);
            return GIT_STOPPED;
        }
        if (clock_boot_ms(clock_system()) >= until) {
            end_child(pid, pid_fd);
            return GIT_LATE;
        }
    }
    while (waitpid(pid, status_r, 0) < 0 && errno == EINTR)
        continue;
    for (int i = 0; i < 2; i++)
        drain(pipes[i], &outputs[i]);
    return WIFEXITED(*status_r) && WEXITSTATUS(*status_r) == 0 && !outputs[0].cut ? GIT_OK
                                                                                  : GIT_FAILED;
}

/* The last line that is not empty, harmless. */
static void append_last_line(struct buf *out, const struct buf *text)
{
    const char *begin = buf_text(text), *end = begin + text->len, *line;

    while (end > begin && (end[-1] == '\n' || end[-1] == '\r' || end[-1] == ' '))
        end--;
    for (line = end; line > begin && line[-1] != '\n' && line[-1] != '\r'; line--)
        continue;
    if (end - line > 200)
        end = line + 200;
    if (line < end) {
        buf_puts(out, ": ");
        quote_append(out, line, (size_t)(end - line));
    }
}

static char *failure_text(const struct git_call *call, enum git_result result, int status,
                          const struct buf *err)
{
    struct buf text = BUF_INIT;

    switch (result) {
    case GIT_OK:
        break;
    case GIT_STOPPED:
        buf_puts(&text, "interrupted");
        break;
    case GIT_LATE:
        buf_printf(&text, "not done within %lld s", (long long)(call->limit_ms / 1000));
        append_last_line(&text, err);
        break;
    case GIT_FAILED:
        if (WIFSIGNALED(status))
            buf_printf(&text, "killed by signal %d", WTERMSIG(status));
        else
            buf_printf(&text, "status %d", WEXITSTATUS(status));
        append_last_line(&text, err);
        break;
    }
    return buf_steal(&text);
}

static bool open_pipe(int pipe_r[2])
{
    if (pipe2(pipe_r, O_CLOEXEC) != 0) {
        pipe_r[0] = pipe_r[1] = -1;
        return false;
    }
    return fcntl(pipe_r[0], F_SETFL, O_NONBLOCK) == 0;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

enum git_result git_run(struct git_call *call)
{
    struct buf err = BUF_INIT;
    struct output outputs[2] = {{.buf = &call->out, .max = GIT_OUTPUT_MAX},
                                {.buf = &err, .max = GIT_ERROR_TAIL, .tail = true}};
    int out_pipe[2] = {-1, -1}, err_pipe[2] = {-1, -1}, in = open_input(call), pid_fd = -1;
    int status = 0, error = 0;
    enum git_result result = GIT_FAILED;
    pid_t pid = -1;

    free(call->error);
    call->error = NULL;
    buf_clear(&call->out);
    if (in < 0 || !open_pipe(out_pipe) || !open_pipe(err_pipe))
        error = errno;
    if (error == 0)
        error = spawn(call, in, out_pipe[1], err_pipe[1], &pid);
    close_fd(out_pipe[1]);
    close_fd(err_pipe[1]);
    if (error == 0) {
        pid_fd = pidfd_open(pid, 0);
        if (pid_fd < 0) {
            error = errno;
            end_child(pid, -1);
        }
    }
    if (error == 0) {
        result = wait_child(call, pid, pid_fd, (int[]){out_pipe[0], err_pipe[0]}, outputs, &status);
        if (result != GIT_OK)
            call->error = failure_text(call, result, status, &err);
    } else {
        call->error = mem_printf("git: %s%s", strerror(error),
                                 error == ENOENT ? "; install the packages git and git-lfs" : "");
    }
    close_fd(pid_fd);
    close_fd(in);
    close_fd(out_pipe[0]);
    close_fd(err_pipe[0]);
    buf_release(&err);
    return result;
}

void git_call_release(struct git_call *call)
{
    buf_release(&call->out);
    free(call->error);
    call->error = NULL;
}
