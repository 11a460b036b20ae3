/* What master and worker say to each other, over one socket pair (AF_UNIX, SOCK_SEQPACKET).
 *
 *     worker                         master
 *                            <-------  SETUP slot, folder                 once
 *       HELLO version, pid   ------->  folder open: ready for jobs
 *                            <-------  JOB seq, what, limits, grant (+ descriptor)
 *       PROGRESS seq, …      ------->                                     any number
 *       NOTE seq, text       ------->  at most one: a warning that costs nothing, for the log
 *       PACKED seq, length, md5 ---->
 *                            <-------  PUBLISH seq, grant (+ descriptor)
 *       SENT seq, status     ------->  PUBLISH may follow once more
 *       ENDED seq, record    ------->  instead of PACKED: no result
 *                            <-------  CLEAR seq: forget the result; the worker is idle again
 *
 * A message is one line of JSON, at most IPC_MESSAGE_MAX bytes, in one packet, with at most one
 * descriptor (SCM_RIGHTS). Messages are written and read by the typed pairs below. `seq` numbers
 * the jobs of a slot; a message with another is stale and dropped. End of file means: the other one
 * is gone.
 *
 * The master trusts no byte of a worker: a message that does not parse is IPC_BAD and costs the
 * worker its life. Grants hold signed URLs: they are written here and nowhere else.
 * One thread per end. */
#ifndef BF_DAEMON_IPC_H
#define BF_DAEMON_IPC_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "convert/convert.h"
#include "queue/attempt.h"
#include "queue/record.h"
#include "store/store.h"
#include "store/transfer.h"

#define IPC_VERSION 3 /* raised with every change of a message that either side would misread */
#define IPC_FD 3      /* the worker's end */
#define IPC_MESSAGE_MAX 65536

enum ipc_type {
    IPC_HELLO,
    IPC_SETUP,
    IPC_JOB,
    IPC_PROGRESS,
    IPC_PACKED,
    IPC_PUBLISH,
    IPC_SENT,
    IPC_ENDED,
    IPC_CLEAR,
    IPC_NOTE
};
const char *ipc_type_name(enum ipc_type type);

enum ipc_result {
    IPC_OK,
    IPC_NONE, /* nothing there to read; or the peer does not take it now */
    IPC_END,  /* the peer is gone */
    IPC_BAD   /* not a message; or one that cannot be sent */
};

struct ipc_message {
    enum ipc_type type;
    int64_t seq;
    struct json_object *body; /* owned */
    int fd;                   /* owned; -1: none */
};
/* Never blocks. *message_r needs ipc_message_release() when OK. */
enum ipc_result ipc_read(int sock, struct ipc_message *message_r) MUST_CHECK;
void ipc_message_release(struct ipc_message *message);
/* Bytes of one message; pure, for ipc_read() and fuzzing. The fd stays -1. */
enum ipc_result ipc_parse(const void *bytes, size_t len, struct ipc_message *message_r) MUST_CHECK;

/* Both ends as close-on-exec; false with errno. */
bool ipc_pair(int *master_r, int *worker_r) MUST_CHECK;

/* ---- typed pairs: each _write sends (blocking at most IPC_WRITE_MS), each _read takes a message
 * of its type and answers false when it is not as it should be ---- */
#define IPC_WRITE_MS 1000

enum ipc_result ipc_hello_write(int sock, int64_t pid) MUST_CHECK;
bool ipc_hello_read(const struct ipc_message *message, int64_t *version_r,
                    int64_t *pid_r) MUST_CHECK;

struct ipc_setup {
    int64_t slot;
    char *work_dir, *folder; /* owned when read */
};
enum ipc_result ipc_setup_write(int sock, const struct ipc_setup *setup) MUST_CHECK;
bool ipc_setup_read(const struct ipc_message *message, struct ipc_setup *setup_r) MUST_CHECK;
void ipc_setup_release(struct ipc_setup *setup);

struct ipc_job {
    int64_t seq;
    char hash[65], claim[CLAIM_ID_SIZE];
    int64_t attempt;
    char *type, *command, *env, *worker_id; /* owned when read */
    enum sandbox_level sandbox;
    int64_t resident_jobs; /* of a resident converter, until it is started anew; 0: runs once */
    enum sandbox_profile profile;
    char *sandbox_command; /* owned when read; NULL: none */
    struct convert_limits limits;
    int64_t connect_timeout_ms, stall_timeout_ms, fetch_deadline_ms;
    char *ca_file;            /* owned when read; NULL: the system's */
    struct store_grant grant; /* owned when read */
};
enum ipc_result ipc_job_write(int sock, const struct ipc_job *job) MUST_CHECK;
/* Takes the message's descriptor into the grant. */
bool ipc_job_read(struct ipc_message *message, struct ipc_job *job_r) MUST_CHECK;
/* The limits alone, as members of an object. */
void ipc_limits_write(struct json_object *object, const struct convert_limits *limits);
bool ipc_limits_read(struct json_object *object, struct convert_limits *limits_r) MUST_CHECK;
void ipc_job_release(struct ipc_job *job);

struct ipc_progress {
    char phase[16], stage[PROGRESS_STAGE_SIZE];
    int64_t page, pages; /* -1: unknown */
    double cpu_seconds;
    int64_t rss_bytes, size_bytes; /* size: of the document, -1: not yet known */
    char name[256];                /* original file name, cut; "" = not known */
};
enum ipc_result ipc_progress_write(int sock, int64_t seq,
                                   const struct ipc_progress *progress) MUST_CHECK;
bool ipc_progress_read(const struct ipc_message *message,
                       struct ipc_progress *progress_r) MUST_CHECK;

enum ipc_result ipc_packed_write(int sock, int64_t seq, int64_t length,
                                 const unsigned char md5[static 16]) MUST_CHECK;
bool ipc_packed_read(const struct ipc_message *message, int64_t *length_r,
                     unsigned char md5_r[static 16]) MUST_CHECK;

enum ipc_result ipc_publish_write(int sock, int64_t seq,
                                  const struct store_grant *grant) MUST_CHECK;
bool ipc_publish_read(struct ipc_message *message, struct store_grant *grant_r) MUST_CHECK;

enum ipc_result ipc_sent_write(int sock, int64_t seq, enum store_status status,
                               const char *error) MUST_CHECK;
/* *error_r: the caller frees; may be NULL. */
bool ipc_sent_read(const struct ipc_message *message, enum store_status *status_r,
                   char **error_r) MUST_CHECK;

#define IPC_NOTE_MAX 1024 /* longer ones are cut by the writer, refused by the reader */
enum ipc_result ipc_note_write(int sock, int64_t seq, const char *text) MUST_CHECK;
/* The text is borrowed from the message. */
bool ipc_note_read(const struct ipc_message *message, const char **text_r) MUST_CHECK;

enum ipc_result ipc_clear_write(int sock, int64_t seq) MUST_CHECK;

struct ipc_ended {
    enum attempt_blame blame;
    bool breaker;                  /* counts towards the breaker */
    struct record_attempt *record; /* owned when read */
};
/* The record's tails travel in a memory file, each cut to RUN_TAIL_MAX; an empty one is read as
 * NULL. */
enum ipc_result ipc_ended_write(int sock, int64_t seq, const struct ipc_ended *ended) MUST_CHECK;
bool ipc_ended_read(struct ipc_message *message, struct ipc_ended *ended_r) MUST_CHECK;

#endif
