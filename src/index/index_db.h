/* The file of the local index: a SQLite database that can be thrown away at any time.
 *
 * One file a bucket, in the user's cache folder (0700), used by any number of processes at once: a
 * shared lock on a file beside it is held while it is open, the exclusive one is needed to throw a
 * damaged file away, so that nobody opens half of an old and half of a new one. Whatever is wrong
 * with the file (no database, cut short, of another version, a folder in its place, not writable),
 * index_db_again() goes on with a new one, and where there can be none with one in memory: slower,
 * never wrong. Private to index/. One thread. */
#ifndef BF_INDEX_INDEX_DB_H
#define BF_INDEX_INDEX_DB_H

#include <sqlite3.h>
#include <stdbool.h>

#include "base/compiler.h"

struct index_db {
    sqlite3 *db; /* NULL: not open */
    char *path;  /* NULL: in memory from the start */
    char *lock_path;
    int lock_fd;
    bool in_memory, renewed;
    bool fresh; /* nothing was in it when it was opened */
};

/* Opens <folder>/<name>.db, made when it is not there. `folder` NULL: in memory. Always ends with
 * an open database unless memory itself is refused: then false with db->db NULL. */
bool index_db_open(struct index_db *db, const char *folder, const char *name) MUST_CHECK;
/* The database said `code` where it should not: throws it away and opens an empty one. false: it
 * was in memory already, or the code is one that a new file does not help against (busy). */
bool index_db_again(struct index_db *db, int code) MUST_CHECK;
void index_db_close(struct index_db *db);
/* A statement; NULL: the database refuses. */
sqlite3_stmt *index_db_prepare(struct index_db *db, const char *sql) MUST_CHECK;
/* Runs statements without rows; the SQLite code. */
int index_db_exec(struct index_db *db, const char *sql) MUST_CHECK;
/* Waits for the right to refresh, at most `wait_ms`; it goes with index_db_refreshed(). Not got:
 * the refresh is done anyway, it only may be done twice. */
void index_db_refreshing(struct index_db *db, int wait_ms);
void index_db_refreshed(struct index_db *db);

#endif
