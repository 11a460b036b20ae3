/* Git LFS pointers: small text files that stand where a PDF was.
 *
 * A checkout without `git lfs pull` holds pointers (git-lfs docs/spec.md): at most 1024 bytes,
 * lines of `key value` in UTF-8 ended by \n, `version` first, then sorted by key; `oid
 * sha256:<64 hex>` and `size <decimal>` must be there, `ext-…` lines may. The oid is the SHA-256 of
 * the content, thus our hash: what is known can be skipped without fetching anything.
 *
 * Pure; foreign bytes; any thread. */
#ifndef BF_INGEST_LFS_H
#define BF_INGEST_LFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define LFS_POINTER_MAX 1024

struct lfs_pointer {
    char hash[65];
    int64_t size; /* bytes of the content */
};

/* The whole file's bytes. false: not a pointer; *pointer_r is untouched. */
bool lfs_pointer_parse(const void *bytes, size_t len, struct lfs_pointer *pointer_r) MUST_CHECK;

#endif
