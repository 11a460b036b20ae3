/* Small words that every file needs: attributes and array length. */
#ifndef BF_BASE_COMPILER_H
#define BF_BASE_COMPILER_H

#include <stddef.h>

/* An outcome that nobody may forget to look at. */
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))
#define NO_RETURN __attribute__((noreturn))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The struct that holds `member`, given a pointer to the member. */
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
