/* blobforge repair-metadata: names, tags and sizes go back to raw documents that lost them.
 *
 * A copy between providers may strip an object's metadata. S3 cannot change metadata alone, so the
 * document is read, its SHA-256 compared with its name, and written again with what the manifest
 * knows, by If-Match on what was read: a document that was removed meanwhile stays removed. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/json.h"
#include "cli/catalog.h"
#include "cli/cmd.h"
#include "cli/fetch.h"
#include "cli/progress.h"
#include "ingest/describe.h"
#include "queue/keys.h"

#define LOOKS 32 /* documents asked about at once */

struct repair {
    struct cli *cli;
    struct queue *queue;
    bool dry_run, all; /* all: also where metadata is there but differs */
    struct progress_line line;
    struct manifest_entry *entries; /* in hand; owned */
    size_t count;
    int64_t looked, repaired, missing, errors;
    enum exitcode code;
};

static void report(struct repair *repair, const char *hash, const char *action, const char *error)
{
    struct json_object *line;

    progress_end(&repair->line);
    if (error != NULL)
        cli_error("%s: %s", hash, error);
    if (!cli_json(repair->cli)) {
        if (error == NULL && !cli_quiet(repair->cli))
            cli_printf("%.12s  %s\n", hash, action);
        return;
    }
    line = json_object_new_object();
    json_set_text(line, "hash", hash);
    json_set_text(line, "action", action);
    json_set_text(line, "error", error);
    cli_print_json(line);
}

static void refuse(struct repair *repair, const char *hash, const char *why)
{
    repair->errors++;
    repair->code = cli_worse(repair->code, EXITCODE_PARTIAL);
    report(repair, hash, "error", why);
}

static void describe(const struct manifest_entry *entry, int64_t size,
                     struct store_meta meta_r[static DESCRIBE_META_COUNT])
{
    struct tag_list tags = {entry->tags, entry->tag_count};

    describe_meta(entry->path_count > 0 ? entry->paths[0] : entry->hash, &tags, size, meta_r);
}

/* Does it lack what v1 and we read, or, with --all, say something else than the manifest? */
static bool needs_repair(const struct repair *repair, const struct store_op *head,
                         const struct manifest_entry *entry)
{
    struct store_meta meta[DESCRIBE_META_COUNT];
    bool needs = false;

    describe(entry, head->size_r, meta);
    for (size_t i = 0; i < DESCRIBE_META_COUNT; i++) {
        const char *there = store_op_meta(head, meta[i].name);
        needs |= there == NULL || (repair->all && strcmp(there, meta[i].value) != 0);
    }
    describe_meta_release(meta);
    return needs;
}

/* The document in `fd`: is it what its name says? */
static bool is_intact(int fd, const char *hash)
{
    struct digest *digest = digest_begin();
    unsigned char sha256[SHA256_BYTES];
    static char block[1 << 16];
    char hex[SHA256_HEX_SIZE];
    off_t at = 0;
    ssize_t n;

    while ((n = pread(fd, block, sizeof(block), at)) > 0) {
        digest_update(digest, block, (size_t)n);
        at += n;
    }
    digest_end(digest, sha256);
    hex_encode(sha256, sizeof(sha256), hex);
    return n == 0 && strcmp(hex, hash) == 0;
}

static void write_again(struct repair *repair, const struct manifest_entry *entry, const char *key,
                        const struct store_op *get, int fd)
{
    struct store_meta meta[DESCRIBE_META_COUNT];
    struct store_op put;

    describe(entry, get->size_r, meta);
    store_op_init(&put, STORE_PUT, key);
    put.cond = STORE_IF_MATCH;
    snprintf(put.etag, sizeof(put.etag), "%s", get->etag_r);
    put.body_fd = fd;
    put.body_size = get->size_r;
    put.content_type = "application/pdf";
    put.put_meta = meta;
    put.put_meta_count = DESCRIBE_META_COUNT;
    store_run(repair->queue->store, &put, 1);
    switch (put.status) {
    case STORE_OK:
        repair->repaired++;
        report(repair, entry->hash, "repaired", NULL);
        break;
    case STORE_NOT_FOUND:
    case STORE_PRECONDITION:
        refuse(repair, entry->hash, "it was changed or removed meanwhile; run it again");
        break;
    case STORE_UNKNOWN:
    case STORE_AGAIN:
        refuse(repair, entry->hash, "the store did not answer; run it again");
        break;
    case STORE_FATAL:
        refuse(repair, entry->hash, put.error != NULL ? put.error : "the store refuses");
        break;
    }
    store_op_release(&put);
    describe_meta_release(meta);
}

static void repair_one(struct repair *repair, const struct manifest_entry *entry)
{
    char key[KEY_SIZE];
    struct store_op get;
    int fd;

    if (repair->dry_run) {
        repair->repaired++;
        report(repair, entry->hash, "would_repair", NULL);
        return;
    }
    fd = fetch_temporary();
    if (fd < 0) {
        repair->code = cli_worse(repair->code, EXITCODE_CANTCREAT);
        repair->errors++;
        return;
    }
    store_op_init(&get, STORE_GET, key_raw(&repair->queue->keys, entry->hash, key));
    get.sink_fd = fd;
    store_run(repair->queue->store, &get, 1);
    if (get.status == STORE_NOT_FOUND)
        refuse(repair, entry->hash, "it was removed meanwhile");
    else if (get.status != STORE_OK)
        refuse(repair, entry->hash, get.error != NULL ? get.error : store_status_name(get.status));
    else if (!is_intact(fd, entry->hash))
        refuse(repair, entry->hash,
               "its bytes are not those of its hash; left as it is, ingest the file again");
    else
        write_again(repair, entry, key, &get, fd);
    store_op_release(&get);
    close(fd);
}

/* Asks for the metadata of the documents in hand. false: the store gave out. */
static bool look_at_all(struct repair *repair)
{
    struct store_op *ops = mem_alloc(LOOKS * sizeof(*ops));
    char(*keys)[KEY_SIZE] = mem_alloc((size_t)LOOKS * KEY_SIZE);
    bool ok = true;

    for (size_t i = 0; i < repair->count; i++)
        store_op_init(&ops[i], STORE_HEAD,
                      key_raw(&repair->queue->keys, repair->entries[i].hash, keys[i]));
    store_run(repair->queue->store, ops, repair->count);
    for (size_t i = 0; i < repair->count; i++) {
        if (ok && !cli_stopped()) {
            repair->looked++;
            if (ops[i].status == STORE_NOT_FOUND) {
                repair->missing++;
            } else if (ops[i].status != STORE_OK) {
                repair->code = cli_queue_failed(
                    repair->cli, ops[i].status == STORE_FATAL ? QUEUE_FATAL : QUEUE_AGAIN, NULL,
                    mem_strdup(ops[i].error));
                ok = false;
            } else if (needs_repair(repair, &ops[i], &repair->entries[i])) {
                repair_one(repair, &repair->entries[i]);
            }
        }
        store_op_release(&ops[i]);
        manifest_entry_release(&repair->entries[i]);
    }
    repair->count = 0;
    progress_step(&repair->line, repair->looked, 0, "documents");
    free(keys);
    free(ops);
    return ok;
}

static bool on_entry(void *arg, const struct manifest_entry *entry)
{
    struct repair *repair = arg;

    repair->entries[repair->count++] = *entry;
    memset((struct manifest_entry *)entry, 0, sizeof(*entry));
    return (repair->count < LOOKS || look_at_all(repair)) && !cli_stopped();
}

static enum queue_result each_wanted(struct repair *repair, struct index *index, char **error_r)
{
    size_t count;
    char *const *operands = cli_operands(repair->cli, &count);

    *error_r = NULL;
    if (count == 0)
        return index_each(index, repair->queue, on_entry, repair, error_r);
    for (size_t i = 0; i < count && !cli_stopped(); i++) {
        char hash[65];
        size_t before = repair->count;
        int64_t looked = repair->looked;
        enum exitcode code = cli_resolve(repair->cli, operands[i], hash);
        enum queue_result result;

        if (code != EXITCODE_OK) {
            repair->code = cli_worse(repair->code, code);
            continue;
        }
        result = index_lookup_hash(index, repair->queue, hash, 1, on_entry, repair, error_r);
        if (result != QUEUE_OK)
            return result;
        if (repair->count == before && repair->looked == looked)
            refuse(repair, hash, "it is not in the manifest; `blobforge manifest --sync` adds it");
    }
    return QUEUE_OK;
}

static void print_summary(const struct repair *repair)
{
    if (cli_json(repair->cli) || cli_quiet(repair->cli))
        return;
    cli_printf("%" PRId64 " documents: %" PRId64 " %s, %" PRId64 " errors", repair->looked,
               repair->repaired, repair->dry_run ? "would be repaired" : "repaired",
               repair->errors);
    if (repair->missing > 0)
        cli_printf(", %" PRId64 " in the manifest alone", repair->missing);
    cli_printf("\n");
}

static enum exitcode run(struct cli *cli)
{
    struct repair repair = {.cli = cli,
                            .dry_run = cli_flag(cli, "dry-run"),
                            .all = cli_flag(cli, "all"),
                            .code = EXITCODE_OK};
    struct index *index;
    enum queue_result result;
    char *error = NULL;
    enum exitcode code = catalog_open(cli, false, &index, &repair.queue);

    if (code == EXITCODE_OK && !repair.dry_run)
        code = cli_open(cli, CLI_WRITE, &repair.queue);
    if (code != EXITCODE_OK) {
        index_close(index);
        return code;
    }
    repair.entries = mem_alloc(LOOKS * sizeof(*repair.entries));
    progress_begin(&repair.line, cli, "looking at documents");
    result = each_wanted(&repair, index, &error);
    if (result == QUEUE_OK && repair.count > 0)
        (void)look_at_all(&repair);
    progress_end(&repair.line);
    for (size_t i = 0; i < repair.count; i++)
        manifest_entry_release(&repair.entries[i]);
    free(repair.entries);
    index_close(index);
    print_summary(&repair);
    if (result != QUEUE_OK)
        repair.code = cli_worse(
            repair.code, cli_queue_failed(cli, result, error == NULL ? "manifest" : NULL, error));
    return cli_stopped() ? EXITCODE_INTERRUPTED : repair.code;
}

static const struct cli_option options[] = {
    {'a', "all", NULL, "also where it is there and says something else than the manifest"},
    {'n', "dry-run", NULL, "say what would be repaired; change nothing"},
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_repair_metadata = {
    .name = "repair-metadata",
    .operands = "[HASH ...]",
    .operands_min = 0,
    .operands_max = CLI_ANY_NUMBER,
    .summary = "give raw documents back the names and tags that a copy stripped",
    .help = "Documents whose metadata lacks name, tags or size are written again with what\n"
            "the manifest knows; each is read, checked against its hash, and sent back.\n"
            "Without HASH: all of them.\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_BETWEEN,
    .resume = "what was repaired stays repaired; the same command again goes on",
    .run = run,
};
