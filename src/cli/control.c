/* See control.h: a word to this host's daemon. The whole of `blobforge ctl` is there already: it is
 * run as a program of its own, with its output in a pipe. */
#include "cli/control.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"

extern char **environ;

static bool spawn_ctl(const struct settings *settings, const char *word, int out, pid_t *pid_r)
{
    char *run_dir = mem_printf("run_dir=%s", settings_text(settings, SETTING_RUN_DIR));
    char *instance = mem_printf("instance=%s", settings_text(settings, SETTING_INSTANCE));
    bool named = settings_origin(settings, SETTING_RUN_DIR) != SETTING_DEFAULT;
    char *argv[] = {
        (char *)"blobforge",         (char *)"-o", instance, (char *)"ctl", (char *)word,
        named ? (char *)"-o" : NULL, run_dir,      NULL};
    posix_spawn_file_actions_t actions;
    int error;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
    error = posix_spawn(pid_r, "/proc/self/exe", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    free(run_dir);
    free(instance);
    errno = error;
    return error == 0;
}

/* The first line of what it said. */
static char *read_line(int fd)
{
    struct buf text = BUF_INIT;
    char chunk[1024];
    ssize_t n;

    while ((n = read(fd, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR))
        if (n > 0 && text.len < 4096)
            buf_append(&text, chunk, (size_t)n);
    if (text.len > 0)
        text.data[strcspn(buf_text(&text), "\n")] = '\0';
    return text.len > 0 ? buf_steal(&text) : NULL;
}

bool control_tell(const struct settings *settings, const char *word, char **text_r, char **error_r)
{
    int pipe_fds[2], status = 0;
    char *line;
    pid_t pid;

    if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
        *error_r = mem_printf("pipe: %s", strerror(errno));
        return false;
    }
    if (!spawn_ctl(settings, word, pipe_fds[1], &pid)) {
        *error_r = mem_printf("blobforge ctl: %s", strerror(errno));
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        return false;
    }
    close(pipe_fds[1]);
    line = read_line(pipe_fds[0]);
    close(pipe_fds[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        *text_r = mem_printf("this host's daemon: %s", line != NULL && *line != '\0' ? line : word);
        free(line);
        return true;
    }
    *error_r = line != NULL ? line : mem_strdup("this host's daemon does not answer");
    return false;
}
