/* See index.h: questions to the local index.
 *
 * A user's words never become syntax: in a full-text expression each is one quoted string (quotes
 * doubled), everything else is bound. A word without a letter or digit has no place in the
 * full-text index and is looked for as it stands. */
#include <ctype.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/quote.h"
#include "index/index_private.h"
#include "queue/record.h"

#define RANKED_MAX 2000 /* more are not put in order: that takes longer than finding them */
#define COLUMNS "e.hash, e.paths, e.paths_raw, e.tags, e.size, e.ingested, e.source"
/* A hash that stands in a shard and in v1's object: the shard's line counts. */
#define ONCE                                                                                       \
    "(e.part < 256 OR NOT EXISTS (SELECT 1 FROM entry o WHERE o.hash = e.hash AND o.part < 256))"

/* A question and what it takes to ask it once more in a new file. */
struct ask {
    struct index *index;
    struct queue *queue;
    struct buf sql;
    char **texts; /* bound as ?1, ?2, ...; owned. Those that are hashes are blobs */
    size_t *text_lens;
    bool *text_blobs;
    size_t text_count;
    bool (*each)(void *arg, const struct manifest_entry *entry);
    void *arg;
    int64_t limit;  /* 0: none */
    uint64_t *told; /* the first 8 bytes of the hashes told so far */
    size_t told_count, told_room, told_sorted;
};

static void ask_release(struct ask *ask)
{
    for (size_t i = 0; i < ask->text_count; i++)
        free(ask->texts[i]);
    free(ask->texts);
    free(ask->text_lens);
    free(ask->text_blobs);
    free(ask->told);
    buf_release(&ask->sql);
}

/* Its number as a parameter. */
static size_t bind_later(struct ask *ask, const char *bytes, size_t len, bool blob)
{
    size_t count = ask->text_count + 1;

    ask->texts = mem_resize(ask->texts, count, sizeof(*ask->texts));
    ask->text_lens = mem_resize(ask->text_lens, count, sizeof(*ask->text_lens));
    ask->text_blobs = mem_resize(ask->text_blobs, count, sizeof(*ask->text_blobs));
    ask->texts[count - 1] = mem_alloc(len + 1);
    memcpy(ask->texts[count - 1], bytes, len);
    ask->text_lens[count - 1] = len;
    ask->text_blobs[count - 1] = blob;
    return ask->text_count = count;
}

/* ---- rows ---- */

static char **read_array(sqlite3_stmt *row, int column, size_t *count_r)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    struct json_object *array = text != NULL ? json_tokener_parse(text) : NULL;
    size_t length =
        json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
    char **texts = mem_alloc((length + 1) * sizeof(*texts));

    *count_r = 0;
    for (size_t i = 0; i < length; i++) {
        const char *one = json_object_get_string(json_object_array_get_idx(array, i));
        if (one != NULL)
            texts[(*count_r)++] = mem_strdup(one);
    }
    json_object_put(array);
    return texts;
}

/* false: the row is none of ours. */
static bool read_row(sqlite3_stmt *row, struct manifest_entry *entry_r)
{
    memset(entry_r, 0, sizeof(*entry_r));
    if (sqlite3_column_type(row, 0) != SQLITE_BLOB || sqlite3_column_bytes(row, 0) != SHA256_BYTES)
        return false;
    hex_encode(sqlite3_column_blob(row, 0), SHA256_BYTES, entry_r->hash);
    entry_r->paths = read_array(row, 1, &entry_r->path_count);
    entry_r->paths_raw = read_array(row, 2, &entry_r->path_raw_count);
    entry_r->tags = read_array(row, 3, &entry_r->tag_count);
    entry_r->size_bytes = sqlite3_column_int64(row, 4);
    entry_r->ingested_ms = sqlite3_column_int64(row, 5);
    entry_r->source = mem_strdup((const char *)sqlite3_column_text(row, 6));
    return true;
}

static int compare_told(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Was it told before the file was made again? */
static bool is_told(const struct ask *ask, const unsigned char *hash)
{
    uint64_t key;

    memcpy(&key, hash, sizeof(key));
    return ask->told_sorted > 0 &&
           bsearch(&key, ask->told, ask->told_sorted, sizeof(key), compare_told) != NULL;
}

static void note_told(struct ask *ask, const unsigned char *hash)
{
    if (ask->told_count == ask->told_room) {
        ask->told_room = ask->told_room > 0 ? ask->told_room * 2 : 64;
        ask->told = mem_resize(ask->told, ask->told_room, sizeof(*ask->told));
    }
    memcpy(&ask->told[ask->told_count++], hash, sizeof(*ask->told));
}

static void bind_all(const struct ask *ask, sqlite3_stmt *statement)
{
    for (size_t i = 0; i < ask->text_count; i++) {
        if (ask->text_blobs[i])
            sqlite3_bind_blob(statement, (int)i + 1, ask->texts[i], (int)ask->text_lens[i],
                              SQLITE_STATIC);
        else
            sqlite3_bind_text(statement, (int)i + 1, ask->texts[i], (int)ask->text_lens[i],
                              SQLITE_STATIC);
    }
}

/* SQLITE_OK: the question was answered to its end, or `each` wants no more. */
static int tell_rows(struct ask *ask)
{
    sqlite3_stmt *statement = index_db_prepare(&ask->index->db, buf_text(&ask->sql));
    int code;
    bool more = true;

    if (statement == NULL)
        return sqlite3_errcode(ask->index->db.db);
    bind_all(ask, statement);
    while (more && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct manifest_entry entry;

        if (!read_row(statement, &entry)) {
            sqlite3_finalize(statement);
            return SQLITE_CORRUPT;
        }
        if (!is_told(ask, sqlite3_column_blob(statement, 0))) {
            note_told(ask, sqlite3_column_blob(statement, 0));
            more = ask->each(ask->arg, &entry) &&
                   (ask->limit == 0 || (int64_t)ask->told_count < ask->limit);
        }
        manifest_entry_release(&entry);
    }
    sqlite3_finalize(statement);
    return !more || code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Asks, in a new file when the old one is damaged. */
static enum queue_result ask_run(struct ask *ask, char **error_r)
{
    int code = tell_rows(ask);

    *error_r = NULL;
    while (code != SQLITE_OK) {
        enum queue_result result;

        if (ask->queue == NULL || !index_db_again(&ask->index->db, code))
            return index_say(ask->index, error_r);
        result = index_refresh(ask->index, ask->queue, NULL, NULL, error_r);
        if (result != QUEUE_OK)
            return result;
        if (ask->told_count > 0)
            qsort(ask->told, ask->told_count, sizeof(*ask->told), compare_told);
        ask->told_sorted = ask->told_count;
        code = tell_rows(ask);
    }
    return QUEUE_OK;
}

/* ---- search ---- */

/* Bytes as the index holds them: what is no UTF-8 is U+FFFD. The caller frees. */
static char *clean_text(const char *bytes)
{
    struct json_object *text = json_new_text(bytes, strlen(bytes));
    char *copy = mem_strdup(json_object_get_string(text));

    json_object_put(text);
    return copy;
}

/* Does the full-text index know anything of such a word? */
static bool has_letters(const char *word)
{
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    const unsigned char *at = (const unsigned char *)word;
    size_t left = strlen(word);
    bool found = false;

    while (left > 0 && !found) {
        unsigned rune = 0;
        size_t n = utf8_sequence(at, left, &rune);

        if (n == 0) {
            n = 1;
            rune = 0xfffd;
        }
        found = rune < 0x80           ? isalnum((int)rune) != 0
                : utf8 != (locale_t)0 ? iswalnum_l(rune, utf8) != 0
                                      : true;
        at += n;
        left -= n;
    }
    if (utf8 != (locale_t)0)
        freelocale(utf8);
    return found;
}

/* `"word"` or `"word"*`, behind `{column} :` */
static void append_phrase(struct buf *match, const char *column, const char *word, bool prefix)
{
    if (match->len > 0)
        buf_puts(match, " AND ");
    if (column != NULL)
        buf_printf(match, "{%s} : ", column);
    buf_putc(match, '"');
    for (const char *c = word; *c != '\0'; c++) {
        if (*c == '"')
            buf_putc(match, '"');
        buf_putc(match, *c);
    }
    buf_putc(match, '"');
    if (prefix)
        buf_puts(match, " *");
}

static size_t bind_like(struct ask *ask, const char *word)
{
    struct buf pattern = BUF_INIT;
    size_t number;

    buf_putc(&pattern, '%');
    for (const char *c = word; *c != '\0'; c++) {
        if (*c == '%' || *c == '_' || *c == '!')
            buf_putc(&pattern, '!');
        buf_putc(&pattern, *c);
    }
    buf_putc(&pattern, '%');
    number = bind_later(ask, pattern.data, pattern.len, false);
    buf_release(&pattern);
    return number;
}

enum field {
    FIELD_ANY,
    FIELD_NAME,
    FIELD_PATH
};

/* One of the texts of a column, which is JSON: a quick look at the whole leaves few that are taken
 * apart. */
static void append_like_any(struct buf *where, const char *column, size_t json, size_t plain)
{
    buf_printf(where,
               "(e.%s LIKE ?%zu ESCAPE '!' AND EXISTS (SELECT 1 FROM json_each(e.%s) j WHERE"
               " j.value LIKE ?%zu ESCAPE '!'))",
               column, json, column, plain);
}

static void append_like(struct ask *ask, struct buf *where, enum field field, const char *word)
{
    struct json_object *text = json_object_new_string(word);
    const char *quoted = json_object_to_json_string_ext(text, JSON_C_TO_STRING_PLAIN |
                                                                  JSON_C_TO_STRING_NOSLASHESCAPE);
    char *escaped = mem_strndup(quoted + 1, strlen(quoted) - 2);
    size_t plain = bind_like(ask, word), json = bind_like(ask, escaped);

    if (field == FIELD_NAME) {
        buf_printf(where, " AND e.names LIKE ?%zu ESCAPE '!'", plain);
    } else {
        buf_printf(where, " AND (e.source LIKE ?%zu ESCAPE '!' OR ", plain);
        append_like_any(where, "paths", json, plain);
        if (field == FIELD_ANY) {
            buf_puts(where, " OR ");
            append_like_any(where, "tags", json, plain);
        }
        buf_putc(where, ')');
    }
    free(escaped);
    json_object_put(text);
}

/* `exact` gets the same question of whole words. */
static void append_words(struct ask *ask, struct buf *match, struct buf *exact, struct buf *where,
                         enum field field, const char *const *words, size_t count, bool anywhere)
{
    static const char *const columns[] = {NULL, "name", "path"};

    for (size_t i = 0; i < count; i++) {
        char *word = clean_text(words[i]);

        if (!anywhere && has_letters(word)) {
            append_phrase(match, columns[field], word, word[1] != '\0');
            append_phrase(exact, columns[field], word, false);
        } else {
            append_like(ask, where, field, word);
        }
        free(word);
    }
}

static void append_tags(struct ask *ask, struct buf *match, struct buf *exact, struct buf *where,
                        const char *const *tags, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *tag = clean_text(tags[i]);

        if (has_letters(tag)) {
            append_phrase(match, "tag", tag, false);
            append_phrase(exact, "tag", tag, false);
        }
        buf_printf(where,
                   " AND EXISTS (SELECT 1 FROM json_each(e.tags) t WHERE t.value = ?%zu COLLATE"
                   " NOCASE)",
                   bind_later(ask, tag, strlen(tag), false));
        free(tag);
    }
}

static bool too_long(const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(words[i]) > INDEX_WORD_MAX)
            return true;
    return false;
}

/* While a bucket has both forms a hash may stand in two lines, either of which may match. Else
 * there is nothing to group, and rows come as they are found. */
static const char *group_by_hash(struct index *index)
{
    sqlite3_stmt *statement =
        index_db_prepare(&index->db, "SELECT 1 FROM part WHERE part = 256 AND entries > 0 AND"
                                     " EXISTS (SELECT 1 FROM part WHERE part BETWEEN 0 AND 255)");
    bool both = statement != NULL && sqlite3_step(statement) == SQLITE_ROW;

    sqlite3_finalize(statement);
    return both ? " GROUP BY e.hash" : "";
}

/* Are there few enough matches to put them in order? */
static bool is_few(struct ask *ask, size_t match)
{
    char *sql = mem_printf("SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ?%zu LIMIT"
                           " %d)",
                           match, RANKED_MAX + 1);
    sqlite3_stmt *statement = index_db_prepare(&ask->index->db, sql);
    bool few = true;

    if (statement != NULL) {
        bind_all(ask, statement);
        few = sqlite3_step(statement) == SQLITE_ROW &&
              sqlite3_column_int64(statement, 0) <= RANKED_MAX;
    }
    sqlite3_finalize(statement);
    free(sql);
    return few;
}

enum queue_result index_search(struct index *index, struct queue *queue,
                               const struct index_query *query,
                               bool (*each)(void *arg, const struct manifest_entry *entry),
                               void *arg, char **error_r)
{
    struct ask ask = {.index = index,
                      .queue = queue,
                      .each = each,
                      .arg = arg,
                      .limit = query->limit,
                      .sql = BUF_INIT};
    struct buf match = BUF_INIT, exact = BUF_INIT, where = BUF_INIT;
    enum queue_result result = QUEUE_OK;
    const char *group = group_by_hash(index);
    size_t number;

    *error_r = NULL;
    if (too_long(query->words, query->word_count) || too_long(query->names, query->name_count) ||
        too_long(query->paths, query->path_count) || too_long(query->tags, query->tag_count))
        return QUEUE_OK;
    append_words(&ask, &match, &exact, &where, FIELD_ANY, query->words, query->word_count,
                 query->anywhere);
    append_words(&ask, &match, &exact, &where, FIELD_NAME, query->names, query->name_count,
                 query->anywhere);
    append_words(&ask, &match, &exact, &where, FIELD_PATH, query->paths, query->path_count,
                 query->anywhere);
    append_tags(&ask, &match, &exact, &where, query->tags, query->tag_count);
    if (match.len == 0) {
        buf_printf(&ask.sql, "SELECT " COLUMNS " FROM entry e WHERE 1%s%s", buf_text(&where),
                   group);
    } else {
        /* The rows of a beginning of words are all gathered before the first one comes, those of
         * whole words come one by one: where these are enough, nobody waits for the others. */
        number = bind_later(&ask, exact.data, exact.len, false);
        if (query->limit == 0 || query->limit > RANKED_MAX || is_few(&ask, number))
            number = bind_later(&ask, match.data, match.len, false);
        if (group[0] == '\0' && is_few(&ask, number)) /* bm25() bears no groups */
            buf_printf(&ask.sql,
                       "SELECT " COLUMNS " FROM (SELECT rowid AS r, bm25(words, 10.0, 2.0, 4.0)"
                       " AS score FROM words WHERE words MATCH ?%zu) JOIN entry e ON e.id = r"
                       " WHERE 1%s ORDER BY score, e.names, e.hash",
                       number, buf_text(&where));
        else
            buf_printf(&ask.sql,
                       "SELECT " COLUMNS " FROM words JOIN entry e ON e.id = words.rowid WHERE"
                       " words MATCH ?%zu%s%s",
                       number, buf_text(&where), group);
    }
    result = ask_run(&ask, error_r);
    ask_release(&ask);
    buf_release(&match);
    buf_release(&exact);
    buf_release(&where);
    return result;
}

/* ---- by hash ---- */

/* Bytes between which all hashes lie that begin with the digits: from `first` to before `last`. */
static void hash_range(const char *digits, unsigned char first[static SHA256_BYTES],
                       unsigned char last[static SHA256_BYTES + 1])
{
    size_t len = strlen(digits);

    memset(first, 0, SHA256_BYTES);
    memset(last, 0xff, SHA256_BYTES + 1); /* longer than any hash: behind those of all 255 */
    for (size_t i = 0; i < len && i < 2 * SHA256_BYTES; i++) {
        unsigned digit = (unsigned)strtoul((char[]){digits[i], '\0'}, NULL, 16);
        unsigned shift = i % 2 == 0 ? 4 : 0;

        first[i / 2] |= (unsigned char)(digit << shift);
        last[i / 2] = (unsigned char)((last[i / 2] & ~(0xfu << shift)) | digit << shift);
    }
}

enum queue_result index_lookup_hash(struct index *index, struct queue *queue, const char *digits,
                                    int64_t limit,
                                    bool (*each)(void *arg, const struct manifest_entry *entry),
                                    void *arg, char **error_r)
{
    struct ask ask = {
        .index = index, .queue = queue, .each = each, .arg = arg, .limit = limit, .sql = BUF_INIT};
    unsigned char first[SHA256_BYTES], last[SHA256_BYTES + 1];
    enum queue_result result;

    *error_r = NULL;
    if (!hex_is_lower(digits, strlen(digits)) || strlen(digits) > 2 * SHA256_BYTES)
        return QUEUE_OK;
    hash_range(digits, first, last);
    bind_later(&ask, (const char *)first, sizeof(first), true);
    bind_later(&ask, (const char *)last, sizeof(last), true);
    buf_puts(&ask.sql,
             "SELECT " COLUMNS " FROM entry e WHERE e.hash >= ?1 AND e.hash < ?2 AND " ONCE
             " ORDER BY e.hash");
    result = ask_run(&ask, error_r);
    ask_release(&ask);
    return result;
}

enum queue_result index_recent(struct index *index, struct queue *queue, int64_t limit,
                               bool (*each)(void *arg, const struct manifest_entry *entry),
                               void *arg, char **error_r)
{
    struct ask ask = {
        .index = index, .queue = queue, .each = each, .arg = arg, .limit = limit, .sql = BUF_INIT};
    enum queue_result result;

    buf_puts(&ask.sql,
             "SELECT " COLUMNS " FROM entry e WHERE " ONCE " ORDER BY e.ingested DESC, e.hash");
    result = ask_run(&ask, error_r);
    ask_release(&ask);
    return result;
}

/* ---- by path ---- */

struct path_search {
    const char *path;    /* as the index holds it */
    const char *encoded; /* percent-encoded when it is no UTF-8; NULL */
    bool (*each)(void *arg, const struct manifest_entry *entry);
    void *arg;
};

/* Is one of them the end of the other, name by name? */
static bool ends_alike(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    const char *longer = a_len >= b_len ? a : b, *shorter = a_len >= b_len ? b : a;
    size_t long_len = strlen(longer), short_len = strlen(shorter);

    return short_len > 0 && strcmp(longer + long_len - short_len, shorter) == 0 &&
           (long_len == short_len || longer[long_len - short_len - 1] == '/');
}

static bool tell_if_path(void *arg, const struct manifest_entry *entry)
{
    struct path_search *search = arg;
    bool match = false;

    for (size_t i = 0; i < entry->path_count && search->encoded == NULL && !match; i++)
        match = ends_alike(entry->paths[i], search->path);
    for (size_t i = 0; i < entry->path_raw_count && search->encoded != NULL && !match; i++) {
        struct buf plain = BUF_INIT;

        percent_decode(&plain, entry->paths_raw[i]);
        match = ends_alike(buf_text(&plain), search->encoded);
        buf_release(&plain);
    }
    return !match || search->each(search->arg, entry);
}

enum queue_result index_lookup_path(struct index *index, struct queue *queue, const char *path,
                                    bool (*each)(void *arg, const struct manifest_entry *entry),
                                    void *arg, char **error_r)
{
    char *clean = clean_text(path);
    struct path_search search = {clean, utf8_is_valid(path, strlen(path)) ? NULL : path, each, arg};
    struct ask ask = {
        .index = index, .queue = queue, .each = tell_if_path, .arg = &search, .sql = BUF_INIT};
    const char *slash = strrchr(clean, '/'), *name = slash != NULL ? slash + 1 : clean;
    struct buf match = BUF_INIT;
    enum queue_result result;

    if (strlen(name) <= INDEX_WORD_MAX && has_letters(name)) {
        append_phrase(&match, "name", name, false);
        bind_later(&ask, match.data, match.len, false);
        buf_puts(&ask.sql, "SELECT " COLUMNS " FROM words JOIN entry e ON e.id = words.rowid"
                           " WHERE words MATCH ?1");
        buf_puts(&ask.sql, group_by_hash(index));
    } else {
        bind_later(&ask, name, strlen(name), false);
        buf_puts(&ask.sql, "SELECT " COLUMNS " FROM entry e WHERE instr(e.names, ?1) > 0");
        buf_puts(&ask.sql, group_by_hash(index));
    }
    result = ask_run(&ask, error_r);
    ask_release(&ask);
    buf_release(&match);
    free(clean);
    return result;
}

/* ---- all ---- */

#define PAGE 512

struct page {
    struct manifest_entry *entries;
    size_t count, max;
};

/* The entry is taken over: what is left of it is empty. */
static bool take_entry(void *arg, const struct manifest_entry *entry)
{
    struct page *page = arg;

    page->entries[page->count++] = *entry;
    memset((struct manifest_entry *)entry, 0, sizeof(*entry));
    return page->count < page->max;
}

enum queue_result index_page(struct index *index, struct queue *queue, const char *after,
                             size_t max, struct manifest_entry *entries_r, size_t *count_r,
                             char **error_r)
{
    struct page page = {entries_r, 0, max};
    struct ask ask = {
        .index = index, .queue = queue, .each = take_entry, .arg = &page, .sql = BUF_INIT};
    unsigned char first[SHA256_BYTES], last[SHA256_BYTES + 1];
    enum queue_result result;

    hash_range(hash_is_valid(after) ? after : "", first, last);
    bind_later(&ask, (const char *)first, hash_is_valid(after) ? sizeof(first) : 0, true);
    buf_puts(&ask.sql,
             "SELECT " COLUMNS " FROM entry e WHERE e.hash > ?1 AND " ONCE " ORDER BY e.hash");
    result = ask_run(&ask, error_r);
    ask_release(&ask);
    *count_r = page.count;
    return result;
}

enum queue_result index_each(struct index *index, struct queue *queue,
                             bool (*each)(void *arg, const struct manifest_entry *entry), void *arg,
                             char **error_r)
{
    struct manifest_entry *entries = mem_alloc(PAGE * sizeof(*entries));
    enum queue_result result = QUEUE_OK;
    char after[65] = "";
    size_t count = 1;
    bool more = true;

    *error_r = NULL;
    while (more && count > 0 && result == QUEUE_OK) {
        result = index_page(index, queue, after, PAGE, entries, &count, error_r);
        if (count > 0)
            memcpy(after, entries[count - 1].hash, sizeof(after));
        for (size_t i = 0; i < count; i++) {
            more = more && each(arg, &entries[i]);
            manifest_entry_release(&entries[i]);
        }
    }
    free(entries);
    return result;
}
