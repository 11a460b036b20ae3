/* See bar.h: the progress line of long work. */
#include "cli/bar.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/human.h"

#define EVERY_MS 100
#define PATIENCE_MS 2000 /* no time left before: the first seconds say little */
#define WIDTH 20

void bar_begin(struct bar *bar, const struct cli *cli, const char *doing)
{
    *bar = (struct bar){.doing = doing, .wanted = cli_terminal_err() && !cli_quiet(cli)};
    bar->began_ms = clock_boot_ms(clock_system());
}

void bar_show(struct bar *bar, int64_t done, int64_t total)
{
    int64_t now = clock_boot_ms(clock_system()), elapsed = now - bar->began_ms;
    int columns = cli_columns();
    struct buf line = BUF_INIT;
    char left[HUMAN_SIZE];

    if (!bar->wanted || now - bar->drawn_ms < EVERY_MS)
        return;
    buf_printf(&line, "%s ", bar->doing);
    if (total > 0) {
        buf_putc(&line, '[');
        for (int i = 0; i < WIDTH; i++)
            buf_putc(&line, i < done * WIDTH / total ? '#' : '.');
        buf_printf(&line, "] %" PRId64 "/%" PRId64, done, total);
    } else {
        buf_printf(&line, "%" PRId64, done);
    }
    if (elapsed > 0)
        buf_printf(&line, ", %.1f/s", (double)done * 1000 / (double)elapsed);
    if (total > done && done > 0 && elapsed > PATIENCE_MS)
        buf_printf(&line, ", ETA %s", human_show_duration(elapsed * (total - done) / done, left));
    fprintf(stderr, "\r%.*s\033[K", columns > 1 ? columns - 1 : 79, buf_text(&line));
    fflush(stderr);
    bar->drawn = true;
    bar->drawn_ms = now;
    buf_release(&line);
}

void bar_clear(struct bar *bar)
{
    if (bar->drawn)
        fputs("\r\033[K", stderr);
    bar->drawn = false;
}
