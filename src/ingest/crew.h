/* The crew: the threads that walk and hash, ahead of the one that talks to the store.
 *
 * One thread walks and opens, a few examine, and the owner takes what is ready with crew_take().
 * At most CREW_FILES_MAX files are under way, each an open descriptor: the walker waits when there
 * are so many, which is what bounds memory. The owner gives each file back with crew_drop(), or
 * once more to the hashing threads with crew_again().
 *
 * Git LFS content is fetched by one more thread, made when the first pointer asks for it:
 * crew_pull() gives it a file, which comes back by crew_take() with its content in place. When such
 * a file is dropped, the same thread turns it back into its pointer; at most CREW_PULLED_MAX files
 * stand there with their content at a time.
 *
 * All functions are for the owner's thread. Signals stay with it. */
#ifndef BF_INGEST_CREW_H
#define BF_INGEST_CREW_H

#include "ingest/file.h"
#include "ingest/ingest.h"

#define CREW_FILES_MAX 320
#define CREW_THREADS_MAX 16
#define CREW_PULLED_MAX 8

struct crew;

enum crew_result {
    CREW_FILE, /* *file_r is the owner's */
    CREW_IDLE, /* nothing within the time */
    CREW_END   /* everything was taken */
};

/* Lets the process hold as many open files as a crew needs. Before crew_create(), once. */
void crew_raise_open_files(void);
/* `options` is borrowed until crew_destroy(). NULL with errno: no thread could be made. */
struct crew *crew_create(const struct ingest_options *options) MUST_CHECK;
/* Stops and joins the threads; files in their hands are dropped, pointers stand in their places
 * again. Only the counts and crew_next_warning() may be asked for then. */
void crew_join(struct crew *crew);
void crew_destroy(struct crew *crew); /* joins first; NULL is fine */
enum crew_result crew_take(struct crew *crew, int wait_ms, struct file **file_r) MUST_CHECK;
void crew_drop(struct crew *crew, struct file *file);
void crew_again(struct crew *crew, struct file *file);
/* A pointer whose content is wanted. It comes back refused when that cannot be had. */
void crew_pull(struct crew *crew, struct file *file);
/* WHAT: WHY; REMEDY of a file that did not become a pointer again; NULL: none. The caller frees. */
char *crew_next_warning(struct crew *crew) MUST_CHECK;
/* No further file is begun. What is ready can still be taken, then comes CREW_END. */
void crew_stop(struct crew *crew);
/* What was found so far; files_done and bytes_done are left alone. */
void crew_count(struct crew *crew, struct ingest_progress *progress);
/* After CREW_END. */
int64_t crew_links_passed(struct crew *crew);
size_t crew_roots_opened(struct crew *crew);

#endif
