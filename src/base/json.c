/* See json.h: JSON records with maxima. */
#include "base/json.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/quote.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

enum json_result json_parse(const void *bytes, size_t len, size_t max,
                            struct json_object **object_r)
{
    const char *text = bytes;
    struct json_tokener *tokener;
    struct json_object *object;
    enum json_tokener_error error;

    *object_r = NULL;
    while (len > 0 && is_blank(text[0])) {
        text++;
        len--;
    }
    while (len > 0 && is_blank(text[len - 1]))
        len--;
    if (len == 0)
        return JSON_EMPTY;
    if (len > max || len > INT_MAX)
        return JSON_TOO_LARGE;
    if (text[0] != '{' || memchr(text, '\0', len) != NULL)
        return JSON_BAD;
    tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
    if (tokener == NULL)
        return JSON_BAD;
    object = json_tokener_parse_ex(tokener, text, (int)len);
    error = json_tokener_get_error(tokener);
    if (error == json_tokener_success && json_tokener_get_parse_end(tokener) != len)
        error = json_tokener_error_parse_unexpected;
    json_tokener_free(tokener);
    if (error != json_tokener_success || !json_object_is_type(object, json_type_object)) {
        json_object_put(object);
        return JSON_BAD;
    }
    *object_r = object;
    return JSON_OK;
}

const char *json_result_name(enum json_result result)
{
    switch (result) {
    case JSON_OK:
        return "ok";
    case JSON_EMPTY:
        return "empty";
    case JSON_TOO_LARGE:
        return "too large";
    case JSON_BAD:
        return "not one JSON object, or cut short";
    }
    return "?";
}

static struct json_object *member(struct json_object *object, const char *name)
{
    struct json_object *value = NULL;

    if (object == NULL || !json_object_is_type(object, json_type_object))
        return NULL;
    json_object_object_get_ex(object, name, &value);
    return value;
}

const char *json_get_text(struct json_object *object, const char *name)
{
    struct json_object *value = member(object, name);
    const char *text;

    if (value == NULL || !json_object_is_type(value, json_type_string))
        return NULL;
    text = json_object_get_string(value);
    return strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

bool json_get_double(struct json_object *object, const char *name, double *value_r)
{
    struct json_object *value = member(object, name);

    if (value == NULL)
        return false;
    if (json_object_is_type(value, json_type_double) || json_object_is_type(value, json_type_int)) {
        double d = json_object_get_double(value);
        if (!isfinite(d))
            return false;
        *value_r = d;
        return true;
    }
    return false;
}

bool json_get_int(struct json_object *object, const char *name, int64_t *value_r)
{
    struct json_object *value = member(object, name);
    double d;

    if (value == NULL)
        return false;
    if (json_object_is_type(value, json_type_boolean)) {
        *value_r = json_object_get_boolean(value) ? 1 : 0;
        return true;
    }
    if (json_object_is_type(value, json_type_int)) {
        *value_r = json_object_get_int64(value);
        return true;
    }
    if (!json_get_double(object, name, &d) || d < -9e15 || d > 9e15)
        return false;
    *value_r = (int64_t)d;
    return true;
}

bool json_get_bool(struct json_object *object, const char *name, bool *value_r)
{
    struct json_object *value = member(object, name);

    if (value == NULL || !json_object_is_type(value, json_type_boolean))
        return false;
    *value_r = json_object_get_boolean(value);
    return true;
}

struct json_object *json_get_object(struct json_object *object, const char *name)
{
    struct json_object *value = member(object, name);

    return json_object_is_type(value, json_type_object) ? value : NULL;
}

struct json_object *json_get_array(struct json_object *object, const char *name)
{
    struct json_object *value = member(object, name);

    return json_object_is_type(value, json_type_array) ? value : NULL;
}

struct json_object *json_new_text(const char *text, size_t len)
{
    struct json_object *value;
    struct buf clean = BUF_INIT;

    if (utf8_is_valid(text, len))
        return json_object_new_string_len(text, (int)len);
    while (len > 0) {
        size_t n = utf8_sequence((const unsigned char *)text, len, NULL);
        if (n > 0)
            buf_append(&clean, text, n);
        else
            buf_puts(&clean, "\xef\xbf\xbd");
        n = n > 0 ? n : 1;
        text += n;
        len -= n;
    }
    value = json_object_new_string_len(buf_text(&clean), (int)clean.len);
    buf_release(&clean);
    return value;
}

void json_set_text(struct json_object *object, const char *name, const char *text)
{
    json_set_object(object, name, text == NULL ? NULL : json_new_text(text, strlen(text)));
}

void json_set_int(struct json_object *object, const char *name, int64_t value)
{
    json_set_object(object, name, json_object_new_int64(value));
}

void json_set_double(struct json_object *object, const char *name, double value)
{
    char text[64];

    if (!isfinite(value) || fabs(value) > 1e18)
        value = 0;
    snprintf(text, sizeof(text), "%.3f", value);
    json_set_object(object, name, json_object_new_double_s(value, text));
}

void json_set_bool(struct json_object *object, const char *name, bool value)
{
    json_set_object(object, name, json_object_new_boolean(value));
}

void json_set_null(struct json_object *object, const char *name)
{
    json_set_object(object, name, NULL);
}

void json_set_object(struct json_object *object, const char *name, struct json_object *value)
{
    json_object_object_add(object, name, value);
}

void json_remove(struct json_object *object, const char *name)
{
    json_object_object_del(object, name);
}

void json_append(struct buf *out, struct json_object *object)
{
    buf_puts(out, json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
                                                             JSON_C_TO_STRING_NOSLASHESCAPE));
}
