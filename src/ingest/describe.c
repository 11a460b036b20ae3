/* See describe.h. */
#include "ingest/describe.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "queue/record.h"

static void add_tag(struct tag_list *list, const char *text, size_t len)
{
    if (len == 0)
        return;
    for (size_t i = 0; i < list->count; i++)
        if (strlen(list->tags[i]) == len && memcmp(list->tags[i], text, len) == 0)
            return;
    list->tags = mem_resize(list->tags, list->count + 1, sizeof(*list->tags));
    list->tags[list->count++] = mem_strndup(text, len);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

void describe_tags(const char *relative, const char *const *more, size_t more_count,
                   struct tag_list *list_r)
{
    const char *name = base_name(relative);
    const char *dot = strrchr(name, '.');

    *list_r = (struct tag_list){NULL, 0};
    for (const char *at = relative; at < name;) {
        const char *slash = strchr(at, '/');
        add_tag(list_r, at, (size_t)(slash - at));
        at = slash + 1;
    }
    add_tag(list_r, name, dot != NULL && dot != name ? (size_t)(dot - name) : strlen(name));
    for (size_t i = 0; i < more_count; i++)
        add_tag(list_r, more[i], strlen(more[i]));
}

void tag_list_release(struct tag_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->tags[i]);
    free(list->tags);
    *list = (struct tag_list){NULL, 0};
}

static char *encode_text(const char *text)
{
    struct json_object *clean = json_new_text(text, strlen(text));
    struct buf out = BUF_INIT;

    percent_encode(&out, json_object_get_string(clean), (size_t)json_object_get_string_len(clean));
    json_object_put(clean);
    return buf_steal(&out);
}

static char *encode_tags(const struct tag_list *tags, size_t count)
{
    struct json_object *array = json_object_new_array();
    struct buf out = BUF_INIT;
    const char *text;

    for (size_t i = 0; i < count; i++)
        json_object_array_add(array, json_new_text(tags->tags[i], strlen(tags->tags[i])));
    text = json_object_to_json_string_ext(array,
                                          JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    percent_encode(&out, text, strlen(text));
    json_object_put(array);
    return buf_steal(&out);
}

static void set_meta(struct store_meta *meta, const char *name, char *value)
{
    snprintf(meta->name, sizeof(meta->name), "%s", name);
    meta->value = value;
}

void describe_meta(const char *relative, const struct tag_list *tags, int64_t size,
                   struct store_meta meta_r[static DESCRIBE_META_COUNT])
{
    size_t count = tags->count, used;

    set_meta(&meta_r[0], "original-name", encode_text(base_name(relative)));
    set_meta(&meta_r[1], "tags", encode_tags(tags, count));
    set_meta(&meta_r[2], "size", mem_printf("%lld", (long long)size));
    used = strlen(meta_r[0].value) + strlen(meta_r[2].value) + sizeof("original-nametagssize");
    while (count > 0 && used + strlen(meta_r[1].value) > DESCRIBE_META_MAX) {
        free(meta_r[1].value);
        meta_r[1].value = encode_tags(tags, --count);
    }
}

void describe_meta_release(struct store_meta meta[static DESCRIBE_META_COUNT])
{
    for (size_t i = 0; i < DESCRIBE_META_COUNT; i++) {
        free(meta[i].value);
        meta[i].value = NULL;
    }
}
