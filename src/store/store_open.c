/* See store_open.h: chooses a store by its URL. */
#include "store/store_open.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/quote.h"
#include "store/store_fs.h"

static bool refuse(const char *url, const char *why, char **error_r)
{
    char *name = quote_name(url);

    *error_r = mem_printf("store %s: %s; write file:///DIR or s3://BUCKET", name, why);
    free(name);
    return false;
}

static bool bucket_is_valid(const char *bucket, size_t len)
{
    if (len < 1 || len > 255)
        return false;
    for (size_t i = 0; i < len; i++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-",
                   bucket[i]) == NULL)
            return false;
    return bucket[0] != '.' && bucket[0] != '-';
}

bool store_url_parse(const char *url, struct store_url_parts *parts_r, char **error_r)
{
    const char *rest, *slash;
    size_t len;

    memset(parts_r, 0, sizeof(*parts_r));
    *error_r = NULL;
    if (strncmp(url, "file://", 7) == 0) {
        rest = url + 7;
        if (rest[0] != '/')
            return refuse(url, "a directory is named by an absolute path", error_r);
        len = strlen(rest);
        while (len > 1 && rest[len - 1] == '/')
            len--;
        parts_r->scheme = STORE_SCHEME_FILE;
        parts_r->place = mem_strndup(rest, len);
        return true;
    }
    if (strncmp(url, "s3://", 5) != 0)
        return refuse(url, "no such kind of store", error_r);
    rest = url + 5;
    slash = strchr(rest, '/');
    len = slash != NULL ? (size_t)(slash - rest) : strlen(rest);
    if (!bucket_is_valid(rest, len))
        return refuse(url, "not the name of a bucket", error_r);
    parts_r->scheme = STORE_SCHEME_S3;
    parts_r->place = mem_strndup(rest, len);
    if (slash != NULL) {
        size_t end = strlen(slash + 1);

        while (end > 0 && slash[end] == '/')
            end--;
        parts_r->prefix = mem_printf("%.*s%s", (int)end, slash + 1, end > 0 ? "/" : "");
    }
    return true;
}

void store_url_release(struct store_url_parts *parts)
{
    free(parts->place);
    free(parts->prefix);
    memset(parts, 0, sizeof(*parts));
}

enum store_open_status store_open(const char *url, const struct store_options *options,
                                  struct store **store_r, char **error_r)
{
    struct store_options wish = {0};
    struct store_url_parts parts;
    enum store_open_status status = STORE_OPEN_BAD_URL;

    if (options != NULL)
        wish = *options;
    if (wish.clock == NULL)
        wish.clock = clock_system();
    if (wish.rng == NULL)
        wish.rng = rng_system();
    *store_r = NULL;
    if (store_url_parse(url, &parts, error_r)) {
        switch (parts.scheme) {
        case STORE_SCHEME_FILE:
            status = store_fs_open(parts.place, &wish, store_r, error_r);
            break;
        case STORE_SCHEME_S3:
            if (wish.s3_open != NULL)
                status = wish.s3_open(parts.place, &wish, store_r, error_r);
            else
                refuse(url, "this program was built without S3", error_r);
            break;
        }
    }
    store_url_release(&parts);
    return status;
}
