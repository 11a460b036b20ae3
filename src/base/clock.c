/* See clock.h: the machine's clock, and times as text. */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t system_boot_ms(struct clock *clock)
{
    (void)clock;
    return read_ms(CLOCK_BOOTTIME);
}

static int64_t system_wall_ms(struct clock *clock)
{
    (void)clock;
    return read_ms(CLOCK_REALTIME);
}

static void system_sleep_ms(struct clock *clock, int64_t ms)
{
    struct timespec ts = {ms / 1000, (ms % 1000) * 1000000};

    (void)clock;
    if (ms <= 0)
        return;
    while (nanosleep(&ts, &ts) != 0 && errno == EINTR)
        continue;
}

struct clock *clock_system(void)
{
    static struct clock clock = {system_boot_ms, system_wall_ms, system_sleep_ms};

    return &clock;
}

void clock_format_iso(int64_t wall_ms, char text_r[static CLOCK_ISO_SIZE])
{
    time_t sec = (time_t)(wall_ms / 1000);
    int ms = (int)(wall_ms % 1000);
    struct tm tm;
    size_t len;

    if (ms < 0) {
        ms += 1000;
        sec--;
    }
    if (gmtime_r(&sec, &tm) == NULL || tm.tm_year > 8099 || tm.tm_year < -1900) {
        snprintf(text_r, CLOCK_ISO_SIZE, "1970-01-01T00:00:00.000Z");
        return;
    }
    len = strftime(text_r, CLOCK_ISO_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text_r + len, CLOCK_ISO_SIZE - len, ".%03uZ", (unsigned)ms % 1000);
}

/* Reads exactly `count` digits at *p; -1 when there are none. */
static int take_digits(const char **p, const char *end, int count)
{
    int value = 0;

    if (end - *p < count)
        return -1;
    for (int i = 0; i < count; i++) {
        char c = *(*p)++;
        if (c < '0' || c > '9')
            return -1;
        value = value * 10 + (c - '0');
    }
    return value;
}

static bool take_char(const char **p, const char *end, char want)
{
    if (*p >= end || **p != want)
        return false;
    (*p)++;
    return true;
}

static int take_fraction_ms(const char **p, const char *end)
{
    int ms = 0, scale = 100;

    while (*p < end && **p >= '0' && **p <= '9') {
        ms += (**p - '0') * scale;
        scale /= 10;
        (*p)++;
    }
    return ms;
}

bool clock_parse_iso(const char *text, size_t len, int64_t *ms_r)
{
    const char *p = text, *end = text + len;
    struct tm tm = {0};
    int offset = 0, ms = 0;

    tm.tm_year = take_digits(&p, end, 4) - 1900;
    if (tm.tm_year < -1900 || !take_char(&p, end, '-'))
        return false;
    tm.tm_mon = take_digits(&p, end, 2) - 1;
    if (tm.tm_mon < 0 || tm.tm_mon > 11 || !take_char(&p, end, '-'))
        return false;
    tm.tm_mday = take_digits(&p, end, 2);
    if (tm.tm_mday < 1 || tm.tm_mday > 31)
        return false;
    if (!take_char(&p, end, 'T') && !take_char(&p, end, ' '))
        return false;
    tm.tm_hour = take_digits(&p, end, 2);
    if (tm.tm_hour < 0 || tm.tm_hour > 23 || !take_char(&p, end, ':'))
        return false;
    tm.tm_min = take_digits(&p, end, 2);
    if (tm.tm_min < 0 || tm.tm_min > 59 || !take_char(&p, end, ':'))
        return false;
    tm.tm_sec = take_digits(&p, end, 2);
    if (tm.tm_sec < 0 || tm.tm_sec > 60)
        return false;
    if (take_char(&p, end, '.'))
        ms = take_fraction_ms(&p, end);
    if (p < end && (*p == '+' || *p == '-')) {
        int sign = *p++ == '-' ? -1 : 1;
        int hours = take_digits(&p, end, 2);
        int minutes = take_char(&p, end, ':') ? take_digits(&p, end, 2) : 0;
        if (hours < 0 || minutes < 0)
            return false;
        offset = sign * (hours * 60 + minutes);
    } else {
        (void)take_char(&p, end, 'Z');
    }
    if (p != end)
        return false;
    *ms_r = ((int64_t)timegm(&tm) - offset * 60) * 1000 + ms;
    return true;
}
