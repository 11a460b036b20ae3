/* See index_db.h: the file of the local index. */
#include "index/index_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

/* Changes whenever the tables or what is put into them do: an older file is thrown away. */
#define SCHEMA_VERSION 1
#define APPLICATION_ID 0x424c4f46 /* "BLOF" */
#define BUSY_MS 20000             /* another process writes a shard: milliseconds each */
#define LOCK_WAIT_MS 3000         /* others have a damaged file open: then work in memory */

/* `words` holds no text of its own (content=''): what is to be taken out is told again, from the
 * row in `entry`. Prefixes of two and three letters are indexed, longer ones are few enough. */
static const char schema[] =
    "CREATE TABLE part(part INTEGER PRIMARY KEY, etag TEXT NOT NULL, bytes INTEGER NOT NULL,"
    " modified INTEGER NOT NULL, entries INTEGER NOT NULL, damaged TEXT);"
    "CREATE TABLE entry(id INTEGER PRIMARY KEY, part INTEGER NOT NULL, hash BLOB NOT NULL,"
    " digest BLOB NOT NULL, names TEXT NOT NULL, paths TEXT NOT NULL, tags TEXT NOT NULL,"
    " paths_raw TEXT, size INTEGER NOT NULL, ingested INTEGER NOT NULL, source TEXT);"
    "CREATE UNIQUE INDEX entry_hash ON entry(hash, part);"
    "CREATE INDEX entry_ingested ON entry(ingested);"
    "CREATE VIRTUAL TABLE words USING fts5(name, path, tag, content='', prefix='2 3',"
    " tokenize='unicode61 remove_diacritics 2');"
    "INSERT INTO words(words, rank) VALUES('hashsize', 16777216);";

sqlite3_stmt *index_db_prepare(struct index_db *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2(db->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return NULL;
    return statement;
}

int index_db_exec(struct index_db *db, const char *sql)
{
    return sqlite3_exec(db->db, sql, NULL, NULL, NULL);
}

static int64_t pragma_number(struct index_db *db, const char *sql)
{
    sqlite3_stmt *statement = index_db_prepare(db, sql);
    int64_t value = -1;

    if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

/* Two processes may find an empty file at once: the second one finds the tables made. */
static int make_schema(struct index_db *db)
{
    char *sql;
    int code = index_db_exec(db, "BEGIN IMMEDIATE");

    if (code != SQLITE_OK)
        return code;
    if (pragma_number(db, "PRAGMA user_version") == SCHEMA_VERSION)
        return index_db_exec(db, "COMMIT");
    sql = mem_printf("%s PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT", schema,
                     APPLICATION_ID, SCHEMA_VERSION);
    code = index_db_exec(db, sql);
    free(sql);
    db->fresh = code == SQLITE_OK;
    return code;
}

/* SQLITE_OK: ready for use. */
static int open_at(struct index_db *db, const char *path)
{
    int code = sqlite3_open_v2(
        path, &db->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);

    db->fresh = false;
    if (code != SQLITE_OK)
        return code;
    sqlite3_busy_timeout(db->db, BUSY_MS);
    /* A file that somebody made by hand gets no say in what runs. */
    sqlite3_db_config(db->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(db->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    code = index_db_exec(db, "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; "
                             "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
                             "PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY");
    if (code != SQLITE_OK)
        return code;
    switch (pragma_number(db, "PRAGMA user_version")) {
    case SCHEMA_VERSION:
        return pragma_number(db, "PRAGMA application_id") == APPLICATION_ID ? SQLITE_OK
                                                                            : SQLITE_NOTADB;
    case 0: /* new, or no file of ours */
        if (pragma_number(db, "SELECT count(*) FROM sqlite_master") != 0)
            return SQLITE_NOTADB;
        return make_schema(db);
    case -1:
        return SQLITE_CORRUPT;
    default:
        return SQLITE_NOTADB;
    }
}

static bool make_folders(const char *folder)
{
    char *copy = mem_strdup(folder);
    bool ok = true;

    for (char *slash = strchr(copy + 1, '/'); ok && slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        ok = mkdir(copy, 0700) == 0 || errno == EEXIST;
        *slash = '/';
    }
    ok = ok && (mkdir(copy, 0700) == 0 || errno == EEXIST);
    free(copy);
    return ok;
}

/* Polls, since a wait for a lock cannot be given an end otherwise. */
static bool lock_within(int fd, int how, int wait_ms)
{
    const struct timespec pause = {0, 20 * 1000 * 1000};

    for (int waited = 0; flock(fd, how | LOCK_NB) != 0; waited += 20) {
        if (waited >= wait_ms)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

/* Is something there that is no file of ours? */
static bool is_strange(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && (!S_ISREG(st.st_mode) || st.st_uid != geteuid());
}

static bool open_file(struct index_db *db)
{
    struct stat st;
    int fd;

    db->lock_fd = open(db->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    if (db->lock_fd < 0 || fstat(db->lock_fd, &st) != 0 || !S_ISREG(st.st_mode) ||
        !lock_within(db->lock_fd, LOCK_SH, LOCK_WAIT_MS) || is_strange(db->path))
        return false;
    /* SQLite would make it with the umask's rights; names of files are nobody else's business. */
    fd = open(db->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    if (fd < 0)
        return false;
    close(fd);
    return open_at(db, db->path) == SQLITE_OK;
}

static void close_handle(struct index_db *db)
{
    sqlite3_close_v2(db->db);
    db->db = NULL;
}

static bool open_memory(struct index_db *db)
{
    close_handle(db);
    if (db->lock_fd >= 0)
        close(db->lock_fd);
    db->lock_fd = -1;
    db->in_memory = true;
    if (open_at(db, ":memory:") == SQLITE_OK)
        return true;
    close_handle(db);
    return false;
}

static void remove_all(const char *path)
{
    static const char *const suffixes[] = {"-wal", "-shm", "-journal", ""};

    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char *name = mem_printf("%s%s", path, suffixes[i]);
        if (unlink(name) != 0 && errno == EISDIR)
            (void)rmdir(name);
        free(name);
    }
}

/* Throws the file away, alone with it. Somebody else may have done so while we waited: then the
 * file is another one, and good. */
static bool replace_file(struct index_db *db, const struct stat *seen)
{
    struct stat now;

    if (db->lock_fd < 0 || !lock_within(db->lock_fd, LOCK_EX, LOCK_WAIT_MS))
        return false;
    if (lstat(db->path, &now) != 0 || (now.st_ino == seen->st_ino && now.st_dev == seen->st_dev))
        remove_all(db->path);
    close(db->lock_fd);
    db->lock_fd = -1;
    return open_file(db);
}

bool index_db_again(struct index_db *db, int code)
{
    struct stat seen = {0};

    code &= 0xff; /* extended codes say more than is of use here */
    if (db->in_memory || code == SQLITE_BUSY || code == SQLITE_LOCKED || code == SQLITE_INTERRUPT)
        return false;
    (void)lstat(db->path, &seen);
    close_handle(db);
    if (code != SQLITE_FULL && !db->renewed && replace_file(db, &seen)) {
        db->renewed = true; /* what happens to the new file as well is no chance */
        return true;
    }
    return open_memory(db);
}

bool index_db_open(struct index_db *db, const char *folder, const char *name)
{
    *db = (struct index_db){.lock_fd = -1};
    if (folder == NULL || !make_folders(folder))
        return open_memory(db);
    db->path = mem_printf("%s/%s.db", folder, name);
    db->lock_path = mem_printf("%s/%s.lock", folder, name);
    return open_file(db) || index_db_again(db, SQLITE_CORRUPT);
}

void index_db_close(struct index_db *db)
{
    close_handle(db);
    if (db->lock_fd >= 0)
        close(db->lock_fd);
    free(db->path);
    free(db->lock_path);
    *db = (struct index_db){.lock_fd = -1};
}

/* A record lock on the same file: it neither minds the flock nor outlives the process. */
void index_db_refreshing(struct index_db *db, int wait_ms)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    const struct timespec pause = {0, 20 * 1000 * 1000};

    if (db->lock_fd < 0)
        return;
    for (int waited = 0; fcntl(db->lock_fd, F_OFD_SETLK, &whole) != 0 && waited < wait_ms;
         waited += 20)
        nanosleep(&pause, NULL);
}

void index_db_refreshed(struct index_db *db)
{
    struct flock whole = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

    if (db->lock_fd >= 0)
        (void)fcntl(db->lock_fd, F_OFD_SETLK, &whole);
}
