/* What the files of the S3 store share; nobody else includes this.
 *
 * An operation becomes a task. A task sends one or more requests, one after the other ("legs"), and
 * waits in one of the store's lists in between: ready (to be sent as soon as a connection is free),
 * delayed (back-off), held (for the probe of the ETag form). All of it is one thread's. */
#ifndef BF_STORE_STORE_S3_PARTS_H
#define BF_STORE_STORE_S3_PARTS_H

#include <sys/queue.h>

#include "s3/s3_http.h"
#include "s3/s3_sign.h"
#include "s3/s3_xml.h"
#include "store/store_s3.h"
#include "store/store_s3_map.h"

enum s3_leg {
    S3_LEG_PLAIN,
    S3_LEG_BEGIN,
    S3_LEG_PART,
    S3_LEG_END,
    S3_LEG_ABORT
};

struct s3_upload;  /* a multipart upload under way */
struct s3_retired; /* an engine that takes no more requests */

/* In which form an If-Match gets its ETag. */
enum s3_etag_form {
    S3_ETAG_AS_KNOWN,
    S3_ETAG_QUOTED,
    S3_ETAG_BARE
};

enum {
    S3_TASK_HEADERS_MAX = 20,
    S3_TASK_TEXT_SIZE = 1024
};

struct s3_task {
    struct s3_task *next;
    LIST_ENTRY(s3_task) flying; /* while a request of it is under way */
    struct s3_store *s3;
    struct store_batch *batch; /* NULL: the probe's */
    struct store_op *op;
    enum s3_leg leg;
    enum s3_etag_form form;
    struct s3_upload *upload;
    bool has_deadline, streams;
    int64_t deadline_ms, due_ms; /* boot clock */
    unsigned repeats;            /* of this leg */
    bool clock_repaired, keys_repaired;
    bool held_back;  /* its body has come to its last byte */
    bool maybe_done; /* an earlier sending may have had its effect */
    int64_t sent_wall_ms;
    /* Of the request that is under way. */
    struct buf url;
    struct s3_header headers[S3_TASK_HEADERS_MAX];
    size_t headers_len;
    char text[S3_TASK_TEXT_SIZE]; /* values made for this request */
    size_t text_len;
    struct s3_signature signature;
};

struct s3_task_list {
    struct s3_task *first, **end;
};

struct s3_store {
    struct store base; /* first: a struct store is one of these */
    struct s3_http *http;
    struct s3_retired *retired; /* engines of before a tuning, with what is under way in them */
    struct s3_signer *signer;
    struct s3_creds_source *creds;
    bool own_creds;
    int64_t renew_ms; /* wall clock: the keys are fetched again from then on; 0: never */
    struct clock *clock;
    struct rng *rng;
    struct s3_place place;
    char address[STORE_ADDRESS_SIZE]; /* of the last answer */
    char *pinned;                     /* the one address to use; NULL: any */
    bool clock_known;                 /* clock_offset_ms was learnt from an answer */
    char *bucket, *prefix, *region, *sse, *sse_kms_key_id, *storage_class;
    int64_t patience_ms, part_size;
    struct s3_task_list ready, held;
    struct s3_task *delayed; /* by due_ms */
    LIST_HEAD(, s3_task) flying;
    struct s3_task *idle; /* for reuse */
    uint64_t ended;       /* batches that have ended: wait() returns when it moves */
    bool etag_form_known;
    struct s3_probe *probe; /* the probe of the ETag form under way */
    struct buf scratch;     /* query of the request being made */
};

/* store_s3.c */
int64_t s3_now_server_ms(struct s3_store *s3);
struct s3_task *s3_task_new(struct s3_store *s3, struct store_batch *batch, struct store_op *op);
void s3_task_ready(struct s3_task *task); /* to be sent; begins a new leg's repeats */
void s3_task_end(struct s3_task *task);   /* op->status is set */
void s3_task_free(struct s3_task *task);
bool s3_task_may_end(void *task); /* s3_http_request.may_end of one with a hold */
void s3_list_init(struct s3_task_list *list);
void s3_list_add(struct s3_task_list *list, struct s3_task *task);
struct s3_task *s3_list_take(struct s3_task_list *list);
/* Sends what can go and makes progress for at most timeout_ms; true: wake_fd is readable. */
bool s3_turn(struct s3_store *s3, int64_t timeout_ms, int wake_fd);
/* Fetches the keys; *changed_r: they are not those that were in force. */
bool s3_fetch_keys(struct s3_store *s3, bool *changed_r, char **error_r) MUST_CHECK;
bool s3_needs_probe(const struct s3_store *s3, enum store_kind kind, enum store_cond cond);

/* store_s3_request.c: makes the task's next request, signs it, and hands it to the engine. False:
 * the operation cannot be said in a request; op->status and error are set. */
bool s3_task_send(struct s3_task *task, void (*done)(void *arg, struct s3_http_answer *answer),
                  int64_t limit_ms) MUST_CHECK;
/* SCHEME://HOST/PATH of a key into `url`; the path's offset in it. */
size_t s3_url_of_key(const struct s3_store *s3, const char *key, struct buf *url);
/* The value of If-Match for an ETag. */
void s3_etag_header(const struct s3_store *s3, enum s3_etag_form form, const char *etag,
                    char out[static STORE_ETAG_SIZE + 2]);
/* Adds sse and storage class headers; returns the new count. */
size_t s3_bulk_headers(const struct s3_store *s3, struct s3_header *headers, size_t count);

/* store_s3_answer.c: takes over what a whole good answer says. */
void s3_task_take_answer(struct s3_task *task, struct s3_http_answer *answer);
/* The message of a failed operation. */
void s3_task_say(struct s3_task *task, const struct s3_facts *facts,
                 const struct s3_http_answer *answer, const struct s3_xml_error *error,
                 enum store_status status);

/* store_s3_pin.c: the endpoint's addresses. */
/* HOST:PORT of the place, the host without brackets: as curl wants it. */
char *s3_pin_host(const struct s3_place *place);
size_t s3_addresses(struct store *store, char (*addresses_r)[STORE_ADDRESS_SIZE], size_t max);

/* store_s3_tune.c: what may change while the store is open, and the engines. */
bool s3_tune(struct store *store, const struct store_tuning *tuning, char **error_r);
/* Takes the values over and makes the engine for them. */
void s3_take_tuning(struct s3_store *s3, const struct store_tuning *tuning);
/* s3_http_turn() of all engines. */
bool s3_engines_turn(struct s3_store *s3, int64_t timeout_ms, int wake_fd);
void s3_engines_destroy(struct s3_store *s3);

/* store_s3_upload.c: PUTs in parts. */
bool s3_upload_wanted(const struct s3_store *s3, const struct store_op *op);
void s3_upload_start(struct s3_task *task);
const char *s3_upload_query(const struct s3_task *task);
const struct buf *s3_upload_end_body(const struct s3_task *task);
void s3_upload_part_range(const struct s3_task *task, int64_t *offset_r, int64_t *len_r);
/* A leg was answered well: goes on to the next one, or ends the task. */
void s3_upload_leg_done(struct s3_task *task, struct s3_http_answer *answer);
/* A leg failed for good with op->status: aborts the upload, then ends the task. */
void s3_upload_failed(struct s3_task *task);
void s3_upload_free(struct s3_upload *upload);

/* store_s3_probe.c: the ETag form. */
void s3_probe_start(struct s3_store *s3);
void s3_probe_step(struct s3_task *task); /* a task without a batch has ended */
void s3_probe_free(struct s3_store *s3);

/* store_s3_grant.c */
enum store_status s3_grant_read(struct store *store, const char *key, int64_t seconds,
                                struct store_grant *grant_r, char **error_r);
enum store_status s3_grant_write(struct store *store, const char *key,
                                 const struct store_put_terms *terms, int64_t seconds,
                                 struct store_grant *grant_r, char **error_r);

#endif
