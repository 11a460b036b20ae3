/* See support.h. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/digest.h"

char *dir;
struct store_mem *mem;
struct outcome outcomes[OUTCOMES_MAX];
size_t outcome_count;
int warning_count;
struct store_meter last_meter;

void dir_begin(void)
{
    const char *tmp = getenv("TMPDIR");

    dir = mem_printf("%s/blobforge-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

void dir_end(void)
{
    char *command = mem_printf("chmod -R u+rwX '%s' && rm -rf '%s'", dir, dir);

    ck_assert_int_eq(system(command), 0);
    free(command);
    free(dir);
}

char *dir_path(const char *name)
{
    char *path = mem_printf("%s/%s", dir, name);

    for (char *slash = strchr(path + strlen(dir) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        ck_assert(mkdir(path, 0755) == 0 || errno == EEXIST);
        *slash = '/';
    }
    return path;
}

void write_file(const char *name, const void *bytes, size_t len)
{
    char *path = dir_path(name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
    ck_assert(store_write_at(fd, bytes, len, 0));
    close(fd);
    free(path);
}

void write_pdf(const char *name, const char *word)
{
    char *text = mem_printf("%%PDF-1.4\n%% %s\n%%%%EOF\n", word);

    write_file(name, text, strlen(text));
    free(text);
}

void hash_of(const char *name, char hash_r[static 65])
{
    unsigned char sha256[SHA256_BYTES];
    char *path = dir_path(name);
    FILE *file = fopen(path, "re");
    char block[65536];
    size_t len;

    ck_assert_ptr_nonnull(file);
    len = fread(block, 1, sizeof(block), file);
    ck_assert(len < sizeof(block));
    fclose(file);
    digest_sha256(block, len, sha256);
    hex_encode(sha256, sizeof(sha256), hash_r);
    free(path);
}

/* ---- bucket ---- */

void bucket_begin(void)
{
    dir_begin();
    mem = store_mem_create(NULL);
}

static void fault_release(void);

void bucket_end(void)
{
    for (size_t i = 0; i < outcome_count; i++) {
        free(outcomes[i].path);
        free(outcomes[i].error);
    }
    fault_release();
    store_mem_destroy(mem);
    dir_end();
}

void queue_begin(struct queue *queue, struct store *store)
{
    *queue = (struct queue){
        .store = store,
        .clock = clock_system(),
        .rng = rng_system(),
        .identity = {.worker = "0123456789ab-cli-1",
                     .incarnation = "00112233445566778899aabbccddeeff",
                     .host = "test",
                     .pid = 1},
    };
    ck_assert(keys_init(&queue->keys, "pdf/"));
    queue_limits_default(&queue->limits);
}

char *bucket_text(const char *key)
{
    struct store *store = store_mem_open(mem);
    char *whole = mem_printf("pdf/%s", key), *text = NULL;
    struct store_op op;

    store_op_init(&op, STORE_GET, whole);
    if (store_do(store, &op) == STORE_OK)
        text = mem_strdup(buf_text(&op.data));
    store_op_release(&op);
    store_close(store);
    free(whole);
    return text;
}

void bucket_put(const char *key, const char *text)
{
    struct store *store = store_mem_open(mem);
    char *whole = mem_printf("pdf/%s", key);
    struct store_op op;

    store_op_init(&op, STORE_PUT, whole);
    op.body = text;
    op.body_len = strlen(text);
    ck_assert_int_eq(store_do(store, &op), STORE_OK);
    store_op_release(&op);
    store_close(store);
    free(whole);
}

size_t bucket_count(const char *prefix)
{
    struct store *store = store_mem_open(mem);
    char *whole = mem_printf("pdf/%s", prefix), *after = NULL;
    size_t count = 0;
    struct store_op op;
    bool more = true;

    while (more) {
        store_op_init(&op, STORE_LIST, whole);
        op.start_after = after;
        ck_assert_int_eq(store_do(store, &op), STORE_OK);
        count += op.entry_count;
        more = op.more_r;
        free(after);
        after = mem_strdup(op.next_after_r);
        store_op_release(&op);
    }
    free(after);
    store_close(store);
    free(whole);
    return count;
}

/* ---- a store that fails when told ---- */

static struct fault fault;
static struct store_fault_net *net;
static struct store *net_inner;

static struct store_fault decide(void *arg, const struct store_fault_call *call)
{
    struct store_fault none = {.kind = STORE_FAULT_NONE}, hit = {.kind = fault.how};

    if (call->op->kind != fault.kind || strstr(call->op->key, fault.part) == NULL)
        return none;
    if (fault.before != NULL)
        fault.before();
    if (fault.after > 0) {
        fault.after--;
        return none;
    }
    if (fault.count == 0)
        return none;
    fault.count -= fault.count > 0;
    return hit;
}

static void fault_release(void)
{
    if (net == NULL)
        return;
    store_fault_net_destroy(net);
    store_close(net_inner);
    net = NULL;
}

struct store *fault_open(const struct fault *wanted)
{
    fault_release();
    fault = *wanted;
    net_inner = store_mem_open(mem);
    net = store_fault_net_create(net_inner, clock_system(), rng_system());
    net->hooks.decide = decide;
    return store_fault_open(net, 1);
}

/* ---- runs ---- */

static void keep_outcome(void *arg, const struct ingest_outcome *outcome)
{
    struct outcome *keep = &outcomes[outcome_count];

    if (outcome_count == OUTCOMES_MAX)
        return;
    outcome_count++;
    memset(keep, 0, sizeof(*keep));
    keep->path = mem_strdup(outcome->path);
    keep->error = mem_strdup(outcome->error);
    snprintf(keep->hash, sizeof(keep->hash), "%s", outcome->hash != NULL ? outcome->hash : "");
    keep->action = outcome->action;
    keep->reason = outcome->reason;
}

static void count_warning(void *arg, const char *text)
{
    warning_count++;
}

enum queue_result run(const struct ingest_options *options, struct store *store,
                      struct ingest_summary *summary_r)
{
    struct ingest_options mine = *options;
    struct ingest_summary ignored;
    enum queue_result result;
    struct queue queue;
    char *error;

    for (size_t i = 0; i < outcome_count; i++) {
        free(outcomes[i].path);
        free(outcomes[i].error);
    }
    outcome_count = 0;
    warning_count = 0;
    if (mine.paths == NULL) {
        mine.paths = &dir;
        mine.path_count = 1;
    }
    mine.tier = mine.tier != TIER_CRITICAL ? mine.tier : TIER_DEFAULT;
    mine.max_pdf_size = mine.max_pdf_size > 0 ? mine.max_pdf_size : (int64_t)4 << 30;
    if (mine.each == NULL)
        mine.each = keep_outcome;
    mine.warning = count_warning;
    store = store != NULL ? store : store_mem_open(mem);
    queue_begin(&queue, store);
    result = ingest_run(&queue, &mine, summary_r != NULL ? summary_r : &ignored, &error);
    ck_assert_int_eq(error != NULL, result != QUEUE_OK);
    free(error);
    last_meter = *store_meter(store);
    store_close(store);
    return result;
}

const struct outcome *outcome_of(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < outcome_count; i++) {
        size_t have = strlen(outcomes[i].path);

        if (have >= len && strcmp(outcomes[i].path + have - len, name) == 0)
            return &outcomes[i];
    }
    ck_abort_msg("no outcome for %s", name);
    return NULL;
}

int64_t rss_anon_bytes(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    long long kb = -1;
    char line[256];

    ck_assert_ptr_nonnull(file);
    while (kb < 0 && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "RssAnon: %lld kB", &kb) != 1)
            kb = -1;
    fclose(file);
    ck_assert_msg(kb >= 0, "no RssAnon in /proc/self/status");
    return kb * 1024;
}

void expect_bounded(int64_t before, int64_t most)
{
    if (SANITIZED)
        printf("skipped: memory is not measured under a sanitizer\n");
    else
        ck_assert_msg(most - before < 16 << 20, "%lld KB more", (long long)(most - before) / 1024);
}
