/* Mailboxes: order, the descriptor, messages of many threads, what is left at the end. */
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/mailbox.h"
#include "suites.h"

struct number {
    struct mailbox_message message;
    int sender, value;
};

static void post(struct mailbox *box, int sender, int value)
{
    struct number *n = mem_alloc(sizeof(*n));

    n->message.type = 1;
    n->sender = sender;
    n->value = value;
    mailbox_post(box, &n->message);
}

static bool readable(struct mailbox *box, int timeout_ms)
{
    struct pollfd fd = {mailbox_fd(box), POLLIN, 0};

    return poll(&fd, 1, timeout_ms) == 1;
}

START_TEST(in_order)
{
    struct mailbox *box = mailbox_create();

    ck_assert_ptr_null(mailbox_take(box));
    ck_assert(!readable(box, 0));
    for (int i = 0; i < 10; i++)
        post(box, 0, i);
    ck_assert(readable(box, 0));
    for (int i = 0; i < 10; i++) {
        struct number *n = (struct number *)mailbox_take(box);
        ck_assert_ptr_nonnull(n);
        ck_assert_int_eq(n->value, i);
        free(n);
    }
    ck_assert_ptr_null(mailbox_take(box));
    ck_assert(!readable(box, 0));
    post(box, 0, 1); /* left: freed with the box */
    mailbox_destroy(box);
    mailbox_destroy(NULL);
}
END_TEST

#define SENDERS 4
#define EACH 1000

struct sender {
    struct mailbox *box;
    int number;
};

static void *send_all(void *arg)
{
    const struct sender *sender = arg;

    for (int i = 0; i < EACH; i++)
        post(sender->box, sender->number, i);
    return NULL;
}

START_TEST(many_senders)
{
    struct mailbox *box = mailbox_create();
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];
    int next[SENDERS] = {0}, got = 0;

    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){box, i};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
    }
    while (got < SENDERS * EACH) {
        struct number *n;
        ck_assert_msg(readable(box, 60000), "no message within a minute, %d so far", got);
        while ((n = (struct number *)mailbox_take(box)) != NULL) {
            ck_assert_int_eq(n->value, next[n->sender]);
            next[n->sender]++;
            got++;
            free(n);
        }
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_ptr_null(mailbox_take(box));
    mailbox_destroy(box);
}
END_TEST

TCase *tests_mailbox(void)
{
    TCase *tc = tcase_create("mailbox");

    tcase_add_test(tc, in_order);
    tcase_add_test(tc, many_senders);
    tcase_set_timeout(tc, 120);
    return tc;
}
