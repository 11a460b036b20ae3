/* A bucket in memory, for tests and the simulator.
 *
 * struct store_mem is the bucket (the server's side); store_mem_open() gives a store on it, any
 * number of them, each for one thread as store.h asks. The bucket lives until store_mem_destroy()
 * and outlives its stores: what a "crashed" actor wrote is still there.
 *
 * It behaves as a strict S3 server does:
 *   - ETag = MD5 of the body as hex: equal bodies have equal ETags;
 *   - every operation is atomic and ends inside store_submit(), in the order of the batch;
 *   - LastModified and Date come from its own clock, in whole seconds (LastModified);
 *   - a PUT or DELETE with STORE_IF_MATCH on a missing key is STORE_NOT_FOUND, or
 *     STORE_PRECONDITION with `missing_is_precondition`.
 * What real servers lack can be switched off; store_properties() says the same as the switches. */
#ifndef BF_STORE_STORE_MEM_H
#define BF_STORE_STORE_MEM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "store/store.h"

struct store_mem;

struct store_mem_options {
    struct clock *clock;     /* the server's clock and of sent_boot_ms_r; NULL: the machine's */
    bool conditional_delete; /* STORE_IF_MATCH on DELETE is honoured; else the condition is ignored,
                                as by most S3 servers, and the key goes */
    bool expiring_delete;    /* a DELETE that arrives at expires_ms or later is refused:
                                STORE_PRECONDITION. Else expires_ms is ignored */
    int page_max;            /* a LIST page has at most so many entries, whatever max_keys says;
                                0: 1000 */
    bool missing_is_precondition; /* see above */
};

/* options NULL: machine's clock, deletes neither conditional nor expiring, pages of 1000. */
struct store_mem *store_mem_create(const struct store_mem_options *options) MUST_CHECK;
/* Stores must have been closed. NULL is fine. */
void store_mem_destroy(struct store_mem *mem);
/* Another store on the bucket. Never fails. store_close() as always. */
struct store *store_mem_open(struct store_mem *mem) MUST_CHECK;
/* How many keys there are: for tests and invariants. */
size_t store_mem_count(struct store_mem *mem);

#endif
