/* The result zip: content.md, info.json, assets/… by name in byte order; deflate, 1980-01-01, 0644.
 *
 * Same input and converter give the same bytes of every member but info.json; with
 * SOURCE_DATE_EPOCH set (pack_info.fixed_time_ms) the run's own figures and the claim are left out
 * and the whole zip is the same. Memory does not grow with the size of the output. */
#ifndef BF_CONVERT_PACK_H
#define BF_CONVERT_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/digest.h"
#include "convert/check.h"

struct pack_info { /* info.json beside `document`; texts are borrowed and may be NULL */
    const char *hash, *worker_id, *original_filename, *claim;
    struct json_object *tags; /* array; NULL: [] */
    int64_t size_bytes;       /* of the document */
    int64_t converted_ms;     /* since the epoch */
    int64_t fixed_time_ms;    /* ≥ 0: SOURCE_DATE_EPOCH; -1: none */
    int64_t pages;            /* -1: unknown */
    const char *converter_name, *converter_version;
    double seconds, cpu_seconds;
    int64_t max_rss_bytes;
    const char *sandbox;
};

struct pack_result {
    int fd; /* the zip, open for reading, owned */
    int64_t length;
    unsigned char md5[MD5_BYTES];
};

/* Fixed time from SOURCE_DATE_EPOCH: milliseconds, or -1 when unset or not a number. */
int64_t pack_fixed_time(void);
/* The object of info.json; the caller drops it. */
struct json_object *pack_info_json(const struct pack_info *info,
                                   struct json_object *document) MUST_CHECK;
/* Writes S/result.zip. false with *error_r: the host's fault (disk full, I/O). */
bool pack_result_write(const char *slot_path, const struct check_output *output,
                       const struct pack_info *info, struct pack_result *result_r,
                       char **error_r) MUST_CHECK;
void pack_result_release(struct pack_result *result);

#endif
