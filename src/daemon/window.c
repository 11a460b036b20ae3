/* See window.h. */
#include "daemon/window.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

#define MINUTE_MS 60000
#define DAY_MINUTES 1440
#define AHEAD_MINUTES (8 * DAY_MINUTES)

static const char *skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

/* H:MM or HH:MM, up to 24:00. NULL: none. */
static const char *take_time(const char *p, int *minutes_r)
{
    int hours = 0, minutes = 0, digits = 0;

    for (; isdigit((unsigned char)*p) && digits < 2; p++, digits++)
        hours = hours * 10 + (*p - '0');
    if (digits == 0 || p[0] != ':' || !isdigit((unsigned char)p[1]) ||
        !isdigit((unsigned char)p[2]) || isdigit((unsigned char)p[3]))
        return NULL;
    minutes = (p[1] - '0') * 10 + (p[2] - '0');
    if (minutes > 59 || hours * 60 + minutes > DAY_MINUTES)
        return NULL;
    *minutes_r = hours * 60 + minutes;
    return p + 3;
}

const char *window_parse(const char *text, struct window *window_r)
{
    const char *p = skip_blanks(text);

    memset(window_r, 0, sizeof(*window_r));
    while (*p != '\0') {
        int begin, end;
        if (window_r->count == WINDOW_MAX)
            return "has more than 16 windows";
        p = take_time(p, &begin);
        if (p == NULL || *(p = skip_blanks(p)) != '-')
            return "is no list of windows; write HH:MM-HH:MM, ...";
        p = take_time(skip_blanks(p + 1), &end);
        if (p == NULL)
            return "is no list of windows; write HH:MM-HH:MM, ...";
        if (begin == end || begin == DAY_MINUTES)
            return "has a window that is never open; write 00:00-24:00 for the whole day";
        window_r->spans[window_r->count].begin = begin;
        window_r->spans[window_r->count++].end = end;
        p = skip_blanks(p);
        if (*p == ',')
            p = skip_blanks(p + 1);
        else if (*p != '\0')
            return "is no list of windows; put a comma between them";
    }
    return NULL;
}

/* Also seconds past the minute. */
static int minute_of_day(int64_t wall_ms, int *second_r)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm local;

    if (localtime_r(&seconds, &local) == NULL)
        memset(&local, 0, sizeof(local));
    *second_r = local.tm_sec > 59 ? 59 : local.tm_sec;
    return local.tm_hour * 60 + local.tm_min;
}

bool window_is_open(const struct window *window, int64_t wall_ms)
{
    int second, now = minute_of_day(wall_ms, &second);

    for (size_t i = 0; i < window->count; i++) {
        int begin = window->spans[i].begin, end = window->spans[i].end;
        if (begin < end ? now >= begin && now < end : now >= begin || now < end)
            return true;
    }
    return window->count == 0;
}

int64_t window_next_look(int64_t wall_ms)
{
    int second;

    (void)minute_of_day(wall_ms, &second);
    return wall_ms - wall_ms % 1000 + (60 - second) * INT64_C(1000);
}

int64_t window_next(const struct window *window, int64_t wall_ms, bool open)
{
    for (int i = 0; i < AHEAD_MINUTES; i++) {
        if (window_is_open(window, wall_ms) == open)
            return wall_ms;
        wall_ms = window_next_look(wall_ms);
    }
    return -1;
}
