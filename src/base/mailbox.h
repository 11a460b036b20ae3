/* Mailbox: how threads talk. Messages go in from any thread and are taken out by one.
 *
 * Threads share mailboxes, not structures: a message is a heap object whose ownership passes with
 * it. The reader waits on mailbox_fd() in its own poll loop (an eventfd, readable while messages
 * are there). */
#ifndef BF_BASE_MAILBOX_H
#define BF_BASE_MAILBOX_H

#include "base/compiler.h"

struct mailbox;

struct mailbox_message { /* first member of every message */
    struct mailbox_message *next;
    int type;
};

struct mailbox *mailbox_create(void) MUST_CHECK;
void mailbox_destroy(struct mailbox *mailbox); /* messages left are free()d; NULL is fine */
/* Hands `message` over; the reader frees it. Any thread; never blocks for long. */
void mailbox_post(struct mailbox *mailbox, struct mailbox_message *message);
/* The oldest message, or NULL. The reader's thread only. */
struct mailbox_message *mailbox_take(struct mailbox *mailbox);
int mailbox_fd(const struct mailbox *mailbox); /* readable while messages wait; borrowed */

#endif
