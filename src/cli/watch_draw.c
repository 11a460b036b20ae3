/* See watch.h: what is on the screen of `watch`. Everything that is drawn was made harmless before.
 */
#include <inttypes.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/alloc.h"
#include "base/human.h"
#include "base/quote.h"
#include "cli/watch_screen.h"

static const char *const sort_names[SORT_COUNT] = {"elapsed", "ETA", "name", "size", "state"};

/* ---- drawing ---- */

static int tint_attr(const struct screen *screen, enum tint tint)
{
    if (tint == TINT_NONE)
        return A_NORMAL;
    return screen->colors ? COLOR_PAIR(tint) : tint == TINT_BAD ? A_BOLD : A_NORMAL;
}

/* Puts text into `width` columns at y, x: cut where it is longer, filled where it is shorter. */
static void put(const struct screen *screen, int y, int x, int width, bool right, const char *text,
                int attr)
{
    struct buf line = BUF_INIT;
    size_t len = strlen(text), used = 0;
    int columns = 0;

    if (width <= 0 || y < 0 || y >= LINES || x >= COLS)
        return;
    if (width > COLS - x)
        width = COLS - x;
    while (used < len) {
        unsigned rune = 0;
        size_t n = utf8_sequence((const unsigned char *)text + used, len - used, &rune);
        int w = n > 1 && screen->utf8 ? wcwidth((wchar_t)rune) : 1;

        if (n == 0)
            n = 1;
        if (w < 0)
            w = 1;
        if (columns + w > width)
            break;
        if (n > 1 && !screen->utf8)
            buf_putc(&line, '?');
        else
            buf_append(&line, text + used, n);
        columns += w;
        used += n;
    }
    attrset(attr);
    mvhline(y, x, ' ', width);
    mvaddnstr(y, right ? x + width - columns : x, buf_text(&line), (int)line.len);
    attrset(A_NORMAL);
    buf_release(&line);
}

/* "45s", "3m20", "2h05", "3d04": six columns do. */
static const char *brief(double seconds, char text_r[static 32])
{
    int64_t s = (int64_t)seconds;

    if (seconds < 0)
        return "-";
    if (s < 60)
        snprintf(text_r, 32, "%" PRId64 "s", s);
    else if (s < 3600)
        snprintf(text_r, 32, "%" PRId64 "m%02" PRId64, s / 60, s % 60);
    else if (s < 100 * 3600)
        snprintf(text_r, 32, "%" PRId64 "h%02" PRId64, s / 3600, s / 60 % 60);
    else
        snprintf(text_r, 32, "%" PRId64 "d%02" PRId64, s / 86400, s / 3600 % 24);
    return text_r;
}

/* How old what is shown is, and why. */
static void age_text(const struct screen *screen, char *text, size_t size, bool *bad_r)
{
    int64_t since = hands_looking_since(screen->hands), now = screen_boot_ms();
    char age[32], slow[32];

    *bad_r = screen->error != NULL || (since > 0 && now - since > SCREEN_SLOW_MS);
    brief((double)(now - screen->show.read_boot_ms) / 1000, age);
    brief((double)(now - since) / 1000, slow);
    if (screen->show.read_ms == 0 && screen->error == NULL)
        snprintf(text, size, "reading for %s", since > 0 ? slow : "0s");
    else if (screen->show.read_ms == 0)
        snprintf(text, size, "nothing seen yet");
    else if (screen->frozen)
        snprintf(text, size, "frozen, seen %s ago", age);
    else if (screen->error == NULL && *bad_r)
        snprintf(text, size, "seen %s ago, no answer for %s", age, slow);
    else
        snprintf(text, size, "seen %s ago", age);
}

/* Why the last look came to nothing. false: it did not. */
static bool draw_trouble(const struct screen *screen)
{
    char text[512];

    if (screen->error == NULL)
        return false;
    snprintf(text, sizeof(text), "no answer: %s", screen->error);
    put(screen, 3, 0, COLS, false, text, tint_attr(screen, TINT_BAD));
    return true;
}

static void draw_head(const struct screen *screen)
{
    const struct board_show *show = &screen->show;
    const char *mark = show->about ? "~" : "";
    double share = board_done_share(show);
    char text[512], age[96], left[32];
    int width = COLS - 34, filled;
    bool bad;

    age_text(screen, age, sizeof(age), &bad);
    put(screen, 0, 0, COLS - (int)strlen(age) - 1, false, screen->url, A_BOLD);
    put(screen, 0, COLS - (int)strlen(age), (int)strlen(age), true, age,
        tint_attr(screen, bad ? TINT_BAD : TINT_NONE));
    if (show->read_ms == 0) { /* nothing is known yet */
        draw_trouble(screen);
        return;
    }
    if (width > 60)
        width = 60;
    filled = (int)(share * width);
    snprintf(text, sizeof(text), "[%.*s%.*s] %.1f %%", filled,
             "############################################################", width - filled,
             "............................................................", share * 100);
    put(screen, 1, 0, COLS, false, text, A_NORMAL);
    snprintf(text, sizeof(text),
             "todo %s%" PRId64 "  processing %" PRId64 "  failed %s%" PRId64 "  dead %s%" PRId64
             "  done %s%" PRId64,
             mark, board_todo(show), show->processing, mark, show->failed, mark, show->dead, mark,
             show->done);
    put(screen, 2, 0, COLS, false, text, A_NORMAL);
    if (draw_trouble(screen))
        return;
    text[0] = '\0';
    if (show->jobs_per_hour >= 0)
        snprintf(text, sizeof(text), "%.0f jobs/h%s%s", show->jobs_per_hour,
                 show->left_seconds > 0 ? ", ETA " : "",
                 show->left_seconds > 0 ? brief(show->left_seconds, left) : "");
    snprintf(text + strlen(text), sizeof(text) - strlen(text), "%ssorted by %s%s%s",
             text[0] != '\0' ? "   " : "", sort_names[screen->sort],
             screen->filter[0] != '\0' ? ", filter: " : "", screen->filter);
    put(screen, 3, 0, COLS, false, text, A_NORMAL);
}

static enum tint state_tint(const char *state)
{
    if (strcmp(state, "processing") == 0 || strcmp(state, "active") == 0)
        return TINT_BUSY;
    if (strcmp(state, "stale") == 0 || strcmp(state, "dead") == 0 || strcmp(state, "silent") == 0 ||
        strcmp(state, "damaged") == 0)
        return TINT_BAD;
    if (strcmp(state, "failed") == 0 || strcmp(state, "stopped") == 0)
        return TINT_WARN;
    return strcmp(state, "idle") == 0 ? TINT_GOOD : TINT_NONE;
}

/* A cell of a row: the first is the flexible one's neighbour; width 0 takes what is left. */
struct cell {
    int width;
    bool right;
    const char *text;
};

static void put_row(const struct screen *screen, int y, const struct cell *cells, size_t count,
                    bool chosen, int attr, enum tint first)
{
    int fixed = 0, x = 0, flexible = 0, room;

    for (size_t i = 0; i < count; i++) {
        fixed += cells[i].width + 1;
        flexible += cells[i].width == 0;
    }
    room = flexible > 0 ? (COLS - fixed + 1) / flexible : 0;
    put(screen, y, 0, COLS, false, "", attr | (chosen ? A_REVERSE : 0));
    for (size_t i = 0; i < count; i++) {
        int width = cells[i].width > 0 ? cells[i].width : room > 6 ? room : 6;
        int look = attr | (chosen ? A_REVERSE : 0);

        if (i == 0 && !chosen)
            look |= tint_attr(screen, first);
        put(screen, y, x, width, cells[i].right, cells[i].text, look);
        x += width + 1;
    }
}

static int worker_width(void)
{
    return COLS >= 120 ? 28 : 12;
}

static void draw_job(const struct screen *screen, int y, const struct board_job *job, bool chosen)
{
    char size[HUMAN_SIZE], elapsed[32], left[32], page[48];
    const char *state = board_job_state(job);
    int64_t now = screen_server_ms(screen);
    struct cell cells[] = {
        {10, false, state},
        {0, false, job->name[0] != '\0' ? job->name : job->hash},
        {7, true, human_show_size(job->size_bytes, size)},
        {worker_width(), false, job->worker[0] != '\0' ? job->worker : tier_name(job->tier)},
        {6, true, brief(board_elapsed(job, now), elapsed)},
        {6, true, brief(board_left(job, now), left)},
        {9, false, job->stage[0] != '\0' ? job->stage : "-"},
        {9, true, board_page(job, page)}};

    put_row(screen, y, cells, ARRAY_LEN(cells), chosen, A_NORMAL, state_tint(state));
}

static void draw_worker(const struct screen *screen, int y, const struct card *card, bool chosen)
{
    char jobs[48], rate[32] = "-", average[32], cpu[32] = "-", memory[32] = "-", beat[32];
    const char *health = card_health(card);
    double age = (double)(screen_server_ms(screen) - card->heartbeat_ms) / 1000;
    struct cell cells[] = {
        {10, false, health},
        {0, false, card->worker},
        {0, false, card->host},
        {7, true, jobs},
        {7, true, rate},
        {7, true, average},
        {5, true, cpu},
        {5, true, memory},
        {6, true, card->heartbeat_ms > 0 ? brief(age > 0 ? age : 0, beat) : "-"}};

    snprintf(jobs, sizeof(jobs), "%" PRId64 "/%" PRId64,
             card->current_jobs < 0 ? 0 : card->current_jobs, card->slots < 0 ? 1 : card->slots);
    if (card->jobs_per_hour >= 0)
        snprintf(rate, sizeof(rate), "%.0f", card->jobs_per_hour);
    snprintf(average, sizeof(average), "%s", brief(card->avg_seconds, (char[32]){0}));
    if (card->cpu_percent >= 0)
        snprintf(cpu, sizeof(cpu), "%.0f%%", card->cpu_percent);
    if (card->memory_percent >= 0)
        snprintf(memory, sizeof(memory), "%.0f%%", card->memory_percent);
    put_row(screen, y, cells, ARRAY_LEN(cells), chosen, A_NORMAL, state_tint(health));
}

static void draw_failure(const struct screen *screen, int y, const struct board_failure *failure,
                         bool chosen)
{
    const char *state = job_state_name(failure->state);
    char when[32];
    double age = (double)(screen_server_ms(screen) - failure->when_ms) / 1000;
    struct cell cells[] = {{10, false, state},
                           {COLS >= 120 ? 40 : 16, false, failure->name},
                           {7, true, brief(age > 0 ? age : 0, when)},
                           {9, false, failure->cause[0] != '\0' ? failure->cause : "-"},
                           {0, false, failure->error}};

    put_row(screen, y, cells, ARRAY_LEN(cells), chosen, A_NORMAL, state_tint(state));
}

static void draw_panel_head(const struct screen *screen, enum panel panel, int y)
{
    const struct cell jobs[] = {{10, false, "JOBS"}, {0, false, "NAME"},
                                {7, true, "SIZE"},   {worker_width(), false, "WORKER"},
                                {6, true, "TIME"},   {6, true, "ETA"},
                                {9, false, "STAGE"}, {9, true, "PAGE"}};
    const struct cell workers[] = {
        {10, false, "WORKERS"}, {0, false, "ID"},    {0, false, "HOST"},
        {7, true, "JOBS"},      {7, true, "JOBS/H"}, {7, true, "AVERAGE"},
        {5, true, "CPU"},       {5, true, "MEM"},    {6, true, "BEAT"}};
    const struct cell failures[] = {{10, false, "FAILURES"},
                                    {COLS >= 120 ? 40 : 16, false, "NAME"},
                                    {7, true, "AGO"},
                                    {9, false, "CAUSE"},
                                    {0, false, "ERROR"}};
    int attr = A_BOLD | (screen->panel == panel ? A_UNDERLINE : 0);

    switch (panel) {
    case PANEL_JOBS:
        put_row(screen, y, jobs, ARRAY_LEN(jobs), false, attr, TINT_NONE);
        break;
    case PANEL_WORKERS:
        put_row(screen, y, workers, ARRAY_LEN(workers), false, attr, TINT_NONE);
        break;
    case PANEL_FAILURES:
        put_row(screen, y, failures, ARRAY_LEN(failures), false, attr, TINT_NONE);
        break;
    case PANEL_COUNT:
        break;
    }
}

static void draw_line(const struct screen *screen, enum panel panel, size_t row, int y)
{
    size_t index = screen->order[panel][row];
    bool chosen = screen->panel == panel && screen->chosen[panel] == row;

    switch (panel) {
    case PANEL_JOBS:
        draw_job(screen, y, &screen->show.jobs[index], chosen);
        break;
    case PANEL_WORKERS:
        draw_worker(screen, y, &screen->show.cards.list[index], chosen);
        break;
    case PANEL_FAILURES:
        draw_failure(screen, y, &screen->show.failures[index], chosen);
        break;
    case PANEL_COUNT:
        break;
    }
}

/* How many lines each panel gets: workers and failures what they need up to a share, jobs the rest.
 */
static void share_lines(const struct screen *screen, int lines[static PANEL_COUNT])
{
    int room = LINES - SCREEN_HEAD_LINES - 1 - PANEL_COUNT, most = room / 4;

    if (room < PANEL_COUNT)
        room = PANEL_COUNT;
    if (most < 2)
        most = 2;
    lines[PANEL_WORKERS] =
        screen->rows[PANEL_WORKERS] < (size_t)most ? (int)screen->rows[PANEL_WORKERS] : most;
    lines[PANEL_FAILURES] =
        screen->rows[PANEL_FAILURES] < (size_t)most ? (int)screen->rows[PANEL_FAILURES] : most;
    lines[PANEL_JOBS] = room - lines[PANEL_WORKERS] - lines[PANEL_FAILURES];
    if (lines[PANEL_JOBS] < 1)
        lines[PANEL_JOBS] = 1;
}

static void draw_panels(struct screen *screen)
{
    int lines[PANEL_COUNT], y = SCREEN_HEAD_LINES;

    share_lines(screen, lines);
    for (int p = 0; p < PANEL_COUNT; p++) {
        enum panel panel = (enum panel)p;
        size_t *top = &screen->top[panel], chosen = screen->chosen[panel];
        size_t height = (size_t)lines[panel];

        if (chosen < *top)
            *top = chosen;
        if (height > 0 && chosen >= *top + height)
            *top = chosen - height + 1;
        draw_panel_head(screen, panel, y++);
        for (size_t i = 0; i < height; i++, y++)
            if (*top + i < screen->rows[panel])
                draw_line(screen, panel, *top + i, y);
            else if (i == 0 && panel == PANEL_JOBS && screen->show.read_ms > 0)
                put(screen, y, 0, COLS, false,
                    screen->filter[0] != '\0' ? "no job fits the filter" : "nothing runs or waits",
                    A_DIM);
    }
}

static void draw_foot(const struct screen *screen)
{
    char text[320];
    int attr = A_REVERSE;

    if (screen->mode == MODE_FILTER)
        snprintf(text, sizeof(text), "filter by name, worker or state: %s_", screen->filter);
    else if (screen->mode == MODE_CONFIRM)
        snprintf(text, sizeof(text), "cancel %.12s? what it has done is lost [y/N]", screen->job);
    else if (screen->mode == MODE_TIER)
        snprintf(text, sizeof(text),
                 "%.12s to which tier? 1 critical 2 high 3 normal 4 low 5 background", screen->job);
    else if (screen->message[0] != '\0' && screen_boot_ms() < screen->message_until)
        snprintf(text, sizeof(text), "%s", screen->message);
    else if (screen->mode == MODE_DETAIL)
        snprintf(text, sizeof(text), "q back  arrows scroll  r retry  c cancel  p priority");
    else if (screen->mode == MODE_HELP)
        snprintf(text, sizeof(text), "any key: back");
    else
        snprintf(text, sizeof(text),
                 "q quit  ? help  Tab panel  Enter detail  s sort  / filter  r retry  c cancel");
    if (screen->message_bad && screen->message[0] != '\0' &&
        screen_boot_ms() < screen->message_until)
        attr |= A_BOLD;
    put(screen, LINES - 1, 0, COLS, false, text, attr);
    if (hands_busy(screen->hands))
        put(screen, LINES - 1, COLS - 10, 10, true, "working...", A_REVERSE | A_BOLD);
}

static void draw_page(struct screen *screen)
{
    const char *line = screen->page != NULL ? screen->page : "";
    size_t skip = screen->page_top;
    char head[96];

    snprintf(head, sizeof(head), "job %.12s", screen->job);
    put(screen, 0, 0, COLS, false, head, A_BOLD);
    if (screen->page == NULL)
        put(screen, 2, 0, COLS, false, "reading ...", A_DIM);
    for (; skip > 0 && *line != '\0'; skip--) {
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    for (int y = 1; y < LINES - 1 && *line != '\0'; y++) {
        size_t len = strcspn(line, "\n");
        char *text = mem_strndup(line, len);

        put(screen, y, 0, COLS, false, text, A_NORMAL);
        free(text);
        line += len + (line[len] == '\n');
    }
}

static void draw_help(const struct screen *screen)
{
    static const char *const lines[] = {
        "keys of blobforge watch",
        "",
        "arrows, j, k, PgUp, PgDn, Home, End   move",
        "Tab            next panel: jobs, workers, failures",
        "Enter          all about the job, its attempts and log",
        "s              sort jobs: elapsed, ETA, name, size, state",
        "/              filter by name, worker or state; empty: all",
        "r              retry the job",
        "c              cancel the job; it asks",
        "p              another priority for the job",
        "P, U           this host's daemon: pause claims, take them up again",
        "space          freeze the screen, and go on",
        "R, Ctrl-L      look now, draw anew",
        "q, Ctrl-C      leave; everything in the bucket goes on",
        "",
        "~ before a count: reckoned from a sample; `blobforge list` counts exactly",
    };

    for (size_t i = 0; i < ARRAY_LEN(lines) && (int)i < LINES - 1; i++)
        put(screen, (int)i, 0, COLS, false, lines[i], i == 0 ? A_BOLD : A_NORMAL);
}

void screen_draw(struct screen *screen)
{
    erase();
    if (screen->mode == MODE_HELP) {
        draw_help(screen);
    } else if (screen->mode == MODE_DETAIL) {
        draw_page(screen);
    } else {
        draw_head(screen);
        draw_panels(screen);
    }
    draw_foot(screen);
    refresh();
}
