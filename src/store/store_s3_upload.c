/* PUTs in parts, for bodies from files above part_size (S3 API, CreateMultipartUpload and
 * following).
 *
 * Only for STORE_ALWAYS: some stores accept conditions on CompleteMultipartUpload and ignore them.
 * The legs of one upload go one after the other; several uploads run side by side. An upload that
 * fails is aborted, so that no parts stay behind to be paid for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/store_s3_parts.h"

enum {
    PARTS_MAX = 10000, /* S3 API, "Amazon S3 multipart upload limits" */
    ABORT_LIMIT_MS = 15 * 1000,
};

struct s3_upload {
    char id[S3_UPLOAD_ID_SIZE];
    int64_t part_size;
    unsigned number; /* of the part under way, from 1 */
    struct buf query, end_body;
    unsigned count; /* of parts */
    char (*etags)[STORE_ETAG_SIZE];
};

bool s3_upload_wanted(const struct s3_store *s3, const struct store_op *op)
{
    return op->kind == STORE_PUT && op->cond == STORE_ALWAYS && op->body == NULL &&
           op->body_size > s3->part_size;
}

void s3_upload_start(struct s3_task *task)
{
    struct s3_upload *upload = mem_alloc(sizeof(*upload));
    int64_t size = task->op->body_size;

    upload->part_size = task->s3->part_size;
    if (size / PARTS_MAX >= upload->part_size)
        upload->part_size = size / PARTS_MAX + 1;
    upload->count = (unsigned)((size + upload->part_size - 1) / upload->part_size);
    upload->etags = mem_alloc(upload->count * sizeof(upload->etags[0]));
    task->upload = upload;
    task->leg = S3_LEG_BEGIN;
}

void s3_upload_free(struct s3_upload *upload)
{
    if (upload == NULL)
        return;
    buf_release(&upload->query);
    buf_release(&upload->end_body);
    free(upload->etags);
    free(upload);
}

const char *s3_upload_query(const struct s3_task *task)
{
    struct s3_upload *upload = task->upload;
    char id[3 * S3_UPLOAD_ID_SIZE];

    buf_clear(&upload->query);
    if (task->leg == S3_LEG_BEGIN)
        return "uploads=";
    s3_url_encode(upload->id, strlen(upload->id), false, id, sizeof(id));
    if (task->leg == S3_LEG_PART)
        buf_printf(&upload->query, "partNumber=%u&", upload->number);
    buf_printf(&upload->query, "uploadId=%s", id);
    return upload->query.data;
}

void s3_upload_part_range(const struct s3_task *task, int64_t *offset_r, int64_t *len_r)
{
    const struct s3_upload *upload = task->upload;
    int64_t at = (upload->number - 1) * upload->part_size;
    int64_t left = task->op->body_size - at;

    *offset_r = task->op->body_offset + at;
    *len_r = left < upload->part_size ? left : upload->part_size;
}

/* The ETags come from the server; they are written into XML, so nothing but their usual bytes. */
static bool etag_is_plain(const char *etag)
{
    return etag[0] != '\0' && etag[strspn(etag, "0123456789abcdefABCDEF-")] == '\0';
}

const struct buf *s3_upload_end_body(const struct s3_task *task)
{
    struct s3_upload *upload = task->upload;

    buf_clear(&upload->end_body);
    buf_puts(&upload->end_body, "<CompleteMultipartUpload>");
    for (unsigned i = 0; i < upload->count; i++)
        buf_printf(&upload->end_body, "<Part><PartNumber>%u</PartNumber><ETag>\"%s\"</ETag></Part>",
                   i + 1, upload->etags[i]);
    buf_puts(&upload->end_body, "</CompleteMultipartUpload>");
    return &upload->end_body;
}

static void damaged(struct s3_task *task, enum store_status status)
{
    store_op_fail(task->op, status,
                  "upload in parts to %s: the server's answer makes no sense; "
                  "check s3_endpoint_url, or raise s3_part_size",
                  task->s3->base.url);
    s3_upload_failed(task);
}

static void part_done(struct s3_task *task, const struct s3_http_answer *answer)
{
    struct s3_upload *upload = task->upload;

    if (!etag_is_plain(answer->etag)) {
        damaged(task, STORE_FATAL);
        return;
    }
    memcpy(upload->etags[upload->number - 1], answer->etag, STORE_ETAG_SIZE);
    task->maybe_done = false; /* parts alone have no effect */
    if (upload->number == upload->count)
        task->leg = S3_LEG_END;
    else
        upload->number++;
    s3_task_ready(task);
}

void s3_upload_leg_done(struct s3_task *task, struct s3_http_answer *answer)
{
    struct s3_upload *upload = task->upload;
    struct store_op *op = task->op;
    const char *body = buf_text(answer->body);

    switch (task->leg) {
    case S3_LEG_BEGIN:
        if (!s3_xml_parse_upload_id(body, answer->body->len, upload->id)) {
            damaged(task, STORE_FATAL);
            return;
        }
        task->leg = S3_LEG_PART;
        upload->number = 1;
        s3_task_ready(task);
        return;
    case S3_LEG_PART:
        part_done(task, answer);
        return;
    case S3_LEG_END: /* 200 is sent before the work is done, so the body has the last word */
        if (!s3_xml_parse_completed(body, answer->body->len, op->etag_r)) {
            damaged(task, STORE_UNKNOWN);
            return;
        }
        s3_task_end(task);
        return;
    case S3_LEG_ABORT:
    case S3_LEG_PLAIN:
        s3_task_end(task);
        return;
    }
}

void s3_upload_failed(struct s3_task *task)
{
    struct store_op *op = task->op;

    if (task->leg == S3_LEG_END && task->maybe_done && op->status == STORE_FATAL)
        op->status = STORE_UNKNOWN; /* NoSuchUpload after an unanswered END may be its success */
    if (task->leg == S3_LEG_BEGIN || task->leg == S3_LEG_ABORT) {
        s3_task_end(task);
        return;
    }
    if (task->leg == S3_LEG_PART)
        task->maybe_done = false;
    task->leg = S3_LEG_ABORT;
    task->has_deadline = true;
    task->deadline_ms = clock_boot_ms(task->s3->clock) + ABORT_LIMIT_MS;
    s3_task_ready(task);
}
