/* What only a directory store promises: its layout, its keys, crashes, full disks, permissions,
 * several processes. (The contract suite is in test_store.) */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "store/store_open.h"

#define H1 "ab00000000000000000000000000000000000000000000000000000000000001"
#define H2 "ab00000000000000000000000000000000000000000000000000000000000002"

static char dir[128]; /* the test's own; removed at its end */
static char url[160];
static struct store *store;

static void setup(void)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(dir, sizeof(dir), "%s/blobforge-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(url, sizeof(url), "file://%s", dir);
}

static void teardown(void)
{
    char *command = mem_printf("chmod -R u+rwX '%s'; rm -rf '%s'", dir, dir);

    store_close(store);
    ck_assert_int_eq(system(command), 0);
    free(command);
}

static enum store_open_status open_as(const char *where, const struct store_options *options)
{
    enum store_open_status status;
    char *error = NULL;

    status = store_open(where, options, &store, &error);
    ck_assert((status == STORE_OPEN_OK) == (store != NULL));
    ck_assert((status == STORE_OPEN_OK) == (error == NULL));
    if (error != NULL)
        printf("(expected) %s\n", error);
    free(error);
    return status;
}

static void open_store(void)
{
    store_close(store);
    ck_assert_int_eq(open_as(url, NULL), STORE_OPEN_OK);
}

static enum store_status put(const char *key, const char *body, enum store_cond cond,
                             const char *etag, char *etag_r)
{
    struct store_op op;
    enum store_status status;

    store_op_init(&op, STORE_PUT, key);
    op.body = body;
    op.body_len = strlen(body);
    op.cond = cond;
    if (etag != NULL)
        snprintf(op.etag, sizeof(op.etag), "%s", etag);
    status = store_do(store, &op);
    ck_assert((status == STORE_FATAL) <= (op.error != NULL));
    if (etag_r != NULL)
        memcpy(etag_r, op.etag_r, sizeof(op.etag_r));
    store_op_release(&op);
    return status;
}

static enum store_status get(const char *key, char text_r[static 64], char *etag_r)
{
    struct store_op op;
    enum store_status status;

    store_op_init(&op, STORE_GET, key);
    status = store_do(store, &op);
    snprintf(text_r, 64, "%s", buf_text(&op.data));
    if (etag_r != NULL)
        memcpy(etag_r, op.etag_r, sizeof(op.etag_r));
    store_op_release(&op);
    return status;
}

static enum store_status delete_key(const char *key)
{
    struct store_op op;
    enum store_status status;

    store_op_init(&op, STORE_DELETE, key);
    status = store_do(store, &op);
    store_op_release(&op);
    return status;
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    char *full = mem_printf("%s/%s", dir, path);

    ck_assert_msg(lstat(full, &st) == 0, "%s: %s", full, strerror(errno));
    free(full);
    return st.st_mode;
}

/* Temporary files that are there, our session's lock not counted. */
static int temp_files(void)
{
    char *path = mem_printf("%s/.blobforge/tmp", dir);
    DIR *folder = opendir(path);
    const struct dirent *entry;
    int count = 0;

    ck_assert_ptr_nonnull(folder);
    while ((entry = readdir(folder)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(folder);
    free(path);
    return count - (store != NULL);
}

/* ---- opening ---- */

START_TEST(urls)
{
    static const struct {
        const char *url;
        bool good;
        enum store_scheme scheme;
        const char *place, *prefix;
    } rows[] = {
        {"file:///var/lib/blobforge", true, STORE_SCHEME_FILE, "/var/lib/blobforge", NULL},
        {"file:///a b//", true, STORE_SCHEME_FILE, "/a b", NULL},
        {"file:///", true, STORE_SCHEME_FILE, "/", NULL},
        {"s3://bucket", true, STORE_SCHEME_S3, "bucket", NULL},
        {"s3://bucket/", true, STORE_SCHEME_S3, "bucket", ""},
        {"s3://bucket/x/y", true, STORE_SCHEME_S3, "bucket", "x/y/"},
        {"s3://bucket/x/y//", true, STORE_SCHEME_S3, "bucket", "x/y/"},
        {"file://relative", false, 0, NULL, NULL},
        {"s3://", false, 0, NULL, NULL},
        {"s3://bad bucket/", false, 0, NULL, NULL},
        {"http://x", false, 0, NULL, NULL},
        {"", false, 0, NULL, NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct store_url_parts parts;
        char *error = NULL;

        ck_assert_msg(store_url_parse(rows[i].url, &parts, &error) == rows[i].good, "%s",
                      rows[i].url);
        ck_assert(rows[i].good == (error == NULL));
        if (rows[i].good) {
            ck_assert_int_eq(parts.scheme, rows[i].scheme);
            ck_assert_str_eq(parts.place, rows[i].place);
            ck_assert_pstr_eq(parts.prefix, rows[i].prefix);
        }
        store_url_release(&parts);
        free(error);
    }
    ck_assert_int_eq(open_as("s3://bucket", NULL), STORE_OPEN_BAD_URL);
}
END_TEST

START_TEST(what_is_refused_at_open)
{
    const struct store_options must = {.must_exist = true};
    char *format = mem_printf("%s/.blobforge/format", dir);
    char *below = mem_printf("%s/no/such", url);
    FILE *file;

    ck_assert_int_eq(open_as(url, &must), STORE_OPEN_MISSING);
    ck_assert_int_eq(open_as(below, NULL), STORE_OPEN_MISSING); /* parents are not made */
    open_store();
    ck_assert_int_eq(put("k", "x", STORE_ALWAYS, NULL, NULL), STORE_OK);
    store_close(store);
    ck_assert_int_eq(open_as(url, &must), STORE_OPEN_OK);
    store_close(store);
    file = fopen(format, "w");
    fputs("blobforge directory store 2\n", file);
    fclose(file);
    ck_assert_int_eq(open_as(url, NULL), STORE_OPEN_UNFIT);
    file = fopen(format, "w");
    fputs("something else\n", file);
    fclose(file);
    ck_assert_int_eq(open_as(url, NULL), STORE_OPEN_UNFIT);
    free(format);
    free(below);
}
END_TEST

/* ---- layout and keys ---- */

START_TEST(layout_on_disk)
{
    mode_t old = umask(077); /* modes do not depend on it */
    char *gone;

    open_store();
    ck_assert_int_eq(put("pdf/queue/todo/3_normal/" H1, "", STORE_IF_ABSENT, NULL, NULL), STORE_OK);
    ck_assert_int_eq(put("pdf/store/raw/" H1 ".pdf", "p", STORE_IF_ABSENT, NULL, NULL), STORE_OK);
    ck_assert_int_eq(put("pdf/registry/logs/" H1 "/x.log", "l", STORE_ALWAYS, NULL, NULL),
                     STORE_OK);
    ck_assert_int_eq(put("pdf/registry/config.json", "{}", STORE_ALWAYS, NULL, NULL), STORE_OK);
    umask(old);
    ck_assert_int_eq(mode_of("pdf/queue/todo/3_normal/ab/" H1), S_IFREG | 0660);
    ck_assert_int_eq(mode_of("pdf/store/raw/ab/" H1 ".pdf"), S_IFREG | 0660);
    ck_assert_int_eq(mode_of("pdf/registry/logs/ab/" H1 "/x.log"), S_IFREG | 0660);
    ck_assert_int_eq(mode_of("pdf/registry/config.json"), S_IFREG | 0660);
    ck_assert_int_eq(mode_of("pdf/registry/logs/ab/" H1), S_IFDIR | 02770);
    ck_assert_int_eq(mode_of("pdf"), S_IFDIR | 02770);
    ck_assert_int_eq(mode_of(".blobforge/tmp"), S_IFDIR | 02770);
    ck_assert_int_eq(mode_of(".blobforge/format"), S_IFREG | 0660);
    ck_assert_int_eq(temp_files(), 0);
    ck_assert_int_eq(delete_key("pdf/registry/logs/" H1 "/x.log"), STORE_OK);
    gone = mem_printf("%s/pdf/registry/logs/ab/" H1, dir); /* went with its last key */
    ck_assert_int_ne(access(gone, F_OK), 0);
    free(gone);
}
END_TEST

START_TEST(keys_stay_inside)
{
    static const char *const bad[] = {"",
                                      "/",
                                      "/etc/passwd",
                                      "a//b",
                                      "a/",
                                      "..",
                                      "../x",
                                      "a/../x",
                                      "a/..",
                                      ".",
                                      "./a",
                                      ".blobforge/x",
                                      "a/.",
                                      "x/.blobforge",
                                      "pdf/.blobforge.tmp/x"};
    char long_name[300], long_key[1100];
    char text[64];
    struct store_op op;

    open_store();
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    memset(long_key, 'y', sizeof(long_key) - 1);
    for (size_t i = 100; i < sizeof(long_key); i += 100)
        long_key[i] = '/';
    long_key[sizeof(long_key) - 1] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(bad) + 2; i++) {
        const char *key = i < ARRAY_LEN(bad) ? bad[i] : i == ARRAY_LEN(bad) ? long_name : long_key;

        ck_assert_msg(put(key, "x", STORE_ALWAYS, NULL, NULL) == STORE_FATAL, "%s", key);
        ck_assert_msg(get(key, text, NULL) == STORE_FATAL, "%s", key);
        ck_assert_msg(delete_key(key) == STORE_FATAL, "%s", key);
    }
    for (size_t i = 0; i < 2; i++) { /* nor does a listing look outside, or into our own things */
        store_op_init(&op, STORE_LIST, i ? "../" : ".blobforge/");
        ck_assert_int_eq(store_do(store, &op), STORE_OK);
        ck_assert_uint_eq(op.entry_count, 0);
        store_op_release(&op);
    }
    ck_assert_int_eq(put("a/b", "x", STORE_ALWAYS, NULL, NULL), STORE_OK);
    ck_assert_int_eq(put("a", "x", STORE_ALWAYS, NULL, NULL), STORE_FATAL);
    ck_assert_int_eq(put("a", "x", STORE_IF_ABSENT, NULL, NULL), STORE_FATAL);
    ck_assert_int_eq(put("a/b/c", "x", STORE_IF_ABSENT, NULL, NULL), STORE_FATAL);
    ck_assert_int_eq(get("a", text, NULL), STORE_NOT_FOUND);
    ck_assert_int_eq(get("a/b/c", text, NULL), STORE_NOT_FOUND);
    ck_assert_int_eq(temp_files(), 0);
}
END_TEST

START_TEST(links_are_not_followed)
{
    char *link = mem_printf("%s/secret", dir);
    char *out = mem_printf("%s/out", dir);
    char text[64];
    struct store_op op;

    open_store();
    ck_assert_int_eq(symlink("/etc/hostname", link), 0);
    ck_assert_int_eq(symlink("/etc", out), 0);
    ck_assert_int_eq(get("secret", text, NULL), STORE_NOT_FOUND);
    store_op_init(&op, STORE_LIST, "");
    ck_assert_int_eq(store_do(store, &op), STORE_OK);
    ck_assert_uint_eq(op.entry_count, 0);
    store_op_release(&op);
    ck_assert_int_eq(put("secret", "x", STORE_ALWAYS, NULL, NULL),
                     STORE_OK); /* replaces the link */
    ck_assert_int_eq(get("secret", text, NULL), STORE_OK);
    ck_assert_str_eq(text, "x");
    free(link);
    free(out);
}
END_TEST

static void write_by_hand(const char *path, const char *body)
{
    char *command = mem_printf("mkdir -p \"$(dirname '%s/%s')\" && printf %%s '%s' > '%s/%s'", dir,
                               path, body, dir, path);

    ck_assert_int_eq(system(command), 0);
    free(command);
}

START_TEST(flat_buckets_are_read)
{
    const char *key = "pdf/queue/todo/3_normal/" H1;
    char text[64], etag[STORE_ETAG_SIZE];
    struct store_op op;

    write_by_hand(key, "flat");
    write_by_hand("pdf/queue/todo/3_normal/" H2, "two");
    open_store();
    ck_assert_int_eq(get(key, text, etag), STORE_OK);
    ck_assert_str_eq(text, "flat");
    ck_assert_int_eq(put(key, "new", STORE_IF_ABSENT, NULL, NULL), STORE_PRECONDITION);
    store_op_init(&op, STORE_LIST, "pdf/queue/todo/3_normal/");
    ck_assert_int_eq(store_do(store, &op), STORE_OK);
    ck_assert_uint_eq(op.entry_count, 2);
    ck_assert_str_eq(op.entries[0].key, key);
    ck_assert_str_eq(op.entries[0].etag, etag);
    store_op_release(&op);
    ck_assert_int_eq(put(key, "new", STORE_IF_MATCH, etag, NULL), STORE_OK); /* moves */
    ck_assert_int_eq(mode_of("pdf/queue/todo/3_normal/ab/" H1), S_IFREG | 0660);
    ck_assert_int_eq(get(key, text, etag), STORE_OK);
    ck_assert_str_eq(text, "new");
    write_by_hand(key, "again"); /* both: the shard's counts, once, and both go */
    store_op_init(&op, STORE_LIST, "pdf/queue/todo/3_normal/");
    ck_assert_int_eq(store_do(store, &op), STORE_OK);
    ck_assert_uint_eq(op.entry_count, 2);
    ck_assert_str_eq(op.entries[0].etag, etag);
    store_op_release(&op);
    ck_assert_int_eq(delete_key(key), STORE_OK);
    ck_assert_int_eq(get(key, text, NULL), STORE_NOT_FOUND);
}
END_TEST

/* ---- ETags and metadata ---- */

static int64_t frozen_ms(struct clock *clock)
{
    (void)clock;
    return 1700000000000;
}

static int compare_etags(const void *a, const void *b)
{
    return strcmp(a, b);
}

START_TEST(etags_differ_with_a_frozen_clock)
{
    enum {
        N = 3000
    };
    struct clock frozen = {frozen_ms, frozen_ms, clock_system()->sleep_ms};
    const struct store_options options = {.clock = &frozen};
    static char etags[N][STORE_ETAG_SIZE];
    struct store *two[2];

    ck_assert_int_eq(open_as(url, &options), STORE_OPEN_OK);
    two[0] = store;
    ck_assert_int_eq(open_as(url, &options), STORE_OPEN_OK);
    two[1] = store;
    for (int i = 0; i < N; i++) {
        char body[16];

        store = two[i % 7 == 0];
        snprintf(body, sizeof(body), "%08d", i);
        if (i % 2)
            ck_assert_int_eq(delete_key("k"), STORE_OK);
        ck_assert_int_eq(put("k", body, STORE_ALWAYS, NULL, etags[i]), STORE_OK);
    }
    qsort(etags, N, STORE_ETAG_SIZE, compare_etags);
    for (int i = 1; i < N; i++)
        ck_assert_str_ne(etags[i - 1], etags[i]);
    store_close(two[0]);
    store = two[1];
}
END_TEST

static void check_long_metadata(void)
{
    char *value = mem_alloc(8001);
    struct store_meta meta = {"tags", value};
    struct store_op op;

    memset(value, 'v', 8000); /* more than an extended attribute of ext4 holds */
    open_store();
    for (int i = 0; i < 3; i++) {
        store_op_init(&op, STORE_PUT, "k");
        op.put_meta = &meta;
        op.put_meta_count = 1;
        ck_assert_int_eq(store_do(store, &op), STORE_OK);
        store_op_release(&op);
        value[0] = (char)('a' + i);
    }
    store_op_init(&op, STORE_HEAD, "k");
    ck_assert_int_eq(store_do(store, &op), STORE_OK);
    value[0] = 'b'; /* the last that was put */
    ck_assert_str_eq(store_op_meta(&op, "tags"), value);
    store_op_release(&op);
    ck_assert_int_eq(delete_key("k"), STORE_OK);
    value[0] = '\n';
    store_op_init(&op, STORE_PUT, "k");
    op.put_meta = &meta;
    op.put_meta_count = 1;
    ck_assert_int_eq(store_do(store, &op), STORE_FATAL);
    store_op_release(&op);
    free(value);
}

/* Files below .blobforge/meta. */
static int aside_files(void)
{
    char *command =
        mem_printf("test $(find '%s/.blobforge/meta' -type f 2>/dev/null | wc -l) -eq 0", dir);
    int status = system(command);

    free(command);
    return status;
}

START_TEST(long_metadata)
{
    check_long_metadata();
    ck_assert_int_eq(aside_files(), 0); /* goes with its body */
}
END_TEST

/* A file system of our own on `dir`, in a mount namespace of this test process. false: not allowed
 * here (not root). */
static bool mount_on_dir(const char *type, const char *options)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount(type, dir, type, 0, options) == 0;
}

static void unmount_dir(void)
{
    store_close(store);
    store = NULL;
    ck_assert_int_eq(umount(dir), 0);
}

START_TEST(no_extended_attributes)
{
    if (!mount_on_dir("ramfs", NULL)) {
        printf("no_extended_attributes: skipped: mounting ramfs needs root\n");
        return;
    }
    check_long_metadata();
    ck_assert_int_eq(aside_files(), 0);
    unmount_dir();
}
END_TEST

/* ---- what can go wrong ---- */

START_TEST(disk_full)
{
    const size_t size = 300 * 1024;
    char *body = mem_alloc(size + 1);
    enum store_status status = STORE_OK;
    char key[16];
    int stored = 0;
    struct store_op op;

    if (!mount_on_dir("tmpfs", "size=2m")) {
        printf("disk_full: skipped: mounting tmpfs needs root\n");
        free(body);
        return;
    }
    open_store();
    memset(body, 'b', size);
    while (stored < 100) {
        snprintf(key, sizeof(key), "k%d", stored);
        status = put(key, body, STORE_IF_ABSENT, NULL, NULL);
        if (status != STORE_OK)
            break;
        stored++;
    }
    ck_assert_int_eq(status, STORE_AGAIN);
    ck_assert_int_gt(stored, 2);
    ck_assert_int_eq(temp_files(), 0);
    store_op_init(&op, STORE_LIST, "");
    ck_assert_int_eq(store_do(store, &op), STORE_OK);
    ck_assert_int_eq(op.entry_count, stored);
    for (int i = 0; i < stored; i++)
        ck_assert_int_eq(op.entries[i].size, size);
    store_op_release(&op);
    ck_assert_int_eq(put("k0", body, STORE_ALWAYS, NULL, NULL),
                     STORE_AGAIN); /* the old one stays */
    store_op_init(&op, STORE_HEAD, "k0");
    ck_assert_int_eq(store_do(store, &op), STORE_OK);
    ck_assert_int_eq(op.size_r, size);
    store_op_release(&op);
    ck_assert_int_eq(delete_key("k1"), STORE_OK);
    ck_assert_int_eq(put(key, body, STORE_IF_ABSENT, NULL, NULL), STORE_OK);
    free(body);
    unmount_dir();
}
END_TEST

START_TEST(file_size_limit)
{
    const struct rlimit limit = {100000, 100000};
    char *body = mem_alloc(200001);
    char text[64];

    open_store();
    memset(body, 'b', 200000);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(put("k", body, STORE_ALWAYS, NULL, NULL), STORE_FATAL);
    ck_assert_int_eq(get("k", text, NULL), STORE_NOT_FOUND);
    ck_assert_int_eq(temp_files(), 0);
    ck_assert_int_eq(put("k", "small", STORE_ALWAYS, NULL, NULL), STORE_OK);
    free(body);
}
END_TEST

START_TEST(read_only)
{
    char text[64];

    if (!mount_on_dir("tmpfs", NULL)) {
        printf("read_only: skipped: mounting tmpfs needs root\n");
        return;
    }
    open_store();
    ck_assert_int_eq(put("k", "x", STORE_ALWAYS, NULL, NULL), STORE_OK);
    store_close(store);
    store = NULL;
    ck_assert_int_eq(mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    open_store();
    ck_assert_int_eq(get("k", text, NULL), STORE_OK);
    ck_assert_str_eq(text, "x");
    ck_assert_int_eq(put("k", "y", STORE_ALWAYS, NULL, NULL), STORE_FATAL);
    ck_assert_int_eq(put("j", "y", STORE_IF_ABSENT, NULL, NULL), STORE_FATAL);
    ck_assert_int_eq(delete_key("k"), STORE_FATAL);
    unmount_dir();
}
END_TEST

START_TEST(permissions)
{
    char *folder = mem_printf("%s/pdf", dir);
    char text[64];
    uid_t me = geteuid();

    open_store();
    ck_assert_int_eq(put("pdf/k", "x", STORE_ALWAYS, NULL, NULL), STORE_OK);
    store_close(store);
    store = NULL;
    if (me == 0) { /* as nobody: not of the store's group */
        ck_assert_int_eq(setegid(65534), 0);
        ck_assert_int_eq(seteuid(65534), 0);
    } else {
        ck_assert_int_eq(chmod(dir, 0), 0);
    }
    ck_assert_int_eq(open_as(url, NULL), STORE_OPEN_DENIED);
    if (me == 0) {
        ck_assert_int_eq(seteuid(0), 0);
        ck_assert_int_eq(setegid(0), 0);
    }
    ck_assert_int_eq(chmod(dir, 0755), 0);
    open_store();
    ck_assert_int_eq(chmod(folder, 0), 0);
    if (me == 0)
        ck_assert_int_eq(seteuid(65534), 0);
    ck_assert_int_eq(get("pdf/k", text, NULL), STORE_FATAL); /* never taken for absence */
    ck_assert_int_eq(put("pdf/j", "x", STORE_IF_ABSENT, NULL, NULL), STORE_FATAL);
    ck_assert_int_eq(delete_key("pdf/k"), STORE_FATAL);
    if (me == 0)
        ck_assert_int_eq(seteuid(0), 0);
    free(folder);
}
END_TEST

/* ---- processes ---- */

START_TEST(processes_count_together)
{
    enum {
        PROCESSES = 4,
        ROUNDS = 100
    };
    char text[64], etag[STORE_ETAG_SIZE];

    open_store();
    ck_assert_int_eq(put("n", "0", STORE_IF_ABSENT, NULL, NULL), STORE_OK);
    for (int p = 0; p < PROCESSES; p++) {
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid != 0)
            continue;
        store = NULL; /* the parent's */
        open_store();
        for (int wins = 0; wins < ROUNDS;) {
            if (get("n", text, etag) != STORE_OK)
                _exit(2);
            snprintf(text, sizeof(text), "%d", atoi(text) + 1);
            wins += put("n", text, STORE_IF_MATCH, etag, NULL) == STORE_OK;
        }
        store_close(store);
        _exit(0);
    }
    for (int p = 0; p < PROCESSES; p++) {
        int status;

        wait(&status);
        ck_assert_int_eq(status, 0);
    }
    ck_assert_int_eq(get("n", text, NULL), STORE_OK);
    ck_assert_int_eq(atoi(text), PROCESSES * ROUNDS);
    ck_assert_int_eq(temp_files(), 0);
}
END_TEST

/* Puts and deletes bodies that say how long they are, for ever. */
static void write_until_killed(int ready_fd)
{
    char *body = mem_alloc(200001);

    store = NULL;
    open_store();
    for (unsigned i = 0;; i++) {
        size_t len = 20 + (size_t)rng_below(rng_system(), 150000);
        char key[32];

        snprintf(key, sizeof(key), "pdf/k%u", i % 5);
        memset(body, 'a' + (int)(i % 26), len);
        body[len] = '\0';
        snprintf(body, 20, "%010zu", len);
        body[10] = 'x';
        memset(body + 11, 'a' + (int)(i % 26), 9);
        (void)put(key, body, i % 3 ? STORE_ALWAYS : STORE_IF_ABSENT, NULL, NULL);
        if (i % 7 == 0)
            (void)delete_key(key);
        if (i == 20 && write(ready_fd, "r", 1) != 1)
            _exit(1);
    }
}

static void check_bodies_are_whole(void)
{
    struct store_op list;

    store_op_init(&list, STORE_LIST, "pdf/");
    ck_assert_int_eq(store_do(store, &list), STORE_OK);
    for (size_t i = 0; i < list.entry_count; i++) {
        struct store_op op;

        store_op_init(&op, STORE_GET, list.entries[i].key);
        ck_assert_int_eq(store_do(store, &op), STORE_OK);
        ck_assert_uint_eq((size_t)atol(buf_text(&op.data)), op.data.len);
        ck_assert_uint_eq(strspn(op.data.data + 11, (char[]){op.data.data[11], 0}),
                          op.data.len - 11);
        ck_assert_str_eq(op.etag_r, list.entries[i].etag);
        store_op_release(&op);
    }
    store_op_release(&list);
}

START_TEST(killed_writers_leave_nothing_half)
{
    for (int round = 0; round < 15; round++) {
        struct timespec nap = {0, (long)rng_below(rng_system(), 20000000)}; /* where it is killed */
        int ready[2];
        char byte;
        pid_t pid;
        int status;

        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0)
            write_until_killed(ready[1]);
        close(ready[1]);
        ck_assert_int_eq(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        nanosleep(&nap, NULL);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status));
        open_store();
        check_bodies_are_whole();
        ck_assert_int_eq(temp_files(), 0); /* swept by this open */
        store_close(store);
        store = NULL;
    }
}
END_TEST

START_TEST(living_stages_are_not_swept)
{
    struct store_put_terms terms = {.cond = STORE_IF_ABSENT, .length = 1};
    struct store_grant grant;
    struct store *first;
    char etag[STORE_ETAG_SIZE], text[64];
    char *error = NULL;

    digest_md5("x", 1, terms.md5);
    open_store();
    first = store;
    ck_assert_int_eq(store_grant_write(first, "r", &terms, 60, &grant, &error), STORE_OK);
    ck_assert(store_write_at(grant.fd, "x", 1, 0));
    ck_assert_int_eq(open_as(url, NULL), STORE_OPEN_OK); /* sweeps what is dead */
    ck_assert_int_eq(access(grant.stage, F_OK), 0);
    ck_assert_int_eq(store_grant_commit(first, "r", &terms, &grant, etag, &error), STORE_OK);
    store_grant_release(&grant);
    ck_assert_int_eq(get("r", text, NULL), STORE_OK);
    ck_assert_int_eq(store_grant_write(first, "q", &terms, 60, &grant, &error), STORE_OK);
    ck_assert_int_eq(temp_files(), 2); /* first's lock and stage */
    store_grant_release(&grant);
    ck_assert_int_eq(temp_files(), 1);
    store_close(first);
    ck_assert_int_eq(temp_files(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_fs");
    TCase *tcase = tcase_create("directory");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, urls);
    tcase_add_test(tcase, what_is_refused_at_open);
    tcase_add_test(tcase, layout_on_disk);
    tcase_add_test(tcase, keys_stay_inside);
    tcase_add_test(tcase, links_are_not_followed);
    tcase_add_test(tcase, flat_buckets_are_read);
    tcase_add_test(tcase, etags_differ_with_a_frozen_clock);
    tcase_add_test(tcase, long_metadata);
    tcase_add_test(tcase, no_extended_attributes);
    tcase_add_test(tcase, disk_full);
    tcase_add_test(tcase, file_size_limit);
    tcase_add_test(tcase, read_only);
    tcase_add_test(tcase, permissions);
    tcase_add_test(tcase, processes_count_together);
    tcase_add_test(tcase, killed_writers_leave_nothing_half);
    tcase_add_test(tcase, living_stages_are_not_swept);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
