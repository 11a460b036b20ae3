/* See mailbox.h: how threads talk. */
#include "base/mailbox.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"

struct mailbox {
    pthread_mutex_t mutex;
    struct mailbox_message *first, **last;
    int fd;
};

struct mailbox *mailbox_create(void)
{
    struct mailbox *mailbox = mem_alloc(sizeof(*mailbox));

    pthread_mutex_init(&mailbox->mutex, NULL);
    mailbox->last = &mailbox->first;
    mailbox->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (mailbox->fd < 0)
        abort(); /* out of descriptors before the daemon has begun */
    return mailbox;
}

void mailbox_destroy(struct mailbox *mailbox)
{
    struct mailbox_message *message;

    if (mailbox == NULL)
        return;
    while ((message = mailbox_take(mailbox)) != NULL)
        free(message);
    close(mailbox->fd);
    pthread_mutex_destroy(&mailbox->mutex);
    free(mailbox);
}

void mailbox_post(struct mailbox *mailbox, struct mailbox_message *message)
{
    uint64_t one = 1;
    ssize_t n;

    message->next = NULL;
    pthread_mutex_lock(&mailbox->mutex);
    *mailbox->last = message;
    mailbox->last = &message->next;
    n = write(mailbox->fd, &one, sizeof(one)); /* EAGAIN: readable already */
    (void)n;
    pthread_mutex_unlock(&mailbox->mutex);
}

struct mailbox_message *mailbox_take(struct mailbox *mailbox)
{
    struct mailbox_message *message;
    uint64_t count;

    pthread_mutex_lock(&mailbox->mutex);
    message = mailbox->first;
    if (message != NULL) {
        mailbox->first = message->next;
        if (mailbox->first == NULL)
            mailbox->last = &mailbox->first;
    }
    if (mailbox->first == NULL) {
        ssize_t n = read(mailbox->fd, &count, sizeof(count));
        (void)n;
    }
    pthread_mutex_unlock(&mailbox->mutex);
    return message;
}

int mailbox_fd(const struct mailbox *mailbox)
{
    return mailbox->fd;
}
