/* See breaker.h. */
#include "daemon/breaker.h"

#include <string.h>

static void open_breaker(struct breaker *breaker, int64_t boot_ms)
{
    bool again = breaker->state == BREAKER_HALF;

    breaker->rest_ms = again ? breaker->rest_ms * 2 : BREAKER_REST_MS;
    if (breaker->rest_ms > BREAKER_REST_MAX_MS)
        breaker->rest_ms = BREAKER_REST_MAX_MS;
    breaker->until_boot_ms = boot_ms + breaker->rest_ms;
    breaker->state = BREAKER_OPEN;
    memset(breaker->failed_boot_ms, 0, sizeof(breaker->failed_boot_ms));
}

bool breaker_failure(struct breaker *breaker, int64_t boot_ms)
{
    int64_t oldest;

    if (breaker->state == BREAKER_OPEN)
        return false;
    oldest = breaker->failed_boot_ms[(breaker->next + 1) % BREAKER_FAILURES];
    breaker->failed_boot_ms[breaker->next] = boot_ms;
    breaker->next = (breaker->next + 1) % BREAKER_FAILURES;
    if (breaker->state == BREAKER_CLOSED &&
        (oldest == 0 || (!breaker->in_a_row && boot_ms - oldest > BREAKER_WINDOW_MS)))
        return false;
    open_breaker(breaker, boot_ms);
    return true;
}

bool breaker_success(struct breaker *breaker)
{
    bool was_open = breaker->state != BREAKER_CLOSED;

    *breaker = (struct breaker){.in_a_row = breaker->in_a_row};
    return was_open;
}

bool breaker_due(struct breaker *breaker, int64_t boot_ms)
{
    if (breaker->state != BREAKER_OPEN || boot_ms < breaker->until_boot_ms)
        return false;
    breaker->state = BREAKER_HALF;
    return true;
}
