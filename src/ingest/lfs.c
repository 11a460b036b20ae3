/* See lfs.h. */
#include "ingest/lfs.h"

#include <string.h>

#include "base/digest.h"

/* The URLs that the specification has had. */
static const char *const versions[] = {
    "https://git-lfs.github.com/spec/v1", "https://hawser.github.com/spec/v1", /* before 2014-10 */
};

static bool value_is(const char *value, size_t len, const char *text)
{
    return len == strlen(text) && memcmp(value, text, len) == 0;
}

static bool parse_oid(const char *value, size_t len, char hash_r[static 65])
{
    static const char method[] = "sha256:";
    size_t skip = sizeof(method) - 1;

    if (len != skip + 64 || memcmp(value, method, skip) != 0 || !hex_is_lower(value + skip, 64))
        return false;
    memcpy(hash_r, value + skip, 64);
    hash_r[64] = '\0';
    return true;
}

static bool parse_size(const char *value, size_t len, int64_t *size_r)
{
    int64_t size = 0;

    if (len == 0 || len > 18) /* 10^18 fits in 63 bits */
        return false;
    for (size_t i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9')
            return false;
        size = size * 10 + (value[i] - '0');
    }
    *size_r = size;
    return true;
}

bool lfs_pointer_parse(const void *bytes, size_t len, struct lfs_pointer *pointer_r)
{
    const char *text = bytes, *end = text + len;
    struct lfs_pointer pointer;
    bool has_version = false, has_oid = false, has_size = false;

    if (len == 0 || len > LFS_POINTER_MAX || memchr(text, '\0', len) != NULL)
        return false;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline != NULL ? newline : end;
        const char *blank = memchr(text, ' ', (size_t)(stop - text));
        const char *value;
        size_t key_len, value_len;

        if (blank == NULL)
            return false;
        key_len = (size_t)(blank - text);
        value = blank + 1;
        value_len = (size_t)(stop - value);
        if (!has_version) { /* always the first line */
            if (!value_is(text, key_len, "version"))
                return false;
            for (size_t i = 0; i < ARRAY_LEN(versions); i++)
                has_version |= value_is(value, value_len, versions[i]);
            if (!has_version)
                return false;
        } else if (value_is(text, key_len, "oid")) {
            if (has_oid || !parse_oid(value, value_len, pointer.hash))
                return false;
            has_oid = true;
        } else if (value_is(text, key_len, "size")) {
            if (has_size || !parse_size(value, value_len, &pointer.size))
                return false;
            has_size = true;
        }
        text = newline != NULL ? newline + 1 : end;
    }
    if (!has_oid || !has_size)
        return false;
    *pointer_r = pointer;
    return true;
}
