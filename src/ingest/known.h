/* What a bucket holds, by one pass over its listings.
 *
 * Asking for the state of a hash costs requests; where many are asked, listings answer for a
 * thousand hashes each. A pass is made only when it pays: it may take as many pages as single looks
 * have cost so far (a few more at the start), and gives up beyond, to be tried again when the looks
 * have cost twice as much. So a run never costs more than about twice the cheaper of both ways,
 * however large the bucket and however few the files.
 *
 * Only what the pass saw counts: a hash that it did not see may have come since, and is asked for.
 * What it saw may have gone on meanwhile (todo to done): the file is known all the same. Records
 * whose listing does not tell the state (a marker with a body beside a result or dead record) are
 * left out. 24 bytes a record; above KNOWN_MAX records there is no pass.
 *
 * One thread, that of its queue. */
#ifndef BF_INGEST_KNOWN_H
#define BF_INGEST_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "queue/view.h"

#define KNOWN_MAX (4u << 20)
/* Requests that the first pass may take: a bucket of about a hundred thousand documents. */
#define KNOWN_CREDIT 256

struct known_entry;

struct known {
    struct queue *queue;
    unsigned places;             /* SCAN_BIT of each that is read */
    struct known_entry *entries; /* sorted; NULL: no pass was made yet */
    size_t count, room;
    uint64_t spent;  /* requests of single looks */
    uint64_t enough; /* no pass before `spent` is so high */
    bool done;
};

/* `places`: what the pass reads (queue/scan.h). */
void known_init(struct known *known, struct queue *queue, unsigned places);
void known_release(struct known *known);
/* Makes the pass if it pays now. A store in trouble is no error here: the looks will say it. */
void known_prepare(struct known *known);
/* JOB_UNKNOWN: not seen, or no pass. */
enum job_state known_state(const struct known *known, const char *hash) MUST_CHECK;
/* Was a pass made? Then a hash that it did not see was not there. */
bool known_complete(const struct known *known);
/* When the result of a hash was written, by the store's clock, in whole seconds; -1: not seen. */
int64_t known_result_seconds(const struct known *known, const char *hash) MUST_CHECK;
/* Single looks have cost so many requests more. */
void known_spent(struct known *known, uint64_t requests);

#endif
