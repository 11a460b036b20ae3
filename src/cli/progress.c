/* See progress.h: a progress line. */
#include "cli/progress.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/human.h"

#define DRAW_EVERY_MS 100
#define PATIENCE_MS 2000 /* no estimate before: the first seconds say little */
#define BAR_WIDTH 20

static atomic_bool stands;

bool progress_is_shown(void)
{
    return atomic_load(&stands);
}

void progress_begin(struct progress_line *line, const struct cli *cli, const char *what)
{
    *line = (struct progress_line){.shown = cli_terminal_err() && !cli_quiet(cli),
                                   .what = what,
                                   .began_ms = clock_boot_ms(clock_system())};
}

static void append_bar(struct buf *out, int64_t percent)
{
    buf_puts(out, " [");
    for (int i = 0; i < BAR_WIDTH; i++)
        buf_putc(out, i < percent * BAR_WIDTH / 100 ? '#' : '.');
    buf_printf(out, "] %lld %%,", (long long)percent);
}

static bool is_due(const struct progress_line *line)
{
    return line->shown && clock_boot_ms(clock_system()) - line->drawn_ms >= DRAW_EVERY_MS;
}

static void draw(struct progress_line *line, const struct buf *text)
{
    int columns = cli_columns();

    fprintf(stderr, "\r\033[K%.*s", columns > 1 ? columns - 1 : 79, buf_text(text));
    line->drawn = true;
    line->drawn_ms = clock_boot_ms(clock_system());
    atomic_store(&stands, true);
}

void progress_step(struct progress_line *line, int64_t done, int64_t total, const char *unit)
{
    int64_t now = clock_boot_ms(clock_system()), elapsed = now - line->began_ms;
    struct buf text = BUF_INIT;
    char left[HUMAN_SIZE];
    int columns = cli_columns();

    if (!is_due(line))
        return;
    buf_printf(&text, "%s:", line->what);
    if (total > 0 && columns >= 70)
        append_bar(&text, done * 100 / total > 100 ? 100 : done * 100 / total);
    buf_printf(&text, " %lld", (long long)done);
    if (total > 0)
        buf_printf(&text, "/%lld", (long long)total);
    buf_printf(&text, " %s", unit);
    if (total > done && done > 0 && elapsed > PATIENCE_MS)
        buf_printf(&text, ", ETA %s",
                   human_show_duration(elapsed * (total - done) / done + 1000, left));
    draw(line, &text);
    buf_release(&text);
}

void progress_flow(struct progress_line *line, int64_t done, const char *unit, int64_t bytes)
{
    int64_t elapsed = clock_boot_ms(clock_system()) - line->began_ms;
    struct buf text = BUF_INIT;
    char size[HUMAN_SIZE];

    if (!is_due(line))
        return;
    buf_printf(&text, "%s: %lld %s, %s", line->what, (long long)done, unit,
               human_show_size(bytes, size));
    if (elapsed > PATIENCE_MS)
        buf_printf(&text, ", %s/s", human_show_size(bytes * 1000 / elapsed, size));
    draw(line, &text);
    buf_release(&text);
}

void progress_end(struct progress_line *line)
{
    if (!line->drawn)
        return;
    fputs("\r\033[K", stderr);
    line->drawn = false;
    atomic_store(&stands, false);
}
