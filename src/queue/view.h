/* Looking at jobs without changing them: states, counts, lists. What `status`, `list`, ingest and
 * the dashboard ask.
 *
 * State when several records exist, first wins: done, dead, processing, failed (marker and failed
 * record), todo, raw; a marker's `over` is honoured. Counts count a hash once. */
#ifndef BF_QUEUE_VIEW_H
#define BF_QUEUE_VIEW_H

#include "queue/queue.h"

enum job_state {
    JOB_TODO,
    JOB_PROCESSING,
    JOB_FAILED,
    JOB_DEAD,
    JOB_DONE,
    JOB_RAW,
    JOB_UNKNOWN
};
#define JOB_STATE_COUNT 7
const char *job_state_name(enum job_state state);
bool job_state_parse(const char *text, enum job_state *state_r);

struct job_view {
    char hash[65];
    enum job_state state;
    enum tier tier;
    bool tier_known;
    bool has_marker, has_lock, has_failed, has_dead, has_result, has_raw;
    char *name;                    /* original-name, decoded; NULL: not known */
    char *tags_json;               /* raw metadata `tags`, decoded; NULL */
    int64_t size_bytes;            /* of the PDF; -1: unknown */
    int64_t result_bytes, done_ms; /* -1 / 0: none */
    struct record_todo todo;
    struct record_lock lock;
    struct record_failed failed;
    struct record_dead dead;
    bool stale;    /* lock older than the stale timeout by the server's clock */
    char *damaged; /* names the record that could not be read; NULL: none */
};
void job_view_release(struct job_view *view);

/* Everything about one job in one batch (5 markers, lock, failed, dead, result, raw). */
enum queue_result view_job(struct queue *queue, const char *hash, struct job_view *view_r,
                           char **error_r) MUST_CHECK;
/* The same of `count` jobs (some dozens: all their requests are sent at once). Unless OK nothing is
 * to be released. */
enum queue_result view_jobs(struct queue *queue, const char (*hashes)[65], size_t count,
                            struct job_view *views_r, char **error_r) MUST_CHECK;
/* Many at once, only what says the state (for ingest: one batch for `count` hashes). */
enum queue_result view_states(struct queue *queue, const char (*hashes)[65], size_t count,
                              enum job_state *states_r, char **error_r) MUST_CHECK;
/* Attempt records of a job, oldest first. *attempts_r: the caller releases each and frees the
 * array. */
enum queue_result view_attempts(struct queue *queue, const char *hash,
                                struct record_attempt **attempts_r, size_t *count_r,
                                char **error_r) MUST_CHECK;

struct job_counts {
    int64_t todo[TIER_COUNT];
    int64_t processing, failed, dead, done;
};
/* Exact, every page read; pages of different shards at once; memory bounded by a shard. */
enum queue_result view_counts(struct queue *queue, struct job_counts *counts_r,
                              char **error_r) MUST_CHECK;
/* Calls `each` for every job in `state` (in hash order) until it returns false. */
enum queue_result view_list(struct queue *queue, enum job_state state,
                            bool (*each)(void *arg, const char *hash, enum tier tier), void *arg,
                            char **error_r) MUST_CHECK;
/* What listings alone tell of a job. */
struct view_line {
    const char *hash; /* borrowed */
    enum job_state state;
    enum tier tier;   /* of its marker; TIER_DEFAULT: none */
    int64_t since_ms; /* LastModified of the object that puts it into this state */
};
#define JOB_STATE_BIT(state) (1u << (state))
/* Calls `each` for every job in one of `states` (in hash order) until it returns false. */
enum queue_result view_select(struct queue *queue, unsigned states,
                              bool (*each)(void *arg, const struct view_line *line), void *arg,
                              char **error_r) MUST_CHECK;
/* The same with everything known of each job: many are read at once, only what the listing showed.
 * A job that has left the state meanwhile is left out. `each` may take what it wants out of *view,
 * which is released afterwards. */
enum queue_result view_list_jobs(struct queue *queue, enum job_state state,
                                 bool (*each)(void *arg, struct job_view *view), void *arg,
                                 char **error_r) MUST_CHECK;
/* 64 digits or a prefix of at least 4, looked up in store/raw (and, for debris, the other folders).
 * OK: hash_r. NONE: no such. *matches_r > 1: ambiguous, *error_r names the candidates. */
enum queue_result view_resolve(struct queue *queue, const char *text, char hash_r[static 65],
                               int *matches_r, char **error_r) MUST_CHECK;

#endif
