/* The S3 store's answers: what a good one brings, and how a bad one is told (store_s3_parts.h). */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/quote.h"
#include "store/store_s3_parts.h"

static void take_meta(struct store_op *op, const struct s3_http_answer *answer)
{
    const char *at = answer->meta, *end = answer->meta + answer->meta_len;

    while (at < end) {
        const char *value = at + strlen(at) + 1;
        store_op_add_meta(op, at, value);
        at = value + strlen(value) + 1;
    }
}

static void drop_entries(struct store_op *op)
{
    for (size_t i = 0; i < op->entry_count; i++)
        free(op->entries[i].key);
    free(op->entries);
    op->entries = NULL;
    op->entry_count = 0;
}

/* Conditions name ETags: without them nothing of ours can be done safely. */
static void refuse_without_etag(struct s3_task *task)
{
    struct buf text = BUF_INIT;

    buf_printf(&text, "%s of ", store_kind_name(task->op->kind));
    quote_append(&text, task->op->key, strlen(task->op->key));
    store_op_fail(
        task->op, STORE_FATAL,
        "%s in %s: the answer carries no ETag; use a server, and a proxy, that sends them",
        buf_text(&text), task->s3->base.url);
    buf_release(&text);
}

struct listing {
    struct store_op *op;
    bool lacks_etag;
};

static void on_entry(void *arg, const struct s3_xml_entry *entry)
{
    struct listing *listing = arg;

    listing->lacks_etag |= !entry->folder && entry->etag[0] == '\0';
    store_op_add_entry(listing->op, entry->key, entry->etag, entry->size, entry->modified_ms);
}

static int by_key(const void *a, const void *b)
{
    const struct store_entry *x = a, *y = b;

    return strcmp(x->key, y->key);
}

/* Folders stand after the keys in the document; the result is in one order. */
static void sort_entries(struct store_op *op)
{
    for (size_t i = 1; i < op->entry_count; i++) {
        if (strcmp(op->entries[i - 1].key, op->entries[i].key) > 0) {
            qsort(op->entries, op->entry_count, sizeof(op->entries[0]), by_key);
            return;
        }
    }
}

static void take_listing(struct s3_task *task, const struct s3_http_answer *answer)
{
    struct store_op *op = task->op;
    struct listing listing = {.op = op};
    const char *why = NULL;
    bool truncated = false;

    if (!s3_xml_parse_list(buf_text(answer->body), answer->body->len, on_entry, &listing,
                           &truncated, &why)) {
        drop_entries(op);
        store_op_fail(op, STORE_FATAL, "listing of %s: %s; check s3_endpoint_url",
                      task->s3->base.url, why);
        return;
    }
    if (listing.lacks_etag) {
        drop_entries(op);
        refuse_without_etag(task);
        return;
    }
    sort_entries(op);
    if (truncated && op->entry_count == 0)
        store_op_fail(op, STORE_FATAL,
                      "listing of %s: it says that more follows and holds nothing; "
                      "this store cannot be used",
                      task->s3->base.url);
    else if (truncated)
        store_op_set_more(op);
}

static void on_rule(void *arg, const char *prefix)
{
    store_op_add_entry(arg, prefix, "", 0, 0);
}

static void take_rules(struct s3_task *task, const struct s3_http_answer *answer)
{
    struct store_op *op = task->op;
    const char *text = buf_text(answer->body);
    bool locked = false, read;

    if (op->trial == STORE_TRIAL_EXPIRY)
        read = s3_xml_parse_expiry(text, answer->body->len, on_rule, op);
    else
        read = s3_xml_parse_lock(text, answer->body->len, &locked);
    if (locked)
        store_op_add_entry(op, "", "", 0, 0);
    if (read)
        return;
    drop_entries(op);
    store_op_fail(op, STORE_FATAL, "rules of %s: the answer holds none", task->s3->base.url);
}

void s3_task_take_answer(struct s3_task *task, struct s3_http_answer *answer)
{
    struct store_op *op = task->op;

    if (answer->etag[0] == '\0' && op->kind != STORE_LIST && op->kind != STORE_DELETE) {
        refuse_without_etag(task);
        return;
    }
    memcpy(op->etag_r, answer->etag, sizeof(op->etag_r));
    op->modified_ms_r = answer->modified_ms;
    switch (op->kind) {
    case STORE_GET:
        op->size_r = answer->bytes_in;
        take_meta(op, answer);
        if (op->sink_fd < 0) {
            op->data = *answer->body;
            *answer->body = (struct buf)BUF_INIT;
        }
        break;
    case STORE_HEAD:
        op->size_r = answer->length;
        take_meta(op, answer);
        break;
    case STORE_LIST:
        if (op->trial == STORE_TRIAL_EXPIRY || op->trial == STORE_TRIAL_LOCK)
            take_rules(task, answer);
        else
            take_listing(task, answer);
        break;
    case STORE_PUT:
    case STORE_DELETE:
        break;
    }
}

/* The server's own words, escaped: "403 AccessDenied: text". */
static void say_answer(struct buf *out, const struct s3_http_answer *answer,
                       const struct s3_xml_error *error)
{
    buf_printf(out, "the server answers %d", answer->status);
    if (error->code[0] != '\0') {
        buf_putc(out, ' ');
        quote_append(out, error->code, strlen(error->code));
    }
    if (error->message[0] != '\0') {
        buf_puts(out, ": ");
        quote_append(out, error->message, strlen(error->message));
    }
    if (error->region[0] != '\0') {
        buf_puts(out, " (region ");
        quote_append(out, error->region, strlen(error->region));
        buf_putc(out, ')');
    }
    if (error->endpoint[0] != '\0') {
        buf_puts(out, " (endpoint ");
        quote_append(out, error->endpoint, strlen(error->endpoint));
        buf_putc(out, ')');
    }
}

void s3_task_say(struct s3_task *task, const struct s3_facts *facts,
                 const struct s3_http_answer *answer, const struct s3_xml_error *error,
                 enum store_status status)
{
    struct buf text = BUF_INIT;

    buf_printf(&text, "%s of ", store_kind_name(task->op->kind));
    quote_append(&text, task->op->key, strlen(task->op->key));
    buf_printf(&text, " in %s at ", task->s3->base.url);
    quote_append(&text, task->s3->place.authority, strlen(task->s3->place.authority));
    buf_puts(&text, ": ");
    if (answer->outcome == S3_HTTP_LOCAL && task->op->kind == STORE_GET)
        task->op->sink_errno_r = answer->local_errno;
    if (answer->outcome == S3_HTTP_ANSWERED)
        say_answer(&text, answer, error);
    else
        quote_append(&text, answer->why, strlen(answer->why));
    if (status == STORE_FATAL)
        buf_printf(&text, "; %s", s3_remedy_text(facts));
    else if (answer->outcome == S3_HTTP_NOT_SENT)
        buf_puts(&text, "; check s3_endpoint_url and the network");
    store_op_fail(task->op, status, "%s", text.data);
    buf_release(&text);
}
