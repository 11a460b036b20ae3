/* See watch.h: the loop of the screen. It is drawn anew when something came, a key was pressed, the
 * size changed, and once a second for the clocks on it; drawing never waits for the store. */
#include "cli/watch_screen.h"

#include <langinfo.h>
#include <locale.h>
#include <ncurses.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/table.h"

#define TICK_MS 1000

int64_t screen_boot_ms(void)
{
    return clock_boot_ms(clock_system());
}

/* Server's time now, as the last look told it; a frozen screen's stands still. */
int64_t screen_server_ms(const struct screen *screen)
{
    if (screen->show.read_ms == 0)
        return 0;
    return screen->show.read_ms + screen_boot_ms() - screen->show.read_boot_ms;
}

/* ---- the loop ---- */

static void read_keys(struct screen *screen)
{
    int key;

    while (!screen->leave && (key = getch()) != ERR)
        if (key != KEY_RESIZE) /* the next drawing has the new size */
            screen_key(screen, key);
}

/* false: the terminal has gone. */
static bool wait_for_something(const struct screen *screen)
{
    struct pollfd pfds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                            {.fd = hands_fd(screen->hands), .events = POLLIN},
                            {.fd = cli_stop_fd(), .events = POLLIN}};

    /* What comes while it is frozen stays where it is. */
    if (screen->frozen)
        pfds[1].fd = -1;
    if (poll(pfds, ARRAY_LEN(pfds), TICK_MS) > 0)
        return (pfds[0].revents & (POLLHUP | POLLERR | POLLNVAL)) == 0 ||
               (pfds[0].revents & POLLIN) != 0;
    return true;
}

static void set_up_colors(struct screen *screen)
{
    screen->colors = color_wanted() && has_colors() && start_color() == OK;
    if (!screen->colors)
        return;
    use_default_colors();
    init_pair(TINT_GOOD, COLOR_GREEN, -1);
    init_pair(TINT_BUSY, COLOR_CYAN, -1);
    init_pair(TINT_WARN, COLOR_YELLOW, -1);
    init_pair(TINT_BAD, COLOR_RED, -1);
}

/* A terminal whose cursor cannot be placed, such as "dumb", stays empty. */
static bool can_be_drawn_on(void)
{
    char name[] = "cup", *text = tigetstr(name);

    return text != NULL && text != (char *)-1;
}

enum exitcode screen_run(struct hands *hands, const char *url)
{
    struct screen screen = {.hands = hands, .url = url};
    SCREEN *terminal;

    setlocale(LC_CTYPE, "");
    screen.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    set_escdelay(50);
    terminal = newterm(NULL, stdout, stdin);
    if (terminal == NULL || !can_be_drawn_on()) {
        if (terminal != NULL) {
            endwin();
            delscreen(terminal);
        }
        cli_error("watch: this terminal (TERM=%s) cannot be drawn on; set TERM, or use `blobforge "
                  "dashboard`",
                  getenv("TERM") != NULL ? getenv("TERM") : "");
        return EXITCODE_UNAVAILABLE;
    }
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    curs_set(0);
    set_up_colors(&screen);
    screen_arrange(&screen);
    while (!screen.leave && !cli_stopped()) {
        screen_draw(&screen);
        if (!wait_for_something(&screen))
            break;
        screen_take_news(&screen);
        read_keys(&screen);
    }
    endwin();
    delscreen(terminal);
    for (int p = 0; p < PANEL_COUNT; p++)
        free(screen.order[p]);
    board_show_release(&screen.show);
    free(screen.error);
    free(screen.page);
    return EXITCODE_OK;
}
