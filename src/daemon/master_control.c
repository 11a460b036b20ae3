/* See control.h: what the control socket's orders do, and what its status says. Main thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/log.h"
#include "convert/convert.h"
#include "convert/slot.h"
#include "daemon/master_private.h"

#include "config.h"

#define FIGURES_MS                                                                                 \
    500 /* a lease thread that is busy opening the store is not waited for longer                  \
         */

static const char *const state_names[] = {
    "draining",          "paused",   "outside_window", "breaker_open",
    "waiting_for_store", "disk_low", "running",
};

const char *master_state_name(enum master_state state)
{
    return state_names[state];
}

enum master_state master_state(const struct master *master, const char **reason_r)
{
    *reason_r = NULL;
    if (master->stage >= STAGE_DRAINING)
        return MASTER_DRAINING;
    if (master->paused) {
        *reason_r = master->paused_by;
        return MASTER_PAUSED;
    }
    if (master->window_closed) {
        *reason_r = master->window_text;
        return MASTER_OUTSIDE_WINDOW;
    }
    if (master->breaker.state == BREAKER_OPEN) {
        *reason_r = master->slots.breaker_why;
        return MASTER_BREAKER_OPEN;
    }
    *reason_r = master->hold_text;
    if (master->hold == HOLD_DISK)
        return MASTER_DISK_LOW;
    if (master->stage == STAGE_OPENING && master->hold_text == NULL)
        *reason_r = "the store is being opened";
    if (master->hold == HOLD_STORE || master->hold == HOLD_GATE || master->stage == STAGE_OPENING)
        return MASTER_WAITING_FOR_STORE;
    return MASTER_RUNNING;
}

/* ---- status ---- */

static void set_known(struct json_object *object, const char *name, int64_t value)
{
    if (value >= 0)
        json_set_int(object, name, value);
    else
        json_set_null(object, name);
}

static void fill_job(const struct master *master, const struct slot *slot,
                     struct json_object *object, int64_t now)
{
    const struct slot_job *job = slot->job;
    const struct ipc_progress *p = &job->progress;
    const struct figures_lease *lease = figures_lease_of(master->figures, slot->number);
    int64_t limit_ms = convert_time_limit(&job->limits, p->size_bytes, p->pages, NULL);

    json_set_text(object, "hash", job->start->hash);
    json_set_text(object, "name", p->name[0] == '\0' ? NULL : p->name);
    json_set_text(object, "phase", p->phase[0] == '\0' ? NULL : p->phase);
    set_known(object, "page", p->page);
    set_known(object, "pages", p->pages);
    json_set_double(object, "elapsed_seconds", (double)(now - job->start->started_boot_ms) / 1000);
    json_set_int(object, "rss_bytes", p->rss_bytes);
    json_set_double(object, "cpu_seconds", p->cpu_seconds);
    json_set_double(object, "time_limit_seconds", (double)limit_ms / 1000);
    json_set_int(object, "memory_limit_bytes", job->limits.memory_bytes);
    if (lease != NULL)
        json_set_double(object, "lease_age_seconds", (double)(now - lease->renewed_boot_ms) / 1000);
    else
        json_set_null(object, "lease_age_seconds");
}

static struct json_object *slot_object(const struct master *master, const struct slot *slot,
                                       int64_t now)
{
    static const char *const of_job[] = {"hash",
                                         "name",
                                         "phase",
                                         "page",
                                         "pages",
                                         "elapsed_seconds",
                                         "rss_bytes",
                                         "cpu_seconds",
                                         "time_limit_seconds",
                                         "memory_limit_bytes",
                                         "lease_age_seconds"};
    struct json_object *object = json_object_new_object();

    json_set_int(object, "slot", slot->number);
    set_known(object, "pid", slot->pid > 0 ? slot->pid : -1);
    json_set_text(object, "state", slot_state_name(slot->state));
    if (slot->job != NULL)
        fill_job(master, slot, object, now);
    for (size_t i = 0; slot->job == NULL && i < ARRAY_LEN(of_job); i++)
        json_set_null(object, of_job[i]);
    json_set_int(object, "jobs", slot->jobs);
    return object;
}

int64_t master_memory(const char *name)
{
    FILE *file = fopen("/proc/self/status", "re");
    size_t len = strlen(name);
    char line[256];
    long long kb = -1;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            (void)!sscanf(line + len + 1, "%lld", &kb);
    if (file != NULL)
        fclose(file);
    return kb < 0 ? -1 : (int64_t)kb * 1024;
}

static struct json_object *counters_object(const struct master *master)
{
    static const struct lease_counters none;
    const uint64_t *ends = master->figures == NULL ? none.ends : master->figures->counters.ends;
    struct json_object *object = json_object_new_object();

    json_set_int(object, "completed", (int64_t)ends[ATTEMPT_END_DONE]);
    json_set_int(object, "failed", (int64_t)(ends[ATTEMPT_END_FAILED] + ends[ATTEMPT_END_BURIED]));
    json_set_int(object, "lost", (int64_t)ends[ATTEMPT_END_LOST]);
    json_set_int(object, "given_back", (int64_t)ends[ATTEMPT_END_GIVEN_BACK]);
    json_set_int(object, "cancelled", (int64_t)ends[ATTEMPT_END_CANCELLED]);
    json_set_int(object, "killed", (int64_t)master->slots.killed);
    return object;
}

static struct json_object *requests_object(const struct master *master)
{
    static const char *const kinds[STORE_KIND_COUNT] = {"get", "head", "put", "delete", "list"};
    struct json_object *object = json_object_new_object();

    for (size_t i = 0; i < STORE_KIND_COUNT; i++)
        json_set_int(object, kinds[i],
                     master->figures == NULL ? 0 : (int64_t)master->figures->meter.requests[i]);
    return object;
}

static struct json_object *status_object(const struct master *master)
{
    struct json_object *object = json_object_new_object();
    struct json_object *slots = json_object_new_array();
    int64_t now = clock_boot_ms(master->clock);
    const char *reason;
    enum master_state state = master_state(master, &reason);

    json_set_text(object, "version", PACKAGE_VERSION);
    json_set_text(object, "instance", settings_text(master->first_settings, SETTING_INSTANCE));
    json_set_text(object, "worker", master->options->worker_id);
    json_set_int(object, "pid", getpid());
    json_set_text(object, "state", master_state_name(state));
    json_set_text(object, "reason", reason);
    json_set_double(object, "uptime_seconds", (double)(now - master->started_boot_ms) / 1000);
    json_set_int(object, "slots_wanted", (int64_t)master->slots.wanted);
    for (size_t i = 0; i < master->slots.count; i++)
        json_object_array_add(slots, slot_object(master, master->slots.all[i], now));
    json_set_object(object, "slots", slots);
    json_set_object(object, "counters", counters_object(master));
    json_set_object(object, "requests", requests_object(master));
    json_set_int(object, "rss_bytes", master_memory("RssAnon"));
    json_set_int(object, "vm_rss_bytes", master_memory("VmRSS"));
    return object;
}

static struct json_object *metrics_object(const struct master *master)
{
    struct json_object *object = json_object_new_object();
    struct buf text = BUF_INIT;

    metrics_write(master, &text);
    json_set_text(object, "text", buf_text(&text));
    buf_release(&text);
    return object;
}

/* ---- orders ---- */

static struct json_object *state_object(const struct master *master)
{
    struct json_object *object = json_object_new_object();
    const char *reason;

    json_set_text(object, "state", master_state_name(master_state(master, &reason)));
    json_set_text(object, "reason", reason);
    return object;
}

static char *kill_slot(struct master *master, int64_t number)
{
    struct slot *slot;
    struct post *post;

    if ((size_t)number >= master->slots.count)
        return mem_printf("slot %lld: there is no such slot", (long long)number);
    slot = master->slots.all[number];
    if (slot->job != NULL) { /* the lease thread has it killed, and gives the job back */
        post = post_create(POST_STOP_JOB);
        post->slot = number;
        post->seq = slot->job->start->seq;
        post_send(master->to_lease, post);
        return NULL;
    }
    if (slot->pid <= 0)
        return mem_printf("slot %lld: nothing runs in it", (long long)number);
    slots_kill_idle(&master->slots, slot);
    return NULL;
}

void master_ask_figures(struct master *master)
{
    if (master->asked)
        return;
    master->asked = true;
    master->asked_until_boot_ms = clock_boot_ms(master->clock) + FIGURES_MS;
    post_send(master->to_lease, post_create(POST_ASK));
}

void master_on_figures(struct master *master, struct figures *figures)
{
    if (figures != NULL) {
        figures_destroy(master->figures);
        master->figures = figures;
        master_notify_progress();
    }
    master->asked = false;
    master->answering = true;
    control_answer(master->control);
    master->answering = false;
}

struct json_object *master_on_control(void *arg, const struct control_request *request,
                                      char **error_r)
{
    struct master *master = arg;

    switch (request->command) {
    case CONTROL_STATUS:
    case CONTROL_METRICS:
        if (master->answering || !master->lease_runs)
            return request->command == CONTROL_STATUS ? status_object(master)
                                                      : metrics_object(master);
        master_ask_figures(master);
        return NULL;
    case CONTROL_DRAIN:
        master_drain(master, "ctl drain");
        break;
    case CONTROL_PAUSE:
        if (master->stage >= STAGE_DRAINING)
            *error_r = mem_strdup("the daemon is draining already");
        else
            master_pause(master, "ctl pause");
        break;
    case CONTROL_RESUME:
        if (master->stage >= STAGE_DRAINING)
            *error_r = mem_strdup("the daemon is draining: that cannot be taken back");
        else
            master_resume(master, "ctl resume");
        break;
    case CONTROL_RELOAD:
        (void)master_reload(master, error_r);
        break;
    case CONTROL_SLOTS:
        if (master->stage >= STAGE_DRAINING)
            *error_r = mem_strdup("the daemon is draining");
        else
            master_set_slots(master, request->number);
        break;
    case CONTROL_KILL_SLOT:
        *error_r = kill_slot(master, request->number);
        break;
    case CONTROL_LOG_LEVEL:
        log_set_level(request->level);
        break;
    }
    return *error_r == NULL ? state_object(master) : NULL;
}
