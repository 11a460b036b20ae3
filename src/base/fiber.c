/* See fiber.h: many plain sequences of steps in one thread. */
#include "base/fiber.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/alloc.h"

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define FIBER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FIBER_TSAN 1
#endif
#endif

#ifdef FIBER_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif

struct fiber {
    ucontext_t here;     /* where it goes on */
    ucontext_t resumer;  /* where fiber_resume() goes on */
    struct fiber *outer; /* the fiber that resumed it; NULL: the thread itself */
    void (*body)(void *arg);
    void *arg;
    void *stack; /* guard page and FIBER_STACK bytes */
    size_t stack_size;
    bool ended;
#ifdef FIBER_ASAN
    void *fake_stack;
    const void *resumer_stack;
    size_t resumer_stack_size;
#endif
#ifdef FIBER_TSAN
    void *tsan_self, *tsan_resumer;
#endif
};

static _Thread_local struct fiber *current;

struct fiber *fiber_current(void)
{
    return current;
}

bool fiber_ended(const struct fiber *fiber)
{
    return fiber->ended;
}

static void switch_back(struct fiber *fiber)
{
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(fiber->ended ? NULL : &fiber->fake_stack, fiber->resumer_stack,
                                   fiber->resumer_stack_size);
#endif
#ifdef FIBER_TSAN
    __tsan_switch_to_fiber(fiber->tsan_resumer, 0);
#endif
    swapcontext(&fiber->here, &fiber->resumer);
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(fiber->fake_stack, &fiber->resumer_stack,
                                    &fiber->resumer_stack_size);
#endif
}

/* makecontext passes ints only: the pointer comes in two halves. */
static void enter(unsigned high, unsigned low)
{
    struct fiber *fiber = (struct fiber *)((uintptr_t)high << 32 | low);

#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(NULL, &fiber->resumer_stack, &fiber->resumer_stack_size);
#endif
    fiber->body(fiber->arg);
    fiber->ended = true;
    switch_back(fiber);
    abort(); /* an ended fiber is never resumed */
}

struct fiber *fiber_create(void (*body)(void *arg), void *arg)
{
    struct fiber *fiber = mem_alloc(sizeof(*fiber));
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t self = (uintptr_t)fiber;

    fiber->body = body;
    fiber->arg = arg;
    fiber->stack_size = FIBER_STACK + page;
    fiber->stack = mmap(NULL, fiber->stack_size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (fiber->stack == MAP_FAILED || mprotect(fiber->stack, page, PROT_NONE) != 0)
        abort(); /* out of address space: as alloc.h */
    getcontext(&fiber->here);
    fiber->here.uc_stack.ss_sp = (char *)fiber->stack + page;
    fiber->here.uc_stack.ss_size = FIBER_STACK;
    fiber->here.uc_link = NULL;
    makecontext(&fiber->here, (void (*)(void))enter, 2, (unsigned)(self >> 32), (unsigned)self);
#ifdef FIBER_TSAN
    fiber->tsan_self = __tsan_create_fiber(0);
#endif
    return fiber;
}

void fiber_resume(struct fiber *fiber)
{
    struct fiber *outer = current;
#ifdef FIBER_ASAN
    void *fake_stack = NULL;
#endif

    assert(!fiber->ended && fiber != outer);
    fiber->outer = outer;
    current = fiber;
#ifdef FIBER_TSAN
    fiber->tsan_resumer = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(fiber->tsan_self, 0);
#endif
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(&fake_stack, fiber->here.uc_stack.ss_sp, FIBER_STACK);
#endif
    swapcontext(&fiber->resumer, &fiber->here);
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
#endif
    current = outer;
}

void fiber_yield(void)
{
    assert(current != NULL);
    switch_back(current);
}

void fiber_destroy(struct fiber *fiber)
{
    if (fiber == NULL)
        return;
    assert(fiber != current);
#ifdef FIBER_TSAN
    __tsan_destroy_fiber(fiber->tsan_self);
#endif
    munmap(fiber->stack, fiber->stack_size);
    free(fiber);
}
