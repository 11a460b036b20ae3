/* See contract.h: the frame of every test. */
#include "contract_parts.h"

#include <pthread.h>
#include <stdio.h>

#include "base/alloc.h"

static const struct subject *subjects;
static int subject_count;
const struct subject *subject; /* of the running test */
char base[256];                /* prefix of the running test's keys */
struct store *store;

void begin(int i)
{
    char id[17];

    subject = &subjects[i];
    if (subject->begin != NULL)
        subject->begin();
    rng_hex(rng_system(), 8, id);
    snprintf(base, sizeof(base), "%stest-%s/", subject->base, id);
    store = subject->open();
    ck_assert_ptr_nonnull(store);
}

/* Remembers memory until the process, thus the test, ends: tests need not free what they name. */
void *keep(void *memory)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static void **kept;
    static size_t count;

    pthread_mutex_lock(&mutex);
    kept = mem_resize(kept, count + 1, sizeof(*kept));
    kept[count++] = memory;
    pthread_mutex_unlock(&mutex);
    return memory;
}

char *full(const char *key) /* kept */
{
    return keep(mem_printf("%s%s", base, key));
}

void delete_all(void)
{
    for (;;) {
        struct store_op list;

        store_op_init(&list, STORE_LIST, base);
        CHECK_STATUS(store_do(store, &list), STORE_OK);
        for (size_t i = 0; i < list.entry_count; i++) {
            struct store_op op;

            store_op_init(&op, STORE_DELETE, list.entries[i].key);
            CHECK_STATUS(store_do(store, &op), STORE_OK);
            store_op_release(&op);
        }
        bool more = list.more_r;

        store_op_release(&list);
        if (!more)
            return;
    }
}

void end(void)
{
    if (subject->end == NULL) /* a bucket that stays */
        delete_all();
    store_close(store);
    if (subject->end != NULL)
        subject->end();
}

/* ---- small steps ---- */

char last_etag[STORE_ETAG_SIZE]; /* of the last put() that was OK */

enum store_status put_in(struct store *to, const char *key, const char *body, enum store_cond cond,
                         const char *etag, char etag_r[static STORE_ETAG_SIZE])
{
    struct store_op op;
    enum store_status status;
    char *name = full(key);

    store_op_init(&op, STORE_PUT, name);
    op.body = body;
    op.body_len = strlen(body);
    op.cond = cond;
    if (etag != NULL)
        snprintf(op.etag, sizeof(op.etag), "%s", etag);
    status = store_do(to, &op);
    if (status == STORE_OK) {
        ck_assert_str_ne(op.etag_r, "");
        memcpy(etag_r, op.etag_r, sizeof(op.etag_r));
    } else if (status == STORE_FATAL) {
        ck_assert_msg(0, "%s: put of %s: %s", subject->name, key, op.error ? op.error : "?");
    }
    store_op_release(&op);
    return status;
}

enum store_status put(const char *key, const char *body, enum store_cond cond, const char *etag)
{
    return put_in(store, key, body, cond, etag, last_etag);
}

enum store_status delete_in(struct store *from, const char *key, enum store_cond cond,
                            const char *etag)
{
    struct store_op op;
    enum store_status status;
    char *name = full(key);

    store_op_init(&op, STORE_DELETE, name);
    op.cond = cond;
    if (etag != NULL)
        snprintf(op.etag, sizeof(op.etag), "%s", etag);
    status = store_do(from, &op);
    store_op_release(&op);
    return status;
}

/* Body of a key; NULL: not found. The caller frees. etag_r may be NULL. */
char *get_in(struct store *from, const char *key, char *etag_r)
{
    struct store_op op;
    char *name = full(key);
    char *body = NULL;

    store_op_init(&op, STORE_GET, name);
    if (store_do(from, &op) == STORE_OK) {
        ck_assert_int_eq(op.size_r, (int64_t)op.data.len);
        if (etag_r != NULL)
            memcpy(etag_r, op.etag_r, sizeof(op.etag_r));
        body = buf_steal(&op.data);
    } else {
        CHECK_STATUS(op.status, STORE_NOT_FOUND);
    }
    store_op_release(&op);
    return body;
}

char *get(const char *key) /* kept */
{
    return keep(get_in(store, key, NULL));
}

bool is_refusal(enum store_status status)
{
    return status == STORE_PRECONDITION || status == STORE_NOT_FOUND;
}

void contract_add(Suite *suite, const struct subject *all, int count)
{
    TCase *tcase = tcase_create("contract");

    subjects = all;
    subject_count = count;
    tcase_set_timeout(tcase, 300);
    contract_add_objects(tcase, count);
    contract_add_lists(tcase, count);
    contract_add_shared(tcase, count);
    suite_add_tcase(suite, tcase);
}
