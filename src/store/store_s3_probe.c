/* Finds out in which form the server wants the ETag of an If-Match.
 *
 * AWS and most servers write and want it in quotes. Ceph RGW (tried: 16.2) answers 412 to a quoted
 * one always and wants it bare. A wrong guess would make every conditional replacement fail, and
 * guessing by the Server header breaks behind proxies; so an object of our own is written and
 * replaced in both forms. Operations that need the form are held meanwhile. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/store_s3_parts.h"

enum probe_step {
    PROBE_PUT,
    PROBE_QUOTED,
    PROBE_BARE,
    PROBE_DELETE
};

struct s3_probe {
    enum probe_step step;
    struct store_op op;
    char *key;
    char etag[STORE_ETAG_SIZE];
};

static void send_step(struct s3_store *s3, enum probe_step step, enum s3_etag_form form)
{
    struct s3_probe *probe = s3->probe;
    struct s3_task *task;

    store_op_release(&probe->op);
    store_op_init(&probe->op, step == PROBE_DELETE ? STORE_DELETE : STORE_PUT, probe->key);
    probe->step = step;
    if (step == PROBE_QUOTED || step == PROBE_BARE) {
        probe->op.cond = STORE_IF_MATCH;
        memcpy(probe->op.etag, probe->etag, sizeof(probe->etag));
    }
    if (step != PROBE_DELETE) {
        probe->op.body = step == PROBE_PUT ? "probe" : "probe, replaced";
        probe->op.body_len = strlen(probe->op.body);
    }
    task = s3_task_new(s3, NULL, &probe->op);
    task->form = form;
    s3_task_ready(task);
}

void s3_probe_start(struct s3_store *s3)
{
    char name[33];

    if (s3->probe != NULL)
        return;
    s3->probe = mem_alloc(sizeof(*s3->probe));
    rng_hex(s3->rng, 16, name);
    s3->probe->key = mem_printf("%sregistry/probe/%s/etag", s3->prefix, name);
    store_op_init(&s3->probe->op, STORE_PUT, s3->probe->key);
    send_step(s3, PROBE_PUT, S3_ETAG_AS_KNOWN);
}

void s3_probe_free(struct s3_store *s3)
{
    if (s3->probe == NULL)
        return;
    store_op_release(&s3->probe->op);
    free(s3->probe->key);
    free(s3->probe);
    s3->probe = NULL;
}

static void release_held(struct s3_store *s3)
{
    struct s3_task *task;

    while ((task = s3_list_take(&s3->held)) != NULL)
        s3_list_add(&s3->ready, task);
}

/* The probe came to nothing: what waited for it was not sent, so nothing of it has happened. */
static void fail_held(struct s3_store *s3, enum store_status status, const char *why)
{
    struct s3_task_list held = s3->held;
    struct s3_task *task;

    if (held.first == NULL)
        return;
    s3_list_init(&s3->held);
    while (held.first != NULL) {
        task = held.first;
        held.first = task->next;
        store_op_fail(task->op, status, "probing how this store wants its conditions: %s", why);
        s3_task_end(task);
    }
}

static void form_found(struct s3_store *s3, bool quoted)
{
    s3->base.properties.quoted_etag = quoted;
    s3->etag_form_known = true;
    release_held(s3);
    send_step(s3, PROBE_DELETE, S3_ETAG_AS_KNOWN);
}

static void probe_over(struct s3_store *s3, enum store_status status, const char *why)
{
    char *text = mem_strdup(why);

    s3_probe_free(s3);
    fail_held(s3, status, text);
    free(text);
}

static void refused(struct s3_store *s3)
{
    static const char why[] =
        "a right If-Match is refused in quotes and without; this store cannot "
        "be used";

    probe_over(s3, STORE_FATAL, why);
}

void s3_probe_step(struct s3_task *task)
{
    struct s3_store *s3 = task->s3;
    struct s3_probe *probe = s3->probe;
    struct store_op *op = &probe->op;
    bool failed_condition = op->status == STORE_PRECONDITION || op->status == STORE_NOT_FOUND;

    s3_task_free(task);
    if (probe->step == PROBE_DELETE) { /* best effort: a small object left behind harms nobody */
        s3_probe_free(s3);
        return;
    }
    if (op->status != STORE_OK && !failed_condition) {
        probe_over(s3, op->status == STORE_FATAL ? STORE_FATAL : STORE_AGAIN,
                   op->error != NULL ? op->error : "no answer");
        return;
    }
    switch (probe->step) {
    case PROBE_PUT:
        memcpy(probe->etag, op->etag_r, sizeof(probe->etag));
        if (failed_condition)
            refused(s3);
        else
            send_step(s3, PROBE_QUOTED, S3_ETAG_QUOTED);
        break;
    case PROBE_QUOTED:
        if (failed_condition)
            send_step(s3, PROBE_BARE, S3_ETAG_BARE);
        else
            form_found(s3, true);
        break;
    case PROBE_BARE:
        if (failed_condition)
            refused(s3);
        else
            form_found(s3, false);
        break;
    case PROBE_DELETE:
        break;
    }
}
