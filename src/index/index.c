/* See index.h: opening and statistics of the local index. */
#include "index/index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "index/index_private.h"

struct index *index_open(const char *folder, const char *bucket)
{
    struct index *index = mem_alloc(sizeof(*index));
    unsigned char sha256[SHA256_BYTES];
    char name[33];

    digest_sha256(bucket, strlen(bucket), sha256);
    hex_encode(sha256, 16, name);
    if (index_db_open(&index->db, folder, name))
        return index;
    index_close(index);
    return NULL;
}

void index_close(struct index *index)
{
    if (index == NULL)
        return;
    index_db_close(&index->db);
    free(index);
}

enum queue_result index_say(struct index *index, char **error_r)
{
    if (*error_r == NULL)
        *error_r =
            mem_printf("local index %s: %s; remove it, it is made again",
                       index->db.path != NULL ? index->db.path : "in memory",
                       index->db.db != NULL ? sqlite3_errmsg(index->db.db) : "cannot be opened");
    return QUEUE_DAMAGED;
}

bool index_is_filled(struct index *index)
{
    sqlite3_stmt *statement = index_db_prepare(&index->db, "SELECT 1 FROM part WHERE part = -1");
    bool filled = statement != NULL && sqlite3_step(statement) == SQLITE_ROW;

    sqlite3_finalize(statement);
    return filled;
}

enum queue_result index_stats(struct index *index, struct index_stats *stats_r, char **error_r)
{
    sqlite3_stmt *statement;
    enum queue_result result = QUEUE_OK;

    memset(stats_r, 0, sizeof(*stats_r));
    *error_r = NULL;
    statement = index_db_prepare(
        &index->db,
        "SELECT total(part < 256), total(bytes), max(modified),"
        " total(CASE WHEN entries > 0 THEN entries ELSE 0 END), total(damaged IS NOT NULL),"
        " total(part = 256), total(part = 256 AND entries >= 0) FROM part WHERE part >= 0");
    if (statement == NULL || sqlite3_step(statement) != SQLITE_ROW) {
        result = index_say(index, error_r);
    } else {
        stats_r->parts = sqlite3_column_int64(statement, 0);
        stats_r->bytes = sqlite3_column_int64(statement, 1);
        stats_r->updated_ms = sqlite3_column_int64(statement, 2);
        stats_r->entries = sqlite3_column_int64(statement, 3);
        stats_r->damaged = (size_t)sqlite3_column_int64(statement, 4);
        if (sqlite3_column_int64(statement, 5) == 0)
            stats_r->form = MANIFEST_ABSENT;
        else
            stats_r->form = sqlite3_column_int64(statement, 6) != 0 ? MANIFEST_V1 : MANIFEST_SHARDS;
    }
    sqlite3_finalize(statement);
    return result;
}

void index_damaged(struct index *index, void (*each)(void *arg, const char *part, const char *why),
                   void *arg)
{
    sqlite3_stmt *statement = index_db_prepare(
        &index->db, "SELECT part, damaged FROM part WHERE damaged IS NOT NULL ORDER BY part");

    while (statement != NULL && sqlite3_step(statement) == SQLITE_ROW) {
        const unsigned char *why = sqlite3_column_text(statement, 1);
        int part = sqlite3_column_int(statement, 0);
        char name[32];

        if (part == PART_V1)
            snprintf(name, sizeof(name), "manifest.json");
        else
            snprintf(name, sizeof(name), "manifest/%02x.json", (unsigned)part & 255);
        each(arg, name, why != NULL ? (const char *)why : "");
    }
    sqlite3_finalize(statement);
}
