/* What the tests of ingest share: a folder of files, a bucket in memory, a run with its outcomes
 * kept. Check runs each test in a process of its own, so plain statics do. */
#ifndef BF_TESTS_INGEST_SUPPORT_H
#define BF_TESTS_INGEST_SUPPORT_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

#include "ingest/ingest.h"
#include "store/store_fault.h"
#include "store/store_mem.h"

/* ---- files ---- */

extern char *dir; /* this test's folder, absolute */
void dir_begin(void);
void dir_end(void);
/* dir/NAME; the caller frees. Folders in between are made. */
char *dir_path(const char *name);
void write_file(const char *name, const void *bytes, size_t len);
/* A small file that passes for a PDF; equal words make equal bytes. */
void write_pdf(const char *name, const char *word);
/* SHA-256 of dir/NAME. */
void hash_of(const char *name, char hash_r[static 65]);

/* ---- bucket ---- */

extern struct store_mem *mem;
void bucket_begin(void);
void bucket_end(void);
void queue_begin(struct queue *queue, struct store *store);
/* Body of a key below pdf/ as text; NULL: not there. The caller frees. */
char *bucket_text(const char *key);
void bucket_put(const char *key, const char *text);
/* How many keys begin with pdf/PREFIX. */
size_t bucket_count(const char *prefix);

/* A store on `mem` whose requests of one kind, with `part` in their key, can be made to fail or
 * watched. One at a time. */
struct fault {
    enum store_kind kind;
    const char *part;
    int after; /* so many such requests are let through first */
    int count; /* then so many fail; -1: all */
    enum store_fault_kind how;
    void (*before)(void); /* called before each such request; may be NULL */
};
struct store *fault_open(const struct fault *fault);

/* ---- runs ---- */

struct outcome {
    char *path, *error;
    char hash[65];
    enum ingest_action action;
    enum ingest_reason reason;
};
#define OUTCOMES_MAX 64
extern struct outcome outcomes[OUTCOMES_MAX];
extern size_t outcome_count;
extern int warning_count;
extern struct store_meter last_meter; /* of the last run's store */

/* Runs over `paths` (NULL: dir) with a store on `mem`, or `store`, which is closed afterwards. */
enum queue_result run(const struct ingest_options *options, struct store *store,
                      struct ingest_summary *summary_r);
/* The outcome whose path ends in `name`; fails the test when there is none. */
const struct outcome *outcome_of(const char *name);

int64_t rss_anon_bytes(void);
/* Fails when more than 16 MiB came on top of `before`; with a sanitizer, which keeps freed memory
 * in quarantine, it says that it does not look. */
void expect_bounded(int64_t before, int64_t most);

Suite *walk_suite(void);
Suite *parts_suite(void);
Suite *manifest_suite(void);
Suite *run_suite(void);

#endif
