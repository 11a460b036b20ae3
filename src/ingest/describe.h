/* What the bucket is told about a file besides its bytes: tags, and the raw object's metadata.
 * Pure; any thread. */
#ifndef BF_INGEST_DESCRIBE_H
#define BF_INGEST_DESCRIBE_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "store/store.h"

/* S3 takes 2 KB of user metadata, names included; what does not fit is in the manifest. */
#define DESCRIBE_META_MAX 1900
#define DESCRIBE_META_COUNT 3

struct tag_list {
    char **tags; /* owned; any bytes */
    size_t count;
};

/* As v1 makes them: the folders between the given one and the file, then the name without its
 * suffix, then `more`. No tag comes twice. */
void describe_tags(const char *relative, const char *const *more, size_t more_count,
                   struct tag_list *list_r);
void tag_list_release(struct tag_list *list);

/* original-name, tags, size, percent-encoded; bytes that are no UTF-8 become U+FFFD. Tags that do
 * not fit are left out from the end. The caller frees the values with describe_meta_release(). */
void describe_meta(const char *relative, const struct tag_list *tags, int64_t size,
                   struct store_meta meta_r[static DESCRIBE_META_COUNT]);
void describe_meta_release(struct store_meta meta[static DESCRIBE_META_COUNT]);

#endif
