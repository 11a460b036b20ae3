/* The local index: what it finds, what a refresh costs, damaged files of many kinds, several
 * processes at once. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "index/entries.h"
#include "index/index.h"
#include "store/store_open.h"
#include "support.h"

/* ---- a bucket with a manifest ---- */

static char cache[4096];
static struct store *store;
static struct queue queue;

static void setup(void)
{
    bucket_begin();
    snprintf(cache, sizeof(cache), "%s/cache", dir);
    store = store_mem_open(mem);
    queue_begin(&queue, store);
}

static void teardown(void)
{
    store_close(store);
    bucket_end();
}

static void make_hash(unsigned shard, unsigned n, char hash_r[static 65])
{
    snprintf(hash_r, 65, "%02x%08x%054d", shard & 255, n, 0);
}

/* Records a file as ingest does. */
static void note(struct queue *into, unsigned shard, unsigned n, const char *path,
                 const char *const *tags, size_t tag_count)
{
    struct manifest *manifest = manifest_create(into);
    char hash[65], *error = NULL;
    enum queue_result result;

    make_hash(shard, n, hash);
    manifest_note_file(manifest, &(struct manifest_note){.hash = hash,
                                                         .path = path,
                                                         .source = "library",
                                                         .tags = tags,
                                                         .tag_count = tag_count,
                                                         .size_bytes = 100 + n});
    result = manifest_flush(manifest, &error);
    ck_assert_msg(result == QUEUE_OK, "%s", error);
    manifest_destroy(manifest);
}

static struct index *open_fresh(void)
{
    struct index *index = index_open(cache, "bucket");
    char *error = NULL;
    enum queue_result result;

    ck_assert_ptr_nonnull(index);
    result = index_refresh(index, &queue, NULL, NULL, &error);
    ck_assert_msg(result == QUEUE_OK, "%s", error);
    return index;
}

struct found {
    size_t count;
    char hashes[800][65];
    char *last_path;
};

static bool collect(void *arg, const struct manifest_entry *entry)
{
    struct found *found = arg;

    ck_assert_uint_lt(found->count, 800);
    memcpy(found->hashes[found->count++], entry->hash, 65);
    free(found->last_path);
    found->last_path = entry->path_count > 0 ? mem_strdup(entry->paths[0]) : NULL;
    return true;
}

/* How many match the one word. */
static size_t matches(struct index *index, const char *word, bool anywhere)
{
    struct index_query query = {.words = &word, .word_count = 1, .anywhere = anywhere};
    struct found found = {0};
    char *error = NULL;
    enum queue_result result = index_search(index, &queue, &query, collect, &found, &error);

    ck_assert_msg(result == QUEUE_OK, "%s: %s", word, error);
    free(found.last_path);
    return found.count;
}

static uint64_t requests(enum store_kind kind)
{
    return store_meter(store)->requests[kind];
}

/* ---- searching ---- */

START_TEST(words_are_found)
{
    static const char *const tags[] = {"Deep Learning", "vision"};
    struct index *index;

    note(&queue, 1, 1, "papers/Attention_is-all you need.pdf", tags, 2);
    note(&queue, 2, 1,
         "Gr\xc3\xb6\xc3\x9f"
         "e/\xc3\xa9"
         "clair.pdf",
         NULL, 0);
    note(&queue, 3, 1, "c++.pdf", NULL, 0);
    note(&queue, 4, 1, "---.pdf", NULL, 0);
    index = open_fresh();
    ck_assert_uint_eq(matches(index, "attention", false), 1);
    ck_assert_uint_eq(matches(index, "ATT", false), 1);
    ck_assert_uint_eq(matches(index, "all-you", false), 1);
    ck_assert_uint_eq(matches(index, "ttention", false), 0);
    ck_assert_uint_eq(matches(index, "ttention", true), 1);
    ck_assert_uint_eq(matches(index, "eclair", false), 1);
    ck_assert_uint_eq(matches(index, "vision", false), 1);
    ck_assert_uint_eq(matches(index, "papers", false), 1);
    ck_assert_uint_eq(matches(index, "library", false), 4);
    ck_assert_uint_eq(matches(index, "c++", false), 1);
    ck_assert_uint_eq(matches(index, "---", false), 1);
    ck_assert_uint_eq(matches(index, "\xe2\x80\x94", false), 0); /* a dash alone */
    index_close(index);
}
END_TEST

static const char *const hostile[] = {"\"",
                                      "\"\"",
                                      "*",
                                      "a*",
                                      "NEAR(",
                                      "a OR b",
                                      "a AND",
                                      "NOT a",
                                      "-a",
                                      "^a",
                                      "name:a",
                                      "{name}:a",
                                      "(",
                                      ")",
                                      "a\" OR \"",
                                      "'",
                                      "';--",
                                      "%",
                                      "_",
                                      "!",
                                      "\\",
                                      "[",
                                      ",",
                                      "\xff\xfe",
                                      ("a\xff"
                                       "b"),
                                      "\x01\x1b",
                                      "\n",
                                      "?1",
                                      "$a",
                                      "\xe2\x80\xae",
                                      "\xf0\x9f\x98\x80",
                                      "json_each(",
                                      "a'b\"c*(d",
                                      "\xc3",
                                      "}"};

START_TEST(words_are_no_syntax)
{
    struct index *index;

    note(&queue, 1, 1, "plain.pdf", NULL, 0);
    note(&queue, 2, 1, "odd \"quoted\" 100%_!\\.pdf", NULL, 0);
    index = open_fresh();
    for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
        struct index_query query = {.names = &hostile[i], .name_count = 1};
        struct found found = {0};
        char *error = NULL;

        (void)matches(index, hostile[i], false);
        ck_assert_uint_le(matches(index, hostile[i], true), 2);
        ck_assert_int_eq(index_search(index, &queue, &query, collect, &found, &error), QUEUE_OK);
        query = (struct index_query){.tags = &hostile[i], .tag_count = 1};
        ck_assert_int_eq(index_search(index, &queue, &query, collect, &found, &error), QUEUE_OK);
        ck_assert_int_eq(index_lookup_path(index, &queue, hostile[i], collect, &found, &error),
                         QUEUE_OK);
        free(found.last_path);
    }
    ck_assert_uint_eq(matches(index, "\"", false), 1);
    ck_assert_uint_eq(matches(index, "%", false), 1);
    ck_assert_uint_eq(matches(index, "_", false), 1);
    ck_assert_uint_eq(matches(index, "\\", false), 1);
    ck_assert_uint_eq(matches(index, "[", false), 0);
    ck_assert_uint_eq(matches(index, "plain", false), 1); /* all is still there */
    index_close(index);
}
END_TEST

START_TEST(tags_and_paths)
{
    static const char *const tags[] = {"Deep Learning"};
    const char *tag = "deep learning", *part = "deep";
    struct index_query query = {.tags = &tag, .tag_count = 1};
    struct found found = {0};
    struct index *index;
    char *error = NULL;

    note(&queue, 1, 1, "2017/a.pdf", tags, 1);
    note(&queue, 2, 1, "2018/b/a.pdf", NULL, 0);
    note(&queue, 3, 1, "caf\xe9.pdf", NULL, 0);
    index = open_fresh();
    ck_assert_int_eq(index_search(index, &queue, &query, collect, &found, &error), QUEUE_OK);
    ck_assert_uint_eq(found.count, 1);
    query.tags = &part;
    ck_assert_int_eq(index_search(index, &queue, &query, collect, &found, &error), QUEUE_OK);
    ck_assert_uint_eq(found.count, 1); /* a part of a tag is no tag */
    found.count = 0;
    ck_assert_int_eq(index_lookup_path(index, &queue, "a.pdf", collect, &found, &error), QUEUE_OK);
    ck_assert_uint_eq(found.count, 2);
    ck_assert_int_eq(index_lookup_path(index, &queue, "/x/y/2017/a.pdf", collect, &found, &error),
                     QUEUE_OK);
    ck_assert_uint_eq(found.count, 3);
    ck_assert_int_eq(index_lookup_path(index, &queue, "17/a.pdf", collect, &found, &error),
                     QUEUE_OK);
    ck_assert_uint_eq(found.count, 3); /* names end at a slash */
    ck_assert_int_eq(index_lookup_path(index, &queue, "caf\xe9.pdf", collect, &found, &error),
                     QUEUE_OK);
    ck_assert_uint_eq(found.count, 4);
    ck_assert_int_eq(index_lookup_path(index, &queue, "caf\xe8.pdf", collect, &found, &error),
                     QUEUE_OK);
    ck_assert_uint_eq(found.count, 4); /* other bytes, though both become U+FFFD */
    free(found.last_path);
    index_close(index);
}
END_TEST

START_TEST(hashes_and_pages)
{
    struct manifest_entry entries[2];
    struct found found = {0};
    struct index *index;
    char hash[65], *error = NULL;
    size_t count;

    for (unsigned n = 0; n < 5; n++)
        note(&queue, n < 3 ? 0xab : 0xff, n, "a.pdf", NULL, 0);
    index = open_fresh();
    ck_assert_int_eq(index_lookup_hash(index, &queue, "ab", 0, collect, &found, &error), QUEUE_OK);
    ck_assert_uint_eq(found.count, 3);
    ck_assert_int_eq(index_lookup_hash(index, &queue, "f", 0, collect, &found, &error), QUEUE_OK);
    ck_assert_uint_eq(found.count, 5);
    make_hash(0xff, 4, hash);
    ck_assert_int_eq(index_lookup_hash(index, &queue, hash, 0, collect, &found, &error), QUEUE_OK);
    ck_assert_uint_eq(found.count, 6);
    ck_assert_str_eq(found.hashes[5], hash);
    make_hash(0xab, 1, hash);
    ck_assert_int_eq(index_page(index, &queue, hash, 2, entries, &count, &error), QUEUE_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(memcmp(entries[0].hash, "ab00000002", 10), 0);
    ck_assert_int_eq(memcmp(entries[1].hash, "ff00000003", 10), 0);
    ck_assert_int_eq(entries[1].size_bytes, 103);
    manifest_entry_release(&entries[0]);
    manifest_entry_release(&entries[1]);
    found.count = 0;
    ck_assert_int_eq(index_each(index, &queue, collect, &found, &error), QUEUE_OK);
    ck_assert_uint_eq(found.count, 5);
    free(found.last_path);
    index_close(index);
}
END_TEST

/* ---- refreshing ---- */

START_TEST(a_refresh_costs_one_list)
{
    struct index *index;
    uint64_t lists, gets;
    struct index_stats stats;
    char *error = NULL;

    for (unsigned i = 0; i < 20; i++)
        note(&queue, i, 1, "a.pdf", NULL, 0);
    index = open_fresh();
    lists = requests(STORE_LIST);
    gets = requests(STORE_GET);
    ck_assert_int_eq(index_refresh(index, &queue, NULL, NULL, &error), QUEUE_OK);
    ck_assert_uint_eq(requests(STORE_LIST) - lists, 1);
    ck_assert_uint_eq(requests(STORE_GET), gets);
    index_close(index);
    index = open_fresh(); /* another run of a command */
    ck_assert_uint_eq(requests(STORE_LIST) - lists, 2);
    ck_assert_uint_eq(requests(STORE_GET), gets);
    note(&queue, 7, 2, "b.pdf", NULL, 0);
    gets = requests(STORE_GET);
    ck_assert_int_eq(index_refresh(index, &queue, NULL, NULL, &error), QUEUE_OK);
    ck_assert_uint_eq(requests(STORE_LIST) - lists, 3);
    ck_assert_uint_eq(requests(STORE_GET) - gets, 1); /* the one shard that changed */
    ck_assert_int_eq(index_stats(index, &stats, &error), QUEUE_OK);
    ck_assert_int_eq(stats.form, MANIFEST_SHARDS);
    ck_assert_int_eq(stats.entries, 21);
    ck_assert_int_eq(stats.parts, 20);
    index_close(index);
}
END_TEST

START_TEST(changes_and_removals_arrive)
{
    static const char *const tags[] = {"later"};
    struct manifest *manifest;
    char hash[65], *error = NULL;
    struct index *index;

    note(&queue, 1, 1, "old name.pdf", NULL, 0);
    note(&queue, 1, 2, "other.pdf", NULL, 0);
    index = open_fresh();
    note(&queue, 1, 1, "second name.pdf", tags, 1);
    ck_assert_int_eq(index_refresh(index, &queue, NULL, NULL, &error), QUEUE_OK);
    ck_assert_uint_eq(matches(index, "second", false), 1);
    ck_assert_uint_eq(matches(index, "old", false), 1); /* a path more, none less */
    ck_assert_uint_eq(matches(index, "later", false), 1);
    manifest = manifest_create(&queue);
    make_hash(1, 1, hash);
    ck_assert_int_eq(manifest_remove(manifest, hash, &error), QUEUE_OK);
    manifest_destroy(manifest);
    ck_assert_int_eq(index_refresh(index, &queue, NULL, NULL, &error), QUEUE_OK);
    ck_assert_uint_eq(matches(index, "second", false), 0);
    ck_assert_uint_eq(matches(index, "name", false), 0);
    ck_assert_uint_eq(matches(index, "other", false), 1);
    bucket_put("registry/manifest/01.json", "{\"version\": 2, \"entries\": {}}");
    ck_assert_int_eq(index_refresh(index, &queue, NULL, NULL, &error), QUEUE_OK);
    ck_assert_uint_eq(matches(index, "other", false), 0);
    index_close(index);
}
END_TEST

#define V1_ENTRY                                                                                   \
    "\"%s\": {\"paths\": [\"%s\"], \"size\": 7, \"tags\": [\"t\"], \"ingested_at\":"               \
    " \"2025-03-01T12:00:00Z\", \"source\": \"v1\"}"

START_TEST(both_forms_are_read)
{
    struct index_stats stats;
    struct index *index;
    char one[65], two[65], *text, *error = NULL;

    make_hash(0x10, 1, one);
    make_hash(0x20, 1, two);
    text = mem_printf("{\"version\": 1, \"entries\": {" V1_ENTRY ", " V1_ENTRY "}}", one,
                      "x/first.pdf", two, "second.pdf");
    bucket_put("registry/manifest.json", text);
    free(text);
    index = open_fresh();
    ck_assert_uint_eq(matches(index, "first", false), 1);
    ck_assert_uint_eq(matches(index, "v1", false), 2);
    ck_assert_int_eq(index_stats(index, &stats, &error), QUEUE_OK);
    ck_assert_int_eq(stats.form, MANIFEST_V1);
    ck_assert_int_eq(stats.entries, 2);
    /* While it is upgraded a hash stands in both: it is told once. */
    text = mem_printf("{\"version\": 2, \"entries\": {" V1_ENTRY "}}", one, "y/first too.pdf");
    bucket_put("registry/manifest/10.json", text);
    free(text);
    ck_assert_int_eq(index_refresh(index, &queue, NULL, NULL, &error), QUEUE_OK);
    ck_assert_uint_eq(matches(index, "first", false), 1);
    ck_assert_uint_eq(matches(index, "x", false), 1);
    ck_assert_uint_eq(matches(index, "too", false), 1);
    ck_assert_uint_eq(matches(index, "first", true), 1);
    ck_assert_uint_eq(matches(index, "second", false), 1);
    bucket_put("registry/manifest.json", "{\"version\": 2, \"form\": \"shards\"}");
    ck_assert_int_eq(index_refresh(index, &queue, NULL, NULL, &error), QUEUE_OK);
    ck_assert_uint_eq(matches(index, "first", false), 1);
    ck_assert_uint_eq(matches(index, "second", false), 0);
    index_close(index);
}
END_TEST

static void count_damaged(void *arg, const char *part, const char *why)
{
    ck_assert_str_eq(part, "manifest/01.json");
    ck_assert_str_ne(why, "");
    (*(int *)arg)++;
}

START_TEST(a_damaged_part_keeps_what_was_known)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "null",
        "{\"entries\": []}",
        "{\"entries\": {\"x\": 1}}",
        "{\"entries\": {\"0100000001000000000000000000000000000000000000000000000000000000\": {",
        "{\"entries\": {\"0100000001000000000000000000000000000000000000000000000000000000\": {]}}",
        ("{\"entries\": {\"0100000009000000000000000000000000000000000000000000000000000000\":"
         " {\"paths\": [\"new.pdf\"]}}"),
        "{\"entries\": {}} x"};
    struct index *index;
    uint64_t gets;

    note(&queue, 1, 1, "kept.pdf", NULL, 0);
    note(&queue, 2, 1, "fine.pdf", NULL, 0);
    index = open_fresh();
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int damaged = 0;
        char *error = NULL;

        bucket_put("registry/manifest/01.json", bad[i]);
        ck_assert_int_eq(index_refresh(index, &queue, NULL, NULL, &error), QUEUE_OK);
        gets = requests(STORE_GET);
        ck_assert_int_eq(index_refresh(index, &queue, NULL, NULL, &error), QUEUE_OK);
        ck_assert_uint_eq(requests(STORE_GET), gets); /* not read again and again */
        index_damaged(index, count_damaged, &damaged);
        ck_assert_msg(damaged == 1, "%s was taken for good", bad[i]);
        ck_assert_uint_eq(matches(index, "kept", false), 1);
        ck_assert_uint_eq(matches(index, "new", false), 0);
        ck_assert_uint_eq(matches(index, "fine", false), 1);
    }
    index_close(index);
}
END_TEST

START_TEST(a_store_in_trouble_changes_nothing)
{
    struct fault fault = {.kind = STORE_GET,
                          .part = "manifest/",
                          .after = 1,
                          .count = -1,
                          .how = STORE_FAULT_REFUSED};
    struct store *broken;
    struct queue other;
    struct index *index;
    char *error = NULL;

    for (unsigned i = 0; i < 3; i++)
        note(&queue, i, 1, "a.pdf", NULL, 0);
    broken = fault_open(&fault);
    queue_begin(&other, broken);
    index = index_open(cache, "bucket");
    ck_assert_int_ne(index_refresh(index, &other, NULL, NULL, &error), QUEUE_OK);
    ck_assert_ptr_nonnull(error);
    ck_assert(!index_is_filled(index));
    free(error);
    store_close(broken);
    ck_assert_int_eq(index_refresh(index, &queue, NULL, NULL, &error), QUEUE_OK);
    ck_assert(index_is_filled(index));
    ck_assert_uint_eq(matches(index, "a.pdf", false), 3);
    index_close(index);
}
END_TEST

/* ---- damaged files ---- */

static char *db_file(void)
{
    char *command = mem_printf("ls '%s'/*.db", cache), *path;
    FILE *pipe = popen(command, "re");
    char line[4096];

    ck_assert_ptr_nonnull(pipe);
    ck_assert_ptr_nonnull(fgets(line, sizeof(line), pipe));
    pclose(pipe);
    line[strcspn(line, "\n")] = '\0';
    path = mem_strdup(line);
    free(command);
    return path;
}

static void shell(const char *fmt, const char *path)
{
    char *command = mem_printf("f='%s'; %s", path, fmt);

    ck_assert_msg(system(command) == 0, "%s", command);
    free(command);
}

static const char *const damages[] = {
    "rm \"$f\"",
    ": >\"$f\"",
    "echo garbage >\"$f\"",
    "head -c 100000 /dev/urandom >\"$f\"",
    "truncate -s 50 \"$f\"",
    "truncate -s 8192 \"$f\"",
    "truncate -s -4096 \"$f\"",
    "rm \"$f\"; mkdir \"$f\"",
    "rm \"$f\"; ln -s /dev/null \"$f\"",
    "rm \"$f\"; ln -s nowhere \"$f\"",
    "rm \"$f\"; mkfifo \"$f\"",
    "printf 'x' | dd of=\"$f\" bs=1 seek=3 conv=notrunc status=none",
    "printf '\\377\\377' | dd of=\"$f\" bs=1 seek=28 conv=notrunc status=none",
    "printf '\\001\\002' | dd of=\"$f\" bs=1 seek=62 conv=notrunc status=none", /* version */
    "n=$(stat -c %s \"$f\"); head -c $((n - 4096)) /dev/urandom |"
    " dd of=\"$f\" bs=4096 seek=1 conv=notrunc status=none",
    "n=$(stat -c %s \"$f\"); dd if=/dev/zero of=\"$f\" bs=4096 seek=2 count=$((n / 4096 - 2))"
    " conv=notrunc status=none",
    "head -c 5000 /dev/urandom >\"$f-wal\"",
    "head -c 5000 /dev/urandom >\"$f-journal\"",
    "echo x >\"$f-shm\"",
    "rm \"${f%.db}.lock\"; mkdir \"${f%.db}.lock\"",
    "rm \"$f\"; mkdir -p \"$f/full\"",
};

START_TEST(damaged_files_are_made_again)
{
    struct index *index;
    char *path;

    for (unsigned i = 0; i < 10; i++)
        note(&queue, i, 1, "some file.pdf", NULL, 0);
    index = open_fresh();
    index_close(index);
    path = db_file();
    shell(damages[_i], path);
    index = open_fresh();
    ck_assert_msg(matches(index, "some", false) == 10, "%s", damages[_i]);
    ck_assert_uint_eq(matches(index, "ome", true), 10);
    index_close(index);
    index = open_fresh(); /* and the next command finds it well */
    ck_assert_uint_eq(matches(index, "file", false), 10);
    index_close(index);
    free(path);
}
END_TEST

struct midway {
    size_t told;
    const char *path;
};

static bool damage_midway(void *arg, const struct manifest_entry *entry)
{
    struct midway *midway = arg;

    (void)entry;
    if (++midway->told == 3)
        shell("n=$(stat -c %s \"$f\"); rm -f \"$f-wal\"; head -c $((n - 4096)) /dev/zero |"
              " dd of=\"$f\" bs=4096 seek=1 conv=notrunc status=none",
              midway->path);
    return true;
}

START_TEST(damage_in_the_midst_of_a_question)
{
    struct midway midway = {0};
    struct index *index;
    char *path, *error = NULL;

    for (unsigned i = 0; i < 768; i++) { /* more than a page of them */
        char text[64];
        snprintf(text, sizeof(text), "a rather long name of a folder/some file %u.pdf", i);
        note(&queue, i, i / 256, text, NULL, 0);
    }
    index = open_fresh();
    index_close(index);
    path = db_file();
    midway.path = path;
    index = open_fresh();
    ck_assert_int_eq(index_each(index, &queue, damage_midway, &midway, &error), QUEUE_OK);
    ck_assert_uint_eq(midway.told, 768); /* each once */
    ck_assert_uint_eq(matches(index, "some", false), 768);
    index_close(index);
    free(path);
}
END_TEST

START_TEST(without_a_folder_it_is_in_memory)
{
    struct index *index;
    char *error = NULL;

    note(&queue, 1, 1, "a.pdf", NULL, 0);
    index = index_open(NULL, "bucket");
    ck_assert_int_eq(index_refresh(index, &queue, NULL, NULL, &error), QUEUE_OK);
    ck_assert_uint_eq(matches(index, "a", false), 1);
    index_close(index);
    index = index_open("/proc/nowhere/index", "bucket");
    ck_assert_int_eq(index_refresh(index, &queue, NULL, NULL, &error), QUEUE_OK);
    ck_assert_uint_eq(matches(index, "a", false), 1);
    index_close(index);
}
END_TEST

/* ---- several processes ---- */

#define INGESTERS 4
#define REFRESHERS 4
#define FILES 40

static struct store *open_directory(void)
{
    char *url = mem_printf("file://%s/store", dir), *error = NULL;
    struct store *opened = NULL;

    ck_assert_int_eq(store_open(url, NULL, &opened, &error), STORE_OPEN_OK);
    free(url);
    return opened;
}

static void ingest_many(unsigned who)
{
    struct store *own = open_directory();
    struct queue actor;

    queue_begin(&actor, own);
    for (unsigned n = 0; n < FILES; n++)
        note(&actor, n % 3, who * FILES + n, "some file.pdf", NULL, 0);
    store_close(own);
}

static void refresh_many(unsigned who)
{
    struct store *own = open_directory();
    struct queue actor;
    char *error = NULL, *path;

    queue_begin(&actor, own);
    for (int i = 0; i < 25; i++) {
        struct index *index = index_open(cache, "bucket");

        ck_assert_msg(index_refresh(index, &actor, NULL, NULL, &error) == QUEUE_OK, "%s", error);
        queue = actor;
        (void)matches(index, "some", true);
        index_close(index);
        if (who == 0 && i % 5 == 4) { /* and one that breaks it */
            path = db_file();
            shell("echo x | dd of=\"$f\" bs=1 seek=0 conv=notrunc status=none", path);
            free(path);
        }
    }
    store_close(own);
}

static bool count_one(void *arg, const struct manifest_entry *entry)
{
    (void)entry;
    (*(size_t *)arg)++;
    return true;
}

START_TEST(ingesters_and_refreshers_at_once)
{
    pid_t children[INGESTERS + REFRESHERS];
    struct index *index;
    struct store *own = open_directory();
    char *error = NULL;
    size_t count = 0;

    for (unsigned i = 0; i < INGESTERS + REFRESHERS; i++) {
        children[i] = fork();
        ck_assert_int_ge(children[i], 0);
        if (children[i] == 0) {
            if (i < INGESTERS)
                ingest_many(i);
            else
                refresh_many(i - INGESTERS);
            _exit(0);
        }
    }
    for (unsigned i = 0; i < INGESTERS + REFRESHERS; i++) {
        int status;

        ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child %u: %x", i, status);
    }
    queue_begin(&queue, own);
    index = index_open(cache, "bucket");
    ck_assert_int_eq(index_refresh(index, &queue, NULL, NULL, &error), QUEUE_OK);
    ck_assert_int_eq(index_each(index, &queue, count_one, &count, &error), QUEUE_OK);
    ck_assert_uint_eq(count, INGESTERS * FILES); /* none is lost */
    index_close(index);
    store_close(own);
}
END_TEST

/* ---- the frame ---- */

static bool count_entry(void *arg, const char hash[static 65], const char *json, size_t json_len)
{
    (void)hash;
    ck_assert(json_len >= 2 && json[0] == '{' && json[json_len - 1] == '}');
    (*(size_t *)arg)++;
    return true;
}

START_TEST(frames)
{
    static const struct {
        const char *text;
        enum entries_result result;
        size_t count;
    } rows[] = {
#define H "\"0100000001000000000000000000000000000000000000000000000000000000\""
        {"{}", ENTRIES_NONE, 0},
        {" { } \n", ENTRIES_NONE, 0},
        {"{\"version\": 2}", ENTRIES_NONE, 0},
        {"{\"entries\": {}}", ENTRIES_OK, 0},
        {"{\"entries\": {" H ": {}}}", ENTRIES_OK, 1},
        {"{\"a\": [1, {\"b\": \"}\\\"\"}], \"entries\": {" H ":{\"x\":[\"]\"]}}, \"z\": null}",
         ENTRIES_OK, 1},
        {"{\"entries\": {\"no hash\": {}, " H ": {}}}", ENTRIES_OK, 1},
        {"{\"entries\": {" H ": {},}}", ENTRIES_BAD, 1},
        {"{\"entries\": {" H " {}}}", ENTRIES_BAD, 0},
        {"{\"entries\": {" H ": [}}}", ENTRIES_BAD, 0},
        {"{\"entries\": {" H ": {]}}", ENTRIES_BAD, 0},
        {"{\"entries\": {" H ": {\"a", ENTRIES_BAD, 0},
        {"{\"entries\": {" H ": {\"a\\", ENTRIES_BAD, 0},
        {"{\"entries\": null}", ENTRIES_BAD, 0},
        {"{\"a\": [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}", ENTRIES_BAD, 0},
        {"{} {}", ENTRIES_BAD, 0},
        {"", ENTRIES_BAD, 0},
        {"{\"a\"}", ENTRIES_BAD, 0},
        {"{\"a\": }", ENTRIES_BAD, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t count = 0, len = strlen(rows[i].text);
        char *exact = mem_alloc(len + 1); /* not one byte more, for the sanitizers */

        memcpy(exact, rows[i].text, len);
        ck_assert_msg(entries_scan(exact, len, count_entry, &count) == rows[i].result, "%s",
                      rows[i].text);
        ck_assert_msg(count == rows[i].count, "%s: %zu", rows[i].text, count);
        free(exact);
        for (size_t cut = 0; cut < len; cut++) { /* every beginning ends well */
            char *part = mem_alloc(cut > 0 ? cut : 1);

            memcpy(part, rows[i].text, cut);
            count = 0;
            (void)!entries_scan(part, cut, count_entry, &count);
            free(part);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("index");
    TCase *tcase = tcase_create("index");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, words_are_found);
    tcase_add_test(tcase, words_are_no_syntax);
    tcase_add_test(tcase, tags_and_paths);
    tcase_add_test(tcase, hashes_and_pages);
    tcase_add_test(tcase, a_refresh_costs_one_list);
    tcase_add_test(tcase, changes_and_removals_arrive);
    tcase_add_test(tcase, both_forms_are_read);
    tcase_add_test(tcase, a_damaged_part_keeps_what_was_known);
    tcase_add_test(tcase, a_store_in_trouble_changes_nothing);
    tcase_add_loop_test(tcase, damaged_files_are_made_again, 0, (int)ARRAY_LEN(damages));
    tcase_add_test(tcase, damage_in_the_midst_of_a_question);
    tcase_add_test(tcase, without_a_folder_it_is_in_memory);
    tcase_add_test(tcase, ingesters_and_refreshers_at_once);
    tcase_add_test(tcase, frames);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
