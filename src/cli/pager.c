/* See pager.h: a pager between standard output and the person. */
#include "cli/pager.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/alloc.h"
#include "base/quote.h"
#include "cli/cli.h"
#include "convert/command.h"

static pid_t pager = -1;

/* Without it the answer must not get lost in a pipe to nobody. */
static bool has_less(void)
{
    static const char *const places[] = {"/usr/bin/less", "/bin/less", "/usr/local/bin/less"};

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if (access(places[i], X_OK) == 0)
            return true;
    }
    return false;
}

/* Quit if it fits, keep the screen: only where the person has no wishes of their own. That styles
 * are no text is told in any case. */
static void tell_less(void)
{
    const char *wishes = getenv("LESS");
    char *all = wishes != NULL ? mem_printf("-R %s", wishes) : mem_strdup("FRX");

    setenv("LESS", all, 1);
    free(all);
}

/* Is the program there? A shell's words are the shell's to find. */
static bool is_there(const char *command)
{
    size_t len = strcspn(command, " \t");
    char *word = mem_strndup(command, len), *file = NULL;
    bool plain = strpbrk(word, "=$`'\"\\~(){};&|<>*?") == NULL;

    if (plain)
        file = command_find(word, getenv("PATH"));
    if (plain && file == NULL) {
        char *quoted = quote_name(word);

        cli_error("PAGER: %s is not installed; shown without a pager", quoted);
        free(quoted);
    }
    free(word);
    free(file);
    return !plain || file != NULL;
}

void pager_begin(void)
{
    const char *command = getenv("PAGER");
    int ends[2];

    if (command != NULL && *command != '\0' && cli_terminal_out() && !is_there(command))
        return;
    if (command == NULL && has_less())
        command = "less";
    if (!cli_terminal_out() || command == NULL || *command == '\0' || strcmp(command, "cat") == 0)
        return;
    tell_less();
    if (fflush(stdout) != 0 || pipe2(ends, O_CLOEXEC) != 0)
        return;
    pager = fork();
    if (pager == 0) {
        signal(SIGPIPE, SIG_DFL);
        signal(SIGINT, SIG_DFL);
        if (dup2(ends[0], STDIN_FILENO) >= 0)
            execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(ends[0]);
    if (pager > 0) {
        dup2(ends[1], STDOUT_FILENO);
        signal(SIGINT, SIG_IGN);
    }
    close(ends[1]);
}

void pager_end(void)
{
    int status;

    if (pager <= 0)
        return;
    fflush(stdout);
    close(STDOUT_FILENO);
    while (waitpid(pager, &status, 0) < 0) {
    }
    /* fflush() at the end must find something open. */
    (void)!open("/dev/null", O_WRONLY | O_CLOEXEC);
    pager = -1;
}
