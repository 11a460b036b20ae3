/* Reading and writing JSON records with json-c, with maxima.
 *
 * Every byte of a bucket is foreign: a record may be cut short, nested ten megabytes deep, or hold
 * a number where a name belongs. json_parse() bounds size and depth and refuses what is not one
 * whole object; the getters answer "not there" for anything of another type, so that a reader never
 * trusts a shape. Python's v1 writes booleans where numbers are meant (`max_retries: true`):
 * json_get_int() takes them as 1 and 0. Any thread. */
#ifndef BF_BASE_JSON_H
#define BF_BASE_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"

#define JSON_DEPTH_MAX 16
#define JSON_RECORD_MAX (1u << 20) /* a record of the queue is far smaller */

enum json_result {
    JSON_OK,
    JSON_EMPTY,     /* no bytes, or only white space */
    JSON_TOO_LARGE, /* more than max bytes */
    JSON_BAD        /* not one JSON object, cut short, too deep, bytes after it */
};

/* *object_r: a JSON object; the caller drops it with json_object_put(). NULL unless JSON_OK. */
enum json_result json_parse(const void *bytes, size_t len, size_t max,
                            struct json_object **object_r) MUST_CHECK;
const char *json_result_name(enum json_result result);

/* Borrowed text of member `name`; NULL when it is missing or no string (or holds a NUL). */
const char *json_get_text(struct json_object *object, const char *name);
/* false: missing or no number; *value_r is untouched. Doubles are truncated, out of range: refused.
 */
bool json_get_int(struct json_object *object, const char *name, int64_t *value_r);
bool json_get_double(struct json_object *object, const char *name, double *value_r);
bool json_get_bool(struct json_object *object, const char *name, bool *value_r);
/* Borrowed member of type object or array; NULL otherwise. */
struct json_object *json_get_object(struct json_object *object, const char *name);
struct json_object *json_get_array(struct json_object *object, const char *name);

/* Setters: replace. A NULL text becomes JSON null. Text that is not UTF-8 has its bad bytes
 * replaced by U+FFFD. */
void json_set_text(struct json_object *object, const char *name, const char *text);
void json_set_int(struct json_object *object, const char *name, int64_t value);
void json_set_double(struct json_object *object, const char *name, double value); /* 3 decimals */
void json_set_bool(struct json_object *object, const char *name, bool value);
void json_set_null(struct json_object *object, const char *name);
/* Takes ownership of `value`. */
void json_set_object(struct json_object *object, const char *name, struct json_object *value);
void json_remove(struct json_object *object, const char *name);
/* A JSON string of any bytes, bad UTF-8 replaced. */
struct json_object *json_new_text(const char *text, size_t len) MUST_CHECK;

/* Appends the object on one line, without a newline. */
void json_append(struct buf *out, struct json_object *object);

#endif
