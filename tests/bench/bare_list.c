/* The bare limit of counting: concurrent LISTs of one folder and nothing else, no job looked at.
 *
 * bare_list PREFIX: the store is that of BLOBFORGE_STORE. The keys below PREFIX, which are hashes,
 * are listed by their first two digits, sixteen listings at a time, all pages; prints their number,
 * the number of LISTs and the seconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/settings.h"
#include "store/store_settings.h"

#define AT_ONCE 16

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

int main(int argc, char **argv)
{
    struct settings *settings = settings_create();
    struct listing listings[AT_ONCE] = {0};
    struct store_op ops[AT_ONCE];
    struct store *store = NULL;
    unsigned next = 0;
    long long keys = 0, lists = 0;
    int64_t began;
    char *error = NULL;
    size_t used;

    if (argc != 2 || !settings_load_env(settings, &error))
        fail(error != NULL ? error : "usage: bare_list PREFIX");
    if (store_settings_open(settings, clock_system(), rng_system(), true, &store, &error) !=
        STORE_OPEN_OK)
        fail(error);
    began = clock_boot_ms(clock_system());
    do {
        used = 0;
        for (size_t i = 0; i < AT_ONCE; i++) {
            if (!listings[i].busy && next < 256) {
                snprintf(listings[i].prefix, sizeof(listings[i].prefix), "%s%02x", argv[1],
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
    store_close(store);
    settings_destroy(settings);
    return 0;
}
