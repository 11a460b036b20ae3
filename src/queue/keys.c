/* See keys.h: the layout of a bucket, in one place. */
#include "queue/keys.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "base/digest.h"

/* A segment between slashes that a directory store or a proxy would take for something else. */
static bool segment_is_bad(const char *segment, size_t len)
{
    return len == 0 || (len == 1 && segment[0] == '.') ||
           (len == 2 && segment[0] == '.' && segment[1] == '.');
}

bool keys_init(struct keys *keys, const char *prefix)
{
    size_t len = strlen(prefix);

    memset(keys, 0, sizeof(*keys));
    if (len > KEY_PREFIX_MAX)
        return false;
    for (const char *p = prefix; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    for (const char *p = prefix; *p != '\0';) {
        size_t segment = strcspn(p, "/");

        if (segment_is_bad(p, segment))
            return false;
        p += segment;
        if (*p == '/')
            p++;
    }
    memcpy(keys->prefix, prefix, len);
    if (len > 0 && prefix[len - 1] != '/')
        keys->prefix[len] = '/';
    return true;
}

static const char *build(char *key_r, const char *fmt, ...) PRINTF_LIKE(2, 3);

static const char *build(char *key_r, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(key_r, KEY_SIZE, fmt, ap);
    va_end(ap);
    return key_r;
}

const char *key_raw(const struct keys *keys, const char *hash, char key_r[static KEY_SIZE])
{
    return build(key_r, "%sstore/raw/%s.pdf", keys->prefix, hash);
}

const char *key_out(const struct keys *keys, const char *hash, char key_r[static KEY_SIZE])
{
    return build(key_r, "%sstore/out/%s.zip", keys->prefix, hash);
}

const char *key_todo(const struct keys *keys, enum tier tier, const char *hash,
                     char key_r[static KEY_SIZE])
{
    return build(key_r, "%squeue/todo/%s/%s", keys->prefix, tier_name(tier), hash);
}

const char *key_todo_unknown(const struct keys *keys, const char *hash, char key_r[static KEY_SIZE])
{
    return build(key_r, "%squeue/todo/unknown/%s", keys->prefix, hash);
}

const char *key_lock(const struct keys *keys, const char *hash, char key_r[static KEY_SIZE])
{
    return build(key_r, "%squeue/processing/%s", keys->prefix, hash);
}

const char *key_failed(const struct keys *keys, const char *hash, char key_r[static KEY_SIZE])
{
    return build(key_r, "%squeue/failed/%s", keys->prefix, hash);
}

const char *key_dead(const struct keys *keys, const char *hash, char key_r[static KEY_SIZE])
{
    return build(key_r, "%squeue/dead/%s", keys->prefix, hash);
}

const char *key_attempt(const struct keys *keys, const char *hash, const char *claim,
                        char key_r[static KEY_SIZE])
{
    return build(key_r, "%sregistry/logs/%s/attempts/%s.json", keys->prefix, hash, claim);
}

const char *key_log(const struct keys *keys, const char *hash, const char *name,
                    char key_r[static KEY_SIZE])
{
    return build(key_r, "%sregistry/logs/%s/%s", keys->prefix, hash, name);
}

const char *key_worker(const struct keys *keys, const char *worker, char key_r[static KEY_SIZE])
{
    return build(key_r, "%sregistry/workers/%.200s.json", keys->prefix, worker);
}

const char *key_registry(const struct keys *keys, const char *name, char key_r[static KEY_SIZE])
{
    return build(key_r, "%sregistry/%s", keys->prefix, name);
}

const char *key_folder(const struct keys *keys, enum key_folder folder, enum tier tier,
                       const char *digits, char key_r[static KEY_SIZE])
{
    switch (folder) {
    case KEY_FOLDER_TODO:
        return key_todo(keys, tier, digits, key_r);
    case KEY_FOLDER_TODO_UNKNOWN:
        return key_todo_unknown(keys, digits, key_r);
    case KEY_FOLDER_PROCESSING:
        return key_lock(keys, digits, key_r);
    case KEY_FOLDER_FAILED:
        return key_failed(keys, digits, key_r);
    case KEY_FOLDER_DEAD:
        return key_dead(keys, digits, key_r);
    case KEY_FOLDER_RAW:
        return build(key_r, "%sstore/raw/%s", keys->prefix, digits);
    case KEY_FOLDER_OUT:
        return build(key_r, "%sstore/out/%s", keys->prefix, digits);
    }
    return key_r;
}

bool key_hash(const char *key, char hash_r[static 65])
{
    const char *slash = strrchr(key, '/');
    const char *name = slash != NULL ? slash + 1 : key;
    size_t len = strlen(name);

    if (len == 68 && (strcmp(name + 64, ".pdf") == 0 || strcmp(name + 64, ".zip") == 0))
        len = 64;
    if (len != 64 || !hex_is_lower(name, 64))
        return false;
    memcpy(hash_r, name, 64);
    hash_r[64] = '\0';
    return true;
}
