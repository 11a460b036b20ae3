/* The log: one event per line, stable first words.
 *
 *     2026-03-01T12:00:00.123Z info claim slot=3 job=ab12cd34ef56 claim=9f86d081
 *     {"ts":"2026-…","level":"info","event":"claim","slot":3,"job":"ab12…(64)","claim":"9f86d081"}
 *
 * EVENT is from a fixed list in blobforged(8); keys are stable, values are escaped (quote.h), so
 * that no document or file name can forge a line. Job hashes are shortened to 12 digits in text,
 * whole in JSON; claims to 8 in both. No secrets: callers never pass URLs that are signed.
 *
 *     log_event(LOG_INFO, "claim", LOG_I("slot", 3), LOG_JOB(hash), LOG_CLAIM(claim), LOG_S("msg",
 * text));
 *
 * Each line is one write(2). Any thread. Set-up (log_open, log_set_*) belongs to the main thread.
 */
#ifndef BF_BASE_LOG_H
#define BF_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARNING,
    LOG_ERROR
};

enum log_value_kind {
    LOG_VALUE_TEXT,
    LOG_VALUE_INT,
    LOG_VALUE_SECONDS,
    LOG_VALUE_JOB,
    LOG_VALUE_CLAIM
};

struct log_field {
    const char *key;
    enum log_value_kind kind;
    const char *text; /* NULL: the field is left out */
    int64_t number;   /* LOG_VALUE_SECONDS: milliseconds */
};

#define LOG_S(key_, text_) ((struct log_field){(key_), LOG_VALUE_TEXT, (text_), 0})
#define LOG_I(key_, n_) ((struct log_field){(key_), LOG_VALUE_INT, "", (int64_t)(n_)})
#define LOG_MS(key_, ms_) ((struct log_field){(key_), LOG_VALUE_SECONDS, "", (int64_t)(ms_)})
#define LOG_JOB(hash_) ((struct log_field){"job", LOG_VALUE_JOB, (hash_), 0})
#define LOG_CLAIM(claim_) ((struct log_field){"claim", LOG_VALUE_CLAIM, (claim_), 0})

#define log_event(level, event, ...)                                                               \
    log_write((level), (event), (struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){NULL, 0, NULL, 0}})

/* `fields` ends with a NULL key. Below the level set: returns at once. */
void log_write(enum log_level level, const char *event, const struct log_field *fields);

void log_set_level(enum log_level level);
enum log_level log_level(void);
void log_set_json(bool json);
/* "worker" of JSON lines and, when not NULL, a worker= key of text lines. Copied. */
void log_set_worker(const char *worker_id);
/* "stderr" or a file, opened for append, 0640. false with errno: the old target stays. */
bool log_open(const char *target);
/* Whether log_open() can, as far as can be told without making the file. false with errno. */
bool log_can_open(const char *target) MUST_CHECK;
bool log_reopen(void); /* the same file again, for logrotate */
/* "debug" … "error"; false: not one of them. */
bool log_level_parse(const char *text, enum log_level *level_r);
const char *log_level_name(enum log_level level);

#endif
