/* One body read or written with a grant, by a process that has no keys.
 *
 * A worker gets a struct store_grant from its master and does with it one thing: fetch the PDF
 * or publish the result. No store is opened; of an S3 bucket only the presigned URL is known.
 * Blocking; one thread; the worker's own process, which keeps its connection between transfers. */
#ifndef BF_STORE_TRANSFER_H
#define BF_STORE_TRANSFER_H

#include "store/store.h"

struct transfer_limits {
    int64_t connect_timeout_ms;
    int64_t stall_timeout_ms; /* below 1 kB/s for so long: given up */
    int64_t deadline_ms;      /* whole transfer; 0: none */
    const char *ca_file;      /* NULL: the system's */
    /* Called now and then with the bytes done; returning false stops the transfer. NULL: not
     * called. */
    bool (*progress)(void *arg, int64_t done);
    void *progress_arg;
};

struct transfer_body {                      /* what came with a fetched body */
    int64_t size;                           /* bytes */
    struct store_meta meta[STORE_META_MAX]; /* user metadata: original-name, tags, size */
    size_t meta_count;
};

/* Writes the granted body to out_fd from offset 0. OK, NOT_FOUND, AGAIN (repeated inside while
 * the deadline allows), FATAL. *body_r: give back with transfer_body_release(). *error_r: one line,
 * the caller frees. */
enum store_status transfer_fetch(const struct store_grant *grant, int out_fd,
                                 const struct transfer_limits *limits, struct transfer_body *body_r,
                                 char **error_r) MUST_CHECK;
void transfer_body_release(struct transfer_body *body);
/* Sends `length` bytes of in_fd from offset 0. Sent once: OK, PRECONDITION, UNKNOWN, AGAIN
 * (provably not sent), FATAL. A directory's grant: the bytes are in the file and on disk; the
 * master commits. */
enum store_status transfer_publish(const struct store_grant *grant, int in_fd, int64_t length,
                                   const struct transfer_limits *limits, char **error_r) MUST_CHECK;

#endif
