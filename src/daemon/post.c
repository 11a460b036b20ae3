/* See post.h: the messages between the master's threads. */
#include "daemon/post.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "store/store_settings.h"

struct post *post_create(enum post_type type)
{
    struct post *post = mem_alloc(sizeof(*post));

    post->message.type = type;
    post->grant.fd = -1;
    return post;
}

void post_release(struct post *post)
{
    if (post == NULL)
        return;
    json_object_put(post->event.progress);
    if (post->event.record != NULL) {
        record_attempt_release(post->event.record);
        free(post->event.record);
    }
    store_grant_release(&post->grant);
    settings_destroy(post->settings);
    free(post->text);
    figures_destroy(post->figures);
    json_object_put(post->state);
    free(post);
}

void post_send(struct mailbox *to, struct post *post)
{
    mailbox_post(to, &post->message);
}

struct post *post_take(struct mailbox *from)
{
    return (struct post *)mailbox_take(from);
}

void post_box_destroy(struct mailbox *box)
{
    struct post *post;

    while (box != NULL && (post = post_take(box)) != NULL)
        post_release(post);
    mailbox_destroy(box);
}

void post_tune(const struct post *post, struct store *store)
{
    char *error = NULL;

    if (!store_settings_tune(store, post->settings, &error))
        log_event(LOG_ERROR, "reload_refused", LOG_S("msg", error),
                  LOG_S("remedy", "requests of one thread go on with the old S3 settings: reload "
                                  "again"));
    free(error);
}

void post_grant_copy(struct store_grant *to, const struct store_grant *from)
{
    memset(to, 0, sizeof(*to));
    to->url = mem_strdup(from->url);
    to->headers = mem_resize(NULL, from->header_count + 1, sizeof(char *));
    for (size_t i = 0; i < from->header_count; i++)
        to->headers[i] = mem_strdup(from->headers[i]);
    to->header_count = from->header_count;
    for (size_t i = 0; i < from->meta_count; i++) {
        to->meta[i] = from->meta[i];
        to->meta[i].value = mem_strdup(from->meta[i].value);
    }
    to->meta_count = from->meta_count;
    to->fd = from->fd < 0 ? -1 : fcntl(from->fd, F_DUPFD_CLOEXEC, 3);
}
