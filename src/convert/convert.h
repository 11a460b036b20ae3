/* One document through its converter: run, check, pack.
 *
 * The caller has a prepared slot folder with the document in it (slot_folder_prepare(),
 * slot_folder_create_input()); afterwards it has either a packed result to publish, or a record of
 * the attempt and who is to blame. Settings come in as plain numbers: nothing here reads a
 * configuration. Single-threaded callers: the worker (`blobforged -x worker`) and
 * `blobforge convert`. */
#ifndef BF_CONVERT_CONVERT_H
#define BF_CONVERT_CONVERT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "convert/outcome.h"
#include "convert/pack.h"
#include "convert/resident.h"
#include "convert/run.h"
#include "convert/sandbox.h"
#include "convert/slot.h"

/* The settings of the same names; times in ms, sizes in bytes; 0: no such limit. */
struct convert_limits {
    int64_t time_limit_ms; /* already lowered by the bucket's conversion_timeout */
    int64_t time_base_ms, time_per_page_ms, time_per_mb_ms;
    int64_t stall_ms;
    int64_t memory_bytes; /* memory_limit, or memory_limit_retry for that one retry */
    int64_t cpu_ms, output_bytes, output_files, processes;
    bool address_space_free;
};
void convert_limits_default(struct convert_limits *limits); /* blobforge.conf(5)'s */

struct convert_job {
    const char *command; /* setting `converter` of this type */
    const char *env;     /* setting `converter_env`; NULL or "": none */
    const char *type;    /* pdf, docx, … */
    const char *hash;    /* 64 hex */
    const char *claim;   /* NULL: local run, none in info.json */
    const char *worker_id, *original_filename;
    struct json_object *tags; /* array, borrowed; NULL: none */
    int64_t size_bytes;       /* of the document */
    int64_t attempt;          /* number, from 1 */
    enum sandbox_level sandbox;
    enum sandbox_profile profile;
    const char *sandbox_command; /* of level COMMAND; NULL: none */
    struct convert_limits limits;
    struct resident *resident; /* that takes it, by resident_prepare(); NULL: runs once */

    /* Where a sandbox is kept for the next job of the same slot; its owner releases it in the end.
     * NULL: made for this job alone. */
    struct sandbox **kept;

    struct clock *clock;
    /* See struct run_spec. `phase` is called when "convert" and "pack" begin; each may be NULL. */
    int watch_fd;
    bool (*readable)(void *arg);
    void (*progress)(void *arg, const struct progress *progress, double cpu_seconds,
                     int64_t rss_bytes);
    void (*phase)(void *arg, const char *phase);
    void *arg;
};

struct convert_result {
    bool packed;             /* pack is valid: publish it */
    bool stopped;            /* the caller's `readable` said so; record says what was known */
    struct pack_result pack; /* S/result.zip */
    struct outcome outcome;  /* unless packed */
    /* Always filled with what the run told: exit_status, signal, limit…, oom, phase, stage, page,
     * pages, cpu_seconds, max_rss_bytes, sandbox, converter, stdout_tail and stderr_tail (never
     * NULL); unless packed also cause, charged and error. Number, times, claim, host, worker, slot
     * and outcome are the master's. */
    struct record_attempt record;
    double seconds;
    char *warning; /* NULL, or one line: what was ignored, the converter's last `warn` */
};

void convert_document(struct slot_folder *folder, const struct convert_job *job,
                      struct convert_result *result_r);
void convert_result_release(struct convert_result *result);

/* Time limit in ms for a document of so many bytes and pages (-1: unknown); *requested_ms_r (may be
 * NULL): before it was lowered to time_limit. */
int64_t convert_time_limit(const struct convert_limits *limits, int64_t size_bytes, int64_t pages,
                           int64_t *requested_ms_r);

#endif
