/* The small parts: LFS pointers, tags and metadata, hash cache, one file examined, hashes seen. */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/quote.h"
#include "ingest/describe.h"
#include "ingest/file.h"
#include "ingest/hashcache.h"
#include "ingest/lfs.h"
#include "ingest/seen.h"
#include "queue/record.h"
#include "support.h"

#define OID "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"
#define VERSION "version https://git-lfs.github.com/spec/v1\n"

static const struct {
    const char *text;
    int64_t size; /* -1: not a pointer */
} pointers[] = {
    {VERSION "oid sha256:" OID "\nsize 12345\n", 12345},
    {VERSION "oid sha256:" OID "\nsize 12345", 12345},
    {VERSION "ext-0-foo sha256:" OID "\noid sha256:" OID "\nsize 0\n", 0},
    {"version https://hawser.github.com/spec/v1\noid sha256:" OID "\nsize 7\n", 7},
    {"", -1},
    {VERSION, -1},
    {VERSION "size 12345\n", -1},
    {VERSION "oid sha256:" OID "\n", -1},
    {VERSION "oid sha256:" OID "0\nsize 1\n", -1},
    {VERSION "oid md5:" OID "\nsize 1\n", -1},
    {VERSION "oid sha256:" OID "\nsize -1\n", -1},
    {VERSION "oid sha256:" OID "\nsize 1x\n", -1},
    {VERSION "oid sha256:" OID "\nsize 99999999999999999999\n", -1},
    {VERSION "oid sha256:" OID "\nsize 1\nsize 2\n", -1},
    {"oid sha256:" OID "\n" VERSION "size 1\n", -1},
    {"version https://example.org/spec/v9\noid sha256:" OID "\nsize 1\n", -1},
    {"%PDF-1.4\n", -1},
    {VERSION
     "oid sha256:4D7A214614AB2935C943F9E0FF69D22EADBB8F32B1258DAAA5E2CA24D17E2393\nsize 1\n",
     -1},
};

START_TEST(lfs_pointer)
{
    struct lfs_pointer pointer;
    const char *text = pointers[_i].text;
    bool is_one = lfs_pointer_parse(text, strlen(text), &pointer);

    ck_assert_int_eq(is_one, pointers[_i].size >= 0);
    if (is_one) {
        ck_assert_str_eq(pointer.hash, OID);
        ck_assert_int_eq(pointer.size, pointers[_i].size);
        /* Every shorter text is read within its bounds. */
        for (size_t len = 0; len < strlen(text) - 1; len++) {
            char *exact = mem_alloc(len + 1);
            memcpy(exact, text, len);
            exact = mem_resize(exact, len > 0 ? len : 1, 1);
            (void)!lfs_pointer_parse(exact, len, &pointer);
            free(exact);
        }
    }
}
END_TEST

START_TEST(lfs_pointer_too_long)
{
    struct lfs_pointer pointer;
    char text[LFS_POINTER_MAX + 1];

    memset(text, 'x', sizeof(text));
    memcpy(text, pointers[0].text, strlen(pointers[0].text));
    ck_assert(!lfs_pointer_parse(text, sizeof(text), &pointer));
}
END_TEST

START_TEST(tags_as_v1_makes_them)
{
    const char *more[] = {"extra", "2024"};
    struct tag_list list;

    describe_tags("books/2024/my.paper.pdf", more, 2, &list);
    ck_assert_uint_eq(list.count, 4);
    ck_assert_str_eq(list.tags[0], "books");
    ck_assert_str_eq(list.tags[1], "2024");
    ck_assert_str_eq(list.tags[2], "my.paper");
    ck_assert_str_eq(list.tags[3], "extra");
    tag_list_release(&list);
    describe_tags(".hidden", NULL, 0, &list);
    ck_assert_uint_eq(list.count, 1);
    ck_assert_str_eq(list.tags[0], ".hidden");
    tag_list_release(&list);
}
END_TEST

START_TEST(metadata_is_percent_encoded)
{
    struct store_meta meta[DESCRIBE_META_COUNT];
    struct tag_list list;
    struct buf plain = BUF_INIT;

    describe_tags("a b/\xc3\xa9t\xc3\xa9+1.pdf", NULL, 0, &list);
    describe_meta("a b/\xc3\xa9t\xc3\xa9+1.pdf", &list, 42, meta);
    ck_assert_str_eq(meta[0].name, "original-name");
    ck_assert_str_eq(meta[0].value, "%C3%A9t%C3%A9%2B1.pdf");
    ck_assert_str_eq(meta[1].name, "tags");
    percent_decode(&plain, meta[1].value);
    ck_assert_str_eq(buf_text(&plain), "[\"a b\",\"\xc3\xa9t\xc3\xa9+1\"]");
    ck_assert_str_eq(meta[2].value, "42");
    buf_release(&plain);
    describe_meta_release(meta);
    tag_list_release(&list);
}
END_TEST

START_TEST(metadata_stays_within_what_a_store_takes)
{
    struct store_meta meta[DESCRIBE_META_COUNT];
    struct buf name = BUF_INIT, plain = BUF_INIT;
    struct tag_list list;
    size_t size = 0;

    for (int folder = 0; folder < 20; folder++) {
        for (int i = 0; i < 60; i++)
            buf_puts(&name, "\xe4\xb8\xad");
        buf_printf(&name, "%d/", folder);
    }
    for (int i = 0; i < 80; i++)
        buf_puts(&name, "\xe6\x96\x87");
    buf_puts(&name, "\xff.pdf");
    describe_tags(buf_text(&name), NULL, 0, &list);
    describe_meta(buf_text(&name), &list, INT64_MAX, meta);
    for (int i = 0; i < DESCRIBE_META_COUNT; i++)
        size += strlen(meta[i].name) + strlen(meta[i].value);
    ck_assert_uint_le(size, 2048);
    percent_decode(&plain, meta[0].value);
    ck_assert(utf8_is_valid(plain.data, plain.len));
    buf_clear(&plain);
    percent_decode(&plain, meta[1].value);
    ck_assert_int_eq(plain.data[0], '[');
    ck_assert_int_eq(plain.data[plain.len - 1], ']');
    buf_release(&plain);
    buf_release(&name);
    describe_meta_release(meta);
    tag_list_release(&list);
}
END_TEST

/* ---- one file ---- */

static atomic_bool stop_flag;

static struct file *examine(const char *name, bool must_compute)
{
    struct file_rules rules = {.max_size = 1 << 20, .write_cache = true, .stop = &stop_flag};
    char *path = dir_path(name), *block = mem_alloc(FILE_BLOCK);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct file *file = file_create(path, name, "dir", fd);

    ck_assert_int_ge(fd, 0);
    file->must_compute = must_compute;
    file_examine(file, &rules, block);
    free(block);
    free(path);
    return file;
}

static void expect(const char *name, enum ingest_reason reason)
{
    struct file *file = examine(name, false);

    ck_assert_msg(file->reason == reason, "%s: %s", name, file->error);
    ck_assert_int_eq(file->error != NULL, reason != INGEST_REASON_NONE);
    ck_assert_int_eq(file->hash[0] != '\0', reason == INGEST_REASON_NONE);
    file_destroy(file);
}

START_TEST(what_is_a_pdf)
{
    char late[2000];
    char *path = dir_path("pipe.pdf");

    write_file("empty.pdf", "", 0);
    write_file("text.pdf", "hello\n", 6);
    memset(late, ' ', sizeof(late));
    memcpy(late + 1020, "%PDF", 4);
    write_file("late.pdf", late, sizeof(late));
    memmove(late + 1021, late + 1020, 4);
    write_file("too_late.pdf", late, sizeof(late));
    write_file("tiny.pdf", "%PDF", 4);
    write_file("half.pdf", "%PD", 3);
    expect("empty.pdf", INGEST_NOT_PDF);
    expect("text.pdf", INGEST_NOT_PDF);
    expect("late.pdf", INGEST_REASON_NONE);
    expect("too_late.pdf", INGEST_NOT_PDF);
    expect("tiny.pdf", INGEST_REASON_NONE);
    expect("half.pdf", INGEST_NOT_PDF);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    expect("pipe.pdf", INGEST_UNREADABLE);
    free(path);
}
END_TEST

START_TEST(too_large)
{
    char *path = dir_path("large.pdf");

    write_pdf("large.pdf", "x");
    ck_assert_int_eq(truncate(path, (1 << 20) + 1), 0);
    expect("large.pdf", INGEST_TOO_LARGE);
    ck_assert_int_eq(truncate(path, 1 << 20), 0);
    expect("large.pdf", INGEST_REASON_NONE);
    free(path);
}
END_TEST

START_TEST(hash_is_the_contents)
{
    struct file *file;
    char hash[65];

    write_pdf("a.pdf", "a");
    hash_of("a.pdf", hash);
    file = examine("a.pdf", true);
    ck_assert_str_eq(file->hash, hash);
    ck_assert_int_eq(file->origin, HASH_COMPUTED);
    file_destroy(file);
}
END_TEST

/* Skipping is for the whole file's tests: user attributes are the file system's. */
static bool has_attributes(const char *name)
{
    char *path = dir_path(name);
    bool has = setxattr(path, "user.blobforge.test", "1", 1, 0) == 0;

    if (!has)
        printf("skipped: no user attributes here: %s\n", strerror(errno));
    free(path);
    return has;
}

START_TEST(hash_cache)
{
    char *path = dir_path("a.pdf"), value[80], expected[32], hash[65];
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1700000000, .tv_nsec = 5}};
    struct file *file;
    ssize_t len;

    write_pdf("a.pdf", "a");
    hash_of("a.pdf", hash);
    if (has_attributes("a.pdf")) {
        ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
        file_destroy(examine("a.pdf", false));
        len = getxattr(path, "user.checksum.sha256", value, sizeof(value));
        ck_assert_int_eq(len, 64);
        ck_assert_int_eq(memcmp(value, hash, 64), 0);
        len = getxattr(path, "user.checksum.mtime", value, sizeof(value));
        ck_assert_int_eq(len, 10);
        snprintf(expected, sizeof(expected), "1700000000");
        ck_assert_int_eq(memcmp(value, expected, 10), 0);

        file = examine("a.pdf", false);
        ck_assert_int_eq(file->origin, HASH_CACHED);
        ck_assert_str_eq(file->hash, hash);
        file_destroy(file);
        file = examine("a.pdf", true);
        ck_assert_int_eq(file->origin, HASH_COMPUTED);
        file_destroy(file);

        /* Another time, another second: not believed. */
        times[1].tv_sec++;
        ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
        file = examine("a.pdf", false);
        ck_assert_int_eq(file->origin, HASH_COMPUTED);
        file_destroy(file);

        /* Nonsense in the attributes: not believed. */
        ck_assert_int_eq(setxattr(path, "user.checksum.sha256", "xyz", 3, 0), 0);
        file = examine("a.pdf", false);
        ck_assert_int_eq(file->origin, HASH_COMPUTED);
        file_destroy(file);
    }
    free(path);
}
END_TEST

START_TEST(cache_of_a_file_written_again_in_the_same_second)
{
    struct file *file;
    char hash[65];

    write_pdf("a.pdf", "a");
    if (has_attributes("a.pdf")) {
        file_destroy(examine("a.pdf", false));
        write_pdf("a.pdf", "b"); /* as long as before, attributes stay */
        hash_of("a.pdf", hash);
        file = examine("a.pdf", false);
        ck_assert_str_eq(file->hash, hash);
        file_destroy(file);
    }
}
END_TEST

static atomic_bool touch_end;
static atomic_int touches;

static void *touch_main(void *arg)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1600000000}};

    while (!atomic_load(&touch_end)) {
        times[1].tv_nsec = (times[1].tv_nsec + 1000) % 1000000000;
        utimensat(AT_FDCWD, arg, times, 0);
        atomic_fetch_add(&touches, 1);
    }
    return NULL;
}

START_TEST(changed_while_it_was_read)
{
    struct file_rules rules = {.max_size = INT64_MAX, .write_cache = true, .stop = &stop_flag};
    char *path = dir_path("a.pdf"), *block = mem_alloc(FILE_BLOCK);
    enum ingest_reason reason = INGEST_REASON_NONE;
    pthread_t thread;
    char value[80];

    write_pdf("a.pdf", "a");
    ck_assert_int_eq(truncate(path, 16 << 20), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, touch_main, path), 0);
    while (atomic_load(&touches) == 0)
        usleep(100);
    /* Once is nearly always enough; Check's time-out is the deadline. */
    while (reason == INGEST_REASON_NONE) {
        struct file *file = file_create(path, "a.pdf", "dir", open(path, O_RDONLY | O_CLOEXEC));

        file_examine(file, &rules, block);
        reason = file->reason;
        file_destroy(file);
    }
    atomic_store(&touch_end, true);
    pthread_join(thread, NULL);
    ck_assert_int_eq(reason, INGEST_CHANGED);
    (void)value;
    free(block);
    free(path);
}
END_TEST

START_TEST(hashes_seen)
{
    struct seen seen = {0};
    char hash[65];

    for (int i = 0; i < 5000; i++) {
        snprintf(hash, sizeof(hash), "%016x%048d", i * 7919, 0);
        ck_assert(!seen_has(&seen, hash));
        seen_add(&seen, hash);
        seen_add(&seen, hash);
    }
    ck_assert_uint_eq(seen.count, 5000);
    for (int i = 0; i < 5000; i++) {
        snprintf(hash, sizeof(hash), "%016x%048d", i * 7919, 0);
        ck_assert(seen_has(&seen, hash));
    }
    seen_release(&seen);
}
END_TEST

Suite *parts_suite(void)
{
    Suite *suite = suite_create("parts");
    TCase *tcase = tcase_create("parts");

    tcase_add_checked_fixture(tcase, dir_begin, dir_end);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, lfs_pointer, 0, (int)ARRAY_LEN(pointers));
    tcase_add_test(tcase, lfs_pointer_too_long);
    tcase_add_test(tcase, tags_as_v1_makes_them);
    tcase_add_test(tcase, metadata_is_percent_encoded);
    tcase_add_test(tcase, metadata_stays_within_what_a_store_takes);
    tcase_add_test(tcase, what_is_a_pdf);
    tcase_add_test(tcase, too_large);
    tcase_add_test(tcase, hash_is_the_contents);
    tcase_add_test(tcase, hash_cache);
    tcase_add_test(tcase, cache_of_a_file_written_again_in_the_same_second);
    tcase_add_test(tcase, changed_while_it_was_read);
    tcase_add_test(tcase, hashes_seen);
    suite_add_tcase(suite, tcase);
    return suite;
}
