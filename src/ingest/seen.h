/* Which hashes came by in this run: 64 bits of each, enough to tell a duplicate from a job that
 * somebody else queued. It only words a reason, so that two hashes with equal beginnings cost
 * nothing. At most SEEN_MAX are kept; beyond, it forgets all and begins anew. One thread. */
#ifndef BF_INGEST_SEEN_H
#define BF_INGEST_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEEN_MAX (1u << 22) /* 64 MiB at most */

struct seen {
    uint64_t *slots; /* 0: free */
    size_t room, count;
};

bool seen_has(const struct seen *seen, const char *hash);
void seen_add(struct seen *seen, const char *hash);
void seen_release(struct seen *seen);

#endif
