/* Object store: the one interface between the queue protocol and any bucket.
 *
 * A store holds bodies under keys (UTF-8, at most 1024 bytes). Everything is done by *operations*
 * (struct store_op), handed over in *batches* that run at once and end together. Two ways to use
 * it:
 *
 *   store_run(store, ops, n)        does all of them and returns when all have ended: the CLI,
 *                                   the janitor, tests.
 *   store_submit(store, batch)      begins them; store_wait() makes progress and returns when a
 *   store_wait(store, timeout)      batch has ended: the lease thread, which runs a fiber a job
 *                                   (queue/ calls store_run() and does not see the difference: a
 *                                   wrapper submits and switches fibers).
 *
 * A store belongs to one thread. Threads that need the same bucket open a store each.
 *
 * The results say what is *known*, and no more:
 *
 *   STORE_OK            done, and the answer says so. A DELETE without condition of a key that is
 *                       not there is OK
 *   STORE_NOT_FOUND     the key is not there. Of a GET or LIST it proves absence (S3: code
 *                       NoSuchKey); of a HEAD it is a hint, since a HEAD has no body to tell a
 *                       missing key from a missing bucket. Of a PUT or DELETE with STORE_IF_MATCH
 * it means the same as STORE_PRECONDITION: stores differ in which they say STORE_PRECONDITION  a
 * condition did not hold, and this sending changed nothing. It does not prove that the key exists
 * (If-Match on a missing key), nor that an *earlier* sending of the same request did nothing. Also:
 * an expiring DELETE came too late STORE_UNKNOWN       a write was sent and its effect is not known
 * (timeout, cut, 409, 500, 503): it may have happened, happen later, or never. Read back, then
 * decide STORE_AGAIN         a read got no usable answer within its deadline, or a write provably
 * was not sent: nothing was changed, nothing is known. Also: the disk is full STORE_FATAL repeating
 * cannot help: wrong key, no right, no such bucket, bad configuration, damaged answer. `error` says
 * what, why and what to do
 *
 * A store repeats by itself only what is safe to repeat: reads, and unconditional PUTs of raw files
 * (equal hash, equal content), with back-off and jitter, until the operation's deadline. It never
 * repeats a conditional write or a DELETE.
 *
 * ETags are opaque bytes without quotes; two bodies that are equal may have equal ETags. The S3
 * store adds and removes quotes as its endpoint wants them. */
#ifndef BF_STORE_STORE_H
#define BF_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/histogram.h"
#include "base/rng.h"

struct store;

enum store_status {
    STORE_OK,
    STORE_NOT_FOUND,
    STORE_PRECONDITION,
    STORE_UNKNOWN,
    STORE_AGAIN,
    STORE_FATAL
};

enum store_kind {
    STORE_GET,
    STORE_HEAD,
    STORE_PUT,
    STORE_DELETE,
    STORE_LIST
};
#define STORE_KIND_COUNT 5

enum store_cond {
    STORE_ALWAYS,    /* no condition */
    STORE_IF_ABSENT, /* If-None-Match: * (PUT) */
    STORE_IF_MATCH   /* If-Match: op->etag (PUT; DELETE where the store honours it) */
};

#define STORE_ETAG_SIZE 80
#define STORE_KEY_MAX 1024
#define STORE_GET_MEMORY_MAX (16 * 1024 * 1024) /* GET into memory without max_bytes */
#define STORE_FOLDER_END "\xf4\x8f\xbf\xbf"     /* U+10FFFF: sorts behind whatever a key holds */
#define STORE_META_MAX 4                        /* user metadata per object that we read or write */

/* User metadata of an object: `name` lower case without the x-amz-meta- prefix; `value` as sent,
 * which by the layout is percent-encoded ASCII. */
struct store_meta {
    char name[32];
    char *value;
};

struct store_entry { /* a line of a listing */
    char *key;
    char etag[STORE_ETAG_SIZE];
    int64_t size;        /* bytes */
    int64_t modified_ms; /* server's clock */
};

/* Requests that nobody but the gate sends, to see what a server does with them. Only a store whose
 * properties say `trials` knows them; elsewhere they are not to be asked for. They are sent once
 * and never repaired. */
enum store_trial {
    STORE_TRIAL_NONE,
    STORE_TRIAL_PRESIGNED, /* PUT: signed in its URL, as a worker's is */
    STORE_TRIAL_STRIPPED,  /* PUT: the same, sent without the headers that the signature covers */
    STORE_TRIAL_DIGEST,    /* PUT: announces the MD5 of another body */
    STORE_TRIAL_OLD,       /* signed 20 minutes ago, by the server's clock */
    STORE_TRIAL_HALF,      /* PUT: half of the body, then the connection is cut: UNKNOWN */
    STORE_TRIAL_RANGE,     /* GET: the second and the third byte */
    /* LIST of the bucket's own rules instead of its keys. Entries are key prefixes: below them a
     * rule in force removes objects by itself; a lock keeps them from being removed. A rule that
     * asks for tags is left out: nothing of ours has any. */
    STORE_TRIAL_EXPIRY,
    STORE_TRIAL_LOCK
};

/* Holds the last byte of several PUTs back, so that their servers get to the end of them all at
 * once, or while another request is done: opens when `wanted` bodies have come so far (or have
 * ended before), or when somebody sets `open`. For stores with `trials`, all of one thread. */
struct store_hold {
    size_t wanted, arrived;
    bool open;
};

struct store_op {
    /* The wish. Strings and bytes are borrowed until the batch has ended. */
    enum store_kind kind;
    const char *key; /* LIST: the prefix that keys must begin with */
    enum store_cond cond;
    char etag[STORE_ETAG_SIZE]; /* STORE_IF_MATCH: the condition */
    const void *body;           /* PUT from memory ... */
    size_t body_len;
    int body_fd; /* ... or, when body is NULL and body_size >= 0, from a file: read with pread */
    int64_t body_size; /* bytes from body_offset on; -1: from memory */
    int64_t body_offset;
    const char *content_type;          /* PUT: may be NULL */
    const struct store_meta *put_meta; /* PUT: user metadata */
    size_t put_meta_count;
    int sink_fd;      /* GET: >= 0: the body is written there from offset 0, and the file cut to its
                         length; -1: into `data` */
    size_t max_bytes; /* GET: a larger body is STORE_FATAL ("too large"); 0: 16 MiB for memory, none
                         for sink_fd */
    const char *start_after; /* LIST: keys after this one (may be NULL) */
    int max_keys;            /* LIST: at most so many, 1 to 1000; 0: 1000 */
    /* LIST: fold at '/': folders come as entries whose key ends in '/', size 0. After a start_after
     * inside a folder, servers differ in whether that folder comes again. */
    bool delimiter;
    int64_t deadline_ms; /* from submit to the end at the latest; 0: the store's default */
    /* DELETE on a store that cannot condition it: it takes effect only while the *store's* clock is
     * before expires_ms (server time, ms since the epoch). 0: no expiry asked for. A store that
     * honours STORE_IF_MATCH on DELETE uses the condition; one that does not signs the request so
     * that the server refuses it from then on. See store_properties. */
    int64_t expires_ms;
    enum store_trial trial;  /* the gate's */
    struct store_hold *hold; /* the gate's, PUT of at least 2 bytes: borrowed; NULL: none */

    /* The outcome. Strings and buffers belong to the op: store_op_release(). */
    enum store_status status;
    char etag_r[STORE_ETAG_SIZE]; /* GET, HEAD, PUT: of the body read or written */
    int64_t size_r;               /* GET, HEAD: bytes of the body */
    int64_t modified_ms_r;  /* GET, HEAD: LastModified by the server's clock (S3: whole seconds) */
    int64_t date_ms_r;      /* the answer's Date: server's clock; 0: no answer */
    int64_t sent_boot_ms_r; /* CLOCK_BOOTTIME right before the first byte was sent */
    bool versioned_r;       /* the answer carried a version id: the bucket is versioned */
    int http_status_r;      /* for messages and tests; 0: none */
    int errno_r;            /* why a directory store failed; 0: for no reason of its system's */
    int sink_errno_r;       /* GET: why sink_fd would not take the body (FATAL); 0: it did */
    struct buf data;        /* GET: the body */
    struct store_meta meta_r[STORE_META_MAX];
    size_t meta_count_r;
    struct store_entry *entries; /* LIST, sorted by key bytes */
    size_t entry_count;
    bool more_r; /* LIST: there are keys after the last entry */
    /* LIST with more_r: the start_after that goes on from here. After a folder it lies behind every
     * key of the folder (STORE_FOLDER_END appended). */
    char *next_after_r;
    char *error; /* unless OK: one line for a person: what, why; NULL: nothing to say */
};

/* Sets every field to "nothing": no bodies, no files, no conditions. */
void store_op_init(struct store_op *op, enum store_kind kind, const char *key);
/* Frees what the outcome owns. The op can be initialised again. */
void store_op_release(struct store_op *op);
/* Keeps the wish, drops the outcome: for sending it again. */
void store_op_reset(struct store_op *op);
/* Value of user metadata `name` after GET or HEAD; NULL: none. Borrowed. */
const char *store_op_meta(const struct store_op *op, const char *name);

struct store_batch {
    struct store_op *ops;
    size_t count;
    size_t pending; /* ops not ended yet; 0: the batch has ended */
    void *owner;    /* the submitter's */
    /* private */
    bool collected; /* handed out by store_wait() when it has ended; not so for store_run() */
    struct store_batch *next_done;
};

/* What a store can do. Declared by the store, or found by the gate's probe and set with
 * store_set_properties(). The queue chooses its deletes and its promises by these. */
struct store_properties {
    bool conditional_put;    /* If-None-Match: * and If-Match on PUT are atomic */
    bool conditional_delete; /* If-Match on DELETE is honoured */
    bool expiring_delete;    /* a DELETE with expires_ms is refused once it is late */
    bool presigns;           /* store_grant_*() hand out URLs; else open files */
    bool quoted_etag;        /* If-Match wants quotes (S3 store only) */
    bool soft;               /* store_be_soft() */
    bool trials;             /* knows store_op.trial and .hold */
};

/* Requests that ended, by kind, as a bill would count them. */
struct store_meter {
    uint64_t requests[STORE_KIND_COUNT]; /* sendings, repeats included */
    uint64_t results[STORE_FATAL + 1];
    uint64_t ended[STORE_KIND_COUNT][STORE_FATAL + 1]; /* operations, by how they ended */
    uint64_t bytes_in, bytes_out;
    struct histogram seconds[STORE_KIND_COUNT]; /* of sendings, to the answer or its failing to
                                                   come; not of what a grant's holder does */
};

/* A right to read or write one body without keys, for a worker process.
 * Exactly one of url and fd is set. */
struct store_grant {
    char *url;      /* presigned; travels over the worker's socket only, never logged */
    char **headers; /* "name: value" lines that must be sent, count of them; signed */
    size_t header_count;
    struct store_meta meta[STORE_META_MAX]; /* directory store, read: the body's user metadata */
    size_t meta_count;
    int fd; /* directory store: read: the body, open for reading. write: an empty file, open for
               writing */
    char *stage; /* directory store, write: the staged file's name, for store_grant_commit() */
};

/* The result that a worker wants to publish. */
struct store_put_terms {
    enum store_cond cond; /* STORE_IF_ABSENT or STORE_IF_MATCH */
    const char *etag;     /* for STORE_IF_MATCH */
    int64_t length;       /* bytes */
    unsigned char md5[16];
    const struct store_meta *meta;
    size_t meta_count;
};

#define STORE_ADDRESS_SIZE 46 /* of an IPv6 address with its NUL */

/* What may change while a store is open. Stores take what they know of it. */
struct store_tuning {
    const char *ca_file; /* NULL or "": the system's */
    int connections;
    int64_t connect_timeout_ms, stall_timeout_ms;
    int64_t patience_ms; /* how long what is safe to repeat is repeated; default deadline of what
                            does not stream */
    int64_t part_size;   /* bytes; at least 5 MiB by S3's rules */
    const char *sse, *sse_kms_key_id, *storage_class; /* NULL or "": not sent. With bodies from
                                                         files and granted writes */
};

struct store_vtable {
    const char *name; /* "directory", "memory", "s3" */
    /* NULL: none */
    size_t (*addresses)(struct store *store, char (*addresses_r)[STORE_ADDRESS_SIZE], size_t max);
    /* NULL: it has nothing to tune */
    bool (*tune)(struct store *store, const struct store_tuning *tuning, char **error_r);
    void (*submit)(struct store *store, struct store_batch *batch);
    void (*wait)(struct store *store, int64_t timeout_ms, int wake_fd);
    enum store_status (*grant_read)(struct store *store, const char *key, int64_t seconds,
                                    struct store_grant *grant_r, char **error_r);
    enum store_status (*grant_write)(struct store *store, const char *key,
                                     const struct store_put_terms *terms, int64_t seconds,
                                     struct store_grant *grant_r, char **error_r);
    enum store_status (*grant_commit)(struct store *store, const char *key,
                                      const struct store_put_terms *terms,
                                      struct store_grant *grant, char *etag_r, char **error_r);
    void (*close)(struct store *store);
};

/* Base of every store: the first member of its own struct. Filled by the store's open function;
 * fields are read through the functions below. */
struct store {
    const struct store_vtable *vtable;
    struct store_properties properties;
    bool properties_given; /* set by store_set_properties(): somebody knows better than the store */
    struct store_meter meter;
    struct store_batch *done; /* ended batches, oldest first */
    struct store_batch **done_tail;
    int64_t clock_offset_ms; /* server's clock minus ours (wall), from the last Date */
    char *url;               /* as in `store`: file:///DIR or s3://BUCKET, for messages */
    char *endpoint;          /* S3: SCHEME://HOST[:PORT]/…; NULL: none */
    char server[64];         /* S3: Server of the last answer, cut to fit; foreign text */
    bool versions_seen, versions_accepted;
    const char *doubt; /* a fixed sentence part; NULL: none */
    int refusal_errno; /* of the last operation that a directory refused for good; 0: none */
};

/* ---- use ---- */

/* Does all and returns when all have ended. Not while batches of store_submit() are under way. */
void store_run(struct store *store, struct store_op *ops, size_t count);
/* One operation: returns op->status. */
enum store_status store_do(struct store *store, struct store_op *op) MUST_CHECK;
/* Begins a batch; `batch` and its ops stay untouched by the caller until it has ended. */
void store_submit(struct store *store, struct store_batch *batch);
/* An ended batch, or NULL when none ended within timeout_ms (0: only look; -1: until one ends or
 * wake_fd is readable). wake_fd: -1 or a descriptor whose readability ends the wait early. */
struct store_batch *store_wait(struct store *store, int64_t timeout_ms, int wake_fd);

const struct store_properties *store_properties(const struct store *store);
void store_set_properties(struct store *store, const struct store_properties *properties);
const struct store_meter *store_meter(const struct store *store);
/* Adds the figures of one meter to another's. */
void store_meter_merge(struct store_meter *into, const struct store_meter *from);
/* Server time as we estimate it: ms since the epoch. */
int64_t store_server_ms(const struct store *store, struct clock *clock);
const char *store_url(const struct store *store);
const char *store_endpoint(const struct store *store); /* "" where there is none */
/* What the server calls itself: foreign text, "" until an answer said it. */
const char *store_server(const struct store *store);
/* Has an answer carried a version id, in a bucket that was not known to be versioned? Conditions do
 * not hold there on every server: nothing is to be claimed. store_accept_versions(): the operator
 * has said that he wants it so. */
bool store_is_versioned(const struct store *store);
void store_accept_versions(struct store *store);
/* The operator's word that this store's conditions are not to be counted on: store_run() looks
 * (HEAD) before each conditional PUT and then writes without a condition. Between the two another's
 * write may land, and is overwritten. Versions are accepted. For remote stores alone; the gate goes
 * without it. */
void store_be_soft(struct store *store);
/* Has anything been seen since the gate looked that a fit store does not do: a version id, or what
 * was noted (a fixed sentence part)? NULL: no, or versions are accepted. The next pass of the gate
 * clears it. */
const char *store_doubt(const struct store *store);
void store_note_doubt(struct store *store, const char *why);
void store_clear_doubt(struct store *store);
/* Why the directory last refused an operation for good (STORE_FATAL); 0: it never did. */
int store_refusal_errno(const struct store *store);
/* The addresses that the server's name stands for just now, at most max: numbers, sorted. 0: none,
 * not to be found out, or a proxy is between. May wait for the name service. */
size_t store_addresses(struct store *store, char (*addresses_r)[STORE_ADDRESS_SIZE], size_t max);
/* For what begins from now on; what is under way, and rights that were handed out, end with what
 * they began with. An S3 store makes its connections anew, and reads the certificates to trust.
 * Strings are copied. Never blocks on the network. false: nothing has changed; *error_r is one
 * line, the caller frees. */
bool store_tune(struct store *store, const struct store_tuning *tuning, char **error_r) MUST_CHECK;
void store_close(struct store *store); /* NULL is fine */

/* Presigned URL or open file; STORE_OK or STORE_FATAL (or NOT_FOUND, AGAIN for a directory).
 * `seconds`: how long a URL is good. Counted in the meter as GET or PUT. *error_r: as op.error. */
enum store_status store_grant_read(struct store *store, const char *key, int64_t seconds,
                                   struct store_grant *grant_r, char **error_r) MUST_CHECK;
enum store_status store_grant_write(struct store *store, const char *key,
                                    const struct store_put_terms *terms, int64_t seconds,
                                    struct store_grant *grant_r, char **error_r) MUST_CHECK;
/* Directory store: the worker has written its body into the grant's file: check length and MD5, and
 * make it the object under the terms' condition. S3: never called (the worker's PUT was the
 * commit). */
enum store_status store_grant_commit(struct store *store, const char *key,
                                     const struct store_put_terms *terms, struct store_grant *grant,
                                     char etag_r[static STORE_ETAG_SIZE],
                                     char **error_r) MUST_CHECK;
void store_grant_release(struct store_grant *grant); /* closes and removes what was not committed */

const char *store_status_name(enum store_status status);
const char *store_kind_name(enum store_kind kind);

/* ---- for stores ---- */

void store_init(struct store *store, const struct store_vtable *vtable, const char *url);
/* Marks one op of a batch as ended; queues the batch when it was the last. */
void store_op_ended(struct store *store, struct store_batch *batch);
/* Adds an entry to a listing. Takes no ownership. */
void store_op_add_entry(struct store_op *op, const char *key, const char *etag, int64_t size,
                        int64_t modified_ms);
/* Ends a listing page: more keys follow the last entry; sets next_after_r. */
void store_op_set_more(struct store_op *op);
/* How many bytes a GET may bring: max_bytes or its default. */
uint64_t store_op_body_max(const struct store_op *op);
/* Bytes of a PUT's body, wherever it is. */
int64_t store_op_body_size(const struct store_op *op);
/* Appends the body of a PUT to out. false with errno: its file could not be read (EIO: shorter than
 * body_size says). */
bool store_op_body_read(const struct store_op *op, struct buf *out) MUST_CHECK;
/* Hands `len` bytes to a GET's data or sink_fd. Sets status OK, or FATAL when the sink refuses. */
void store_op_deliver(struct store_op *op, const void *bytes, size_t len);
/* FATAL: the sink refused with this errno. */
void store_op_refuse_sink(struct store_op *op, int error);
/* Adds user metadata to the outcome; beyond STORE_META_MAX, or a longer name: left out. */
void store_op_add_meta(struct store_op *op, const char *name, const char *value);
/* One request that ended goes into the meter: kind, status, bytes. */
void store_op_count(struct store *store, const struct store_op *op);
/* One sending has ended now: its time goes into the meter. sent_boot_ms 0: nothing was sent. */
void store_op_timed(struct store *store, enum store_kind kind, int64_t sent_boot_ms,
                    struct clock *clock);
/* What a wait() does in a store that has nothing under way: until wake_fd is readable, for
 * timeout_ms; returns at once when it would have to wait for ever for nothing. */
void store_idle(int64_t timeout_ms, int wake_fd);
/* Whole write(2) at an offset. false with errno. */
bool store_write_at(int fd, const void *bytes, size_t len, int64_t offset) MUST_CHECK;
/* Sets status and error text (formatted, one line). */
void store_op_fail(struct store_op *op, enum store_status status, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

#endif
