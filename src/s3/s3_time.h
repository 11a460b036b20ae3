/* The forms of time that only HTTP and signatures use; ISO 8601 is read by base/clock.h.
 *
 * "ms" is milliseconds since the epoch, as everywhere. Pure functions; any thread. No locale and
 * no time zone of the process has a say. */
#ifndef BF_S3_TIME_H
#define BF_S3_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* Length of "20130524T000000Z" with its NUL. */
#define S3_TIME_STAMP_SIZE 17

/* An HTTP date, "Fri, 24 May 2013 00:00:00 GMT" (IMF-fixdate, RFC 9110 section 5.6.7; the two
 * obsolete forms are not sent by S3 servers and not accepted). The name of the day is not compared
 * with the date. False when it is anything else; *ms_r is then untouched. */
bool s3_time_parse_http(const char *text, size_t len, int64_t *ms_r) MUST_CHECK;

/* The X-Amz-Date of a signature, cut to whole seconds. What lies outside the years 1970 to 9999 is
 * clamped. */
void s3_time_format_stamp(int64_t ms, char stamp_r[static S3_TIME_STAMP_SIZE]);

#endif
