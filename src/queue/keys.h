/* Keys of a bucket: where each object of a job lives. The layout is v1's and does not change.
 *
 * A prefix P ends in '/' or is empty. Builders write into a caller's buffer of KEY_SIZE bytes and
 * return it, so that they can stand in an expression; the prefix's length was checked when the keys
 * were made. Any thread. */
#ifndef BF_QUEUE_KEYS_H
#define BF_QUEUE_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "queue/tier.h"

#define KEY_SIZE 512
#define KEY_PREFIX_MAX 256

struct keys {
    char prefix[KEY_PREFIX_MAX + 2];
};

/* Adds a missing trailing '/'; refuses a prefix that is too long, begins with '/', or holds "//", a
 * "." or ".." segment or a control byte. */
bool keys_init(struct keys *keys, const char *prefix);

const char *key_raw(const struct keys *keys, const char *hash, char key_r[static KEY_SIZE]);
const char *key_out(const struct keys *keys, const char *hash, char key_r[static KEY_SIZE]);
const char *key_todo(const struct keys *keys, enum tier tier, const char *hash,
                     char key_r[static KEY_SIZE]);
/* Where v1 put markers whose tier it did not know; the janitor moves them. */
const char *key_todo_unknown(const struct keys *keys, const char *hash,
                             char key_r[static KEY_SIZE]);
const char *key_lock(const struct keys *keys, const char *hash, char key_r[static KEY_SIZE]);
const char *key_failed(const struct keys *keys, const char *hash, char key_r[static KEY_SIZE]);
const char *key_dead(const struct keys *keys, const char *hash, char key_r[static KEY_SIZE]);
/* registry/logs/<hash>/attempts/<claim>.json */
const char *key_attempt(const struct keys *keys, const char *hash, const char *claim,
                        char key_r[static KEY_SIZE]);
/* registry/logs/<hash>/<name>: error.json, converter.log; name "" is the folder. */
const char *key_log(const struct keys *keys, const char *hash, const char *name,
                    char key_r[static KEY_SIZE]);
const char *key_worker(const struct keys *keys, const char *worker, char key_r[static KEY_SIZE]);
/* registry/<name> */
const char *key_registry(const struct keys *keys, const char *name, char key_r[static KEY_SIZE]);

/* The folders whose last segment is a job, for listings. */
enum key_folder {
    KEY_FOLDER_TODO, /* with a tier */
    KEY_FOLDER_TODO_UNKNOWN,
    KEY_FOLDER_PROCESSING,
    KEY_FOLDER_FAILED,
    KEY_FOLDER_DEAD,
    KEY_FOLDER_RAW,
    KEY_FOLDER_OUT
};
/* Prefix for a LIST: the folder, narrowed by the first digits of a hash ("" for all). `tier` counts
 * for TODO only. */
const char *key_folder(const struct keys *keys, enum key_folder folder, enum tier tier,
                       const char *digits, char key_r[static KEY_SIZE]);
/* The hash that a key of such a folder names (its last segment, without .pdf or .zip); false: no
 * job's key (a helper object, a key ending in '/', a name that is no hash). */
bool key_hash(const char *key, char hash_r[static 65]);

#endif
