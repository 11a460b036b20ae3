/* Numbers as people write and read them: sizes, durations, times; and what a mistyped word meant.
 *
 * Two directions that must not be mixed up: human_parse_* and human_write_* are exact (settings
 * files, options: what is written is read back as the same number); human_show_* is rounded, for
 * tables and messages only. Pure functions. Any thread. */
#ifndef BF_BASE_HUMAN_H
#define BF_BASE_HUMAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"

/* `90` and `90s` are seconds; ms, m, h, d likewise. No sign, no fraction, no blank. false: not a
 * duration, or beyond int64_t. */
bool human_parse_duration(const char *text, int64_t *ms_r) MUST_CHECK;
/* `4096`, `64K`, `128M`, `2G`, `1T`: powers of 1024, either case. */
bool human_parse_size(const char *text, int64_t *bytes_r) MUST_CHECK;
/* Decimal digits with an optional '-' and nothing else. */
bool human_parse_int(const char *text, int64_t *value_r) MUST_CHECK;
/* yes no true false 1 0, either case. */
bool human_parse_bool(const char *text, bool *value_r) MUST_CHECK;

/* In the largest unit that leaves no remainder: 5400000 ms is "90m", 65536 is "64K". */
void human_write_duration(struct buf *out, int64_t ms);
void human_write_size(struct buf *out, int64_t bytes);

#define HUMAN_SIZE 32
/* "0 B", "999 B", "1.5 kB", "23 MB": powers of 1000, as `ls --si` and disk makers count. -1: "-".
 */
const char *human_show_size(int64_t bytes, char text_r[static HUMAN_SIZE]);
/* "0.4 s", "12 s", "3 min 20 s", "5 h 12 min", "3 d 4 h". Negative: "-". */
const char *human_show_duration(int64_t ms, char text_r[static HUMAN_SIZE]);
/* "2026-03-01 12:00:00", local time; "-" for 0 or less. */
const char *human_show_time(int64_t wall_ms, char text_r[static HUMAN_SIZE]);

/* Edits (insert, delete, replace, swap of neighbours) that make `a` into `b`, case ignored; words
 * over 63 bytes count as far apart. */
int human_distance(const char *a, const char *b);
/* May `guess`, at this distance, have been meant? One edit in a short word, three in a long one. */
bool human_is_near(const char *word, int distance);

#endif
