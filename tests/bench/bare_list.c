/* The bare limit of counting: concurrent LISTs of one folder and nothing else, no job looked at.
 * The store is that of BLOBFORGE_STORE.
 *
 *   bare_list PREFIX          lists the keys below PREFIX, which are hashes, by their first two
 *                             digits, sixteen listings at a time, all pages; prints how many there
 *                             are, the number of LISTs and the seconds
 *   bare_list PREFIX COUNT    makes so many empty ones */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/settings.h"
#include "store/store_settings.h"

#define AT_ONCE 16
#define FILL_AT_ONCE 64

struct listing {
    char prefix[512];
    char *after;
    bool busy;
};

static void fail(const char *why)
{
    fprintf(stderr, "bare_list: %s\n", why != NULL ? why : "failed");
    exit(1);
}

static struct store *open_store(const struct settings *settings)
{
    struct store *store = NULL;
    char *error = NULL;

    if (store_settings_open(settings, clock_system(), rng_system(), true, &store, &error) !=
        STORE_OPEN_OK)
        fail(error);
    return store;
}

static void fill(struct store *store, const char *prefix, long count)
{
    static struct store_op ops[FILL_AT_ONCE];
    static char keys[FILL_AT_ONCE][512];

    for (long done = 0; done < count;) {
        size_t n = 0;

        for (; n < FILL_AT_ONCE && done < count; n++, done++) {
            unsigned char sha256[SHA256_BYTES];
            char hash[SHA256_HEX_SIZE];

            digest_sha256(&done, sizeof(done), sha256);
            hex_encode(sha256, sizeof(sha256), hash);
            snprintf(keys[n], sizeof(keys[n]), "%s%s", prefix, hash);
            store_op_init(&ops[n], STORE_PUT, keys[n]);
            ops[n].body = "";
        }
        store_run(store, ops, n);
        for (size_t i = 0; i < n; i++) {
            if (ops[i].status != STORE_OK)
                fail(ops[i].error);
            store_op_release(&ops[i]);
        }
    }
}

static void list(struct store *store, const char *prefix)
{
    struct listing listings[AT_ONCE] = {0};
    struct store_op ops[AT_ONCE];
    unsigned next = 0;
    long long keys = 0, lists = 0;
    int64_t began = clock_boot_ms(clock_system());
    size_t used;

    do {
        used = 0;
        for (size_t i = 0; i < AT_ONCE; i++) {
            if (!listings[i].busy && next < 256) {
                snprintf(listings[i].prefix, sizeof(listings[i].prefix), "%s%02x", prefix,
                         next++ & 255);
                listings[i].busy = true;
            }
            if (!listings[i].busy)
                continue;
            store_op_init(&ops[used], STORE_LIST, listings[i].prefix);
            ops[used].start_after = listings[i].after;
            used++;
        }
        store_run(store, ops, used);
        lists += (long long)used;
        for (size_t i = 0, n = 0; i < AT_ONCE; i++) {
            if (!listings[i].busy)
                continue;
            if (ops[n].status != STORE_OK)
                fail(ops[n].error);
            keys += (long long)ops[n].entry_count;
            free(listings[i].after);
            listings[i].after = mem_strdup(ops[n].next_after_r);
            listings[i].busy = ops[n].more_r;
            store_op_release(&ops[n++]);
        }
    } while (used > 0);
    printf("%lld keys %lld lists %.3f s\n", keys, lists,
           (double)(clock_boot_ms(clock_system()) - began) / 1000);
}

int main(int argc, char **argv)
{
    struct settings *settings = settings_create();
    struct store *store;
    char *error = NULL;

    if (argc < 2 || argc > 3 || !settings_load_env(settings, &error))
        fail(error != NULL ? error : "usage: bare_list PREFIX [COUNT]");
    store = open_store(settings);
    if (argc == 3)
        fill(store, argv[1], atol(argv[2]));
    else
        list(store, argv[1]);
    store_close(store);
    settings_destroy(settings);
    return 0;
}
