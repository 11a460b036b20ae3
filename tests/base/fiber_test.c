/* Fibers: each goes on where it was, errno and deep stacks included. */
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/fiber.h"
#include "suites.h"

struct story {
    char *log;
    char name;
    int steps;
};

static void tell(void *arg)
{
    struct story *story = arg;

    for (int i = 0; i < story->steps; i++) {
        size_t len = strlen(story->log);
        story->log[len] = story->name;
        story->log[len + 1] = '\0';
        fiber_yield();
    }
}

START_TEST(turns)
{
    char log[32] = "";
    struct story a = {log, 'a', 3}, b = {log, 'b', 1};
    struct fiber *fa = fiber_create(tell, &a), *fb = fiber_create(tell, &b);

    ck_assert_ptr_null(fiber_current());
    fiber_resume(fa);
    fiber_resume(fb);
    fiber_resume(fa);
    ck_assert_str_eq(log, "aba");
    ck_assert(!fiber_ended(fa));
    ck_assert(!fiber_ended(fb));
    fiber_resume(fb);
    ck_assert(fiber_ended(fb));
    fiber_resume(fa);
    fiber_resume(fa);
    ck_assert(fiber_ended(fa));
    ck_assert_str_eq(log, "abaa");
    fiber_destroy(fa);
    fiber_destroy(fb);
    fiber_destroy(NULL);
}
END_TEST

static void inner(void *arg)
{
    *(struct fiber **)arg = fiber_current();
    fiber_yield();
}

static void outer(void *arg)
{
    struct fiber **seen = arg;
    struct fiber *self = fiber_current(), *child = fiber_create(inner, &seen[1]);

    seen[0] = self;
    fiber_resume(child);
    ck_assert_ptr_eq(fiber_current(), self);
    fiber_yield();
    fiber_resume(child);
    ck_assert(fiber_ended(child));
    fiber_destroy(child);
}

START_TEST(nested)
{
    struct fiber *seen[2] = {NULL, NULL}, *fiber = fiber_create(outer, seen);

    fiber_resume(fiber);
    ck_assert_ptr_null(fiber_current());
    ck_assert_ptr_eq(seen[0], fiber);
    ck_assert_ptr_nonnull(seen[1]);
    ck_assert_ptr_ne(seen[0], seen[1]);
    fiber_resume(fiber);
    ck_assert(fiber_ended(fiber));
    fiber_destroy(fiber);
}
END_TEST

static int deep(int depth)
{
    volatile char frame[1024];

    frame[0] = (char)depth;
    if (depth == 0) {
        fiber_yield();
        return frame[0];
    }
    return deep(depth - 1) + frame[0];
}

static void dive(void *arg)
{
    *(int *)arg = deep(100);
}

START_TEST(many_with_deep_stacks)
{
    struct fiber *fibers[300];
    int sums[ARRAY_LEN(fibers)] = {0};

    for (size_t i = 0; i < ARRAY_LEN(fibers); i++) {
        fibers[i] = fiber_create(dive, &sums[i]);
        fiber_resume(fibers[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(fibers); i++) {
        fiber_resume(fibers[i]);
        ck_assert(fiber_ended(fibers[i]));
        ck_assert_int_eq(sums[i], 5050);
        fiber_destroy(fibers[i]);
    }
}
END_TEST

START_TEST(never_begun)
{
    struct fiber *fiber = fiber_create(tell, NULL);

    ck_assert(!fiber_ended(fiber));
    fiber_destroy(fiber);
}
END_TEST

TCase *tests_fiber(void)
{
    TCase *tc = tcase_create("fiber");

    tcase_add_test(tc, turns);
    tcase_add_test(tc, nested);
    tcase_add_test(tc, many_with_deep_stacks);
    tcase_add_test(tc, never_begun);
    return tc;
}
