/* Small words that every file needs: attributes and array length. */
#ifndef BF_BASE_COMPILER_H
#define BF_BASE_COMPILER_H

#include <stddef.h>

/* An outcome that nobody may forget to look at. */
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))
#define NO_RETURN __attribute__((noreturn))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* 1 in a build with the address or the thread sanitizer, for tests: it reserves terabytes of
 * address space, so that no limit on that can hold, and looks into its own process from outside. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* The struct that holds `member`, given a pointer to the member. */
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
