/* See manifest_merge.h. */
#include "index/manifest_merge.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/quote.h"
#include "queue/record.h"

bool manifest_shape_is_sound(struct json_object *object)
{
    struct json_object *entries;

    if (!json_object_object_get_ex(object, "entries", &entries))
        return true;
    if (!json_object_is_type(entries, json_type_object))
        return false;
    json_object_object_foreach(entries, hash, value)
    {
        (void)hash;
        if (!json_object_is_type(value, json_type_object))
            return false;
    }
    return true;
}

/* Adds a string to the array `name` unless it is there. Takes `text` over. true: added. */
static bool add_text(struct json_object *entry, const char *name, struct json_object *text)
{
    struct json_object *array = json_get_array(entry, name);
    const char *wanted = json_object_get_string(text);

    if (array == NULL) {
        array = json_object_new_array();
        json_set_object(entry, name, array);
    }
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        struct json_object *have = json_object_array_get_idx(array, i);

        if (json_object_is_type(have, json_type_string) &&
            strcmp(json_object_get_string(have), wanted) == 0) {
            json_object_put(text);
            return false;
        }
    }
    json_object_array_add(array, text);
    return true;
}

static struct json_object *new_entry(const struct manifest_note *note, int64_t now_ms)
{
    struct json_object *entry = json_object_new_object();
    char iso[CLOCK_ISO_SIZE];

    json_set_object(entry, "paths", json_object_new_array());
    json_set_int(entry, "size", note->size_bytes);
    json_set_object(entry, "tags", json_object_new_array());
    clock_format_iso(now_ms, iso);
    json_set_text(entry, "ingested_at", iso);
    json_set_text(entry, "source", note->source);
    return entry;
}

bool manifest_merge(struct json_object *entries, const struct manifest_note *note, int64_t now_ms)
{
    struct json_object *entry = json_get_object(entries, note->hash);
    size_t path_len = strlen(note->path);
    bool changed = entry == NULL;

    if (entry == NULL) {
        entry = new_entry(note, now_ms);
        json_set_object(entries, note->hash, entry);
    }
    changed |= add_text(entry, "paths", json_new_text(note->path, path_len));
    if (!utf8_is_valid(note->path, path_len)) {
        struct buf raw = BUF_INIT;

        percent_encode(&raw, note->path, path_len);
        changed |= add_text(entry, "paths_raw", json_new_text(buf_text(&raw), raw.len));
        buf_release(&raw);
    }
    for (size_t i = 0; i < note->tag_count; i++)
        changed |= add_text(entry, "tags", json_new_text(note->tags[i], strlen(note->tags[i])));
    return changed;
}

bool manifest_merge_entry(struct json_object *entries, const char *hash, struct json_object *entry)
{
    static const char *const arrays[] = {"paths", "paths_raw", "tags"};
    struct json_object *known = json_get_object(entries, hash);
    bool changed = false;

    if (known == NULL) {
        json_set_object(entries, hash, json_object_get(entry));
        return true;
    }
    for (size_t a = 0; a < ARRAY_LEN(arrays); a++) {
        struct json_object *more = json_get_array(entry, arrays[a]);

        for (size_t i = 0; more != NULL && i < json_object_array_length(more); i++) {
            struct json_object *text = json_object_array_get_idx(more, i);

            if (json_object_is_type(text, json_type_string))
                changed |= add_text(known, arrays[a], json_object_get(text));
        }
    }
    return changed;
}

static char **read_texts(struct json_object *array, size_t *count_r)
{
    size_t length = array != NULL ? json_object_array_length(array) : 0;
    char **texts = mem_alloc((length + 1) * sizeof(*texts));

    *count_r = 0;
    for (size_t i = 0; i < length; i++) {
        struct json_object *value = json_object_array_get_idx(array, i);

        if (json_object_is_type(value, json_type_string))
            texts[(*count_r)++] = mem_strdup(json_object_get_string(value));
    }
    return texts;
}

void manifest_entry_read(const char *hash, struct json_object *value,
                         struct manifest_entry *entry_r)
{
    const char *when = json_get_text(value, "ingested_at");

    memset(entry_r, 0, sizeof(*entry_r));
    memcpy(entry_r->hash, hash, 64);
    entry_r->paths = read_texts(json_get_array(value, "paths"), &entry_r->path_count);
    entry_r->paths_raw = read_texts(json_get_array(value, "paths_raw"), &entry_r->path_raw_count);
    entry_r->tags = read_texts(json_get_array(value, "tags"), &entry_r->tag_count);
    entry_r->size_bytes = -1;
    (void)json_get_int(value, "size", &entry_r->size_bytes);
    if (when != NULL)
        (void)clock_parse_iso(when, strlen(when), &entry_r->ingested_ms);
    entry_r->source = mem_strdup(json_get_text(value, "source"));
}

void manifest_entry_release(struct manifest_entry *entry)
{
    for (size_t i = 0; i < entry->path_count; i++)
        free(entry->paths[i]);
    for (size_t i = 0; i < entry->path_raw_count; i++)
        free(entry->paths_raw[i]);
    for (size_t i = 0; i < entry->tag_count; i++)
        free(entry->tags[i]);
    free(entry->paths);
    free(entry->paths_raw);
    free(entry->tags);
    free(entry->source);
    memset(entry, 0, sizeof(*entry));
}
