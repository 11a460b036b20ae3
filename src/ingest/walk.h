/* Walking files and trees, one PDF after the other.
 *
 * A pull iterator over the PATHs of a command line. Files named there are taken whatever their name
 * (what they hold decides later); below a folder only names ending in `.pdf`, in any case, count.
 * Nothing of the tree is kept but the folders between the root and here, so a million files cost
 * what ten cost. Names may be any bytes. Every step is taken relative to an open folder (openat),
 * so neither a long path nor a folder that is renamed meanwhile leads elsewhere.
 *
 * Symbolic links below a folder are passed over and counted, unless `follow_symlinks`: then each
 * folder is entered at most once, which also ends loops. A PATH that is itself a link is followed:
 * it was asked for by name. What cannot be read comes as WALK_ERROR and the walk goes on.
 *
 * One thread per walk. */
#ifndef BF_INGEST_WALK_H
#define BF_INGEST_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/compiler.h"

/* Folders inside folders: each holds one descriptor while the walk is below it. */
#define WALK_DEPTH_MAX 512

struct walk;

enum walk_result {
    WALK_FILE,  /* entry_r names a file that may be opened with walk_open() */
    WALK_ERROR, /* entry_r->path could not be read or entered */
    WALK_END
};

/* All strings are borrowed until the next walk_next(). */
struct walk_entry {
    const char *path;     /* as a person would write it: PATH as given, then what lies below it */
    const char *relative; /* below the given folder; the bare name for a file that was named */
    const char *source;   /* base name of the given folder, or of the folder of the named file */
    bool named;           /* given on the command line itself */
    int64_t size_hint;    /* bytes by fstatat, when asked for with walk_options.sizes; else -1 */
    int error_number;     /* WALK_ERROR: errno */
    const char *error;    /* WALK_ERROR: WHY; REMEDY when errno is not all; else NULL */
};

struct walk_options {
    bool follow_symlinks;
    /* PATHs after those given, one by one; borrowed until the next call. NULL: no more. May be NULL
     * itself. */
    const char *(*more)(void *arg);
    void *more_arg;
    bool sizes; /* fill size_hint (one fstatat a file): for counting ahead */
};

/* `paths` is borrowed until walk_destroy(). */
struct walk *walk_create(char *const *paths, size_t count,
                         const struct walk_options *options) MUST_CHECK;
void walk_destroy(struct walk *walk); /* NULL is fine */
enum walk_result walk_next(struct walk *walk, struct walk_entry *entry_r) MUST_CHECK;
/* Opens the file of the last WALK_FILE for reading, close-on-exec, never blocking on a FIFO. -1
 * with errno. The caller closes. */
int walk_open(struct walk *walk) MUST_CHECK;
/* Symbolic links passed over so far. */
int64_t walk_links_passed(const struct walk *walk);
/* PATHs that could be opened so far: folders entered, named files for which walk_open() went well.
 */
size_t walk_roots_opened(const struct walk *walk);

/* ".pdf" at the end, in any case, with at least one byte before it. */
bool walk_name_is_pdf(const char *name);

#endif
