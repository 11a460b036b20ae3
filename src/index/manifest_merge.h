/* The pure half of the manifest: entries as JSON. For index/ alone (and tests). */
#ifndef BF_INDEX_MANIFEST_MERGE_H
#define BF_INDEX_MANIFEST_MERGE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "index/manifest.h"

/* `entries`, when there, is an object whose members are all objects. */
bool manifest_shape_is_sound(struct json_object *object);
/* Merges a note into the `entries` object: union of paths and tags; size, time and source of a
 * hash that is there already stay. true: something changed. */
bool manifest_merge(struct json_object *entries, const struct manifest_note *note, int64_t now_ms);
/* Merges a whole entry of another object: a hash that is not there gets it as it is, of one that is
 * there the paths and tags are united. `entry` is borrowed. true: something changed. */
bool manifest_merge_entry(struct json_object *entries, const char *hash, struct json_object *entry);
/* Tolerant: what is missing or of another type is left empty. */
void manifest_entry_read(const char *hash, struct json_object *value,
                         struct manifest_entry *entry_r);

#endif
