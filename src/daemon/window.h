/* Run windows: times of day, local time, in which jobs are claimed.
 *
 *     22:00-06:00, 12:30-13:15
 *
 * A window whose end lies before its start goes across midnight; 24:00 is the day's end. Whether
 * one is open is asked of the local clock's face at that moment, never computed ahead: when the
 * clock is put forward a window in the hour left out does not open, when it is put back one opens
 * twice. Pure but for the time zone. Main thread. */
#ifndef BF_DAEMON_WINDOW_H
#define BF_DAEMON_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define WINDOW_MAX 16

struct window {
    struct {
        int begin, end; /* minutes of the day; the end is outside */
    } spans[WINDOW_MAX];
    size_t count; /* 0: always open */
};

/* NULL: *window_r is whole; else what is wrong with it, static. */
const char *window_parse(const char *text, struct window *window_r) MUST_CHECK;
bool window_is_open(const struct window *window, int64_t wall_ms) MUST_CHECK;
/* When the clock's face shows the next minute. */
int64_t window_next_look(int64_t wall_ms) MUST_CHECK;
/* The first minute from `wall_ms` on at which it is open (or closed); -1: none within eight days.
 */
int64_t window_next(const struct window *window, int64_t wall_ms, bool open) MUST_CHECK;

#endif
