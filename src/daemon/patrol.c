/* See patrol.h: the janitor's thread. */
#include "daemon/patrol.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "index/manifest_upgrade.h"
#include "janitor/janitor.h"
#include "queue/fleet.h"

#define THREAD_STACK (512 * 1024)
#define ASK_AGAIN_MS 5000            /* the fleet's settings */
#define MANIFEST_MS (60 * 60 * 1000) /* between two looks at the manifest's form: two requests */

static void on_notice(void *arg, const char *event, const char *hash, const char *text)
{
    log_event(LOG_INFO, event, LOG_JOB(hash), LOG_S("msg", text));
}

/* Staleness is seen only where listings follow one another as fast as heartbeats: a longer
 * janitor_interval would begin to count anew each time. */
static int64_t interval_ms(const struct patrol_options *options, const struct queue *queue)
{
    int64_t interval = atomic_load(options->interval_ms);

    return interval < queue->limits.heartbeat_ms ? interval : queue->limits.heartbeat_ms;
}

/* false: told to end. *reloaded_r is left alone unless there are new settings. */
static bool read_mail(const struct patrol_options *options, struct queue_limits *local,
                      bool *reloaded_r)
{
    struct post *post;
    bool end = false;

    while (!end && (post = post_take(options->inbox)) != NULL) {
        end = post_type(post) == POST_END;
        if (post_type(post) == POST_SETTINGS) {
            post_tune(post, options->store);
            local->retry_base_ms = post->pace.retry_base_ms;
            local->retry_max_ms = post->pace.retry_max_ms;
            *reloaded_r = true;
        }
        post_release(post);
    }
    return !end;
}

/* Waits until `boot_ms`, or new settings: the interval may be another then. false: told to end. */
static bool rest(const struct patrol_options *options, struct clock *clock, int64_t boot_ms,
                 struct queue_limits *local)
{
    bool reloaded = false;
    int64_t now;

    while (!reloaded && (now = clock_boot_ms(clock)) < boot_ms) {
        struct pollfd pfd = {.fd = mailbox_fd(options->inbox), .events = POLLIN};
        int64_t left = boot_ms - now;
        if (poll(&pfd, 1, left > INT32_MAX ? INT32_MAX : (int)left) > 0 &&
            !read_mail(options, local, &reloaded))
            return false;
    }
    return read_mail(options, local, &reloaded); /* a pass may have taken all the time there was */
}

/* false: the fleet's settings were never read, or are not for this program: nobody is taken over
 * and nothing is buried by built-in values. */
static bool refresh_limits(struct queue *queue, struct fleet *fleet,
                           const struct queue_limits *local)
{
    struct queue_limits limits = *local;
    bool first = fleet->read_boot_ms == 0;
    char *error = NULL;
    enum queue_result result = fleet_refresh(queue, fleet, &limits, &error);
    bool known = fleet->read_boot_ms != 0 && result != QUEUE_FATAL;

    /* Numbers that contradict one another: what can hold of them, unless better ones are known. */
    if (result == QUEUE_OK || (first && known))
        queue->limits = limits;
    if (!known)
        log_event(LOG_WARNING, "janitor",
                  LOG_S("msg", error == NULL ? queue_result_name(result) : error));
    free(error);
    return known;
}

static void pass(struct janitor *janitor)
{
    struct janitor_report report = {0};
    char *error = NULL;
    enum queue_result result = janitor_pass(janitor, &report, &error);

    if (result != QUEUE_OK && result != QUEUE_NONE)
        log_event(LOG_WARNING, "janitor",
                  LOG_S("msg", error == NULL ? queue_result_name(result) : error));
    if (report.recovered + report.requeued + report.buried + report.healed + report.pruned +
            report.errors >
        0)
        log_event(LOG_INFO, "janitor", LOG_I("recovered", report.recovered),
                  LOG_I("requeued", report.requeued), LOG_I("buried", report.buried),
                  LOG_I("healed", report.healed), LOG_I("pruned", report.pruned),
                  LOG_I("errors", report.errors));
    free(error);
}

/* What version 1's rebuild put beside shards goes into them, else it is what ingests go by. */
static void look_at_manifest(struct queue *queue, int64_t *due)
{
    struct manifest_upgrade_report report;
    char *error = NULL;
    enum queue_result result;

    if (clock_boot_ms(queue->clock) < *due)
        return;
    *due = clock_boot_ms(queue->clock) + MANIFEST_MS;
    result = manifest_rejoin(queue, &report, &error);
    if (result == QUEUE_OK)
        log_event(LOG_INFO, "janitor", LOG_I("entries", (int64_t)report.entries),
                  LOG_S("msg", "manifest.json of version 1 was merged into the shards"));
    else if (result != QUEUE_NONE)
        log_event(LOG_WARNING, "janitor",
                  LOG_S("msg", error == NULL ? queue_result_name(result) : error));
    free(error);
}

static void *patrol_thread(void *arg)
{
    const struct patrol_options *options = arg;
    struct clock *clock = clock_system();
    struct queue queue = {.store = options->store,
                          .clock = clock,
                          .rng = rng_system(),
                          .identity = {.worker = options->worker_id,
                                       .incarnation = options->incarnation,
                                       .host = options->host,
                                       .pid = getpid()},
                          .notice = on_notice};
    struct queue_limits local;
    struct fleet fleet;
    struct janitor *janitor;
    struct post *post;
    int64_t next, manifest_due = clock_boot_ms(clock) + MANIFEST_MS;

    fleet_init(&fleet);
    pthread_setname_np(pthread_self(), "janitor");
    queue_limits_default(&local);
    local.retry_base_ms = options->pace.retry_base_ms;
    local.retry_max_ms = options->pace.retry_max_ms;
    queue.limits = local;
    if (keys_init(&queue.keys, options->prefix)) { /* else the lease thread has said so */
        janitor = janitor_create(&queue);
        for (next = 0; rest(options, clock, next, &local);) {
            next = clock_boot_ms(clock) + interval_ms(options, &queue);
            if (!refresh_limits(&queue, &fleet, &local)) {
                next = clock_boot_ms(clock) + ASK_AGAIN_MS;
                continue;
            }
            pass(janitor);
            look_at_manifest(&queue, &manifest_due);
        }
        janitor_destroy(janitor);
    }
    store_close(options->store);
    post = post_create(POST_ENDED);
    post->status = -1;
    post_send(options->to_main, post);
    return NULL;
}

bool patrol_start(const struct patrol_options *options, pthread_t *thread_r)
{
    pthread_attr_t attr;
    int error;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK);
    error = pthread_create(thread_r, &attr, patrol_thread, (void *)options);
    pthread_attr_destroy(&attr);
    errno = error;
    return error == 0;
}
