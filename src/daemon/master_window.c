/* See window.h: what the master does when a run window opens or closes. Main thread. */
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "daemon/master_private.h"

static void say_when(struct master *master, int64_t wall_ms)
{
    int64_t opens = window_next(&master->window, wall_ms, true);
    time_t seconds = (time_t)(opens / 1000);
    struct tm local;
    char when[32] = "never";

    if (opens >= 0 && localtime_r(&seconds, &local) != NULL)
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &local);
    snprintf(master->window_text, sizeof(master->window_text), "run_window opens %s", when);
}

static void close_window(struct master *master, int64_t wall_ms)
{
    bool give_back = settings_text(master->settings, SETTING_OUTSIDE_WINDOW)[0] == 'g';

    master->window_closed = true;
    say_when(master, wall_ms);
    log_event(LOG_INFO, "pause", LOG_S("by", "run_window"),
              LOG_I("jobs", slots_busy(&master->slots)),
              LOG_S("outside_window", give_back ? "give-back" : "finish"),
              LOG_S("msg", master->window_text));
    master_tell_mode(master); /* first: what is given back must not be claimed again */
    if (give_back)
        post_send(master->to_lease, post_create(POST_STOP_JOBS));
}

static void open_window(struct master *master)
{
    master->window_closed = false;
    log_event(LOG_INFO, "resume", LOG_S("by", "run_window"));
    master_tell_mode(master);
}

static void look(struct master *master)
{
    int64_t wall = clock_wall_ms(master->clock);
    bool open = window_is_open(&master->window, wall);

    if (open && master->window_closed)
        open_window(master);
    else if (!open && !master->window_closed && master->stage < STAGE_DRAINING)
        close_window(master, wall);
    /* The wall clock may be set: it is looked at each minute, whatever is due when. */
    master->window_look_boot_ms = INT64_MAX;
    if (master->window.count > 0)
        master->window_look_boot_ms =
            clock_boot_ms(master->clock) + (window_next_look(wall) - wall) + 1;
}

void master_window_load(struct master *master)
{
    const char *text = settings_text(master->settings, SETTING_RUN_WINDOW);
    const char *wrong;

    tzset(); /* the zone's rules may be others now */
    wrong = window_parse(text, &master->window);
    if (wrong != NULL) /* cannot be: the settings were checked */
        log_event(LOG_ERROR, "reload", LOG_S("setting", "run_window"), LOG_S("msg", wrong));
    if (master->window_closed)
        say_when(master, clock_wall_ms(master->clock));
    look(master);
}

void master_window_check(struct master *master)
{
    if (clock_boot_ms(master->clock) >= master->window_look_boot_ms)
        look(master);
}
