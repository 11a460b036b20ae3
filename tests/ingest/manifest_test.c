/* The manifest: merging, both forms, damage, races. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "index/manifest.h"
#include "index/manifest_merge.h"
#include "store/store_open.h"
#include "support.h"

static const char *const some_tags[] = {"sub", "x"};

static struct manifest_note note_of(const char *hash, const char *path)
{
    return (struct manifest_note){.hash = hash,
                                  .path = path,
                                  .source = "lib",
                                  .tags = some_tags,
                                  .tag_count = 2,
                                  .size_bytes = 10};
}

/* A hash that begins with two given digits. */
static void make_hash(unsigned shard, unsigned n, char hash_r[static 65])
{
    snprintf(hash_r, 65, "%02x%08x%054d", shard & 255, n, 0);
}

static struct json_object *parse(const char *text)
{
    struct json_object *object;

    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(json_parse(text, strlen(text), 1 << 20, &object), JSON_OK);
    return object;
}

START_TEST(merge_is_a_union)
{
    struct json_object *entries = json_object_new_object(), *entry;
    char hash[65];
    struct manifest_note note;
    struct manifest_entry read;

    make_hash(1, 1, hash);
    note = note_of(hash, "sub/x.pdf");
    ck_assert(manifest_merge(entries, &note, 1700000000000));
    ck_assert(!manifest_merge(entries, &note, 1800000000000));
    note.path = "other/x.pdf";
    note.source = "elsewhere";
    ck_assert(manifest_merge(entries, &note, 1800000000000));
    entry = json_get_object(entries, hash);
    ck_assert_ptr_nonnull(entry);
    ck_assert_str_eq(json_get_text(entry, "source"), "lib");
    ck_assert_str_eq(json_get_text(entry, "ingested_at"), "2023-11-14T22:13:20.000Z");
    manifest_entry_read(hash, entry, &read);
    ck_assert_uint_eq(read.path_count, 2);
    ck_assert_str_eq(read.paths[1], "other/x.pdf");
    ck_assert_uint_eq(read.tag_count, 2);
    ck_assert_int_eq(read.size_bytes, 10);
    ck_assert_int_eq(read.ingested_ms, 1700000000000);
    manifest_entry_release(&read);
    json_object_put(entries);
}
END_TEST

START_TEST(names_that_are_no_utf8)
{
    struct json_object *entries = json_object_new_object(), *entry;
    char hash[65];
    struct manifest_note note;

    make_hash(1, 1, hash);
    note = note_of(hash, "a/caf\xe9.pdf");
    ck_assert(manifest_merge(entries, &note, 0));
    ck_assert(!manifest_merge(entries, &note, 0));
    note.path = "a/caf\xe8.pdf";
    ck_assert(manifest_merge(entries, &note, 0));
    entry = json_get_object(entries, hash);
    ck_assert_uint_eq(json_object_array_length(json_get_array(entry, "paths")), 1);
    ck_assert_str_eq(
        json_object_get_string(json_object_array_get_idx(json_get_array(entry, "paths"), 0)),
        "a/caf\xef\xbf\xbd.pdf");
    ck_assert_uint_eq(json_object_array_length(json_get_array(entry, "paths_raw")), 2);
    ck_assert_str_eq(
        json_object_get_string(json_object_array_get_idx(json_get_array(entry, "paths_raw"), 0)),
        "a%2Fcaf%E9.pdf");
    json_object_put(entries);
}
END_TEST

START_TEST(odd_entries_are_read_tolerantly)
{
    struct json_object *value = parse("{\"paths\":[1,\"a\",null],\"tags\":7,\"size\":\"9\"}");
    struct manifest_entry read;
    char hash[65];

    make_hash(1, 1, hash);
    manifest_entry_read(hash, value, &read);
    ck_assert_uint_eq(read.path_count, 1);
    ck_assert_uint_eq(read.tag_count, 0);
    ck_assert_int_eq(read.size_bytes, -1);
    ck_assert_ptr_null(read.source);
    manifest_entry_release(&read);
    json_object_put(value);
}
END_TEST

/* ---- in a bucket ---- */

static struct queue queue;
static struct manifest *manifest;

static void open_on(struct store *store)
{
    queue_begin(&queue, store);
    manifest = manifest_create(&queue);
}

static void manifest_begin(void)
{
    bucket_begin();
    open_on(store_mem_open(mem));
}

static void manifest_end(void)
{
    manifest_destroy(manifest);
    store_close(queue.store);
    bucket_end();
}

static enum queue_result flush(void)
{
    char *error;
    enum queue_result result = manifest_flush(manifest, &error);

    ck_assert_int_eq(error != NULL, result != QUEUE_OK);
    free(error);
    return result;
}

static void note_file(const char *hash, const char *path)
{
    struct manifest_note note = note_of(hash, path);

    manifest_note_file(manifest, &note);
}

static enum queue_result lookup(const char *hash, struct manifest_entry *entry_r)
{
    char *error;
    enum queue_result result = manifest_lookup(manifest, hash, entry_r, &error);

    free(error);
    return result;
}

static bool count_entry(void *arg, const struct manifest_entry *entry)
{
    ++*(int *)arg;
    return true;
}

static int count_entries(void)
{
    char *error;
    int count = 0;

    ck_assert_int_eq(manifest_each(manifest, count_entry, &count, &error), QUEUE_OK);
    return count;
}

START_TEST(new_bucket_gets_shards)
{
    struct manifest_entry entry;
    struct json_object *object;
    enum manifest_form form;
    char hash[65], *error, *text;

    ck_assert_int_eq(manifest_find_form(manifest, &form, &error), QUEUE_OK);
    ck_assert_int_eq(form, MANIFEST_ABSENT);
    for (unsigned i = 0; i < 600; i++) {
        make_hash(i % 256, i, hash);
        note_file(hash, "x.pdf");
    }
    ck_assert_int_eq(flush(), QUEUE_OK);
    ck_assert_uint_eq(manifest_pending(manifest), 0);
    ck_assert_uint_eq(bucket_count("registry/manifest/"), 256);
    text = bucket_text("registry/manifest.json");
    object = parse(text);
    ck_assert(!json_object_object_get_ex(object, "entries", NULL));
    json_object_put(object);
    free(text);
    text = bucket_text("registry/manifest/07.json");
    object = parse(text);
    ck_assert_int_eq(json_object_get_int(json_object_object_get(object, "version")), 2);
    ck_assert_int_eq(json_object_object_length(json_get_object(object, "entries")), 3);
    json_object_put(object);
    free(text);
    ck_assert_int_eq(lookup(hash, &entry), QUEUE_OK);
    ck_assert_str_eq(entry.paths[0], "x.pdf");
    manifest_entry_release(&entry);
    ck_assert_int_eq(count_entries(), 600);
    ck_assert_int_eq(manifest_remove(manifest, hash, &error), QUEUE_OK);
    ck_assert_int_eq(manifest_remove(manifest, hash, &error), QUEUE_OK);
    ck_assert_int_eq(lookup(hash, &entry), QUEUE_NONE);
    ck_assert_int_eq(count_entries(), 599);
}
END_TEST

#define V1_TEXT                                                                                    \
    "{\"version\": 1, \"updated_at\": \"2024-01-02T03:04:05Z\", \"more\": {\"kept\": 1.50}, "      \
    "\"entries\": {\"0000000000000000000000000000000000000000000000000000000000000001\": "         \
    "{\"paths\": [\"a.pdf\"], \"size\": 3, \"tags\": [\"a\"], \"ingested_at\": "                   \
    "\"2024-01-02T03:04:05.123456Z\", \"source\": \"old\", \"own\": true}}}"

START_TEST(v1_bucket_stays_v1)
{
    static const char old[] = "0000000000000000000000000000000000000000000000000000000000000001";
    struct json_object *object, *entry;
    struct manifest_entry read;
    char hash[65], *text;

    bucket_put("registry/manifest.json", V1_TEXT);
    make_hash(9, 9, hash);
    note_file(hash, "new.pdf");
    note_file(old, "again.pdf");
    ck_assert_int_eq(flush(), QUEUE_OK);
    ck_assert_uint_eq(bucket_count("registry/manifest/"), 0);
    text = bucket_text("registry/manifest.json");
    object = parse(text);
    ck_assert_int_eq(json_object_get_int(json_object_object_get(object, "version")), 1);
    ck_assert_str_ne(json_get_text(object, "updated_at"), "2024-01-02T03:04:05Z");
    ck_assert_ptr_nonnull(strstr(text, "\"kept\":1.50"));
    entry = json_get_object(json_get_object(object, "entries"), old);
    ck_assert_str_eq(json_get_text(entry, "source"), "old");
    ck_assert_ptr_nonnull(json_object_object_get(entry, "own"));
    json_object_put(object);
    free(text);
    ck_assert_int_eq(lookup(old, &read), QUEUE_OK);
    ck_assert_uint_eq(read.path_count, 2);
    ck_assert_int_eq(read.ingested_ms, 1704164645123);
    manifest_entry_release(&read);
    ck_assert_int_eq(count_entries(), 2);
}
END_TEST

START_TEST(v1_turned_into_shards_meanwhile)
{
    enum manifest_form form;
    char hash[65], *error;

    bucket_put("registry/manifest.json", V1_TEXT);
    ck_assert_int_eq(manifest_find_form(manifest, &form, &error), QUEUE_OK);
    ck_assert_int_eq(form, MANIFEST_V1);
    bucket_put("registry/manifest.json", "{\"version\":2,\"updated_at\":\"2024-01-02T03:04:05Z\"}");
    make_hash(9, 9, hash);
    note_file(hash, "new.pdf");
    ck_assert_int_eq(flush(), QUEUE_OK);
    ck_assert_uint_eq(bucket_count("registry/manifest/09.json"), 1);
}
END_TEST

static const char *const damages[] = {
    "{\"version\": 2, \"entr", "[]", "{\"entries\": []}", "{\"entries\": {\"a\": 1}}", "",
};

START_TEST(damage_is_said_and_left_alone)
{
    char good[65], bad[65], *text;
    struct manifest_entry entry;

    bucket_put("registry/manifest.json", "{\"version\":2}");
    bucket_put("registry/manifest/0a.json", damages[_i]);
    make_hash(0x0a, 1, bad);
    make_hash(0x0b, 1, good);
    note_file(bad, "bad.pdf");
    note_file(good, "good.pdf");
    ck_assert_int_eq(flush(), QUEUE_DAMAGED);
    ck_assert_uint_eq(manifest_pending(manifest), 0);
    text = bucket_text("registry/manifest/0a.json");
    ck_assert_str_eq(text, damages[_i]);
    free(text);
    ck_assert_int_eq(lookup(good, &entry), QUEUE_OK);
    manifest_entry_release(&entry);
    ck_assert_int_eq(lookup(bad, &entry), QUEUE_DAMAGED);
}
END_TEST

START_TEST(damaged_form_is_left_alone)
{
    char hash[65], *text;

    bucket_put("registry/manifest.json", "{\"version\": 1, \"entries\": {");
    make_hash(1, 1, hash);
    note_file(hash, "x.pdf");
    ck_assert_int_eq(flush(), QUEUE_DAMAGED);
    text = bucket_text("registry/manifest.json");
    ck_assert_str_eq(text, "{\"version\": 1, \"entries\": {");
    free(text);
    ck_assert_uint_eq(bucket_count("registry/manifest/"), 0);
}
END_TEST

/* A failed read is not an empty manifest; a lost answer is merged again. */
START_TEST(trouble_of_the_store)
{
    struct manifest_entry entry;
    char hash[65];

    make_hash(1, 1, hash);
    note_file(hash, "first.pdf");
    ck_assert_int_eq(flush(), QUEUE_OK);
    manifest_destroy(manifest);
    store_close(queue.store);

    open_on(fault_open(&(struct fault){
        .kind = STORE_GET, .part = "manifest/01", .count = 1, .how = STORE_FAULT_LOST_REQUEST}));
    note_file(hash, "second.pdf");
    ck_assert_int_eq(flush(), QUEUE_AGAIN);
    ck_assert_uint_eq(manifest_pending(manifest), 1);
    ck_assert_int_eq(flush(), QUEUE_OK);
    manifest_destroy(manifest);
    store_close(queue.store);

    for (int applied = 0; applied < 2; applied++) {
        open_on(fault_open(
            &(struct fault){.kind = STORE_PUT,
                            .part = "manifest/01",
                            .count = 2,
                            .how = applied ? STORE_FAULT_LOST_ANSWER : STORE_FAULT_LOST_REQUEST}));
        note_file(hash, applied ? "third.pdf" : "fourth.pdf");
        ck_assert_int_eq(flush(), QUEUE_OK);
        manifest_destroy(manifest);
        store_close(queue.store);
    }
    open_on(store_mem_open(mem));
    ck_assert_int_eq(lookup(hash, &entry), QUEUE_OK);
    ck_assert_uint_eq(entry.path_count, 4);
    manifest_entry_release(&entry);
}
END_TEST

/* Four processes note 50 hashes of one shard each, and one hash that is common to all. */
static void writer(const char *url, unsigned number)
{
    struct store *store;
    char common[65], hash[65], path[32], *error = NULL;

    if (store_open(url, NULL, &store, &error) != STORE_OPEN_OK)
        _exit(2);
    open_on(store);
    make_hash(7, 0, common);
    for (unsigned i = 1; i <= 50; i++) {
        make_hash(7, number * 1000 + i, hash);
        note_file(hash, "x.pdf");
        snprintf(path, sizeof(path), "%u/%u.pdf", number, i);
        note_file(common, path);
        if (i % 10 == 0 && manifest_flush(manifest, &error) != QUEUE_OK)
            _exit(3);
    }
    manifest_destroy(manifest);
    store_close(store);
    _exit(0);
}

START_TEST(writers_beside_each_other_lose_nothing)
{
    char *url = mem_printf("file://%s/store", dir), *error = NULL, common[65];
    struct manifest_entry entry;
    struct store *store;
    pid_t pids[4];

    for (unsigned i = 0; i < 4; i++) {
        pids[i] = fork();
        ck_assert_int_ge(pids[i], 0);
        if (pids[i] == 0)
            writer(url, i + 1);
    }
    for (unsigned i = 0; i < 4; i++) {
        int status;
        ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
        ck_assert_int_eq(status, 0);
    }
    manifest_destroy(manifest);
    store_close(queue.store);
    ck_assert_int_eq(store_open(url, NULL, &store, &error), STORE_OPEN_OK);
    open_on(store);
    ck_assert_int_eq(count_entries(), 201);
    make_hash(7, 0, common);
    ck_assert_int_eq(lookup(common, &entry), QUEUE_OK);
    ck_assert_uint_eq(entry.path_count, 200);
    manifest_entry_release(&entry);
    free(url);
}
END_TEST

Suite *manifest_suite(void)
{
    Suite *suite = suite_create("manifest");
    TCase *pure = tcase_create("pure"), *bucket = tcase_create("bucket");

    tcase_add_test(pure, merge_is_a_union);
    tcase_add_test(pure, names_that_are_no_utf8);
    tcase_add_test(pure, odd_entries_are_read_tolerantly);
    suite_add_tcase(suite, pure);
    tcase_add_checked_fixture(bucket, manifest_begin, manifest_end);
    tcase_set_timeout(bucket, 120);
    tcase_add_test(bucket, new_bucket_gets_shards);
    tcase_add_test(bucket, v1_bucket_stays_v1);
    tcase_add_test(bucket, v1_turned_into_shards_meanwhile);
    tcase_add_loop_test(bucket, damage_is_said_and_left_alone, 0, (int)ARRAY_LEN(damages));
    tcase_add_test(bucket, damaged_form_is_left_alone);
    tcase_add_test(bucket, trouble_of_the_store);
    tcase_add_test(bucket, writers_beside_each_other_lose_nothing);
    suite_add_tcase(suite, bucket);
    return suite;
}
