/* SHA-256 of 256 MB by the function that hashes PDFs and by mbedTLS, in turn: prints MB/s of each.
 * For `make bench`. */
#include <mbedtls/sha256.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/digest.h"

#define BLOCK (1 << 20)
#define ROUNDS 256

static double seconds_since(const struct timespec *begin)
{
    struct timespec end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - begin->tv_sec) + (double)(end.tv_nsec - begin->tv_nsec) / 1e9;
}

int main(void)
{
    unsigned char ours[SHA256_BYTES], plain[SHA256_BYTES];
    unsigned char *block = mem_alloc(BLOCK);
    mbedtls_sha256_context state;
    struct digest *digest;
    struct timespec begin;
    double our_seconds, plain_seconds;

    memset(block, 'x', BLOCK);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    digest = digest_begin();
    for (int i = 0; i < ROUNDS; i++)
        digest_update(digest, block, BLOCK);
    digest_end(digest, ours);
    our_seconds = seconds_since(&begin);

    clock_gettime(CLOCK_MONOTONIC, &begin);
    mbedtls_sha256_init(&state);
    if (mbedtls_sha256_starts_ret(&state, 0) != 0)
        abort();
    for (int i = 0; i < ROUNDS; i++)
        if (mbedtls_sha256_update_ret(&state, block, BLOCK) != 0)
            abort();
    if (mbedtls_sha256_finish_ret(&state, plain) != 0)
        abort();
    plain_seconds = seconds_since(&begin);
    free(block);
    if (memcmp(ours, plain, sizeof(ours)) != 0)
        return 1;
    printf("%.0f %.0f\n", ROUNDS * BLOCK / 1e6 / our_seconds, ROUNDS * BLOCK / 1e6 / plain_seconds);
    return 0;
}
