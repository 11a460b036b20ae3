/* See interrupt.h: Ctrl-C.
 *
 * The handler may end the program, so the message is made beforehand and the handler does nothing
 * that is not async-signal-safe: write, unlink, _exit. */
#include "cli/interrupt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;
static volatile sig_atomic_t end_at_once;
static volatile sig_atomic_t has_temporary;
static int stop_fd = -1;
static char message[512];
static char temporary[4096];

static void say(void)
{
    ssize_t n = write(STDERR_FILENO, message, strlen(message));

    (void)n;
}

static void on_interrupt(int signal_number)
{
    int saved = errno;
    uint64_t one = 1;
    ssize_t n;

    (void)signal_number;
    if (end_at_once || stopped) {
        if (has_temporary)
            unlink(temporary);
        say();
        _exit(EXITCODE_INTERRUPTED);
    }
    stopped = 1;
    n = write(stop_fd, &one, sizeof(one));
    (void)n;
    errno = saved;
}

void interrupt_arm(const struct cli_command *command)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};

    snprintf(message, sizeof(message), "\nblobforge: %s: interrupted; %s\n", command->name,
             command->resume != NULL ? command->resume : "nothing was changed");
    end_at_once = command->interrupt == CLI_INTERRUPT_NOW;
    stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

void interrupt_say(void)
{
    say();
}

bool cli_stopped(void)
{
    return stopped != 0;
}

const volatile sig_atomic_t *cli_stop_flag(void)
{
    return &stopped;
}

int cli_stop_fd(void)
{
    return stop_fd;
}

void cli_stop_unlinks(const char *path)
{
    has_temporary = 0;
    if (path == NULL || strlen(path) >= sizeof(temporary))
        return;
    strcpy(temporary, path);
    has_temporary = 1;
}
