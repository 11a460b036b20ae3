/* Opening what a converter left, beneath a folder and through no link. */
#ifndef BF_CONVERT_BENEATH_H
#define BF_CONVERT_BENEATH_H

#include "base/compiler.h"

/* Opens `name` (one path component) of dir_fd for reading, close-on-exec and non-blocking, so that
 * a fifo does not hold us. -1 with errno; ELOOP: it is a link. */
int beneath_open(int dir_fd, const char *name) MUST_CHECK;
int beneath_open_folder(int dir_fd, const char *name) MUST_CHECK;

#endif
