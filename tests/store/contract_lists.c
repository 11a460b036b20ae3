/* The contract suite: listings (contract_parts.h). */
#include "contract_parts.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/digest.h"

/* ---- listings ---- */

struct names {
    char **name;
    size_t count;
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_add(struct names *names, char *name)
{
    names->name = mem_resize(names->name, names->count + 1, sizeof(*names->name));
    names->name[names->count++] = name;
}

/* Reads a whole listing in pages and compares it with the keys of `model` (full, sorted, folded
 * here when `delimiter`). */
static void check_listing(const struct names *model, const char *prefix, const char *start_after,
                          int page, bool delimiter)
{
    struct store_op op;
    struct names want = {NULL, 0};
    size_t seen = 0;
    char *after = start_after != NULL ? mem_strdup(start_after) : NULL;

    for (size_t i = 0; i < model->count; i++) {
        char *key = model->name[i];
        char *slash;

        if (strncmp(key, prefix, strlen(prefix)) != 0 ||
            (start_after != NULL && strcmp(key, start_after) <= 0))
            continue;
        slash = delimiter ? strchr(key + strlen(prefix), '/') : NULL;
        key = slash == NULL ? mem_strdup(key) : mem_strndup(key, (size_t)(slash - key) + 1);
        if (want.count == 0 || strcmp(want.name[want.count - 1], key) != 0)
            names_add(&want, key);
        else
            free(key);
    }
    for (bool more = true; more;) {
        store_op_init(&op, STORE_LIST, prefix);
        op.start_after = after;
        op.max_keys = page;
        op.delimiter = delimiter;
        CHECK_STATUS(store_do(store, &op), STORE_OK);
        if (page > 0)
            ck_assert_uint_le(op.entry_count, (size_t)page);
        for (size_t i = 0; i < op.entry_count; i++, seen++) {
            ck_assert_msg(seen < want.count, "%s: prefix %s: unexpected key %s", subject->name,
                          prefix, op.entries[i].key);
            ck_assert_msg(strcmp(op.entries[i].key, want.name[seen]) == 0,
                          "%s: prefix %s after %s, page %d: %s where %s belongs", subject->name,
                          prefix, start_after ? start_after : "-", page, op.entries[i].key,
                          want.name[seen]);
        }
        more = op.more_r;
        if (more)
            ck_assert_uint_gt(op.entry_count, 0);
        free(after);
        after = op.next_after_r;
        op.next_after_r = NULL;
        ck_assert(more == (after != NULL));
        store_op_release(&op);
    }
    ck_assert_msg(seen == want.count, "%s: prefix %s after %s, page %d: %zu of %zu keys",
                  subject->name, prefix, start_after ? start_after : "-", page, seen, want.count);
    for (size_t i = 0; i < want.count; i++)
        free(want.name[i]);
    free(want.name);
    free(after);
}

static void fill(struct names *model, const char *key)
{
    names_add(model, full(key));
    CHECK_STATUS(put(key, key, STORE_ALWAYS, NULL), STORE_OK);
}

static void random_hash(struct rng *rng, char first, char hash_r[static SHA256_HEX_SIZE])
{
    rng_hex(rng, 32, hash_r);
    hash_r[0] = first;
}

START_TEST(listing_of_the_layout)
{
    static const char *const odd[] = {"queue/todo/3_normal/0",
                                      "queue/todo/3_normal/aa.bin",
                                      "queue/todo/3_normal/ab-x",
                                      "queue/todo/3_normal/zz",
                                      "queue/todo/3_normal.old",
                                      "queue/todo/3_normal0/x",
                                      "registry/config.json",
                                      "registry/manifest.json",
                                      "registry/manifest/ab.json",
                                      "registry/manifest/ff.json",
                                      "registry/workers/w.json",
                                      "r\xc3\xa9sum\xc3\xa9/\xf0\x9f\x98\x80",
                                      "with space/and+plus&more",
                                      "with space/percent%20%2F",
                                      "quote'\"<>/x",
                                      "_blobforge_test_0/x",
                                      "registry/a:b;c=d,e@f$g!h*()~"};
    static const char *const prefixes[] = {"",
                                           "queue/",
                                           "queue/todo/3_normal/",
                                           "queue/todo/3_normal",
                                           "queue/todo/3_normal/a",
                                           "store",
                                           "registry/",
                                           "registry/logs/",
                                           "nothing/",
                                           "queue/todo/3_normal/ab"};
    struct names model = {NULL, 0};
    struct rng_seeded seeded;
    uint64_t seed = rng_u64(rng_system());
    char hash[SHA256_HEX_SIZE];

    begin(_i);
    printf("%s: listing_of_the_layout: seed %llu\n", subject->name, (unsigned long long)seed);
    rng_seeded_init(&seeded, seed);
    for (size_t i = 0; i < ARRAY_LEN(odd); i++)
        fill(&model, odd[i]);
    for (int i = 0; i < ROUNDS(40, 8); i++) {
        random_hash(&seeded.rng, "0a5bf"[i % 5], hash);
        fill(&model, keep(mem_printf("queue/todo/3_normal/%s", hash)));
        fill(&model, keep(mem_printf("store/raw/%s.pdf", hash)));
        fill(&model, keep(mem_printf("store/out/%s.zip", hash)));
        if (i % 4 == 0) {
            fill(&model, keep(mem_printf("registry/logs/%s/converter.log", hash)));
            fill(&model, keep(mem_printf("registry/logs/%s/attempts/%.32s.json", hash, hash)));
        }
    }
    keep(model.name);
    qsort(model.name, model.count, sizeof(*model.name), compare_names);
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        char *prefix = full(prefixes[i]);

        check_listing(&model, prefix, NULL, 0, false);
        check_listing(&model, prefix, NULL, ROUNDS(1, 7), false);
        check_listing(&model, prefix, NULL, 7, false);
        check_listing(&model, prefix, NULL, 0, true);
        check_listing(&model, prefix, NULL, 2, true);
        /* Servers differ in whether a folder comes again after a start_after within it. */
        for (size_t k = 0; k < model.count; k += ROUNDS(9, 25))
            check_listing(&model, prefix, model.name[k], 5, !subject->remote && k % 2 == 0);
        check_listing(&model, prefix, full("queue/todo/3_normal/ab"), 0, false);
        if (!subject->remote)
            check_listing(&model, prefix, full("queue/todo/3_normal/a"), 3, true);
        check_listing(&model, prefix, full("zzz"), 0, false);
    }
    end();
}
END_TEST

START_TEST(listing_after_changes)
{
    struct store_op op;

    begin(_i);
    CHECK_STATUS(put("a", "1", STORE_ALWAYS, NULL), STORE_OK);
    CHECK_STATUS(put("b", "22", STORE_ALWAYS, NULL), STORE_OK);
    CHECK_STATUS(put("c/d", "333", STORE_ALWAYS, NULL), STORE_OK);
    CHECK_STATUS(delete_in(store, "a", STORE_ALWAYS, NULL), STORE_OK);
    CHECK_STATUS(put("b", "4444", STORE_ALWAYS, NULL), STORE_OK);
    store_op_init(&op, STORE_LIST, base);
    CHECK_STATUS(store_do(store, &op), STORE_OK);
    ck_assert_uint_eq(op.entry_count, 2);
    ck_assert_str_eq(op.entries[0].key, full("b"));
    ck_assert_int_eq(op.entries[0].size, 4);
    ck_assert_str_eq(op.entries[0].etag, last_etag);
    ck_assert_int_gt(op.entries[0].modified_ms, 0);
    ck_assert(!op.more_r);
    store_op_release(&op);
    CHECK_STATUS(delete_in(store, "c/d", STORE_ALWAYS, NULL), STORE_OK);
    store_op_init(&op, STORE_LIST, base); /* a folder goes with its last key */
    op.delimiter = true;
    CHECK_STATUS(store_do(store, &op), STORE_OK);
    ck_assert_uint_eq(op.entry_count, 1);
    store_op_release(&op);
    end();
}
END_TEST

START_TEST(listing_past_a_thousand)
{
    enum {
        KEYS = 2100
    };
    struct names model = {NULL, 0};
    struct store_op ops[100];
    int keys;

    begin(_i);
    keys = ROUNDS(KEYS, 1100);
    for (int done = 0; done < keys; done += (int)ARRAY_LEN(ops)) {
        for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
            char hash[SHA256_HEX_SIZE];

            random_hash(rng_system(), 'a', hash);
            hash[1] = 'b';
            names_add(&model, full(keep(mem_printf("queue/%s", hash))));
            store_op_init(&ops[i], STORE_PUT, model.name[model.count - 1]);
            ops[i].cond = STORE_IF_ABSENT;
        }
        store_run(store, ops, ARRAY_LEN(ops));
        for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
            CHECK_STATUS(ops[i].status, STORE_OK);
            store_op_release(&ops[i]);
        }
    }
    keep(model.name);
    qsort(model.name, model.count, sizeof(*model.name), compare_names);
    check_listing(&model, base, NULL, 0, false);
    check_listing(&model, base, NULL, 1000, false);
    check_listing(&model, base, NULL, 333, false);
    check_listing(&model, base, NULL, 0, true);
    end();
}
END_TEST

void contract_add_lists(TCase *tcase, int count)
{
    tcase_add_loop_test(tcase, listing_of_the_layout, 0, count);
    tcase_add_loop_test(tcase, listing_after_changes, 0, count);
    tcase_add_loop_test(tcase, listing_past_a_thousand, 0, count);
}
