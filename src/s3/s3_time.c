/* See s3_time.h. Parsed by hand, since strptime() follows the locale. */
#include "s3/s3_time.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* What is left of a text; `ok` turns false at the first mismatch and stays so. */
struct cursor {
    const char *at, *end;
    bool ok;
};

static int take_number(struct cursor *c, int digits)
{
    int value = 0;
    for (int i = 0; i < digits && c->ok; i++) {
        c->ok = c->at < c->end && *c->at >= '0' && *c->at <= '9';
        if (c->ok)
            value = value * 10 + (*c->at++ - '0');
    }
    return value;
}

static void take_text(struct cursor *c, const char *text)
{
    size_t len = strlen(text);
    if (!c->ok || (size_t)(c->end - c->at) < len || memcmp(c->at, text, len) != 0)
        c->ok = false;
    else
        c->at += len;
}

/* 0 for January. */
static int take_month(struct cursor *c)
{
    static const char names[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    for (int month = 0; c->ok && month < 12; month++) {
        if (c->end - c->at >= 3 && memcmp(c->at, names[month], 3) == 0) {
            c->at += 3;
            return month;
        }
    }
    c->ok = false;
    return 0;
}

bool s3_time_parse_http(const char *text, size_t len, int64_t *ms_r)
{
    struct cursor c = {text, text + len, len > 5};
    struct tm tm = {0};
    if (c.ok)
        c.at += 3; /* name of the day */
    take_text(&c, ", ");
    tm.tm_mday = take_number(&c, 2);
    take_text(&c, " ");
    tm.tm_mon = take_month(&c);
    take_text(&c, " ");
    tm.tm_year = take_number(&c, 4) - 1900;
    take_text(&c, " ");
    tm.tm_hour = take_number(&c, 2);
    take_text(&c, ":");
    tm.tm_min = take_number(&c, 2);
    take_text(&c, ":");
    tm.tm_sec = take_number(&c, 2);
    take_text(&c, " GMT");
    if (!c.ok || c.at != c.end || tm.tm_year < 70 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
        tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return false;
    *ms_r = (int64_t)timegm(&tm) * 1000;
    return true;
}

void s3_time_format_stamp(int64_t ms, char stamp_r[static S3_TIME_STAMP_SIZE])
{
    const int64_t last = INT64_C(253402300799); /* 9999-12-31T23:59:59Z */
    int64_t seconds = ms < 0 ? 0 : ms / 1000;
    time_t t = (time_t)(seconds > last ? last : seconds);
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL ||
        strftime(stamp_r, S3_TIME_STAMP_SIZE, "%Y%m%dT%H%M%SZ", &tm) == 0)
        memcpy(stamp_r, "19700101T000000Z", S3_TIME_STAMP_SIZE);
}
