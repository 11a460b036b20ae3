/* See rng.h: randomness, passed in. */
#include "base/rng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void system_fill(struct rng *rng, void *bytes, size_t len)
{
    unsigned char *p = bytes;

    (void)rng;
    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            abort(); /* a kernel without getrandom: no claim id would be unique */
        p += n;
        len -= (size_t)n;
    }
}

struct rng *rng_system(void)
{
    static struct rng rng = {system_fill};

    return &rng;
}

/* splitmix64 (Steele, Lea, Flood 2014): any seed gives a good sequence. */
static uint64_t splitmix_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void seeded_fill(struct rng *rng, void *bytes, size_t len)
{
    struct rng_seeded *seeded = (struct rng_seeded *)rng;
    unsigned char *p = bytes;

    while (len > 0) {
        uint64_t v = splitmix_next(&seeded->state);
        size_t n = len < sizeof(v) ? len : sizeof(v);
        memcpy(p, &v, n);
        p += n;
        len -= n;
    }
}

void rng_seeded_init(struct rng_seeded *seeded, uint64_t seed)
{
    seeded->rng.fill = seeded_fill;
    seeded->state = seed;
}

uint64_t rng_u64(struct rng *rng)
{
    uint64_t v;

    rng->fill(rng, &v, sizeof(v));
    return v;
}

uint64_t rng_below(struct rng *rng, uint64_t limit)
{
    uint64_t v, rest;

    if (limit == 0)
        return 0;
    rest = UINT64_MAX - UINT64_MAX % limit; /* refuse the incomplete last round */
    do
        v = rng_u64(rng);
    while (v >= rest);
    return v % limit;
}

int64_t rng_jitter(struct rng *rng, int64_t value, int percent)
{
    int64_t span = value * percent / 100;

    if (span <= 0)
        return value;
    return value - span + (int64_t)rng_below(rng, (uint64_t)(2 * span + 1));
}

void rng_hex(struct rng *rng, size_t bytes, char *text_r)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < bytes; i++) {
        unsigned char c;
        rng->fill(rng, &c, 1);
        text_r[2 * i] = digits[c >> 4];
        text_r[2 * i + 1] = digits[c & 15];
    }
    text_r[2 * bytes] = '\0';
}
