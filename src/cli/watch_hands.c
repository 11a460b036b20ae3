/* See watch.h: the two threads that wait for the store, so that the screen need not. */
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/human.h"
#include "base/mailbox.h"
#include "base/quote.h"
#include "cli/control.h"
#include "cli/jobs.h"
#include "cli/moves.h"
#include "cli/watch.h"
#include "queue/fleet.h"

#define LOG_MAX (256u << 10)

struct task {
    struct mailbox_message message;
    enum hand_act act;
    char hash[65];
    enum tier tier;
};

struct answer {
    struct mailbox_message message;
    struct hand_answer is;
};

struct hands {
    struct cli *cli;
    int64_t interval_ms;
    char *by;
    int news; /* eventfd: something to take */

    struct queue reader_queue, actor_queue; /* copies, each with a store of its own */
    struct mailbox *tasks, *answers;
    atomic_int asked; /* tasks that are not answered */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    struct board_show show;
    char *error;
    bool fresh, look_now;
    int64_t looking_since;
};

static void tell(struct hands *hands)
{
    uint64_t one = 1;
    ssize_t n = write(hands->news, &one, sizeof(one));

    (void)n; /* full means that it is readable already */
}

/* As cli_open() does it: nothing is read or changed in a bucket of a newer format. */
static enum queue_result check_format(struct queue *queue, char **error_r)
{
    enum queue_result result = fleet_check_format(queue, error_r);

    if (result != QUEUE_DAMAGED)
        return result;
    free(*error_r);
    *error_r = NULL;
    return QUEUE_OK;
}

/* ---- the reader ---- */

static void rest(struct hands *hands)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += hands->interval_ms / 1000;
    until.tv_nsec += hands->interval_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (!hands->look_now && pthread_cond_timedwait(&hands->wake, &hands->lock, &until) == 0)
        ;
    hands->look_now = false;
}

static void *reader_thread(void *arg)
{
    struct hands *hands = arg;
    struct board *board = board_create(&hands->reader_queue);
    bool known = false; /* the bucket's format */

    for (;;) {
        char *error = NULL;
        enum queue_result result;

        pthread_mutex_lock(&hands->lock);
        hands->looking_since = clock_boot_ms(clock_system());
        pthread_mutex_unlock(&hands->lock);
        result = known ? QUEUE_OK : check_format(&hands->reader_queue, &error);
        known = result == QUEUE_OK;
        if (known)
            result = board_look(board, &error);
        if (result != QUEUE_OK && error == NULL)
            error = mem_strdup(queue_result_name(result));

        pthread_mutex_lock(&hands->lock);
        hands->looking_since = 0;
        free(hands->error);
        hands->error = error;
        if (result == QUEUE_OK) {
            board_show_release(&hands->show);
            board_show_copy(&hands->show, board_shown(board));
        }
        hands->fresh = true;
        tell(hands);
        rest(hands);
        pthread_mutex_unlock(&hands->lock);
    }
    return NULL;
}

bool hands_take_look(struct hands *hands, struct board_show *show_r, char **error_r)
{
    bool fresh;
    uint64_t drained;
    ssize_t n = read(hands->news, &drained, sizeof(drained));

    (void)n;
    pthread_mutex_lock(&hands->lock);
    fresh = hands->fresh;
    if (fresh) {
        board_show_copy(show_r, &hands->show);
        *error_r = mem_strdup(hands->error);
        hands->fresh = false;
    }
    pthread_mutex_unlock(&hands->lock);
    return fresh;
}

int64_t hands_looking_since(struct hands *hands)
{
    int64_t since;

    pthread_mutex_lock(&hands->lock);
    since = hands->looking_since;
    pthread_mutex_unlock(&hands->lock);
    return since;
}

void hands_look_now(struct hands *hands)
{
    pthread_mutex_lock(&hands->lock);
    hands->look_now = true;
    pthread_cond_signal(&hands->wake);
    pthread_mutex_unlock(&hands->lock);
}

/* ---- the actor: one job in full ---- */

static void add_line(struct buf *out, const char *name, const char *text)
{
    if (text == NULL || *text == '\0')
        return;
    buf_printf(out, "%-12s", name);
    quote_append(out, text, strlen(text));
    buf_putc(out, '\n');
}

static void add_time(struct buf *out, const char *name, int64_t ms)
{
    char text[HUMAN_SIZE];

    if (ms > 0)
        add_line(out, name, human_show_time(ms, text));
}

static void add_job(struct buf *out, const struct queue *queue, const struct job_view *view)
{
    struct job_facts facts;
    char text[HUMAN_SIZE], *line;

    job_facts_gather(queue, view, &facts);
    add_line(out, "hash", view->hash);
    add_line(out, "state",
             view->state == JOB_PROCESSING && view->stale ? "processing (stale: no heartbeat)"
                                                          : job_state_name(view->state));
    add_line(out, "tier", view->tier_known ? tier_name(view->tier) : NULL);
    add_line(out, "name", view->name);
    if (view->size_bytes >= 0)
        add_line(out, "size", human_show_size(view->size_bytes, text));
    if (view->result_bytes >= 0)
        add_line(out, "result", human_show_size(view->result_bytes, text));
    if (facts.retries >= 0 && view->state != JOB_DONE) {
        line = mem_printf("%" PRId64 " of %" PRId64, facts.retries, queue->limits.max_retries);
        add_line(out, "retries", line);
        free(line);
    }
    add_time(out, "done", view->done_ms);
    add_time(out, "queued", facts.queued_ms);
    add_time(out, "not before", facts.not_before_ms);
    add_time(out, "started", facts.started_ms);
    add_time(out, "heartbeat", facts.heartbeat_ms);
    add_line(out, "worker", facts.worker);
    if (view->state == JOB_PROCESSING) {
        line = job_progress_text(&facts);
        add_line(out, "progress", line);
        free(line);
    }
    add_line(out, "cause", facts.cause);
    add_line(out, "reason", facts.reason);
    add_line(out, "error", facts.error);
    if (view->state == JOB_DEAD) {
        line = job_dead_remedy(view);
        add_line(out, "what helps", line);
        free(line);
    }
}

static void add_attempts(struct buf *out, const struct record_attempt *attempts, size_t count)
{
    char when[HUMAN_SIZE];

    buf_puts(out, "\nATTEMPTS THAT DID NOT SUCCEED\n");
    if (count == 0)
        buf_puts(out, "none\n");
    for (size_t i = 0; i < count; i++) {
        const struct record_attempt *a = &attempts[i];

        buf_printf(out, "%s  %s%s  %s  ", human_show_time(a->ended_ms, when),
                   attempt_outcome_name(a->outcome), a->charged ? ", charged" : "",
                   cause_name(a->cause) != NULL ? cause_name(a->cause) : "-");
        if (a->error != NULL)
            quote_append(out, a->error, strlen(a->error));
        buf_putc(out, '\n');
    }
}

static void add_log(struct buf *out, struct queue *queue, const char *hash)
{
    char key[KEY_SIZE];
    struct store_op op;
    const char *text;

    store_op_init(&op, STORE_GET, key_log(&queue->keys, hash, "converter.log", key));
    op.max_bytes = LOG_MAX;
    store_run(queue->store, &op, 1);
    if (op.status == STORE_OK) {
        buf_puts(out, "\nOUTPUT OF THE LAST OF THEM\n");
        text = buf_text(&op.data);
        while (*text != '\0') {
            size_t len = strcspn(text, "\n");
            quote_append(out, text, len);
            buf_putc(out, '\n');
            text += len + (text[len] == '\n');
        }
    }
    store_op_release(&op);
}

static enum queue_result tell_all(struct queue *queue, const char *hash, char **text_r,
                                  char **error_r)
{
    struct record_attempt *attempts = NULL;
    struct buf out = BUF_INIT;
    struct job_view view;
    size_t count = 0;
    enum queue_result result = view_job(queue, hash, &view, error_r);

    if (result != QUEUE_OK)
        return result;
    add_job(&out, queue, &view);
    result = view_attempts(queue, hash, &attempts, &count, error_r);
    if (result == QUEUE_OK || result == QUEUE_NONE) {
        add_attempts(&out, attempts, count);
        add_log(&out, queue, hash);
        result = QUEUE_OK;
    }
    for (size_t i = 0; i < count; i++)
        record_attempt_release(&attempts[i]);
    free(attempts);
    job_view_release(&view);
    *text_r = buf_steal(&out);
    return result;
}

/* ---- the actor ---- */

static enum queue_result act(struct hands *hands, const struct task *task, char **text_r,
                             char **error_r)
{
    struct queue *queue = &hands->actor_queue;
    struct retry_options retry = {.tier = TIER_DEFAULT, .by = hands->by};
    const char *from = NULL, *to = NULL;
    enum queue_result result = QUEUE_OK;

    if (task->act != HAND_PAUSE && task->act != HAND_RESUME)
        result = check_format(queue, error_r);
    if (result != QUEUE_OK)
        return result;
    switch (task->act) {
    case HAND_DETAIL:
        return tell_all(queue, task->hash, text_r, error_r);
    case HAND_RETRY:
        result = queue_retry(queue, task->hash, &retry, &from, &to, error_r);
        break;
    case HAND_CANCEL:
        result = queue_cancel(queue, task->hash, CANCEL_BURY, hands->by, &from, &to, error_r);
        break;
    case HAND_TIER:
        result = queue_reprioritize(queue, task->hash, task->tier, &from, &to, error_r);
        break;
    case HAND_PAUSE:
    case HAND_RESUME:
        return control_tell(cli_settings(hands->cli), task->act == HAND_PAUSE ? "pause" : "resume",
                            text_r, error_r)
                   ? QUEUE_OK
                   : QUEUE_FATAL;
    }
    if (result == QUEUE_OK)
        *text_r = mem_printf("%.12s: %s -> %s", task->hash, from != NULL ? from : "-",
                             to != NULL ? to : "-");
    return result;
}

static const char *why_not(enum queue_result result)
{
    switch (result) {
    case QUEUE_NONE:
        return "nothing to do: its state does not allow it";
    case QUEUE_BUSY:
        return "somebody holds its lock; try again";
    case QUEUE_OK:
    case QUEUE_LOST:
    case QUEUE_CANCEL:
    case QUEUE_EXPIRED:
    case QUEUE_DAMAGED:
    case QUEUE_UNKNOWN:
    case QUEUE_AGAIN:
    case QUEUE_FATAL:
        break;
    }
    return queue_result_name(result);
}

static void *actor_thread(void *arg)
{
    struct hands *hands = arg;

    for (;;) {
        struct task *task = (struct task *)mailbox_take(hands->tasks);
        struct answer *answer;
        char *text = NULL, *error = NULL;
        enum queue_result result;

        if (task == NULL) {
            struct pollfd pfd = {.fd = mailbox_fd(hands->tasks), .events = POLLIN};
            (void)poll(&pfd, 1, -1);
            continue;
        }
        result = act(hands, task, &text, &error);
        answer = mem_alloc(sizeof(*answer));
        answer->is.act = task->act;
        answer->is.failed = result != QUEUE_OK;
        memcpy(answer->is.hash, task->hash, sizeof(answer->is.hash));
        if (result == QUEUE_OK) {
            answer->is.text = text;
            text = NULL;
        } else {
            answer->is.text = mem_printf("%.12s%s%s", task->hash, task->hash[0] != '\0' ? ": " : "",
                                         error != NULL ? error : why_not(result));
        }
        free(text);
        free(error);
        atomic_fetch_sub(&hands->asked, 1);
        if (task->act != HAND_DETAIL)
            hands_look_now(hands);
        free(task);
        mailbox_post(hands->answers, &answer->message);
        tell(hands);
    }
    return NULL;
}

void hands_ask(struct hands *hands, enum hand_act what, const char *hash, enum tier tier)
{
    struct task *task = mem_alloc(sizeof(*task));

    task->act = what;
    task->tier = tier;
    if (hash != NULL)
        snprintf(task->hash, sizeof(task->hash), "%s", hash);
    atomic_fetch_add(&hands->asked, 1);
    mailbox_post(hands->tasks, &task->message);
}

struct hand_answer *hands_take_answer(struct hands *hands)
{
    struct answer *answer = (struct answer *)mailbox_take(hands->answers);
    struct hand_answer *is;

    if (answer == NULL)
        return NULL;
    is = mem_alloc(sizeof(*is));
    *is = answer->is;
    free(answer);
    return is;
}

bool hands_busy(struct hands *hands)
{
    return atomic_load(&hands->asked) > 0;
}

int hands_fd(const struct hands *hands)
{
    return hands->news;
}

/* ---- both ---- */

static enum exitcode start_thread(void *(*run)(void *), struct hands *hands)
{
    pthread_t thread;
    sigset_t all, old;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    error = pthread_create(&thread, NULL, run, hands);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error == 0) { /* it ends with the program: a store that hangs is not waited for */
        pthread_detach(thread);
        return EXITCODE_OK;
    }
    cli_error("a thread could not be started: %s; try again when the machine is less busy",
              strerror(error));
    return EXITCODE_OSERR;
}

/* Lives until the program ends, as its threads do. */
enum exitcode hands_start(struct cli *cli, struct queue *queue, int64_t interval_ms,
                          struct hands **hands_r)
{
    struct hands *hands = mem_alloc(sizeof(*hands));
    pthread_condattr_t attr;
    enum exitcode code;

    hands->cli = cli;
    hands->interval_ms = interval_ms;
    hands->by = moves_by();
    hands->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    hands->tasks = mailbox_create();
    hands->answers = mailbox_create();
    pthread_mutex_init(&hands->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&hands->wake, &attr);
    pthread_condattr_destroy(&attr);
    hands->reader_queue = hands->actor_queue = *queue;
    hands->reader_queue.notice = hands->actor_queue.notice = NULL; /* the screen is taken */
    hands->reader_queue.store = cli_open_store(cli);
    hands->actor_queue.store = cli_open_store(cli);
    *hands_r = hands;
    if (hands->reader_queue.store == NULL || hands->actor_queue.store == NULL)
        return EXITCODE_UNAVAILABLE;
    store_set_properties(hands->actor_queue.store, store_properties(queue->store));
    code = start_thread(reader_thread, hands);
    return code == EXITCODE_OK ? start_thread(actor_thread, hands) : code;
}
