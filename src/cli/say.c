/* Saying things: messages on standard error, the answer on standard output, facts of the terminal.
 *
 * A message is one write(2), so that lines of several programs do not mix. Of standard output the
 * first failure is remembered and said at the end by cli_flush(). */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/quote.h"
#include "cli/cli.h"
#include "cli/progress.h"

static int output_error; /* errno of the first write that failed; 0: none */

/* The text is ours, names in it were quoted by the caller; what lower layers add is made harmless
 * here. */
static void say_line(const char *fmt, va_list ap) PRINTF_LIKE(1, 0);
static void say_line(const char *fmt, va_list ap)
{
    struct buf line = BUF_INIT;
    char *text = NULL;
    ssize_t n;

    if (vasprintf(&text, fmt, ap) < 0)
        return;
    if (progress_is_shown())
        buf_puts(&line, "\r\033[K");
    buf_puts(&line, "blobforge: ");
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            quote_append(&line, p, 1);
        else
            buf_putc(&line, *p);
    }
    buf_putc(&line, '\n');
    n = write(STDERR_FILENO, line.data, line.len);
    (void)n; /* nowhere to say it */
    buf_release(&line);
    free(text);
}

void cli_error(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say_line(fmt, ap);
    va_end(ap);
}

void cli_note(const struct cli *cli, const char *fmt, ...)
{
    va_list ap;

    if (cli_quiet(cli))
        return;
    va_start(ap, fmt);
    say_line(fmt, ap);
    va_end(ap);
}

void cli_write(const void *bytes, size_t len)
{
    if (output_error == 0 && fwrite(bytes, 1, len, stdout) != len)
        output_error = errno;
    if (output_error != EPIPE)
        return;
    /* The reader has gone (`blobforge list | head`): end as any filter does. */
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
}

void cli_printf(const char *fmt, ...)
{
    struct buf text = BUF_INIT;
    va_list ap;
    char *line = NULL;
    int len;

    va_start(ap, fmt);
    len = vasprintf(&line, fmt, ap);
    va_end(ap);
    if (len > 0)
        cli_write(line, (size_t)len);
    free(line);
    buf_release(&text);
}

void cli_print_json(struct json_object *object)
{
    struct buf line = BUF_INIT;

    json_append(&line, object);
    buf_putc(&line, '\n');
    cli_write(line.data, line.len);
    buf_release(&line);
    json_object_put(object);
}

bool cli_flush(void)
{
    if (fflush(stdout) != 0 && output_error == 0)
        output_error = errno;
    if (output_error == 0)
        return true;
    if (output_error == EPIPE)
        cli_write("", 0);
    cli_error("standard output: %s; the answer is not complete", strerror(output_error));
    return false;
}

bool cli_terminal_out(void)
{
    return isatty(STDOUT_FILENO) == 1;
}

bool cli_terminal_err(void)
{
    return isatty(STDERR_FILENO) == 1;
}

int cli_columns(void)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;

    if (columns != NULL && atoi(columns) > 0)
        return atoi(columns);
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}
