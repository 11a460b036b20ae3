/* The contract suite: conditions, bodies, metadata (contract_parts.h). */
#include "contract_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- conditions ---- */

START_TEST(put_conditions)
{
    char first[STORE_ETAG_SIZE];

    begin(_i);
    CHECK_STATUS(put("k", "one", STORE_IF_ABSENT, NULL), STORE_OK);
    memcpy(first, last_etag, sizeof(first));
    CHECK_STATUS(put("k", "two", STORE_IF_ABSENT, NULL), STORE_PRECONDITION);
    ck_assert_str_eq(get("k"), "one");
    ck_assert(is_refusal(put("k", "two", STORE_IF_MATCH, "00000000000000000000000000000000")));
    CHECK_STATUS(put("k", "two", STORE_IF_MATCH, first), STORE_OK);
    ck_assert_str_ne(last_etag, first);
    ck_assert(is_refusal(put("k", "three", STORE_IF_MATCH, first)));
    ck_assert_str_eq(get("k"), "two");
    CHECK_STATUS(put("k", "four", STORE_ALWAYS, NULL), STORE_OK);
    ck_assert_str_eq(get("k"), "four");
    ck_assert(is_refusal(put("missing", "x", STORE_IF_MATCH, first)));
    ck_assert_ptr_null(get("missing"));
    CHECK_STATUS(delete_in(store, "k", STORE_ALWAYS, NULL), STORE_OK);
    ck_assert_ptr_null(get("k"));
    ck_assert(is_refusal(put("k", "x", STORE_IF_MATCH, last_etag)));
    CHECK_STATUS(put("k", "five", STORE_IF_ABSENT, NULL), STORE_OK);
    CHECK_STATUS(put("k", "six", STORE_IF_ABSENT, NULL), STORE_PRECONDITION);
    ck_assert_str_eq(get("k"), "five");
    end();
}
END_TEST

START_TEST(delete_conditions)
{
    char old[STORE_ETAG_SIZE];

    begin(_i);
    CHECK_STATUS(delete_in(store, "never", STORE_ALWAYS, NULL), STORE_OK);
    CHECK_STATUS(put("k", "one", STORE_IF_ABSENT, NULL), STORE_OK);
    memcpy(old, last_etag, sizeof(old));
    CHECK_STATUS(put("k", "two", STORE_IF_MATCH, old), STORE_OK);
    if (store_properties(store)->conditional_delete) {
        ck_assert(is_refusal(delete_in(store, "k", STORE_IF_MATCH, old)));
        ck_assert_str_eq(get("k"), "two");
        ck_assert(is_refusal(delete_in(store, "never", STORE_IF_MATCH, old)));
    }
    CHECK_STATUS(delete_in(store, "k", STORE_IF_MATCH, last_etag), STORE_OK);
    ck_assert_ptr_null(get("k"));
    CHECK_STATUS(delete_in(store, "k", STORE_ALWAYS, NULL), STORE_OK);
    end();
}
END_TEST

START_TEST(delete_expires)
{
    struct store_op op;
    int64_t now;

    begin(_i);
    if (!store_properties(store)->expiring_delete) {
        end(); /* the property says that it does not: nothing was promised */
        return;
    }
    CHECK_STATUS(put("k", "one", STORE_IF_ABSENT, NULL), STORE_OK);
    store_op_init(&op, STORE_HEAD, full("k"));
    CHECK_STATUS(store_do(store, &op), STORE_OK);
    now = op.date_ms_r;
    store_op_release(&op);
    store_op_init(&op, STORE_DELETE, full("k"));
    op.expires_ms = now - 5000;
    CHECK_STATUS(store_do(store, &op), STORE_PRECONDITION);
    ck_assert_str_eq(get("k"), "one");
    op.expires_ms = now + 60000;
    store_op_reset(&op);
    CHECK_STATUS(store_do(store, &op), STORE_OK);
    ck_assert_ptr_null(get("k"));
    store_op_release(&op);
    end();
}
END_TEST

/* ---- bodies and metadata ---- */

START_TEST(read_outcomes)
{
    struct store_op head, got;
    int64_t before, after;

    begin(_i);
    store_op_init(&head, STORE_HEAD, full("none"));
    CHECK_STATUS(store_do(store, &head), STORE_NOT_FOUND);
    store_op_release(&head);
    before = clock_boot_ms(clock_system());
    CHECK_STATUS(put("k", "hello", STORE_ALWAYS, NULL), STORE_OK);
    store_op_init(&head, STORE_HEAD, full("k"));
    CHECK_STATUS(store_do(store, &head), STORE_OK);
    after = clock_boot_ms(clock_system());
    ck_assert_int_eq(head.size_r, 5);
    ck_assert_str_eq(head.etag_r, last_etag);
    ck_assert_int_ge(head.sent_boot_ms_r, before);
    ck_assert_int_le(head.sent_boot_ms_r, after);
    ck_assert_msg(llabs((long long)(head.modified_ms_r - head.date_ms_r)) <= 60000,
                  "%s: modified %lld, date %lld", subject->name, (long long)head.modified_ms_r,
                  (long long)head.date_ms_r);
    ck_assert_uint_eq(head.data.len, 0);
    store_op_init(&got, STORE_GET, full("k"));
    CHECK_STATUS(store_do(store, &got), STORE_OK);
    ck_assert_str_eq(got.etag_r, last_etag);
    ck_assert_int_eq(got.modified_ms_r, head.modified_ms_r);
    ck_assert_str_eq(buf_text(&got.data), "hello");
    store_op_reset(&got); /* sent again: the same wish */
    CHECK_STATUS(store_do(store, &got), STORE_OK);
    ck_assert_str_eq(buf_text(&got.data), "hello");
    store_op_release(&got);
    store_op_release(&head);
    ck_assert_uint_ge(store_meter(store)->requests[STORE_GET], 2);
    ck_assert_uint_eq(store_meter(store)->seconds[STORE_GET].count,
                      store_meter(store)->requests[STORE_GET]);
    ck_assert_double_ge(store_meter(store)->seconds[STORE_GET].sum, 0);
    end();
}
END_TEST

START_TEST(bodies)
{
    struct store_op op;
    char big[5000];
    int file = memfd_create("body", 0);

    begin(_i);
    CHECK_STATUS(put("empty", "", STORE_ALWAYS, NULL), STORE_OK);
    ck_assert_str_eq(get("empty"), "");
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 7); /* NUL bytes too */
    store_op_init(&op, STORE_PUT, full("bytes"));
    op.body = big;
    op.body_len = sizeof(big);
    CHECK_STATUS(store_do(store, &op), STORE_OK);
    store_op_release(&op);
    ck_assert(store_write_at(file, big, sizeof(big), 0));
    store_op_init(&op, STORE_PUT, full("part"));
    op.body_fd = file;
    op.body_offset = 100;
    op.body_size = 3000;
    CHECK_STATUS(store_do(store, &op), STORE_OK);
    store_op_release(&op);
    store_op_init(&op, STORE_GET, full("bytes"));
    CHECK_STATUS(store_do(store, &op), STORE_OK);
    ck_assert_uint_eq(op.data.len, sizeof(big));
    ck_assert_mem_eq(op.data.data, big, sizeof(big));
    store_op_release(&op);
    store_op_init(&op, STORE_GET, full("part"));
    CHECK_STATUS(store_do(store, &op), STORE_OK);
    ck_assert_uint_eq(op.data.len, 3000);
    ck_assert_mem_eq(op.data.data, big + 100, 3000);
    store_op_release(&op);
    close(file);
    end();
}
END_TEST

START_TEST(sinks_and_limits)
{
    struct store_op op;
    char text[16] = "";
    int file = memfd_create("sink", 0);

    begin(_i);
    CHECK_STATUS(put("k", "0123456789", STORE_ALWAYS, NULL), STORE_OK);
    ck_assert(store_write_at(file, "what was there before", 21, 0));
    store_op_init(&op, STORE_GET, full("k"));
    op.sink_fd = file;
    CHECK_STATUS(store_do(store, &op), STORE_OK);
    ck_assert_int_eq(op.size_r, 10);
    ck_assert_uint_eq(op.data.len, 0);
    ck_assert_int_eq(pread(file, text, sizeof(text), 0), 10);
    ck_assert_str_eq(text, "0123456789");
    store_op_release(&op);
    store_op_init(&op, STORE_GET, full("k"));
    op.max_bytes = 10;
    CHECK_STATUS(store_do(store, &op), STORE_OK);
    store_op_reset(&op);
    op.max_bytes = 9;
    CHECK_STATUS(store_do(store, &op), STORE_FATAL);
    ck_assert_ptr_nonnull(op.error);
    ck_assert_uint_eq(op.data.len, 0);
    store_op_release(&op);
    close(file);
    end();
}
END_TEST

START_TEST(metadata)
{
    struct store_meta meta[2] = {{"original-name", "r%C3%A9sum%C3%A9.pdf"}, {"claim", "cafe"}};
    struct store_op op;
    char long_value[1501];

    begin(_i);
    store_op_init(&op, STORE_PUT, full("k"));
    op.body = "x";
    op.body_len = 1;
    op.put_meta = meta;
    op.put_meta_count = 2;
    CHECK_STATUS(store_do(store, &op), STORE_OK);
    store_op_release(&op);
    for (int kind = STORE_GET; kind <= (int)STORE_HEAD; kind++) {
        store_op_init(&op, (enum store_kind)kind, full("k"));
        CHECK_STATUS(store_do(store, &op), STORE_OK);
        ck_assert_str_eq(store_op_meta(&op, "original-name"), meta[0].value);
        ck_assert_str_eq(store_op_meta(&op, "claim"), "cafe");
        ck_assert_ptr_null(store_op_meta(&op, "tags"));
        store_op_release(&op);
    }
    CHECK_STATUS(put("k", "y", STORE_ALWAYS, NULL), STORE_OK); /* replaced as a whole */
    store_op_init(&op, STORE_HEAD, full("k"));
    CHECK_STATUS(store_do(store, &op), STORE_OK);
    ck_assert_ptr_null(store_op_meta(&op, "claim"));
    store_op_release(&op);
    memset(long_value, 'v', sizeof(long_value) - 1); /* S3 allows 2 KiB in all */
    long_value[sizeof(long_value) - 1] = '\0';
    meta[0].value = long_value;
    store_op_init(&op, STORE_PUT, full("long"));
    op.put_meta = meta;
    op.put_meta_count = 1;
    CHECK_STATUS(store_do(store, &op), STORE_OK);
    store_op_release(&op);
    store_op_init(&op, STORE_HEAD, full("long"));
    CHECK_STATUS(store_do(store, &op), STORE_OK);
    ck_assert_str_eq(store_op_meta(&op, "original-name"), long_value);
    store_op_release(&op);
    end();
}
END_TEST

START_TEST(etag_changes_with_each_body)
{
    enum {
        BODIES = 200
    };
    char etags[BODIES][STORE_ETAG_SIZE];
    int n = 0;

    begin(_i);
    n = ROUNDS(BODIES, 30);
    for (int i = 0; i < n; i++) { /* as fast as we can, all of one size, the key new now and then */
        char body[16];
        struct store_op op;

        snprintf(body, sizeof(body), "body-%06d", i);
        if (i % 3 == 0)
            CHECK_STATUS(delete_in(store, "k", STORE_ALWAYS, NULL), STORE_OK);
        CHECK_STATUS(put("k", body, STORE_ALWAYS, NULL), STORE_OK);
        memcpy(etags[i], last_etag, sizeof(last_etag));
        store_op_init(&op, STORE_LIST, full("k"));
        CHECK_STATUS(store_do(store, &op), STORE_OK);
        ck_assert_uint_eq(op.entry_count, 1);
        ck_assert_str_eq(op.entries[0].etag, last_etag);
        store_op_release(&op);
        for (int j = 0; j < i; j++)
            ck_assert_msg(strcmp(etags[i], etags[j]) != 0, "%s: bodies %d and %d have ETag %s",
                          subject->name, i, j, etags[i]);
    }
    CHECK_STATUS(put("a", "same", STORE_ALWAYS, NULL), STORE_OK); /* equal bodies: both live */
    CHECK_STATUS(put("b", "same", STORE_ALWAYS, NULL), STORE_OK);
    CHECK_STATUS(put("b", "other", STORE_IF_MATCH, last_etag), STORE_OK);
    ck_assert_str_eq(get("a"), "same");
    end();
}
END_TEST

void contract_add_objects(TCase *tcase, int count)
{
    tcase_add_loop_test(tcase, put_conditions, 0, count);
    tcase_add_loop_test(tcase, delete_conditions, 0, count);
    tcase_add_loop_test(tcase, delete_expires, 0, count);
    tcase_add_loop_test(tcase, read_outcomes, 0, count);
    tcase_add_loop_test(tcase, bodies, 0, count);
    tcase_add_loop_test(tcase, sinks_and_limits, 0, count);
    tcase_add_loop_test(tcase, metadata, 0, count);
    tcase_add_loop_test(tcase, etag_changes_with_each_body, 0, count);
}
