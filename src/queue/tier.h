/* Tiers: the priority levels of a bucket, in the order in which they are polled. */
#ifndef BF_QUEUE_TIER_H
#define BF_QUEUE_TIER_H

#include <stdbool.h>

enum tier {
    TIER_CRITICAL,
    TIER_HIGH,
    TIER_NORMAL,
    TIER_LOW,
    TIER_BACKGROUND
};
#define TIER_COUNT 5
#define TIER_DEFAULT TIER_NORMAL

/* "1_critical" … "5_background": the names in keys and records. */
const char *tier_name(enum tier tier);
/* The name, its word ("high") or its digit ("2"); false: none of them. */
bool tier_parse(const char *text, enum tier *tier_r);

#endif
