/* HTTP transfers on libcurl's multi interface: the only place that includes curl.
 *
 * One engine belongs to one thread and carries a fixed number of requests at a time, each on a
 * kept connection where there is one. It knows nothing of buckets and keys: a worker process uses
 * it to carry out requests that somebody else has signed.
 *
 *   s3_http_start()  hands a request over, if there is a free place;
 *   s3_http_turn()   makes progress, waits for at most so long, and calls `done` of what ended;
 *                    every request that was started ends with one call of `done`.
 *
 * HTTP/1.1 only; redirects are never followed (a signature fits one host); certificates are always
 * checked; proxies by http_proxy, https_proxy, no_proxy. Nothing is logged here, so no signature
 * can be.
 *
 * Repeating: a GET or HEAD that was sent on a kept connection which turns out to be closed before
 * one byte of the answer came is sent again at once on a new connection: curl's own way. Everything
 * else is sent once; in that case it ends as S3_HTTP_NO_ANSWER. */
#ifndef BF_S3_HTTP_H
#define BF_S3_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "s3/s3_sign.h"

struct s3_http;

struct s3_http_config {
    int connections;            /* requests at a time, and connections kept: 1 to 1024 */
    int64_t connect_timeout_ms; /* name look-up, TCP and TLS together */
    int64_t stall_timeout_ms;   /* below 1 kB/s for so long: given up. Whole seconds count */
    const char *ca_file;        /* PEM file of trusted certificates; NULL: that of AWS_CA_BUNDLE, or
                                   the system's */
    bool direct;                /* no proxy, whatever the environment says */
    const char *address;        /* of all that the URLs' hosts may stand for, this one; NULL: any */
    const char *address_host;   /* ... of this HOST:PORT, an IPv6 one without brackets */
};

enum s3_http_outcome {
    S3_HTTP_ANSWERED,  /* the whole answer is there; `status` says what it is */
    S3_HTTP_NOT_SENT,  /* no byte of the request left: no name, no connection, no TLS */
    S3_HTTP_NO_ANSWER, /* sent at least in part; no whole answer: timeout, cut, nonsense */
    S3_HTTP_TOO_LARGE, /* the answer's body passes `max_bytes` */
    S3_HTTP_LOCAL,     /* our own file could not be read or written */
    S3_HTTP_UNTRUSTED, /* certificate refused, CA file unusable, URL not valid: no repeating helps
                        */
    S3_HTTP_STOPPED,   /* `progress` said so */
};

#define S3_HTTP_ETAG_SIZE 80
#define S3_HTTP_WHY_SIZE 320
#define S3_HTTP_META_MAX 4096 /* S3 allows 2 KB of user metadata */

struct s3_http_answer {
    enum s3_http_outcome outcome;
    int status;                   /* of the last status line; 0: none came */
    char why[S3_HTTP_WHY_SIZE];   /* unless ANSWERED: what went wrong, one line */
    char etag[S3_HTTP_ETAG_SIZE]; /* without quotes; "" */
    char server[64];              /* Server, cut to fit; foreign text */
    char address[46];             /* of the server, or of the proxy; "": no connection */
    int64_t date_ms, modified_ms; /* Date, Last-Modified; 0: none */
    int64_t length;               /* Content-Length; -1: none */
    int64_t retry_after_s;        /* Retry-After in seconds; 0: none */
    bool versioned;               /* x-amz-version-id or x-amz-delete-marker was there */
    int64_t sent_boot_ms;         /* boot clock when the request was handed over: not later than the
                                     first byte sent */
    int64_t bytes_in, bytes_out;  /* of bodies */
    struct buf *body;             /* what came into memory: the receiver may steal it */
    int local_errno;              /* LOCAL: why */
    const char *meta;             /* user metadata: NAME NUL VALUE NUL ..., meta_len bytes */
    size_t meta_len;
};

/* A request. URL and headers are borrowed until s3_http_start() returns, method and body until
 * `done`. */
struct s3_http_request {
    const char *method; /* GET HEAD PUT POST DELETE */
    const char *url;
    const struct s3_header *headers; /* besides Host and Content-Length */
    size_t headers_len;
    const void *body; /* PUT, POST: from memory ... */
    int body_fd;      /* ... or, when body is NULL and body_fd >= 0, from a file, by pread */
    int64_t body_offset, body_len;
    int sink_fd;       /* >= 0: the body of a 200 or 206 goes there by pwrite from offset 0, and the
                          file is cut to its length at the end; -1: into memory */
    int64_t max_bytes; /* of an answer's body; 0: 16 MiB in memory, no bound for a file. The body of
                          another status is kept up to 64 KiB and cut without a word */
    int64_t deadline_ms; /* from now to the end; 0: none but connect and stall */
    /* Called about once a second and with each piece, with the bytes of the body done so far; false
     * stops the transfer. NULL: not called. */
    bool (*progress)(void *arg, int64_t bytes);
    /* Asked before the last byte of a body of two or more goes out, and then again with every turn;
     * false holds it back. NULL: not asked. */
    bool (*may_end)(void *arg);
    int64_t cut_after; /* > 0: after so many bytes of the body the connection is cut */
    void (*done)(void *arg, struct s3_http_answer *answer); /* may start other requests */
    void *arg;
};

/* Sets every field to "nothing". */
void s3_http_request_init(struct s3_http_request *request, const char *method, const char *url);

/* Loads and starts libcurl (s3_curl.h); again, it does nothing. To be called before the first
 * s3_http_create(). False: *error_r is one line for a person, the caller frees it. */
bool s3_http_load(char **error_r) MUST_CHECK;

/* Never NULL: without memory the process ends. */
struct s3_http *s3_http_create(const struct s3_http_config *config, struct clock *clock);
/* Ends what is under way without calling `done`. NULL is fine. */
void s3_http_destroy(struct s3_http *http);

/* False: no free place; nothing was started. */
bool s3_http_start(struct s3_http *http, const struct s3_http_request *request) MUST_CHECK;

size_t s3_http_free_places(const struct s3_http *http);
size_t s3_http_active(const struct s3_http *http);

/* Waits at most timeout_ms (0: not at all; -1: until something happens), less when wake_fd (or -1)
 * becomes readable: true then. */
bool s3_http_turn(struct s3_http *http, int64_t timeout_ms, int wake_fd);

#endif
