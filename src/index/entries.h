/* The entries of a manifest object, one after the other, without building the whole in memory.
 *
 * A library of a million files has shards of a megabyte, a v1 manifest one object of hundreds. Only
 * the frame is read here (one object, in it `entries`, in it one object a hash); each entry is
 * handed out as the bytes of its own object, which json_parse() then takes, or a digest of them,
 * when it is to be told only whether it changed. Foreign bytes: pointer and length, bounded depth,
 * pure. Any thread. */
#ifndef BF_INDEX_ENTRIES_H
#define BF_INDEX_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

enum entries_result {
    ENTRIES_OK,
    ENTRIES_NONE, /* an object without `entries`: it says that the bucket has shards */
    ENTRIES_BAD   /* not one JSON object, cut short, or `entries` holds what is no object */
};

/* Calls `each` for every member of `entries` whose name is a hash, in the order of the bytes (a
 * hash may come twice in a foreign object), until it returns false (then OK). `json` is the entry's
 * object as it stands; its inside is only checked for balance. */
enum entries_result entries_scan(const char *bytes, size_t len,
                                 bool (*each)(void *arg, const char hash[static 65],
                                              const char *json, size_t json_len),
                                 void *arg) MUST_CHECK;

#endif
