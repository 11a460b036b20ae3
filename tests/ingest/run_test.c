/* Whole runs: outcomes, second runs, bad input, a store in trouble, stopping, memory. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "queue/record.h"
#include "support.h"

#define LFS_TEXT "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n"

static void expect(const char *name, enum ingest_action action, enum ingest_reason reason)
{
    const struct outcome *outcome = outcome_of(name);

    ck_assert_msg(outcome->action == action && outcome->reason == reason, "%s: %s, %s, %s", name,
                  ingest_action_name(outcome->action), ingest_reason_name(outcome->reason),
                  outcome->error);
    ck_assert_int_eq(outcome->error != NULL, action == INGEST_ERROR || reason == INGEST_TOO_LARGE);
}

static char *bucket_key(const char *folder, const char *hash, const char *suffix)
{
    return mem_printf("%s/%s%s", folder, hash, suffix);
}

/* How many jobs have a marker and a raw object. */
static void expect_jobs(size_t count)
{
    ck_assert_uint_eq(bucket_count("queue/todo/"), count);
    ck_assert_uint_eq(bucket_count("store/raw/"), count);
}

static struct json_object *manifest_entry_of(const char *hash)
{
    char *key = mem_printf("registry/manifest/%.2s.json", hash), *text = bucket_text(key);
    struct json_object *object, *entry;

    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(json_parse(text, strlen(text), 1 << 20, &object), JSON_OK);
    entry = json_object_get(json_get_object(json_get_object(object, "entries"), hash));
    json_object_put(object);
    free(text);
    free(key);
    return entry;
}

static size_t path_count(const char *hash)
{
    struct json_object *entry = manifest_entry_of(hash);
    size_t count = entry != NULL ? json_object_array_length(json_get_array(entry, "paths")) : 0;

    json_object_put(entry);
    return count;
}

static void ignore_outcome(void *arg, const struct ingest_outcome *outcome)
{
}

/* PREFIX0.pdf and so on, all different. */
static void write_pdfs(const char *prefix, int count)
{
    char name[32];

    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "%s%d.pdf", prefix, i);
        write_pdf(name, name);
    }
}

START_TEST(tree_is_queued_and_known_afterwards)
{
    struct ingest_options options = {0};
    struct ingest_summary summary;
    char hash[65], *key, *text, expected[64];

    write_pdf("a.pdf", "a");
    write_pdf("B.PDF", "b");
    write_pdf("sub/c.pdf", "c");
    write_pdf("sub/twin.pdf", "c");
    write_pdf("notes.txt", "d");
    ck_assert_int_eq(run(&options, NULL, &summary), QUEUE_OK);
    ck_assert_int_eq(summary.found, 4);
    ck_assert_int_eq(summary.queued, 3);
    ck_assert_int_eq(summary.uploaded, 3);
    ck_assert_int_eq(summary.skipped_by[INGEST_DUPLICATE], 1);
    ck_assert_int_eq(summary.errors, 0);
    expect("a.pdf", INGEST_QUEUED, INGEST_REASON_NONE);
    expect_jobs(3);

    hash_of("a.pdf", hash);
    ck_assert_str_eq(outcome_of("a.pdf")->hash, hash);
    key = bucket_key("store/raw", hash, ".pdf");
    text = bucket_text(key);
    snprintf(expected, sizeof(expected), "%%PDF-1.4\n%% a\n%%%%EOF\n");
    ck_assert_str_eq(text, expected);
    free(text);
    free(key);
    key = bucket_key("queue/todo/3_normal", hash, "");
    text = bucket_text(key);
    ck_assert_str_eq(text, "");
    free(text);
    free(key);
    hash_of("sub/c.pdf", hash);
    ck_assert_uint_eq(path_count(hash), 2);

    ck_assert_int_eq(run(&options, NULL, &summary), QUEUE_OK);
    ck_assert_int_eq(summary.queued + summary.uploaded + summary.errors, 0);
    ck_assert_int_eq(summary.skipped_by[INGEST_TODO], 3);
    ck_assert_int_eq(summary.skipped_by[INGEST_DUPLICATE], 1);
    expect_jobs(3);
}
END_TEST

START_TEST(raw_object_carries_its_metadata)
{
    const char *tags[] = {"mine"};
    struct ingest_options options = {.tags = tags, .tag_count = 1, .tier = TIER_HIGH};
    struct store *store = store_mem_open(mem);
    struct buf plain = BUF_INIT;
    struct store_op op;
    char hash[65], *key;

    write_pdf("books/caf\xc3\xa9 1.pdf", "a");
    ck_assert_int_eq(run(&options, NULL, NULL), QUEUE_OK);
    hash_of("books/caf\xc3\xa9 1.pdf", hash);
    key = mem_printf("pdf/store/raw/%s.pdf", hash);
    store_op_init(&op, STORE_HEAD, key);
    ck_assert_int_eq(store_do(store, &op), STORE_OK);
    ck_assert_str_eq(store_op_meta(&op, "original-name"), "caf%C3%A9%201.pdf");
    percent_decode(&plain, store_op_meta(&op, "tags"));
    ck_assert_str_eq(buf_text(&plain), "[\"books\",\"caf\xc3\xa9 1\",\"mine\"]");
    ck_assert_str_eq(store_op_meta(&op, "size"), "19");
    buf_release(&plain);
    store_op_release(&op);
    store_close(store);
    free(key);
    ck_assert_uint_eq(bucket_count("queue/todo/2_high/"), 1);
}
END_TEST

START_TEST(every_state_is_a_reason)
{
    static const struct {
        const char *name, *folder, *suffix;
        enum ingest_reason reason;
    } states[] = {
        {"todo.pdf", "queue/todo/4_low", "", INGEST_TODO},
        {"done.pdf", "store/out", ".zip", INGEST_DONE},
        {"dead.pdf", "queue/dead", "", INGEST_DEAD},
        {"processing.pdf", "queue/processing", "", INGEST_PROCESSING},
    };
    struct ingest_options options = {0};
    char hash[65], *key;

    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        write_pdf(states[i].name, states[i].name);
        hash_of(states[i].name, hash);
        key = bucket_key(states[i].folder, hash, states[i].suffix);
        bucket_put(key, "{\"worker\":\"x\"}");
        free(key);
    }
    write_pdf("failed.pdf", "failed");
    hash_of("failed.pdf", hash);
    key = bucket_key("queue/failed", hash, "");
    bucket_put(key, "{\"error\":\"x\"}");
    free(key);
    key = bucket_key("queue/todo/3_normal", hash, "");
    bucket_put(key, "");
    free(key);
    ck_assert_int_eq(run(&options, NULL, NULL), QUEUE_OK);
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        expect(states[i].name, INGEST_SKIPPED, states[i].reason);
    expect("failed.pdf", INGEST_SKIPPED, INGEST_FAILED);
    ck_assert_uint_eq(path_count(hash), 1);
    ck_assert_uint_eq(bucket_count("store/raw/"), 0);
}
END_TEST

START_TEST(bad_files_are_said_and_the_rest_goes_on)
{
    char *paths[4] = {dir_path("tree"), dir_path("missing.pdf"), dir_path("plain"),
                      dir_path("text")};
    struct ingest_options options = {.paths = paths, .path_count = 4, .max_pdf_size = 1000};
    char *fifo = dir_path("tree/pipe.pdf"), *large = dir_path("tree/large.pdf");
    struct ingest_summary summary;

    write_pdf("tree/good.pdf", "good");
    write_file("tree/empty.pdf", "", 0);
    write_file("tree/web.pdf", "<html>", 6);
    write_pdf("tree/large.pdf", "large");
    ck_assert_int_eq(truncate(large, 1001), 0);
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    write_pdf("plain", "plain");
    write_file("text", "hello", 5);
    ck_assert_int_eq(run(&options, NULL, &summary), QUEUE_OK);
    expect("good.pdf", INGEST_QUEUED, INGEST_REASON_NONE);
    expect("plain", INGEST_QUEUED, INGEST_REASON_NONE);
    expect("empty.pdf", INGEST_ERROR, INGEST_NOT_PDF);
    expect("web.pdf", INGEST_ERROR, INGEST_NOT_PDF);
    expect("text", INGEST_ERROR, INGEST_NOT_PDF);
    expect("pipe.pdf", INGEST_ERROR, INGEST_UNREADABLE);
    expect("missing.pdf", INGEST_ERROR, INGEST_UNREADABLE);
    expect("large.pdf", INGEST_SKIPPED, INGEST_TOO_LARGE);
    ck_assert_int_eq(summary.errors, 5);
    ck_assert_uint_eq(summary.roots_opened, 3);
    expect_jobs(2);
    for (int i = 0; i < 4; i++)
        free(paths[i]);
    free(fifo);
    free(large);
}
END_TEST

START_TEST(names_of_any_bytes_reach_the_manifest)
{
    struct ingest_options options = {0};
    struct json_object *entry;
    char hash[65];

    write_pdf("bad\xff.pdf", "a");
    write_pdf("new\nline.pdf", "b");
    ck_assert_int_eq(run(&options, NULL, NULL), QUEUE_OK);
    expect_jobs(2);
    hash_of("bad\xff.pdf", hash);
    entry = manifest_entry_of(hash);
    ck_assert_str_eq(
        json_object_get_string(json_object_array_get_idx(json_get_array(entry, "paths"), 0)),
        "bad\xef\xbf\xbd.pdf");
    ck_assert_str_eq(
        json_object_get_string(json_object_array_get_idx(json_get_array(entry, "paths_raw"), 0)),
        "bad%FF.pdf");
    json_object_put(entry);
}
END_TEST

START_TEST(lfs_pointers)
{
    struct ingest_options options = {0};
    char hash[65], other[65], *text, *key;

    write_pdf("real", "content"); /* not found by the walk: no .pdf */
    hash_of("real", hash);
    text = mem_printf(LFS_TEXT, hash, 27);
    write_file("pointer.pdf", text, strlen(text));
    free(text);
    ck_assert_int_eq(setenv("GIT_CEILING_DIRECTORIES", dir, 1), 0);
    ck_assert_int_eq(run(&options, NULL, NULL), QUEUE_OK);
    expect("pointer.pdf", INGEST_ERROR, INGEST_LFS_MISSING);
    ck_assert_str_eq(outcome_of("pointer.pdf")->hash, hash);
    expect_jobs(0);

    /* The raw object is there: no content is needed. */
    key = bucket_key("store/raw", hash, ".pdf");
    bucket_put(key, "%PDF");
    free(key);
    ck_assert_int_eq(run(&options, NULL, NULL), QUEUE_OK);
    expect("pointer.pdf", INGEST_QUEUED, INGEST_REASON_NONE);
    expect_jobs(1);
    ck_assert_int_eq(run(&options, NULL, NULL), QUEUE_OK);
    expect("pointer.pdf", INGEST_SKIPPED, INGEST_TODO);

    memset(other, 'a', 64);
    other[64] = '\0';
    text = mem_printf(LFS_TEXT, other, 2000000000);
    write_file("pointer.pdf", text, strlen(text));
    free(text);
    options.max_pdf_size = 1000000;
    ck_assert_int_eq(run(&options, NULL, NULL), QUEUE_OK);
    expect("pointer.pdf", INGEST_SKIPPED, INGEST_TOO_LARGE);
}
END_TEST

START_TEST(dry_run_changes_nothing)
{
    struct ingest_options options = {.dry_run = true};
    struct ingest_summary summary;

    write_pdf("a.pdf", "a");
    write_pdf("twin.pdf", "a");
    write_pdf("b.pdf", "b");
    ck_assert_int_eq(run(&options, NULL, &summary), QUEUE_OK);
    ck_assert_int_eq(summary.queued, 2);
    ck_assert_int_eq(summary.skipped_by[INGEST_DUPLICATE], 1);
    ck_assert_int_eq(summary.uploaded, 0);
    expect("b.pdf", INGEST_WOULD_QUEUE, INGEST_REASON_NONE);
    ck_assert_uint_eq(store_mem_count(mem), 0);
}
END_TEST

START_TEST(many_twins)
{
    struct ingest_options options = {0};
    struct ingest_summary summary;
    char name[32], hash[65];

    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "t%d.pdf", i);
        write_pdf(name, i % 2 == 0 ? "even" : "odd");
    }
    ck_assert_int_eq(run(&options, NULL, &summary), QUEUE_OK);
    ck_assert_int_eq(summary.queued, 2);
    ck_assert_int_eq(summary.skipped_by[INGEST_DUPLICATE], 298);
    hash_of("t0.pdf", hash);
    ck_assert_uint_eq(path_count(hash), 150);
}
END_TEST

static void be_remote(struct store *store, bool remote)
{
    struct store_properties properties = *store_properties(store);

    properties.presigns = remote;
    store_set_properties(store, &properties);
}

static uint64_t reads_of_last_run(void)
{
    return last_meter.requests[STORE_GET] + last_meter.requests[STORE_HEAD] +
           last_meter.requests[STORE_LIST];
}

/* Batches wait until they are full, so that the counts do not depend on the machine's load. */
#define WHOLE_BATCHES 600000

/* On a store of round trips pages of listings answer first; with pages of 13 most of them go on. */
START_TEST(new_files_are_found_by_listings)
{
    static const struct {
        bool dry_run, remote;
        int64_t queued;
        uint64_t most; /* reads */
    } runs[] = {
        /* manifest.json; the pass over 11 empty folders; a page of each for both batches */
        {true, true, 200, 1 + 11 + 2 * 11},
        /* a look at 11 places for each file */
        {true, false, 200, 1 + 11 + 200 * 11},
        /* the same pages, where what the first batch made grows; manifest.json again, twice, and a
         * shard at most for each file */
        {false, true, 200, 400},
        {false, true, 100, 800},
    };
    struct ingest_summary summary;
    uint64_t reads[ARRAY_LEN(runs)];

    store_mem_destroy(mem);
    mem = store_mem_create(_i == 0 ? NULL : &(struct store_mem_options){.page_max = 13});
    write_pdfs("t", 200);
    for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
        struct ingest_options options = {
            .dry_run = runs[i].dry_run, .each = ignore_outcome, .batch_wait_ms = WHOLE_BATCHES};
        struct store *store = store_mem_open(mem);

        be_remote(store, runs[i].remote);
        if (i == 3)
            write_pdfs("n", 100);
        ck_assert_int_eq(run(&options, store, &summary), QUEUE_OK);
        reads[i] = reads_of_last_run();
        ck_assert_int_eq(summary.queued, runs[i].queued);
        ck_assert_int_eq(summary.errors, 0);
        printf("%d: run %zu: %llu reads\n", _i, i, (unsigned long long)reads[i]);
        ck_assert_uint_le(reads[i], runs[i].most);
    }
    ck_assert_uint_eq(reads[0], runs[0].most);
    ck_assert_uint_eq(reads[1], runs[1].most);
    expect_jobs(300);
}
END_TEST

/* Files that the bucket knows cost no request each: one pass over its listings, one over the
 * manifest. */
START_TEST(known_files_cost_one_pass)
{
    struct ingest_options options = {.each = ignore_outcome, .batch_wait_ms = WHOLE_BATCHES};
    struct ingest_summary summary;
    struct store *store;

    store_mem_destroy(mem);
    mem = store_mem_create(&(struct store_mem_options){.page_max = 100});
    write_pdfs("t", 3000);
    ck_assert_int_eq(run(&options, NULL, &summary), QUEUE_OK);
    ck_assert_int_eq(summary.queued, 3000);
    for (int remote = 0; remote < 2; remote++) {
        store = store_mem_open(mem);
        be_remote(store, remote == 1);
        ck_assert_int_eq(run(&options, store, &summary), QUEUE_OK);
        ck_assert_int_eq(summary.skipped_by[INGEST_TODO], 3000);
        ck_assert_int_eq(summary.errors, 0);
        printf("%llu reads\n", (unsigned long long)reads_of_last_run());
        ck_assert_uint_lt(reads_of_last_run(), 257 + 11 + 3 * (2 * 3000 / 100));
        ck_assert_uint_eq(last_meter.requests[STORE_PUT], 0);
    }
}
END_TEST

START_TEST(raw_object_alone_is_made_good)
{
    struct ingest_options options = {0};
    struct ingest_summary summary;
    char hash[65], *key, *text;

    write_pdf("a.pdf", "a");
    hash_of("a.pdf", hash);
    key = bucket_key("store/raw", hash, ".pdf");
    bucket_put(key, "half of it");
    ck_assert_int_eq(run(&options, NULL, &summary), QUEUE_OK);
    ck_assert_int_eq(summary.uploaded, 1);
    ck_assert_int_eq(summary.queued, 1);
    text = bucket_text(key);
    ck_assert_int_eq(strncmp(text, "%PDF", 4), 0);
    free(text);
    free(key);
    expect_jobs(1);
}
END_TEST

/* ---- trouble ---- */

static char *grown_path;

static void grow_it(void)
{
    int fd = open(grown_path, O_WRONLY | O_APPEND | O_CLOEXEC);

    ck_assert_int_eq(write(fd, "more", 4), 4);
    close(fd);
}

START_TEST(changed_between_hash_and_upload)
{
    struct fault fault = {.kind = STORE_PUT, .part = "store/raw/", .before = grow_it};
    struct ingest_options options = {0};
    struct ingest_summary summary;

    grown_path = dir_path("a.pdf");
    write_pdf("a.pdf", "a");
    ck_assert_int_eq(run(&options, fault_open(&fault), &summary), QUEUE_OK);
    expect("a.pdf", INGEST_ERROR, INGEST_CHANGED);
    expect_jobs(0); /* what was uploaded under the old hash is taken back */
    ck_assert_int_eq(run(&options, NULL, &summary), QUEUE_OK);
    expect("a.pdf", INGEST_QUEUED, INGEST_REASON_NONE);
    expect_jobs(1);
    free(grown_path);
}
END_TEST

/* The upload reads a body that differs, with size and time as they were: the hash was read from the
 * attributes, and nothing is uploaded under a hash that is only remembered. */
START_TEST(wrong_hash_in_the_attributes)
{
    struct ingest_options options = {0};
    char hash[65],
        *command =
            mem_printf("cd '%s' && setfattr -n user.checksum.mtime -v \"$(stat -c %%Y a.pdf)\" "
                       "a.pdf && setfattr -n user.checksum.sha256 -v %064d a.pdf",
                       dir, 7);

    write_pdf("a.pdf", "a");
    hash_of("a.pdf", hash);
    if (system(command) != 0) {
        printf("skipped: no user attributes, or no setfattr\n");
    } else {
        ck_assert_int_eq(run(&options, NULL, NULL), QUEUE_OK);
        expect("a.pdf", INGEST_QUEUED, INGEST_REASON_NONE);
        ck_assert_str_eq(outcome_of("a.pdf")->hash, hash);
        expect_jobs(1);
    }
    free(command);
}
END_TEST

static const struct {
    struct fault fault;
    bool may_end; /* the run may give up */
    bool no_error;
} troubles[] = {
    {{STORE_PUT, "store/raw/", 7, 5, STORE_FAULT_NOT_SENT, NULL}, false, false},
    {{STORE_PUT, "store/raw/", 7, 5, STORE_FAULT_LOST_ANSWER, NULL}, false, false},
    {{STORE_PUT, "store/raw/", 7, -1, STORE_FAULT_FATAL, NULL}, true, false},
    {{STORE_PUT, "queue/todo/", 7, -1, STORE_FAULT_FATAL, NULL}, true, false},
    {{STORE_PUT, "queue/todo/", 7, 1, STORE_FAULT_LOST_ANSWER, NULL}, false, true},
    {{STORE_GET, "queue/todo/", 30, 1, STORE_FAULT_LOST_REQUEST, NULL}, false, true},
    {{STORE_GET, "manifest.json", 0, -1, STORE_FAULT_FATAL, NULL}, true, false},
    {{STORE_PUT, "manifest/", 3, -1, STORE_FAULT_FATAL, NULL}, false, false},
};

START_TEST(trouble_then_a_second_run)
{
    struct ingest_options options = {.batch_wait_ms = WHOLE_BATCHES};
    struct ingest_summary summary;
    char name[32], hash[65];
    enum queue_result result;

    write_pdfs("t", 40);
    result = run(&options, fault_open(&troubles[_i].fault), &summary);
    ck_assert(result == QUEUE_OK || (troubles[_i].may_end && result == QUEUE_FATAL));
    if (result == QUEUE_OK && !troubles[_i].no_error)
        ck_assert_int_gt(summary.errors, 0);
    ck_assert_uint_ge(bucket_count("store/raw/"), bucket_count("queue/todo/"));

    ck_assert_int_eq(run(&options, NULL, &summary), QUEUE_OK);
    ck_assert_int_eq(summary.errors, 0);
    ck_assert_int_eq(summary.queued + summary.skipped_by[INGEST_TODO], 40);
    expect_jobs(40);
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "t%d.pdf", i);
        hash_of(name, hash);
        ck_assert_uint_eq(path_count(hash), 1);
    }
}
END_TEST

START_TEST(damaged_manifest_costs_no_job)
{
    struct ingest_options options = {0};
    struct ingest_summary summary;
    char *text;

    bucket_put("registry/manifest.json", "{\"entries\":");
    write_pdf("a.pdf", "a");
    ck_assert_int_eq(run(&options, NULL, &summary), QUEUE_OK);
    ck_assert_int_eq(summary.queued, 1);
    ck_assert_int_eq(summary.errors, 1);
    ck_assert_int_eq(warning_count, 1);
    text = bucket_text("registry/manifest.json");
    ck_assert_str_eq(text, "{\"entries\":");
    free(text);
    expect_jobs(1);
}
END_TEST

static volatile sig_atomic_t stop;

static void stop_at_first(void *arg, const struct ingest_outcome *outcome)
{
    stop = 1;
}

START_TEST(stopped_and_taken_up_again)
{
    struct ingest_options options = {.stop = &stop, .each = stop_at_first};
    struct ingest_summary summary;
    size_t queued, noted = 0;
    char name[32], hash[65];

    write_pdfs("t", 500);
    ck_assert_int_eq(run(&options, NULL, &summary), QUEUE_OK);
    ck_assert(summary.stopped);
    ck_assert_int_gt(summary.queued, 0);
    ck_assert_int_lt(summary.queued, 500);
    queued = bucket_count("queue/todo/");
    ck_assert_int_eq((int64_t)queued, summary.queued);
    for (int i = 0; i < 500; i++) {
        char *key;
        snprintf(name, sizeof(name), "t%d.pdf", i);
        hash_of(name, hash);
        key = mem_printf("registry/manifest/%.2s.json", hash);
        noted += bucket_count(key) > 0 && path_count(hash) == 1;
        free(key);
    }
    ck_assert_uint_eq(noted, queued); /* the manifest was flushed */
    stop = 0;
    options.each = NULL;
    ck_assert_int_eq(run(&options, NULL, &summary), QUEUE_OK);
    ck_assert_int_eq(summary.queued, 500 - (int64_t)queued);
    expect_jobs(500);
}
END_TEST

/* ---- size ---- */

static int64_t most_memory;

static void watch_memory(void *arg, const struct ingest_progress *progress)
{
    int64_t now = progress->files_done % 64 == 0 ? rss_anon_bytes() : 0;

    if (now > most_memory)
        most_memory = now;
}

START_TEST(twenty_thousand_files_in_bounded_memory)
{
    struct ingest_options options = {
        .dry_run = true, .each = ignore_outcome, .progress = watch_memory};
    struct ingest_summary summary;
    char name[64], word[32];
    int64_t before;

    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "d%d/a-name-of-usual-length-%d.pdf", i / 1000, i);
        snprintf(word, sizeof(word), "%d", i);
        write_pdf(name, word);
    }
    before = rss_anon_bytes();
    ck_assert_int_eq(run(&options, NULL, &summary), QUEUE_OK);
    ck_assert_int_eq(summary.queued, 20000);
    expect_bounded(before, most_memory);
}
END_TEST

START_TEST(two_gigabytes_in_bounded_memory)
{
    struct ingest_options options = {.dry_run = true, .progress = watch_memory};
    char *path = dir_path("huge.pdf");
    struct ingest_summary summary;
    int64_t before;

    write_pdf("huge.pdf", "sparse");
    ck_assert_int_eq(truncate(path, (off_t)2 << 30), 0);
    before = rss_anon_bytes();
    ck_assert_int_eq(run(&options, NULL, &summary), QUEUE_OK);
    expect("huge.pdf", INGEST_WOULD_QUEUE, INGEST_REASON_NONE);
    ck_assert_int_eq(summary.bytes, (int64_t)2 << 30);
    expect_bounded(before, most_memory);
    free(path);
}
END_TEST

Suite *run_suite(void)
{
    Suite *suite = suite_create("run");
    TCase *tcase = tcase_create("run");

    tcase_add_checked_fixture(tcase, bucket_begin, bucket_end);
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, tree_is_queued_and_known_afterwards);
    tcase_add_test(tcase, raw_object_carries_its_metadata);
    tcase_add_test(tcase, every_state_is_a_reason);
    tcase_add_test(tcase, bad_files_are_said_and_the_rest_goes_on);
    tcase_add_test(tcase, names_of_any_bytes_reach_the_manifest);
    tcase_add_test(tcase, lfs_pointers);
    tcase_add_test(tcase, dry_run_changes_nothing);
    tcase_add_test(tcase, many_twins);
    tcase_add_loop_test(tcase, new_files_are_found_by_listings, 0, 2);
    tcase_add_test(tcase, known_files_cost_one_pass);
    tcase_add_test(tcase, raw_object_alone_is_made_good);
    tcase_add_test(tcase, changed_between_hash_and_upload);
    tcase_add_test(tcase, wrong_hash_in_the_attributes);
    tcase_add_loop_test(tcase, trouble_then_a_second_run, 0, (int)ARRAY_LEN(troubles));
    tcase_add_test(tcase, damaged_manifest_costs_no_job);
    tcase_add_test(tcase, stopped_and_taken_up_again);
    tcase_add_test(tcase, twenty_thousand_files_in_bounded_memory);
    tcase_add_test(tcase, two_gigabytes_in_bounded_memory);
    suite_add_tcase(suite, tcase);
    return suite;
}
