/* See index.h: the manifest's changed parts go into the file.
 *
 * Each part is one transaction, so that an end anywhere leaves whole parts, and remembers the ETag
 * of the body it was made from: that of the GET, not of the LIST that led to it. Two processes may
 * refresh at once; should the slower one put an older body over a younger one, its ETag is not the
 * listed one and the next refresh reads the part again. Within a part only entries whose bytes have
 * changed are parsed and written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/json.h"
#include "index/entries.h"
#include "index/index_private.h"
#include "index/manifest_merge.h"

#define GETS_MAX 8 /* parts in memory at once */
#define DIGEST_BYTES 16
#define OTHER_WAIT_MS 30000 /* for another process's refresh; it may be stopped */

struct part_seen { /* by the LIST, or by the file */
    bool there;
    char etag[STORE_ETAG_SIZE];
    int64_t bytes, modified_ms;
};

struct refresh {
    struct index *index;
    struct queue *queue;
    struct part_seen listed[PART_COUNT];
    struct index_progress progress;
    void (*tell)(void *arg, const struct index_progress *progress);
    void *arg;
    int code; /* SQLite's, when it refused */
};

/* ---- one part ---- */

struct known { /* a row that the file has of the part */
    unsigned char hash[SHA256_BYTES], digest[DIGEST_BYTES];
    int64_t id;
    bool seen;
};

struct writer {
    struct refresh *refresh;
    int part;
    struct known *known; /* sorted by hash */
    size_t known_count, known_room;
    sqlite3_stmt *insert, *insert_words, *row, *delete, *delete_words;
    int64_t entries;
    bool bad; /* an entry is no JSON */
};

static bool hex_decode(const char *text, unsigned char bytes_r[static SHA256_BYTES])
{
    if (!hash_is_valid(text))
        return false;
    for (int i = 0; i < SHA256_BYTES; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};
        bytes_r[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return true;
}

static int compare_known(const void *a, const void *b)
{
    return memcmp(((const struct known *)a)->hash, ((const struct known *)b)->hash, SHA256_BYTES);
}

/* Runs a statement that returns no row, and makes it ready again. false: refresh->code is set. */
static bool finish(struct writer *writer, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);

    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (code == SQLITE_DONE)
        return true;
    writer->refresh->code = code;
    return false;
}

static void bind_text(sqlite3_stmt *statement, int at, const struct buf *text)
{
    sqlite3_bind_text(statement, at, buf_text(text), (int)text->len, SQLITE_TRANSIENT);
}

/* What the full-text index is told of an entry: its words in three columns. Made from the row's own
 * texts, so that the same can be told again when it is taken out. */
static void append_folders(struct buf *out, struct json_object *paths)
{
    for (size_t i = 0; paths != NULL && i < json_object_array_length(paths); i++) {
        const char *path = json_object_get_string(json_object_array_get_idx(paths, i));
        const char *slash = path != NULL ? strrchr(path, '/') : NULL;

        if (slash != NULL) {
            buf_append(out, path, (size_t)(slash - path));
            buf_putc(out, '\n');
        }
    }
}

static void append_texts(struct buf *out, struct json_object *texts)
{
    for (size_t i = 0; texts != NULL && i < json_object_array_length(texts); i++) {
        const char *text = json_object_get_string(json_object_array_get_idx(texts, i));

        buf_puts(out, text != NULL ? text : "");
        buf_putc(out, '\n');
    }
}

/* The words of a row whose names, paths, tags and source are given: source counts as a folder. */
static bool tell_words(struct writer *writer, sqlite3_stmt *statement, int64_t id,
                       const char *names, struct json_object *paths, struct json_object *tags,
                       const char *source)
{
    struct buf folders = BUF_INIT, tag_words = BUF_INIT;
    bool ok;

    append_folders(&folders, paths);
    if (source != NULL)
        buf_puts(&folders, source);
    append_texts(&tag_words, tags);
    sqlite3_bind_int64(statement, 1, id);
    sqlite3_bind_text(statement, 2, names, -1, SQLITE_TRANSIENT);
    bind_text(statement, 3, &folders);
    bind_text(statement, 4, &tag_words);
    ok = finish(writer, statement);
    buf_release(&folders);
    buf_release(&tag_words);
    return ok;
}

static struct json_object *parse_array(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    struct json_object *array =
        text != NULL ? json_tokener_parse((const char *)text) : json_object_new_array();

    if (json_object_is_type(array, json_type_array))
        return array;
    json_object_put(array);
    return json_object_new_array();
}

static bool take_out(struct writer *writer, int64_t id)
{
    struct json_object *paths, *tags;
    char *names, *source;
    bool ok;

    sqlite3_bind_int64(writer->row, 1, id);
    if (sqlite3_step(writer->row) != SQLITE_ROW) {
        sqlite3_reset(writer->row);
        writer->refresh->code = SQLITE_CORRUPT;
        return false;
    }
    names = mem_strdup((const char *)sqlite3_column_text(writer->row, 0));
    paths = parse_array(writer->row, 1);
    tags = parse_array(writer->row, 2);
    source = mem_strdup((const char *)sqlite3_column_text(writer->row, 3));
    sqlite3_reset(writer->row);
    ok = tell_words(writer, writer->delete_words, id, names != NULL ? names : "", paths, tags,
                    source);
    json_object_put(paths);
    json_object_put(tags);
    free(names);
    free(source);
    if (!ok)
        return false;
    sqlite3_bind_int64(writer->delete, 1, id);
    return finish(writer, writer->delete);
}

static struct json_object *text_array(char *const *texts, size_t count)
{
    struct json_object *array = json_object_new_array();

    for (size_t i = 0; i < count; i++)
        json_object_array_add(array, json_new_text(texts[i], strlen(texts[i])));
    return array;
}

static void bind_array(sqlite3_stmt *statement, int at, struct json_object *array)
{
    sqlite3_bind_text(statement, at,
                      json_object_to_json_string_ext(array, JSON_C_TO_STRING_PLAIN |
                                                                JSON_C_TO_STRING_NOSLASHESCAPE),
                      -1, SQLITE_TRANSIENT);
}

static bool put_in(struct writer *writer, const unsigned char *hash, const unsigned char *digest,
                   const struct manifest_entry *entry)
{
    struct json_object *paths = text_array(entry->paths, entry->path_count);
    struct json_object *tags = text_array(entry->tags, entry->tag_count);
    struct json_object *raw = text_array(entry->paths_raw, entry->path_raw_count);
    sqlite3_stmt *insert = writer->insert;
    struct buf names = BUF_INIT;
    bool ok;

    for (size_t i = 0; i < entry->path_count; i++) {
        const char *slash = strrchr(entry->paths[i], '/');
        buf_puts(&names, slash != NULL ? slash + 1 : entry->paths[i]);
        buf_putc(&names, '\n');
    }
    sqlite3_bind_int(insert, 1, writer->part);
    sqlite3_bind_blob(insert, 2, hash, SHA256_BYTES, SQLITE_TRANSIENT);
    sqlite3_bind_blob(insert, 3, digest, DIGEST_BYTES, SQLITE_TRANSIENT);
    bind_text(insert, 4, &names);
    bind_array(insert, 5, paths);
    bind_array(insert, 6, tags);
    if (entry->path_raw_count > 0)
        bind_array(insert, 7, raw);
    sqlite3_bind_int64(insert, 8, entry->size_bytes);
    sqlite3_bind_int64(insert, 9, entry->ingested_ms);
    if (entry->source != NULL)
        sqlite3_bind_text(insert, 10, entry->source, -1, SQLITE_TRANSIENT);
    ok = finish(writer, insert);
    if (ok)
        ok = tell_words(writer, writer->insert_words,
                        sqlite3_last_insert_rowid(writer->refresh->index->db.db), buf_text(&names),
                        paths, tags, entry->source);
    if (!ok && (writer->refresh->code & 0xff) == SQLITE_CONSTRAINT) {
        writer->refresh->code = SQLITE_OK; /* a hash that comes twice: the first one counts */
        ok = true;
    }
    buf_release(&names);
    json_object_put(paths);
    json_object_put(tags);
    json_object_put(raw);
    return ok;
}

static bool on_entry(void *arg, const char hash[static 65], const char *json, size_t json_len)
{
    struct writer *writer = arg;
    unsigned char sha256[SHA256_BYTES];
    struct known wanted, *known;
    struct json_object *object;
    struct manifest_entry entry;
    bool ok;

    if (!hex_decode(hash, wanted.hash) ||
        (writer->part != PART_V1 && wanted.hash[0] != (unsigned char)writer->part))
        return true; /* a stranger in this shard: no writer of ours looks for it here */
    writer->entries++;
    digest_sha256(json, json_len, sha256);
    known = writer->known_count > 0 ? bsearch(&wanted, writer->known, writer->known_count,
                                              sizeof(wanted), compare_known)
                                    : NULL;
    if (known != NULL && known->seen)
        return true;
    if (known != NULL)
        known->seen = true;
    if (known != NULL && memcmp(known->digest, sha256, DIGEST_BYTES) == 0)
        return true;
    if (json_parse(json, json_len, MANIFEST_SHARD_MAX, &object) != JSON_OK) {
        writer->bad = true;
        return false;
    }
    manifest_entry_read(hash, object, &entry);
    json_object_put(object);
    ok = (known == NULL || take_out(writer, known->id)) &&
         put_in(writer, wanted.hash, sha256, &entry);
    manifest_entry_release(&entry);
    return ok;
}

static bool read_known(struct writer *writer)
{
    sqlite3_stmt *rows = index_db_prepare(&writer->refresh->index->db,
                                          "SELECT hash, digest, id FROM entry WHERE part = ?1 AND"
                                          " hash >= ?2 AND hash < ?3 ORDER BY hash");
    unsigned char first[1] = {(unsigned char)(writer->part == PART_V1 ? 0 : writer->part)};
    unsigned char last[33];
    int code;

    /* A blob that ends is less than one that goes on: behind the last hash is the next digit, and
     * behind all of them 33 bytes of 255. */
    memset(last, 0xff, sizeof(last));
    if (writer->part != PART_V1 && first[0] < 0xff)
        last[0] = (unsigned char)(first[0] + 1);
    if (rows == NULL) {
        writer->refresh->code = sqlite3_errcode(writer->refresh->index->db.db);
        return false;
    }
    sqlite3_bind_int(rows, 1, writer->part);
    sqlite3_bind_blob(rows, 2, first, 1, SQLITE_STATIC);
    sqlite3_bind_blob(rows, 3, last,
                      writer->part == PART_V1 || first[0] == 0xff ? (int)sizeof(last) : 1,
                      SQLITE_STATIC);
    while ((code = sqlite3_step(rows)) == SQLITE_ROW) {
        struct known *known;

        if (sqlite3_column_bytes(rows, 0) != SHA256_BYTES ||
            sqlite3_column_bytes(rows, 1) != DIGEST_BYTES) {
            code = SQLITE_CORRUPT;
            break;
        }
        if (writer->known_count == writer->known_room) {
            writer->known_room = writer->known_room > 0 ? writer->known_room * 2 : 256;
            writer->known = mem_resize(writer->known, writer->known_room, sizeof(*writer->known));
        }
        known = &writer->known[writer->known_count++];
        memcpy(known->hash, sqlite3_column_blob(rows, 0), SHA256_BYTES);
        memcpy(known->digest, sqlite3_column_blob(rows, 1), DIGEST_BYTES);
        known->id = sqlite3_column_int64(rows, 2);
        known->seen = false;
    }
    sqlite3_finalize(rows);
    writer->refresh->code = code == SQLITE_DONE ? SQLITE_OK : code;
    return code == SQLITE_DONE;
}

static bool prepare(struct writer *writer)
{
    struct index_db *db = &writer->refresh->index->db;

    writer->insert =
        index_db_prepare(db, "INSERT INTO entry(part, hash, digest, names, paths, tags, paths_raw,"
                             " size, ingested, source) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)");
    writer->insert_words =
        index_db_prepare(db, "INSERT INTO words(rowid, name, path, tag) VALUES(?1,?2,?3,?4)");
    writer->row =
        index_db_prepare(db, "SELECT names, paths, tags, source FROM entry WHERE id = ?1");
    writer->delete = index_db_prepare(db, "DELETE FROM entry WHERE id = ?1");
    writer->delete_words = index_db_prepare(
        db, "INSERT INTO words(words, rowid, name, path, tag) VALUES('delete',?1,?2,?3,?4)");
    if (writer->insert != NULL && writer->insert_words != NULL && writer->row != NULL &&
        writer->delete != NULL && writer->delete_words != NULL)
        return true;
    writer->refresh->code = sqlite3_errcode(db->db);
    return false;
}

static void writer_release(struct writer *writer)
{
    sqlite3_finalize(writer->insert);
    sqlite3_finalize(writer->insert_words);
    sqlite3_finalize(writer->row);
    sqlite3_finalize(writer->delete);
    sqlite3_finalize(writer->delete_words);
    free(writer->known);
}

/* The part's line: what was read. `damaged` NULL: well. */
static bool note_part(struct refresh *refresh, int part, const char *etag, int64_t entries,
                      const char *damaged)
{
    sqlite3_stmt *statement = index_db_prepare(
        &refresh->index->db, "INSERT INTO part(part, etag, bytes, modified, entries, damaged)"
                             " VALUES(?1,?2,?3,?4,?5,?6) ON CONFLICT(part) DO UPDATE SET"
                             " etag=?2, bytes=?3, modified=?4, damaged=?6,"
                             " entries=CASE WHEN ?6 IS NULL THEN ?5 ELSE entries END");
    int code = SQLITE_ERROR;

    if (statement != NULL) {
        sqlite3_bind_int(statement, 1, part);
        sqlite3_bind_text(statement, 2, etag, -1, SQLITE_STATIC);
        if (part >= 0) {
            sqlite3_bind_int64(statement, 3, refresh->listed[part].bytes);
            sqlite3_bind_int64(statement, 4, refresh->listed[part].modified_ms);
        } else {
            sqlite3_bind_int64(statement, 3, 0);
            sqlite3_bind_int64(statement, 4, 0);
        }
        sqlite3_bind_int64(statement, 5, entries);
        if (damaged != NULL)
            sqlite3_bind_text(statement, 6, damaged, -1, SQLITE_STATIC);
        code = sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
    refresh->code = code == SQLITE_DONE ? SQLITE_OK : code;
    return code == SQLITE_DONE;
}

static bool begin(struct refresh *refresh)
{
    refresh->code = index_db_exec(&refresh->index->db, "BEGIN IMMEDIATE");
    return refresh->code == SQLITE_OK;
}

static bool end(struct refresh *refresh, bool ok)
{
    int code = index_db_exec(&refresh->index->db, ok ? "COMMIT" : "ROLLBACK");

    if (ok)
        refresh->code = code;
    if (ok && code != SQLITE_OK)
        (void)!index_db_exec(&refresh->index->db, "ROLLBACK");
    return ok && code == SQLITE_OK;
}

/* Is the part's line in the file just this body already? Another process was quicker. */
static bool is_known(struct refresh *refresh, int part, const char *etag)
{
    sqlite3_stmt *statement =
        index_db_prepare(&refresh->index->db, "SELECT 1 FROM part WHERE part = ?1 AND etag = ?2");
    bool known = false;

    if (statement != NULL) {
        sqlite3_bind_int(statement, 1, part);
        sqlite3_bind_text(statement, 2, etag, -1, SQLITE_STATIC);
        known = sqlite3_step(statement) == SQLITE_ROW;
    }
    sqlite3_finalize(statement);
    return known;
}

/* Takes out what the part holds no more. */
static bool take_out_unseen(struct writer *writer)
{
    for (size_t i = 0; i < writer->known_count; i++)
        if (!writer->known[i].seen && !take_out(writer, writer->known[i].id))
            return false;
    return true;
}

/* Brings one part to the body. `bytes` NULL: the object is gone. false: refresh->code. */
static bool take_part(struct refresh *refresh, int part, const char *etag, const char *bytes,
                      size_t len)
{
    struct writer writer = {.refresh = refresh, .part = part};
    enum entries_result scanned = ENTRIES_NONE;
    const char *damaged = NULL;
    bool ok;

    if (!begin(refresh))
        return false;
    if (bytes != NULL && is_known(refresh, part, etag))
        return end(refresh, true);
    ok = prepare(&writer) && read_known(&writer);
    if (ok && bytes != NULL) {
        scanned = entries_scan(bytes, len, on_entry, &writer);
        if (scanned == ENTRIES_BAD || writer.bad)
            damaged = "not JSON, or cut short";
        ok = refresh->code == SQLITE_OK;
    }
    if (ok && damaged == NULL)
        ok = take_out_unseen(&writer);
    refresh->progress.entries += writer.entries;
    writer_release(&writer);
    if (ok && damaged != NULL) { /* what was written of it goes back */
        (void)end(refresh, false);
        if (!begin(refresh))
            return false;
    }
    if (ok && bytes == NULL) {
        char *sql = mem_printf("DELETE FROM part WHERE part = %d", part);
        refresh->code = index_db_exec(&refresh->index->db, sql);
        ok = refresh->code == SQLITE_OK;
        free(sql);
    } else if (ok) {
        ok = note_part(refresh, part, etag, scanned == ENTRIES_NONE ? -1 : writer.entries, damaged);
    }
    return end(refresh, ok);
}

/* ---- all of them ---- */

static void note_listed(struct refresh *refresh, const struct store_entry *entry, size_t prefix_len)
{
    const char *name = entry->key + prefix_len; /* behind "registry/manifest" */
    struct part_seen *seen = NULL;

    if (strcmp(name, ".json") == 0)
        seen = &refresh->listed[PART_V1];
    else if (strlen(name) == strlen("/xx.json") && name[0] == '/' && hex_is_lower(name + 1, 2) &&
             strcmp(name + 3, ".json") == 0)
        seen = &refresh->listed[strtoul((char[]){name[1], name[2], '\0'}, NULL, 16)];
    if (seen == NULL)
        return;
    seen->there = true;
    memcpy(seen->etag, entry->etag, sizeof(seen->etag));
    seen->bytes = entry->size;
    seen->modified_ms = entry->modified_ms;
}

static enum queue_result store_failed(const struct store_op *op, char **error_r)
{
    if (*error_r == NULL)
        *error_r = op->error != NULL ? mem_strdup(op->error)
                                     : mem_printf("%s: %s", op->key, store_status_name(op->status));
    return op->status == STORE_FATAL ? QUEUE_FATAL : QUEUE_AGAIN;
}

/* The one LIST: 257 keys are within a page. */
static enum queue_result list_parts(struct refresh *refresh, char **error_r)
{
    char key[KEY_SIZE], *after = NULL;
    enum queue_result result = QUEUE_OK;
    bool more = true;

    key_registry(&refresh->queue->keys, "manifest", key);
    memset(refresh->listed, 0, sizeof(refresh->listed));
    while (more && result == QUEUE_OK) {
        struct store_op op;

        store_op_init(&op, STORE_LIST, key);
        op.start_after = after;
        store_run(refresh->queue->store, &op, 1);
        if (op.status != STORE_OK)
            result = store_failed(&op, error_r);
        for (size_t i = 0; result == QUEUE_OK && i < op.entry_count; i++)
            note_listed(refresh, &op.entries[i], strlen(key));
        more = op.more_r;
        free(after);
        after = mem_strdup(op.next_after_r);
        store_op_release(&op);
    }
    free(after);
    return result;
}

/* Which parts differ from the file's, and which it has that are gone. SQLite's code. */
static int compare_parts(struct refresh *refresh, bool changed[static PART_COUNT],
                         bool gone[static PART_COUNT])
{
    sqlite3_stmt *statement =
        index_db_prepare(&refresh->index->db, "SELECT part, etag FROM part WHERE part >= 0");
    int code = statement != NULL ? SQLITE_OK : sqlite3_errcode(refresh->index->db.db);

    for (int i = 0; i < PART_COUNT; i++) {
        changed[i] = refresh->listed[i].there;
        gone[i] = false;
    }
    while (statement != NULL && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        int part = sqlite3_column_int(statement, 0);
        const char *etag = (const char *)sqlite3_column_text(statement, 1);

        if (part >= PART_COUNT || etag == NULL)
            continue;
        if (!refresh->listed[part].there)
            gone[part] = true;
        else if (strcmp(etag, refresh->listed[part].etag) == 0)
            changed[part] = false;
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static void part_key(struct refresh *refresh, int part, char key_r[static KEY_SIZE])
{
    char name[32] = "manifest.json";

    if (part != PART_V1)
        snprintf(name, sizeof(name), "manifest/%02x.json", (unsigned)part & 255);
    key_registry(&refresh->queue->keys, name, key_r);
}

static int64_t part_max(int part)
{
    return part == PART_V1 ? (int64_t)MANIFEST_V1_MAX : (int64_t)MANIFEST_SHARD_MAX;
}

/* Reads and takes up to GETS_MAX parts. */
static enum queue_result take_parts(struct refresh *refresh, const int *parts, size_t count,
                                    char **error_r)
{
    struct store_op ops[GETS_MAX];
    char keys[GETS_MAX][KEY_SIZE];
    enum queue_result result = QUEUE_OK;

    for (size_t i = 0; i < count; i++) {
        part_key(refresh, parts[i], keys[i]);
        store_op_init(&ops[i], STORE_GET, keys[i]);
        ops[i].max_bytes = (size_t)part_max(parts[i]);
    }
    store_run(refresh->queue->store, ops, count);
    for (size_t i = 0; i < count; i++) {
        if (result == QUEUE_OK && ops[i].status != STORE_OK && ops[i].status != STORE_NOT_FOUND)
            result = store_failed(&ops[i], error_r);
        if (result == QUEUE_OK) {
            bool there = ops[i].status == STORE_OK;

            if (!take_part(refresh, parts[i], ops[i].etag_r, there ? buf_text(&ops[i].data) : NULL,
                           ops[i].data.len))
                result = QUEUE_DAMAGED;
            refresh->progress.parts_done++;
            if (refresh->tell != NULL)
                refresh->tell(refresh->arg, &refresh->progress);
        }
        store_op_release(&ops[i]);
    }
    return result;
}

/* Everything that changed, a few parts at a time; v1's one object alone. */
static enum queue_result take_changed(struct refresh *refresh, const bool *changed,
                                      const bool *gone, char **error_r)
{
    enum queue_result result = QUEUE_OK;
    int parts[GETS_MAX];
    size_t count = 0;

    for (int i = 0; i < PART_COUNT; i++)
        refresh->progress.parts_total += changed[i];
    for (int i = 0; i < PART_COUNT && result == QUEUE_OK; i++) {
        if (gone[i] && !take_part(refresh, i, "", NULL, 0))
            return QUEUE_DAMAGED;
        if (changed[i] && refresh->listed[i].bytes > part_max(i)) {
            if (!begin(refresh) ||
                !end(refresh, note_part(refresh, i, refresh->listed[i].etag, 0, "too large")))
                return QUEUE_DAMAGED;
        } else if (changed[i]) {
            parts[count++] = i;
        }
        if (count == GETS_MAX || (count > 0 && i >= PART_V1 - 1)) {
            result = take_parts(refresh, parts, count, error_r);
            count = 0;
        }
    }
    return result;
}

static enum queue_result refresh_once(struct refresh *refresh, char **error_r)
{
    bool changed[PART_COUNT], gone[PART_COUNT];
    enum queue_result result = list_parts(refresh, error_r);

    refresh->code = SQLITE_OK;
    refresh->progress = (struct index_progress){0, 0, 0};
    if (result != QUEUE_OK)
        return result;
    refresh->code = compare_parts(refresh, changed, gone);
    if (refresh->code != SQLITE_OK)
        return QUEUE_DAMAGED;
    result = take_changed(refresh, changed, gone, error_r);
    if (result == QUEUE_OK && !index_is_filled(refresh->index) &&
        (!begin(refresh) || !end(refresh, note_part(refresh, -1, "", 0, NULL))))
        result = QUEUE_DAMAGED;
    return result;
}

enum queue_result index_refresh(struct index *index, struct queue *queue,
                                void (*progress)(void *arg, const struct index_progress *progress),
                                void *arg, char **error_r)
{
    struct refresh *refresh = mem_alloc(sizeof(*refresh));
    enum queue_result result;

    *error_r = NULL;
    *refresh = (struct refresh){.index = index, .queue = queue, .tell = progress, .arg = arg};
    do {
        index_db_refreshing(&index->db, OTHER_WAIT_MS);
        result = refresh_once(refresh, error_r);
        index_db_refreshed(&index->db);
    } while (result == QUEUE_DAMAGED && index_db_again(&index->db, refresh->code));
    if (result == QUEUE_DAMAGED)
        result = index_say(index, error_r);
    free(refresh);
    return result;
}
