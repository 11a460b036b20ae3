/* See slot.h: the job in a slot's hand, from START to ATTEMPT_OVER.
 *
 * Each job gets one terminal word to the lease thread: ENDED, or KILLED where it asked for the
 * kill. `told` keeps that. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/log.h"
#include "convert/outcome.h"
#include "daemon/slot_private.h"

static struct slot *slot_of_post(const struct slots *slots, const struct post *post)
{
    if (post->slot < 0 || (size_t)post->slot >= slots->count)
        return NULL;
    return slots->all[post->slot];
}

static bool is_current(const struct slot *slot, const struct post *post)
{
    return slot != NULL && slot->job != NULL && slot->job->start->seq == post->seq;
}

static int64_t job_limit(const struct slots *slots, enum setting_id id)
{
    return settings_number(slots->settings, id);
}

/* Limits are fixed when the job starts: a reload changes those of later jobs only. */
static void job_limits(const struct slots *slots, int64_t fleet_ms, struct convert_limits *limits_r)
{
    convert_limits_default(limits_r);
    limits_r->time_limit_ms = job_limit(slots, SETTING_TIME_LIMIT);
    if (fleet_ms > 0 && fleet_ms < limits_r->time_limit_ms)
        limits_r->time_limit_ms = fleet_ms;
    limits_r->time_base_ms = job_limit(slots, SETTING_TIME_BASE);
    limits_r->time_per_page_ms = job_limit(slots, SETTING_TIME_PER_PAGE);
    limits_r->time_per_mb_ms = job_limit(slots, SETTING_TIME_PER_MB);
    limits_r->stall_ms = job_limit(slots, SETTING_STALL_LIMIT);
    limits_r->memory_bytes = job_limit(slots, SETTING_MEMORY_LIMIT);
    limits_r->cpu_ms = job_limit(slots, SETTING_CPU_LIMIT);
    limits_r->output_bytes = job_limit(slots, SETTING_OUTPUT_LIMIT);
    limits_r->output_files = job_limit(slots, SETTING_OUTPUT_FILES);
    limits_r->processes = job_limit(slots, SETTING_PROCESS_LIMIT);
}

/* What ran into memory_limit gets the larger one for its next attempt. */
static void job_grant_memory(struct slots *slots, struct slot_job *job)
{
    int64_t larger = job_limit(slots, SETTING_MEMORY_LIMIT_RETRY);

    if (job->start->memory_reached == 0 || job->start->memory_reached >= larger ||
        job->limits.memory_bytes >= larger)
        return;
    job->limits.memory_bytes = larger;
    job->alone = true;
    slots->alone = slots->alone_changed = true;
    log_event(
        LOG_INFO, "claim", LOG_JOB(job->start->hash), LOG_S("limit", "memory"),
        LOG_I("granted", larger),
        LOG_S("msg", "it ran out of memory: tried once more, alone, with memory_limit_retry"));
}

void slot_job_free(struct slot *slot)
{
    if (slot->job == NULL)
        return;
    post_release(slot->job->start);
    free(slot->job);
    slot->job = NULL;
}

/* ---- words to the lease thread ---- */

static struct post *job_post(const struct slot *slot, enum post_type type)
{
    struct post *post = post_create(type);

    post->slot = slot->number;
    post->seq = slot->job->start->seq;
    return post;
}

/* What the master itself knows of an attempt whose worker cannot tell any more. */
static struct record_attempt *job_record(const struct slots *slots, const struct slot *slot)
{
    const struct ipc_progress *p = &slot->job->progress;
    struct record_attempt *record = mem_alloc(sizeof(*record));

    record_attempt_init(record);
    record->phase = p->phase[0] == '\0' ? NULL : mem_strdup(p->phase);
    record->stage = p->stage[0] == '\0' ? NULL : mem_strdup(p->stage);
    record->page = p->page;
    record->pages = p->pages;
    record->cpu_seconds = p->cpu_seconds;
    record->max_rss_bytes = p->rss_bytes;
    record->sandbox = NULL;
    record->converter = mem_strdup(settings_text(slots->settings, SETTING_CONVERTER));
    return record;
}

/* For the metrics. */
static void count_limit(struct slots *slots, const struct record_attempt *record)
{
    if (record->limit != NULL)
        slots->limit_kills[run_limit_parse(record->limit)]++;
}

static void tell_ended(struct slots *slots, struct slot *slot, enum attempt_blame blame,
                       struct record_attempt *record)
{
    count_limit(slots, record);
    struct post *post = job_post(slot, POST_EVENT);

    post->event.kind = ATTEMPT_EVENT_ENDED;
    post->event.blame = blame;
    post->event.record = record;
    slot->job->told = true;
    post_send(slots->to_lease, post);
}

static void tell_killed(struct slots *slots, struct slot *slot, struct record_attempt *record)
{
    struct post *post = job_post(slot, POST_KILLED);

    post->event.record = record;
    slot->job->told = true;
    post_send(slots->to_lease, post);
}

void slot_job_refuse(struct slots *slots, struct slot *slot, const char *why)
{
    struct record_attempt *record = job_record(slots, slot);

    record->cause = CAUSE_HOST;
    record->error = mem_strdup(why);
    slot->job->dispatched = true; /* no later worker gets it */
    tell_ended(slots, slot, ATTEMPT_BLAME_UNCHARGED, record);
}

static void tell_worker_dead(struct slots *slots, struct slot *slot)
{
    struct record_attempt *record = job_record(slots, slot);
    struct outcome outcome = outcome_of(OUTCOME_WORKER_DEAD, 0);

    if (slot->killer == SLOT_KILLED_DEADLINE) {
        outcome = outcome_of(OUTCOME_LIMIT, RUN_LIMIT_TIME);
        record->limit = mem_strdup(run_limit_name(RUN_LIMIT_TIME));
        record->limit_requested = record->limit_granted =
            (double)slot->job->limits.time_limit_ms / 1000.0;
        record->error = mem_strdup("worker did not end in time and was killed by the master");
    } else if (slot->exit_signal != 0) {
        record->signal = slot->exit_signal;
        record->error = mem_printf("worker %s without a report: signal %d (%s)",
                                   slot->killer == SLOT_NOT_KILLED ? "died" : "was killed",
                                   slot->exit_signal, strsignal(slot->exit_signal));
    } else {
        record->exit_status = slot->exit_status;
        record->error =
            mem_printf("worker ended without a report: exit status %d", slot->exit_status);
    }
    record->cause = outcome.cause;
    record->charged = outcome.charged;
    tell_ended(slots, slot, outcome.blame, record);
}

void slot_job_worker_gone(struct slots *slots, struct slot *slot)
{
    struct slot_job *job = slot->job;

    if (job == NULL || job->told || !job->dispatched)
        return;
    if (job->kill_asked)
        tell_killed(slots, slot, job_record(slots, slot));
    else if (slot->killer != SLOT_KILLED_QUIT) /* then KILL is still to come, see slots_on_kill() */
        tell_worker_dead(slots, slot);
}

/* ---- to the worker ---- */

static int64_t job_hard_ms(const struct slot_job *job)
{
    int64_t limit = job->limits.time_limit_ms;
    int64_t grace = limit < SLOT_GRACE_MIN_MS   ? SLOT_GRACE_MIN_MS
                    : limit > SLOT_GRACE_MAX_MS ? SLOT_GRACE_MAX_MS
                                                : limit;

    return limit + grace;
}

/* The worker enforces the time limit itself and says something every second; we only make sure. */
static void job_move_deadline(struct slot_job *job, int64_t now, bool new_phase)
{
    if (new_phase)
        job->hard_boot_ms = now + job_hard_ms(job);
    job->deadline_boot_ms = job->hard_boot_ms;
    if (strcmp(job->progress.phase, "convert") == 0 && now + SLOT_SILENCE_MS < job->hard_boot_ms)
        job->deadline_boot_ms = now + SLOT_SILENCE_MS;
}

/* A job that ran out of memory has the host to itself: it waits for the others, they for it. Its
 * lock is renewed meanwhile. */
static bool must_wait(const struct slots *slots, const struct slot *slot)
{
    for (size_t i = 0; i < slots->count; i++) {
        const struct slot_job *other = slots->all[i]->job;
        if (slots->all[i] != slot && other != NULL && other->dispatched &&
            (slot->job->alone || other->alone))
            return true;
    }
    return false;
}

static void note_alone(struct slots *slots)
{
    bool alone = false;

    for (size_t i = 0; i < slots->count; i++)
        alone = alone || (slots->all[i]->job != NULL && slots->all[i]->job->alone);
    slots->alone_changed = slots->alone_changed || alone != slots->alone;
    slots->alone = alone;
}

/* A job is over: those that waited for it. */
static void dispatch_waiting(struct slots *slots)
{
    for (size_t i = 0; i < slots->count; i++) {
        struct slot *slot = slots->all[i];
        if (slot->state == SLOT_IDLE && slot->job != NULL && !slot->job->dispatched)
            slot_dispatch(slots, slot);
    }
}

void slot_dispatch(struct slots *slots, struct slot *slot)
{
    struct slot_job *job = slot->job;
    const struct settings *settings = slots->settings;
    const char *ca_file = settings_text(settings, SETTING_S3_CA_FILE);
    static char type[] = "pdf";
    struct ipc_job message = {
        .seq = job->start->seq,
        .attempt = job->start->attempt,
        .type = type,
        .command = (char *)settings_text(settings, SETTING_CONVERTER),
        .env = (char *)settings_text(settings, SETTING_CONVERTER_ENV),
        .worker_id = (char *)slots->worker_id,
        .sandbox = SANDBOX_AUTO,
        .limits = job->limits,
        .connect_timeout_ms = settings_number(settings, SETTING_S3_CONNECT_TIMEOUT),
        .stall_timeout_ms = settings_number(settings, SETTING_S3_STALL_TIMEOUT),
        .fetch_deadline_ms = job->limits.time_limit_ms,
        .ca_file = *ca_file == '\0' ? NULL : (char *)ca_file,
        .grant = job->start->grant, /* borrowed */
    };
    int64_t now = clock_boot_ms(slots->clock);

    if (must_wait(slots, slot))
        return;
    memcpy(message.hash, job->start->hash, sizeof(message.hash));
    memcpy(message.claim, job->start->claim, sizeof(message.claim));
    if (!sandbox_level_parse(settings_text(settings, SETTING_SANDBOX), &message.sandbox))
        message.sandbox = SANDBOX_AUTO;
    if (message.sandbox == SANDBOX_AUTO) /* what was found and logged at the start */
        message.sandbox = sandbox_best();
    if (strcmp(settings_text(settings, SETTING_CONVERTER_MODE), "resident") == 0)
        message.resident_jobs = settings_number(settings, SETTING_RECYCLE_JOBS);
    if (!sandbox_profile_parse(settings_text(settings, SETTING_SANDBOX_PROFILE), &message.profile))
        message.profile = SANDBOX_DOCUMENT;
    message.sandbox_command = (char *)settings_text(settings, SETTING_SANDBOX_COMMAND);
    job->dispatched = true;
    job_move_deadline(job, now, true);
    slot->state = SLOT_WORKING;
    if (ipc_job_write(slot->sock, &message) != IPC_OK)
        slot_kill(slots, slot, SLOT_KILLED_GARBAGE);
    store_grant_release(&job->start->grant);
}

/* ---- from the worker ---- */

static struct json_object *progress_json(const struct slots *slots, const struct slot *slot)
{
    const struct ipc_progress *p = &slot->job->progress;
    struct json_object *object = json_object_new_object();
    bool converting = strcmp(p->phase, "convert") == 0;
    const char *stage = strcmp(p->phase, "fetch") == 0     ? "downloaded"
                        : converting                       ? "converting"
                        : strcmp(p->phase, "pack") == 0    ? "packaging"
                        : strcmp(p->phase, "publish") == 0 ? "uploading"
                                                           : p->phase;
    int64_t elapsed = clock_boot_ms(slots->clock) - slot->job->start->started_boot_ms;

    /* v1's names in `stage`; the converter's own word goes to converter_stage */
    json_set_text(object, "stage", stage);
    json_set_text(object, "phase", p->phase);
    if (p->stage[0] != '\0')
        json_set_text(object, "converter_stage", p->stage);
    if (p->page >= 0)
        json_set_int(object, "page", p->page);
    if (p->pages >= 0) {
        json_set_int(object, "pages", p->pages);
        json_set_int(object, "page_count", p->pages);
    }
    json_set_double(object, "elapsed_seconds", (double)elapsed / 1000.0);
    json_set_double(object, "cpu_seconds", p->cpu_seconds);
    json_set_int(object, "rss_bytes", p->rss_bytes);
    if (p->name[0] != '\0')
        json_set_text(object, "original_filename", p->name);
    if (p->size_bytes >= 0)
        json_set_int(object, "file_size_bytes", p->size_bytes);
    return object;
}

static bool on_progress(struct slots *slots, struct slot *slot, const struct ipc_message *message)
{
    struct slot_job *job = slot->job;
    struct ipc_progress progress;
    bool new_phase;
    struct post *post;

    if (!ipc_progress_read(message, &progress))
        return false;
    if (slot->state != SLOT_WORKING) /* the last one may cross our own kill */
        return true;
    new_phase = strcmp(progress.phase, job->progress.phase) != 0;
    job->progress = progress;
    job_move_deadline(job, clock_boot_ms(slots->clock), new_phase);
    post = job_post(slot, POST_EVENT);
    post->event.kind = ATTEMPT_EVENT_PROGRESS;
    post->event.progress = progress_json(slots, slot);
    post_send(slots->to_lease, post);
    return true;
}

static bool on_packed(struct slots *slots, struct slot *slot, const struct ipc_message *message)
{
    struct post *post;
    int64_t length;
    unsigned char md5[16];

    if (slot->state != SLOT_WORKING || !ipc_packed_read(message, &length, md5))
        return false;
    slot->state = SLOT_PACKED;
    slot->job->deadline_boot_ms = 0; /* the lease's turn */
    post = job_post(slot, POST_EVENT);
    post->event.kind = ATTEMPT_EVENT_PACKED;
    post->event.length = length;
    memcpy(post->event.md5, md5, sizeof(md5));
    post_send(slots->to_lease, post);
    return true;
}

static bool on_sent(struct slots *slots, struct slot *slot, const struct ipc_message *message)
{
    struct post *post;
    enum store_status status;
    char *error;

    if (slot->state != SLOT_PUBLISHING || !ipc_sent_read(message, &status, &error))
        return false;
    slot->state = SLOT_PACKED;
    slot->job->deadline_boot_ms = 0;
    if (status != STORE_OK)
        log_event(LOG_WARNING, "store_error", LOG_I("slot", slot->number),
                  LOG_JOB(slot->job->start->hash), LOG_S("status", store_status_name(status)),
                  LOG_S("msg", error));
    free(error);
    post = job_post(slot, POST_EVENT);
    post->event.kind = ATTEMPT_EVENT_SENT;
    post->event.sent = status;
    post_send(slots->to_lease, post);
    return true;
}

static bool on_ended(struct slots *slots, struct slot *slot, struct ipc_message *message)
{
    struct ipc_ended ended;

    if (slot->state != SLOT_WORKING || !ipc_ended_read(message, &ended))
        return false;
    slot->state = SLOT_REPORTED;
    slot->job->deadline_boot_ms = 0;
    if (ended.breaker) {
        log_event(LOG_ERROR, "giveback", LOG_I("slot", slot->number),
                  LOG_JOB(slot->job->start->hash), LOG_S("msg", ended.record->error),
                  LOG_S("remedy", "see the setting converter; `blobforge convert` tries it by "
                                  "hand"));
        slots_note_failure(slots, ended.record->error == NULL ? "converter cannot be run"
                                                              : ended.record->error);
    }
    /* Out of memory with the host to itself: more of the same would not help. */
    if (slot->job->alone && ended.record->limit != NULL &&
        strcmp(ended.record->limit, run_limit_name(RUN_LIMIT_MEMORY)) == 0)
        ended.blame = ATTEMPT_BLAME_BURY;
    if (slot->job->kill_asked)
        tell_killed(slots, slot, ended.record);
    else
        tell_ended(slots, slot, ended.blame, ended.record);
    return true;
}

static bool on_note(const struct slot *slot, const struct ipc_message *message)
{
    const char *text;

    if (!ipc_note_read(message, &text))
        return false;
    log_event(LOG_WARNING, "warn", LOG_I("slot", slot->number), LOG_JOB(slot->job->start->hash),
              LOG_I("attempt", slot->job->start->attempt), LOG_S("msg", text));
    return true;
}

bool slot_job_message(struct slots *slots, struct slot *slot, struct ipc_message *message)
{
    if (slot->job == NULL || message->seq != slot->job->start->seq)
        return false;
    switch (message->type) {
    case IPC_PROGRESS:
        return on_progress(slots, slot, message);
    case IPC_PACKED:
        return on_packed(slots, slot, message);
    case IPC_SENT:
        return on_sent(slots, slot, message);
    case IPC_ENDED:
        return on_ended(slots, slot, message);
    case IPC_NOTE:
        return on_note(slot, message);
    case IPC_HELLO:
    case IPC_SETUP:
    case IPC_JOB:
    case IPC_PUBLISH:
    case IPC_CLEAR:
        break;
    }
    return false;
}

/* ---- the lease thread's words ---- */

void slots_on_start(struct slots *slots, struct post *post)
{
    struct slot *slot = slot_of_post(slots, post);

    if (slot == NULL || slot->job != NULL) { /* cannot be: the lease thread is one of ours */
        log_event(LOG_ERROR, "claim", LOG_I("slot", post->slot),
                  LOG_S("msg", "job for a slot that is busy or gone"));
        abort();
    }
    slot->job = mem_alloc(sizeof(*slot->job));
    slot->job->start = post;
    slot->job->progress.page = slot->job->progress.pages = -1;
    job_limits(slots, post->conversion_timeout_ms, &slot->job->limits);
    job_grant_memory(slots, slot->job);
    if (slot->state == SLOT_IDLE)
        slot_dispatch(slots, slot);
    else if (!slots->spawning)
        slot_job_refuse(slots, slot, "no worker: the daemon is ending");
    /* else: its worker died just now; the next one takes the job */
}

void slots_on_publish(struct slots *slots, struct post *post)
{
    struct slot *slot = slot_of_post(slots, post);

    if (!is_current(slot, post) || slot->state != SLOT_PACKED)
        return; /* its worker died meanwhile: ENDED is on its way */
    slot->state = SLOT_PUBLISHING;
    slot->job->deadline_boot_ms = clock_boot_ms(slots->clock) + job_hard_ms(slot->job);
    if (ipc_publish_write(slot->sock, post->seq, &post->grant) != IPC_OK)
        slot_kill(slots, slot, SLOT_KILLED_GARBAGE);
}

void slots_on_kill(struct slots *slots, const struct post *post)
{
    struct slot *slot = slot_of_post(slots, post);
    struct post *answer;

    if (!is_current(slot, post)) {
        answer = post_create(POST_KILLED);
        answer->slot = post->slot;
        answer->seq = post->seq;
        post_send(slots->to_lease, answer);
        return;
    }
    switch (slot->state) {
    case SLOT_WORKING:
    case SLOT_PUBLISHING:
        slot->job->kill_asked = true;
        slot_kill(slots, slot, SLOT_KILLED_BY_LEASE);
        return;
    case SLOT_KILLED:
    case SLOT_DEAD: /* the answer follows when its tree is gone, unless the end was told */
        slot->job->kill_asked = true;
        if (!slot->job->told)
            return;
        break;
    case SLOT_EMPTY:
    case SLOT_STARTING:
    case SLOT_IDLE:
    case SLOT_PACKED:
    case SLOT_REPORTED:
    case SLOT_LEAVING: /* nothing of it runs */
        break;
    }
    slot->job->dispatched = true; /* no later worker gets it */
    tell_killed(slots, slot, job_record(slots, slot));
}

void slots_on_attempt_over(struct slots *slots, const struct post *post)
{
    struct slot *slot = slot_of_post(slots, post);

    if (!is_current(slot, post))
        return;
    if (post->end == ATTEMPT_END_DONE && breaker_success(slots->breaker))
        slots->breaker_closed = true;
    slot->jobs++;
    slot->early_deaths = 0;
    slot_job_free(slot);
    note_alone(slots);
    dispatch_waiting(slots);
    switch (slot->state) {
    case SLOT_PACKED:
    case SLOT_REPORTED:
        if (ipc_clear_write(slot->sock, post->seq) != IPC_OK) {
            slot_kill(slots, slot, SLOT_KILLED_GARBAGE);
            return;
        }
        slot->state = SLOT_IDLE;
        slot_offer(slots, slot);
        return;
    case SLOT_IDLE: /* the job never reached this worker */
        slot_offer(slots, slot);
        return;
    case SLOT_WORKING:
    case SLOT_PUBLISHING: /* cannot be: attempt_run() kills first */
        slot_kill(slots, slot, SLOT_KILLED_BY_LEASE);
        return;
    case SLOT_EMPTY:
    case SLOT_STARTING:
    case SLOT_KILLED:
    case SLOT_LEAVING:
    case SLOT_DEAD:
        return; /* READY follows the next HELLO */
    }
}

void slots_on_retired(struct slots *slots, const struct post *post)
{
    struct slot *slot = slot_of_post(slots, post);

    if (slot == NULL || !slot->retiring)
        return;
    slot->let_go = true;
    if (slot->state == SLOT_IDLE || slot->state == SLOT_STARTING)
        slot_let_go(slots, slot);
}
