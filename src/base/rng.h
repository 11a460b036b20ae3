/* Randomness, passed in: the machine's for real runs, a seeded one for replays. */
#ifndef BF_BASE_RNG_H
#define BF_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    void (*fill)(struct rng *rng, void *bytes, size_t len);
};

struct rng *rng_system(void); /* getrandom(2); shared, never freed, any thread */

/* A seeded generator (splitmix64): same seed, same bytes. One thread. Not for secrets. */
struct rng_seeded {
    struct rng rng;
    uint64_t state;
};
void rng_seeded_init(struct rng_seeded *seeded, uint64_t seed);

uint64_t rng_u64(struct rng *rng);
/* Uniform in [0, limit); 0 for limit 0. */
uint64_t rng_below(struct rng *rng, uint64_t limit);
/* value × (1 ± percent/100), uniform: jitter. */
int64_t rng_jitter(struct rng *rng, int64_t value, int percent);
/* `bytes` random bytes as lower-case hex and a NUL: text_r has room for 2 × bytes + 1. */
void rng_hex(struct rng *rng, size_t bytes, char *text_r);

#endif
