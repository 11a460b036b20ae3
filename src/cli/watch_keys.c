/* See watch.h: which rows are on the screen of `watch`, and what its keys do. */
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/watch_screen.h"

#define MESSAGE_MS 15000
#define KEY_ESCAPE 27

/* ---- which rows, in which order ---- */

static struct screen *sorted; /* for qsort(3) */

static int compare_double(double a, double b)
{
    if (a < 0 || b < 0) /* unknown comes last */
        return (a < 0) - (b < 0);
    return (a > b) - (a < b);
}

static int compare_jobs(const void *a, const void *b)
{
    size_t ia = *(const size_t *)a, ib = *(const size_t *)b;
    const struct board_job *x = &sorted->show.jobs[ia], *y = &sorted->show.jobs[ib];
    int64_t now = screen_server_ms(sorted);
    int order = 0;

    switch (sorted->sort) {
    case SORT_ELAPSED:
        break; /* as the board has them */
    case SORT_LEFT:
        order = compare_double(board_left(x, now), board_left(y, now));
        break;
    case SORT_NAME:
        order = strcasecmp(x->name, y->name);
        break;
    case SORT_SIZE:
        order = (x->size_bytes < y->size_bytes) - (x->size_bytes > y->size_bytes);
        break;
    case SORT_STATE:
        order = strcmp(board_job_state(x), board_job_state(y));
        break;
    case SORT_COUNT:
        break;
    }
    return order != 0 ? order : (ia > ib) - (ia < ib);
}

static bool passes(const struct screen *screen, const char *a, const char *b, const char *c)
{
    const char *filter = screen->filter;

    return filter[0] == '\0' || strcasestr(a, filter) != NULL || strcasestr(b, filter) != NULL ||
           strcasestr(c, filter) != NULL;
}

static const char *hash_at(const struct screen *screen, enum panel panel, size_t row)
{
    if (row >= screen->rows[panel])
        return NULL;
    if (panel == PANEL_JOBS)
        return screen->show.jobs[screen->order[panel][row]].hash;
    if (panel == PANEL_FAILURES)
        return screen->show.failures[screen->order[panel][row]].hash;
    return NULL;
}

/* The chosen job stays chosen while it is there. */
static void arrange(struct screen *screen, const char *kept)
{
    const struct board_show *show = &screen->show;
    size_t counts[PANEL_COUNT] = {show->job_count, show->cards.count, show->failure_count};

    for (int p = 0; p < PANEL_COUNT; p++) {
        screen->order[p] = mem_resize(screen->order[p], counts[p] + 1, sizeof(size_t));
        screen->rows[p] = 0;
    }
    for (size_t i = 0; i < show->job_count; i++)
        if (passes(screen, show->jobs[i].name, show->jobs[i].worker,
                   board_job_state(&show->jobs[i])))
            screen->order[PANEL_JOBS][screen->rows[PANEL_JOBS]++] = i;
    for (size_t i = 0; i < show->cards.count; i++)
        if (passes(screen, show->cards.list[i].worker, show->cards.list[i].host,
                   card_health(&show->cards.list[i])))
            screen->order[PANEL_WORKERS][screen->rows[PANEL_WORKERS]++] = i;
    for (size_t i = 0; i < show->failure_count; i++)
        if (passes(screen, show->failures[i].name, show->failures[i].cause,
                   job_state_name(show->failures[i].state)))
            screen->order[PANEL_FAILURES][screen->rows[PANEL_FAILURES]++] = i;
    sorted = screen;
    if (screen->rows[PANEL_JOBS] > 1)
        qsort(screen->order[PANEL_JOBS], screen->rows[PANEL_JOBS], sizeof(size_t), compare_jobs);
    for (size_t row = 0; kept != NULL && row < screen->rows[screen->panel]; row++)
        if (hash_at(screen, screen->panel, row) != NULL &&
            strcmp(hash_at(screen, screen->panel, row), kept) == 0)
            screen->chosen[screen->panel] = row;
    for (int p = 0; p < PANEL_COUNT; p++)
        if (screen->chosen[p] >= screen->rows[p])
            screen->chosen[p] = screen->rows[p] > 0 ? screen->rows[p] - 1 : 0;
}

void screen_arrange(struct screen *screen)
{
    const char *hash = hash_at(screen, screen->panel, screen->chosen[screen->panel]);
    char kept[65] = "";

    if (hash != NULL)
        snprintf(kept, sizeof(kept), "%s", hash);
    arrange(screen, kept[0] != '\0' ? kept : NULL);
}

/* ---- what came ---- */

static void say(struct screen *screen, bool bad, const char *text)
{
    snprintf(screen->message, sizeof(screen->message), "%s", text);
    screen->message_bad = bad;
    screen->message_until = screen_boot_ms() + MESSAGE_MS;
}

static void take_look(struct screen *screen)
{
    struct board_show show = {0};
    const char *hash = hash_at(screen, screen->panel, screen->chosen[screen->panel]);
    char kept[65] = "", *error = NULL;

    if (screen->frozen || !hands_take_look(screen->hands, &show, &error))
        return;
    if (hash != NULL)
        snprintf(kept, sizeof(kept), "%s", hash);
    free(screen->error);
    screen->error = error;
    board_show_release(&screen->show);
    screen->show = show;
    arrange(screen, kept[0] != '\0' ? kept : NULL);
}

static void take_answers(struct screen *screen)
{
    struct hand_answer *answer;

    while ((answer = hands_take_answer(screen->hands)) != NULL) {
        if (answer->act != HAND_DETAIL || answer->failed) {
            say(screen, answer->failed, answer->text);
        } else if (screen->mode == MODE_DETAIL && strcmp(answer->hash, screen->job) == 0) {
            free(screen->page);
            screen->page = answer->text;
            answer->text = NULL;
        }
        free(answer->text);
        free(answer);
    }
}

/* ---- keys ---- */

/* The job that a key is about. false: none, said. */
static bool choose_job(struct screen *screen)
{
    const char *hash;

    if (screen->mode == MODE_DETAIL)
        return true;
    hash = hash_at(screen, screen->panel, screen->chosen[screen->panel]);
    if (hash == NULL) {
        say(screen, true, "no job is chosen; Tab goes to the jobs");
        return false;
    }
    snprintf(screen->job, sizeof(screen->job), "%s", hash);
    return true;
}

static void move_by(struct screen *screen, int64_t by)
{
    size_t *chosen = &screen->chosen[screen->panel];
    int64_t last = (int64_t)screen->rows[screen->panel] - 1, to = (int64_t)*chosen + by;

    if (to > last)
        to = last;
    *chosen = to < 0 ? 0 : (size_t)to;
}

static size_t page_lines(const struct screen *screen)
{
    size_t lines = 0;

    for (const char *p = screen->page; p != NULL && *p != '\0'; p++)
        lines += *p == '\n';
    return lines;
}

static void scroll_page(struct screen *screen, int64_t by)
{
    int64_t last = (int64_t)page_lines(screen) - (LINES - 2), to = (int64_t)screen->page_top + by;

    if (to > last)
        to = last;
    screen->page_top = to < 0 ? 0 : (size_t)to;
}

static void ask_detail(struct screen *screen)
{
    if (!choose_job(screen))
        return;
    screen->mode = MODE_DETAIL;
    screen->page_top = 0;
    free(screen->page);
    screen->page = NULL;
    hands_ask(screen->hands, HAND_DETAIL, screen->job, TIER_DEFAULT);
}

/* Keys that are about a job, on the board and on its page. */
static bool key_job(struct screen *screen, int key)
{
    if (key != 'r' && key != 'c' && key != 'p')
        return false;
    if (!choose_job(screen))
        return true;
    if (key == 'r') {
        hands_ask(screen->hands, HAND_RETRY, screen->job, TIER_DEFAULT);
        say(screen, false, "retrying ...");
    } else {
        screen->mode = key == 'c' ? MODE_CONFIRM : MODE_TIER;
    }
    return true;
}

static bool key_moves(struct screen *screen, int key, void (*by)(struct screen *, int64_t))
{
    switch (key) {
    case KEY_UP:
    case 'k':
        by(screen, -1);
        return true;
    case KEY_DOWN:
    case 'j':
        by(screen, 1);
        return true;
    case KEY_PPAGE:
        by(screen, -(LINES - SCREEN_HEAD_LINES));
        return true;
    case KEY_NPAGE:
        by(screen, LINES - SCREEN_HEAD_LINES);
        return true;
    case KEY_HOME:
    case 'g':
        by(screen, -1000000000);
        return true;
    case KEY_END:
    case 'G':
        by(screen, 1000000000);
        return true;
    default:
        return false;
    }
}

static void key_board(struct screen *screen, int key)
{
    if (key_moves(screen, key, move_by) || key_job(screen, key))
        return;
    switch (key) {
    case 'q':
        screen->leave = true;
        break;
    case '\t':
        screen->panel = (enum panel)((screen->panel + 1) % PANEL_COUNT);
        break;
    case KEY_BTAB:
        screen->panel = (enum panel)((screen->panel + PANEL_COUNT - 1) % PANEL_COUNT);
        break;
    case 's':
        screen->sort = (enum sort)((screen->sort + 1) % SORT_COUNT);
        screen_arrange(screen);
        break;
    case '/':
        screen->mode = MODE_FILTER;
        break;
    case '\n':
    case '\r':
    case KEY_ENTER:
        ask_detail(screen);
        break;
    case ' ':
        screen->frozen = !screen->frozen;
        break;
    case 'P':
    case 'U':
        hands_ask(screen->hands, key == 'P' ? HAND_PAUSE : HAND_RESUME, NULL, TIER_DEFAULT);
        break;
    case 'R':
    case 'L' - '@': /* Ctrl-L */
        clearok(curscr, TRUE);
        hands_look_now(screen->hands);
        break;
    case '?':
    case 'h':
        screen->mode = MODE_HELP;
        break;
    default:
        break;
    }
}

static void key_filter(struct screen *screen, int key)
{
    size_t len = strlen(screen->filter);

    if (key == '\n' || key == '\r' || key == KEY_ENTER) {
        screen->mode = MODE_BOARD;
    } else if (key == KEY_ESCAPE) {
        screen->filter[0] = '\0';
        screen->mode = MODE_BOARD;
    } else if (key == KEY_BACKSPACE || key == 127 || key == 8) {
        while (len > 0 && ((unsigned char)screen->filter[--len] & 0xc0) == 0x80)
            ;
        screen->filter[len] = '\0';
    } else if (key >= 0x20 && key < 0x100 && key != 127 && len + 1 < sizeof(screen->filter)) {
        screen->filter[len] = (char)key;
        screen->filter[len + 1] = '\0';
    }
    screen_arrange(screen);
}

static void key_page(struct screen *screen, int key)
{
    if (key_moves(screen, key, scroll_page) || key_job(screen, key))
        return;
    if (key == 'q' || key == KEY_ESCAPE || key == KEY_LEFT || key == '\n')
        screen->mode = MODE_BOARD;
    else if (key == 'R')
        hands_ask(screen->hands, HAND_DETAIL, screen->job, TIER_DEFAULT);
}

void screen_key(struct screen *screen, int key)
{
    switch (screen->mode) {
    case MODE_BOARD:
        key_board(screen, key);
        break;
    case MODE_FILTER:
        key_filter(screen, key);
        break;
    case MODE_CONFIRM:
        if (key == 'y' || key == 'Y') {
            hands_ask(screen->hands, HAND_CANCEL, screen->job, TIER_DEFAULT);
            say(screen, false, "cancelling ...");
        }
        screen->mode = MODE_BOARD;
        break;
    case MODE_TIER:
        if (key >= '1' && key <= '5') {
            hands_ask(screen->hands, HAND_TIER, screen->job, (enum tier)(key - '1'));
            say(screen, false, "moving ...");
        }
        screen->mode = MODE_BOARD;
        break;
    case MODE_DETAIL:
        key_page(screen, key);
        break;
    case MODE_HELP:
        screen->mode = MODE_BOARD;
        break;
    }
}

void screen_take_news(struct screen *screen)
{
    take_look(screen);
    take_answers(screen);
}
