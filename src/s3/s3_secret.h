/* memory for keys.
 *
 * Pages of their own, left out of core dumps and empty in a forked child, wiped before they are
 * given back. Locking them against swap is tried and not insisted on (RLIMIT_MEMLOCK). Any thread.
 */
#ifndef BF_S3_SECRET_H
#define BF_S3_SECRET_H

#include <stddef.h>

/* Zeroed memory of `size` bytes, rounded up to whole pages; NULL when there is none. */
void *s3_secret_create(size_t size);

/* Wipes and frees what s3_secret_create gave for the same size; NULL is fine. */
void s3_secret_destroy(void *memory, size_t size);

#endif
