/* See human.h: numbers as people write and read them. */
#include "base/human.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* Largest first: human_write_*() takes the first that divides. */
static const struct unit duration_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};
static const struct unit size_units[] = {
    {"T", 1LL << 40}, {"G", 1LL << 30}, {"M", 1LL << 20}, {"K", 1LL << 10}, {"", 1},
};

/* Digits at `text`; *end_r points behind them. false: none, or too many. */
static bool parse_digits(const char *text, int64_t *value_r, const char **end_r)
{
    int64_t value = 0;

    if (*text < '0' || *text > '9')
        return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *text - '0', &value))
            return false;
    }
    *value_r = value;
    *end_r = text;
    return true;
}

static bool parse_with_unit(const char *text, const struct unit *units, size_t count,
                            int64_t bare_factor, int64_t *value_r)
{
    int64_t value, factor = 0;
    const char *unit;

    if (!parse_digits(text, &value, &unit))
        return false;
    if (*unit == '\0')
        factor = bare_factor;
    for (size_t i = 0; i < count && factor == 0; i++) {
        if (strcasecmp(unit, units[i].name) == 0)
            factor = units[i].factor;
    }
    if (factor == 0 || __builtin_mul_overflow(value, factor, &value))
        return false;
    *value_r = value;
    return true;
}

bool human_parse_duration(const char *text, int64_t *ms_r)
{
    return parse_with_unit(text, duration_units, ARRAY_LEN(duration_units), 1000, ms_r);
}

bool human_parse_size(const char *text, int64_t *bytes_r)
{
    return parse_with_unit(text, size_units, ARRAY_LEN(size_units), 1, bytes_r);
}

bool human_parse_int(const char *text, int64_t *value_r)
{
    bool negative = *text == '-';
    int64_t value;
    const char *end;

    if (!parse_digits(text + negative, &value, &end) || *end != '\0')
        return false;
    *value_r = negative ? -value : value;
    return true;
}

bool human_parse_bool(const char *text, bool *value_r)
{
    static const char *const words[] = {"no", "yes", "false", "true", "0", "1"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *value_r = i % 2 == 1;
            return true;
        }
    }
    return false;
}

static void write_with_unit(struct buf *out, int64_t value, const struct unit *units, size_t count)
{
    size_t i = 0;

    while (i + 1 < count && (value == 0 || value % units[i].factor != 0))
        i++;
    buf_printf(out, "%lld%s", (long long)(value / units[i].factor), units[i].name);
}

void human_write_duration(struct buf *out, int64_t ms)
{
    if (ms == 0)
        buf_puts(out, "0s");
    else
        write_with_unit(out, ms, duration_units, ARRAY_LEN(duration_units));
}

void human_write_size(struct buf *out, int64_t bytes)
{
    write_with_unit(out, bytes, size_units, ARRAY_LEN(size_units));
}

const char *human_show_size(int64_t bytes, char text_r[static HUMAN_SIZE])
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)bytes / 1000;
    size_t i = 0;

    if (bytes < 0) {
        snprintf(text_r, HUMAN_SIZE, "-");
    } else if (bytes < 1000) {
        snprintf(text_r, HUMAN_SIZE, "%d B", (int)bytes);
    } else {
        /* 999.95 would be shown as 1000.0: take the next unit before rounding does. */
        for (; value >= 999.5 && i + 1 < ARRAY_LEN(units); i++)
            value /= 1000;
        snprintf(text_r, HUMAN_SIZE, value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[i]);
    }
    return text_r;
}

const char *human_show_duration(int64_t ms, char text_r[static HUMAN_SIZE])
{
    int64_t s = (ms + 500) / 1000;

    if (ms < 0)
        snprintf(text_r, HUMAN_SIZE, "-");
    else if (ms < 9950)
        snprintf(text_r, HUMAN_SIZE, "%.1f s", (double)ms / 1000);
    else if (s < 60)
        snprintf(text_r, HUMAN_SIZE, "%d s", (int)s);
    else if (s < 3600)
        snprintf(text_r, HUMAN_SIZE, "%d min %d s", (int)(s / 60), (int)(s % 60));
    else if (s < 86400)
        snprintf(text_r, HUMAN_SIZE, "%d h %d min", (int)(s / 3600), (int)(s % 3600 / 60));
    else
        snprintf(text_r, HUMAN_SIZE, "%lld d %d h", (long long)(s / 86400),
                 (int)(s % 86400 / 3600));
    return text_r;
}

const char *human_show_time(int64_t wall_ms, char text_r[static HUMAN_SIZE])
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;

    if (wall_ms <= 0 || localtime_r(&t, &tm) == NULL ||
        strftime(text_r, HUMAN_SIZE, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        snprintf(text_r, HUMAN_SIZE, "-");
    return text_r;
}

#define WORD_MAX 63

static bool same_letter(char a, char b)
{
    return strncasecmp(&a, &b, 1) == 0;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

int human_distance(const char *a, const char *b)
{
    /* Optimal string alignment: three rows of the table are enough. */
    int rows[3][WORD_MAX + 1];
    size_t la = strlen(a), lb = strlen(b);

    if (la > WORD_MAX || lb > WORD_MAX)
        return INT_MAX;
    for (size_t j = 0; j <= lb; j++)
        rows[0][j] = (int)j;
    for (size_t i = 1; i <= la; i++) {
        int *row = rows[i % 3], *above = rows[(i + 2) % 3], *higher = rows[(i + 1) % 3];

        row[0] = (int)i;
        for (size_t j = 1; j <= lb; j++) {
            int cost = same_letter(a[i - 1], b[j - 1]) ? 0 : 1;

            row[j] = least(above[j - 1] + cost, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) &&
                same_letter(a[i - 2], b[j - 1]))
                row[j] = least(row[j], higher[j - 2] + 1);
        }
    }
    return rows[la % 3][lb];
}

bool human_is_near(const char *word, int distance)
{
    size_t len = strlen(word);

    return distance <= (len <= 4 ? 1 : len <= 8 ? 2 : 3);
}
