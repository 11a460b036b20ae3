/* See gang.h: many jobs at a time. */
#include "cli/gang.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/mailbox.h"
#include "cli/progress.h"

#define THREADS_MAX 12
#define WAIT_MS 200 /* how soon Ctrl-C is seen */

struct piece {
    struct mailbox_message message;
    size_t index;
    void *found;
};

struct crowd {
    const struct gang *gang;
    struct mailbox *inbox;
    atomic_size_t next;
    atomic_bool stop;
};

struct member {
    struct crowd *crowd;
    struct queue queue; /* a copy, with a store of its own */
    pthread_t thread;
};

static void *member_thread(void *arg)
{
    struct member *member = arg;
    struct crowd *crowd = member->crowd;
    const struct gang *gang = crowd->gang;
    size_t index;

    while (!atomic_load(&crowd->stop) &&
           (index = atomic_fetch_add(&crowd->next, 1)) < gang->count) {
        struct piece *piece = mem_alloc(sizeof(*piece));

        piece->index = index;
        piece->found = gang->work(gang->arg, &member->queue, index);
        mailbox_post(crowd->inbox, &piece->message);
    }
    return NULL;
}

/* Waits for a piece; NULL: none within the time. */
static struct piece *take(struct crowd *crowd)
{
    struct pollfd pfd = {.fd = mailbox_fd(crowd->inbox), .events = POLLIN};
    struct mailbox_message *message = mailbox_take(crowd->inbox);

    if (message == NULL && poll(&pfd, 1, WAIT_MS) > 0)
        message = mailbox_take(crowd->inbox);
    return (struct piece *)message;
}

/* Until every piece that was begun has been taken. */
static void collect(struct crowd *crowd, struct cli *cli)
{
    const struct gang *gang = crowd->gang;
    struct progress_line line;
    size_t ended = 0;

    progress_begin(&line, cli, gang->doing);
    line.shown = line.shown && gang->doing != NULL;
    for (;;) {
        size_t begun = atomic_load(&crowd->next);
        struct piece *piece;

        if (cli_stopped())
            atomic_store(&crowd->stop, true);
        if (begun > gang->count)
            begun = gang->count;
        if (ended == gang->count || (atomic_load(&crowd->stop) && ended >= begun))
            break;
        piece = take(crowd);
        if (piece != NULL) {
            progress_end(&line);
            if (!gang->done(gang->arg, piece->index, piece->found))
                atomic_store(&crowd->stop, true);
            free(piece);
            ended++;
        }
        if (gang->show != NULL)
            gang->show(gang->arg);
        else
            progress_step(&line, (int64_t)ended, (int64_t)gang->count, "jobs");
    }
    progress_end(&line);
}

static enum exitcode start(struct cli *cli, struct queue *queue, struct member *member)
{
    sigset_t all, old;
    int error;

    member->queue = *queue;
    member->queue.store = cli_open_store(cli);
    if (member->queue.store == NULL)
        return EXITCODE_UNAVAILABLE;
    store_set_properties(member->queue.store, store_properties(queue->store));
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    error = pthread_create(&member->thread, NULL, member_thread, member);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error == 0)
        return EXITCODE_OK;
    store_close(member->queue.store);
    cli_error("a thread could not be started: %s; try again when the machine is less busy",
              strerror(error));
    return EXITCODE_OSERR;
}

static enum exitcode run_threads(struct cli *cli, struct queue *queue, struct crowd *crowd)
{
    size_t wanted = crowd->gang->count < THREADS_MAX ? crowd->gang->count : THREADS_MAX, made = 0;
    struct member *members = mem_alloc(wanted * sizeof(*members));
    enum exitcode code = EXITCODE_OK;

    while (made < wanted && code == EXITCODE_OK) {
        members[made].crowd = crowd;
        code = start(cli, queue, &members[made]);
        made += code == EXITCODE_OK;
    }
    if (made > 0) { /* fewer hands do it too */
        code = EXITCODE_OK;
        collect(crowd, cli);
    }
    for (size_t i = 0; i < made; i++) {
        pthread_join(members[i].thread, NULL);
        store_close(members[i].queue.store);
    }
    free(members);
    return code;
}

/* One piece, or few: without threads. */
static void run_here(struct queue *queue, const struct gang *gang)
{
    bool go_on = true;

    for (size_t i = 0; i < gang->count && go_on && !cli_stopped(); i++)
        go_on = gang->done(gang->arg, i, gang->work(gang->arg, queue, i));
}

enum exitcode gang_run(struct cli *cli, struct queue *queue, const struct gang *gang)
{
    struct crowd crowd = {.gang = gang};
    struct piece *piece;
    enum exitcode code = EXITCODE_OK;

    if (gang->count <= 1) {
        run_here(queue, gang);
    } else {
        crowd.inbox = mailbox_create();
        code = run_threads(cli, queue, &crowd);
        /* Begun between the last look and the stop. */
        while ((piece = (struct piece *)mailbox_take(crowd.inbox)) != NULL) {
            gang->done(gang->arg, piece->index, piece->found);
            free(piece);
        }
        mailbox_destroy(crowd.inbox);
    }
    return code == EXITCODE_OK && cli_stopped() ? EXITCODE_INTERRUPTED : code;
}
