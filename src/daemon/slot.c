/* See slot.h: the table and its processes. */
#include "daemon/slot_private.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "daemon/children.h"

#define RESPAWN_MS 100       /* after a worker died before its first job; doubled each time */
#define RESPAWN_MAX_MS 10000 /* so a start-up that fails for good costs next to nothing */

static const char *const state_names[] = {"empty",      "starting", "idle",   "working", "packed",
                                          "publishing", "reported", "killed", "leaving", "dead"};

const char *slot_state_name(enum slot_state state)
{
    return state_names[state];
}

const char *slot_killer_text(enum slot_killer killer)
{
    switch (killer) {
    case SLOT_NOT_KILLED:
        return NULL;
    case SLOT_KILLED_BY_LEASE:
        return "the job's lock or an order asked for it";
    case SLOT_KILLED_DEADLINE:
        return "job's deadline passed or worker silent";
    case SLOT_KILLED_STARTUP:
        return "not ready in time";
    case SLOT_KILLED_GARBAGE:
        return "said what cannot be";
    case SLOT_KILLED_QUIT:
        return "ending at once";
    }
    return NULL;
}

/* ---- the table ---- */

static struct slot *slot_create(struct slots *slots, int64_t number)
{
    struct slot *slot = mem_alloc(sizeof(*slot));

    slot->number = number;
    slot->sock = -1;
    slot->spawn_boot_ms = clock_boot_ms(slots->clock);
    return slot;
}

static void slot_retire(struct slots *slots, struct slot *slot)
{
    struct post *post;

    if (slot->retiring)
        return;
    slot->retiring = true;
    post = post_create(POST_SLOT_RETIRE);
    post->slot = slot->number;
    post_send(slots->to_lease, post);
}

void slots_resize(struct slots *slots, size_t wanted)
{
    slots->wanted = wanted;
    if (slots->count < wanted)
        slots->all = mem_resize(slots->all, wanted, sizeof(*slots->all));
    while (slots->count < wanted) {
        slots->all[slots->count] = slot_create(slots, (int64_t)slots->count);
        slots->count++;
    }
    for (size_t i = wanted; i < slots->count; i++)
        slot_retire(slots, slots->all[i]);
}

/* A slot that retired is empty now: it goes from the end of the table, or is used anew when slots
 * were asked for again meanwhile. */
static void slots_trim(struct slots *slots)
{
    for (size_t i = 0; i < slots->wanted && i < slots->count; i++) {
        struct slot *slot = slots->all[i];
        if (slot->retiring && slot->let_go && slot->state == SLOT_EMPTY)
            slot->retiring = slot->let_go = false;
    }
    while (slots->count > slots->wanted) {
        struct slot *slot = slots->all[slots->count - 1];
        if (!slot->let_go || slot->state != SLOT_EMPTY)
            return;
        slot_job_free(slot);
        free(slot);
        slots->count--;
    }
}

void slots_destroy(struct slots *slots)
{
    for (size_t i = 0; i < slots->count; i++) {
        if (slots->all[i]->sock >= 0)
            close(slots->all[i]->sock);
        slot_job_free(slots->all[i]);
        free(slots->all[i]);
    }
    free(slots->all);
    slots->all = NULL;
    slots->count = 0;
}

size_t slots_busy(const struct slots *slots)
{
    size_t busy = 0;

    for (size_t i = 0; i < slots->count; i++)
        busy += slots->all[i]->job != NULL;
    return busy;
}

bool slots_all_gone(const struct slots *slots)
{
    for (size_t i = 0; i < slots->count; i++)
        if (slots->all[i]->state != SLOT_EMPTY)
            return false;
    return true;
}

void slots_note_failure(struct slots *slots, const char *why)
{
    if (!breaker_failure(slots->breaker, clock_boot_ms(slots->clock)))
        return;
    slots->breaker_opened = true;
    snprintf(slots->breaker_why, sizeof(slots->breaker_why), "%s", why);
}

/* ---- start ---- */

static void slot_spawn(struct slots *slots, struct slot *slot)
{
    int64_t now = clock_boot_ms(slots->clock);
    int ends[2] = {-1, -1};
    char folder[128];
    struct ipc_setup setup;
    int64_t recycle = settings_number(slots->settings, SETTING_RECYCLE_JOBS);

    slot->spawn_boot_ms = now + RESPAWN_MAX_MS; /* when the system refuses */
    if (!ipc_pair(&ends[0], &ends[1])) {
        log_event(LOG_ERROR, "slot_stop", LOG_I("slot", slot->number),
                  LOG_S("msg", "no socket for a worker"));
        return;
    }
    slot->pid = children_spawn_worker(ends[1], STDERR_FILENO);
    close(ends[1]);
    if (slot->pid < 0) {
        slot->pid = 0;
        close(ends[0]);
        log_event(LOG_ERROR, "slot_stop", LOG_I("slot", slot->number),
                  LOG_S("msg", "cannot start a worker: fork refused"));
        return;
    }
    slot->sock = ends[0];
    slot->state = SLOT_STARTING;
    slot->killer = SLOT_NOT_KILLED;
    slot->started_boot_ms = now;
    slot->deadline_boot_ms = now + SLOT_STARTUP_MS;
    slot->jobs = 0;
    slot->recycle_at = rng_jitter(slots->rng, recycle, 10);
    if (slot->recycle_at < 1)
        slot->recycle_at = 1;
    snprintf(folder, sizeof(folder), "%s.slot%lld",
             settings_text(slots->settings, SETTING_INSTANCE), (long long)slot->number);
    setup.slot = slot->number;
    setup.work_dir = (char *)settings_text(slots->settings, SETTING_WORK_DIR);
    setup.folder = folder;
    if (ipc_setup_write(slot->sock, &setup) != IPC_OK)
        slot_kill(slots, slot, SLOT_KILLED_STARTUP);
}

/* Also a slot that is to go gets a worker for a job that is on its hands already. */
static bool wants_worker(const struct slots *slots, const struct slot *slot)
{
    return slots->spawning && slot->state == SLOT_EMPTY &&
           (!slot->retiring || (slot->job != NULL && !slot->job->dispatched));
}

void slots_spawn_due(struct slots *slots)
{
    int64_t now = clock_boot_ms(slots->clock);

    slots_trim(slots);
    for (size_t i = 0; i < slots->count; i++) {
        struct slot *slot = slots->all[i];
        if (wants_worker(slots, slot) && slot->spawn_boot_ms <= now)
            slot_spawn(slots, slot);
    }
}

/* ---- talk ---- */

static void slot_on_hello(struct slots *slots, struct slot *slot, const struct ipc_message *message)
{
    int64_t version, pid;

    if (slot->state != SLOT_STARTING || !ipc_hello_read(message, &version, &pid) ||
        version != IPC_VERSION) {
        slot_kill(slots, slot, SLOT_KILLED_GARBAGE);
        return;
    }
    slot->state = SLOT_IDLE;
    slot->deadline_boot_ms = 0;
    log_event(LOG_DEBUG, "slot_start", LOG_I("slot", slot->number), LOG_I("pid", slot->pid));
    slot_offer(slots, slot);
}

void slot_offer(struct slots *slots, struct slot *slot)
{
    struct post *post;

    if (slot->job != NULL) {
        if (!slot->job->dispatched)
            slot_dispatch(slots, slot);
        return;
    }
    if (slot->retiring) { /* not offered any more: the lease thread would begin anew with it */
        if (slot->let_go)
            slot_let_go(slots, slot);
        return;
    }
    if (slot->jobs >= slot->recycle_at) {
        slot_let_go(slots, slot);
        return;
    }
    post = post_create(POST_SLOT_READY);
    post->slot = slot->number;
    post_send(slots->to_lease, post);
}

static void slot_on_message(struct slots *slots, struct slot *slot, struct ipc_message *message)
{
    switch (message->type) {
    case IPC_HELLO:
        slot_on_hello(slots, slot, message);
        return;
    case IPC_PROGRESS:
    case IPC_PACKED:
    case IPC_SENT:
    case IPC_ENDED:
    case IPC_NOTE:
        if (!slot_job_message(slots, slot, message))
            slot_kill(slots, slot, SLOT_KILLED_GARBAGE);
        return;
    case IPC_SETUP:
    case IPC_JOB:
    case IPC_PUBLISH:
    case IPC_CLEAR:
        slot_kill(slots, slot, SLOT_KILLED_GARBAGE);
        return;
    }
}

void slot_read(struct slots *slots, struct slot *slot)
{
    for (int i = 0; i < 64 && slot->sock >= 0 && slot->state != SLOT_KILLED; i++) {
        struct ipc_message message;
        switch (ipc_read(slot->sock, &message)) {
        case IPC_OK:
            slot_on_message(slots, slot, &message);
            ipc_message_release(&message);
            break;
        case IPC_NONE:
            return;
        case IPC_END: /* it dies, or has closed its socket, which is as bad */
            close(slot->sock);
            slot->sock = -1;
            slot->deadline_boot_ms = clock_boot_ms(slots->clock) + 1000;
            return;
        case IPC_BAD:
            slot_kill(slots, slot, SLOT_KILLED_GARBAGE);
            return;
        }
    }
}

/* ---- end ---- */

void slot_kill(struct slots *slots, struct slot *slot, enum slot_killer killer)
{
    if (slot->pid <= 0 || slot->state == SLOT_KILLED || slot->state == SLOT_DEAD)
        return;
    slot->killer = killer;
    slot->state = SLOT_KILLED;
    slot->deadline_boot_ms = 0;
    if (slot->job != NULL) /* it was this worker's: the next one is not to die of it */
        slot->job->deadline_boot_ms = 0;
    slots->killed++;
    kill(slot->pid, SIGKILL);
    log_event(LOG_INFO, "kill", LOG_I("slot", slot->number), LOG_I("pid", slot->pid),
              LOG_JOB(slot->job == NULL ? NULL : slot->job->start->hash),
              LOG_S("msg", slot_killer_text(killer)));
}

void slot_let_go(struct slots *slots, struct slot *slot)
{
    if (slot->sock >= 0)
        close(slot->sock);
    slot->sock = -1;
    slot->state = SLOT_LEAVING;
    slot->deadline_boot_ms = clock_boot_ms(slots->clock) + SLOT_LEAVE_MS;
}

static struct slot *slot_of_pid(const struct slots *slots, pid_t pid)
{
    for (size_t i = 0; i < slots->count; i++)
        if (slots->all[i]->pid == pid)
            return slots->all[i];
    return NULL;
}

static int64_t usage_cpu_ms(const struct rusage *usage)
{
    return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * INT64_C(1000) +
           (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1000;
}

/* One line that is complete on its own. */
static void write_obituary(const struct slots *slots, const struct slot *slot)
{
    bool expected = slot->state == SLOT_LEAVING || slot->killer == SLOT_KILLED_BY_LEASE ||
                    slot->killer == SLOT_KILLED_QUIT;
    const char *why = slot_killer_text(slot->killer);

    if (why == NULL)
        why = slot->state == SLOT_LEAVING
                  ? slot->jobs >= slot->recycle_at ? "recycled" : "no longer needed"
                  : "died by itself";
    log_event(expected ? LOG_INFO : LOG_WARNING, "obituary", LOG_I("slot", slot->number),
              LOG_I("pid", slot->pid), LOG_JOB(slot->job == NULL ? NULL : slot->job->start->hash),
              slot->exit_signal != 0 ? LOG_I("signal", slot->exit_signal)
                                     : LOG_I("status", slot->exit_status),
              LOG_S("state", slot_state_name(slot->state)), LOG_I("jobs", slot->jobs),
              LOG_MS("seconds", clock_boot_ms(slots->clock) - slot->started_boot_ms),
              LOG_MS("cpu", usage_cpu_ms(&slot->usage)), LOG_I("max_rss_kb", slot->usage.ru_maxrss),
              LOG_S("msg", why));
}

bool slots_on_death(struct slots *slots, pid_t pid, int status, const struct rusage *usage)
{
    struct slot *slot = slot_of_pid(slots, pid);

    if (slot == NULL)
        return false;
    if (slot->sock >= 0 && slot->state != SLOT_KILLED)
        slot_read(slots, slot); /* its last words are still in the socket */
    slot->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    slot->exit_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    slot->usage = *usage;
    write_obituary(slots, slot);
    if (slot->sock >= 0)
        close(slot->sock);
    slot->sock = -1;
    slot->pid = 0;
    slot->deadline_boot_ms = 0;
    if (slot->state != SLOT_LEAVING && slot->jobs == 0 && slot->job == NULL &&
        slot->killer != SLOT_KILLED_QUIT) {
        slot->early_deaths++;
        slots_note_failure(slots, "workers die before their first job");
    }
    slot->state = SLOT_DEAD;
    return true;
}

static bool is_worker(void *arg, pid_t pid)
{
    const struct slots *slots = arg;

    return pid == slots->spared || slot_of_pid(slots, pid) != NULL;
}

static void slot_settle(struct slots *slots, struct slot *slot)
{
    int64_t delay = 0;

    slot_job_worker_gone(slots, slot);
    if (slot->early_deaths > 0)
        delay = RESPAWN_MS << (slot->early_deaths < 8 ? slot->early_deaths - 1 : 7);
    if (delay > RESPAWN_MAX_MS)
        delay = RESPAWN_MAX_MS;
    slot->spawn_boot_ms = clock_boot_ms(slots->clock) + delay;
    slot->state = SLOT_EMPTY;
    slot->killer = SLOT_NOT_KILLED;
    slots_trim(slots);
}

bool slots_sweep(struct slots *slots)
{
    bool dead = false;

    for (size_t i = 0; i < slots->count; i++)
        dead = dead || slots->all[i]->state == SLOT_DEAD;
    if (!dead)
        return false;
    if (children_kill_orphans(is_worker, slots) > 0)
        return true;
    for (size_t i = slots->count; i > 0; i--) /* settling may shorten the table at its end */
        if (i <= slots->count && slots->all[i - 1]->state == SLOT_DEAD)
            slot_settle(slots, slots->all[i - 1]);
    return false;
}

void slots_kill_jobs(struct slots *slots)
{
    for (size_t i = 0; i < slots->count; i++)
        if (slots->all[i]->job != NULL)
            slot_kill(slots, slots->all[i], SLOT_KILLED_QUIT);
}

void slots_kill_idle(struct slots *slots, struct slot *slot)
{
    slot_kill(slots, slot, SLOT_KILLED_QUIT);
}

void slots_end(struct slots *slots, bool at_once)
{
    slots->spawning = false;
    for (size_t i = 0; i < slots->count; i++) {
        struct slot *slot = slots->all[i];
        if (slot->pid > 0 && at_once)
            slot_kill(slots, slot, SLOT_KILLED_QUIT);
        else if (slot->pid > 0 && slot->job == NULL && slot->state != SLOT_LEAVING &&
                 slot->state != SLOT_KILLED)
            slot_let_go(slots, slot);
    }
}

/* ---- deadlines ---- */

void slots_check_deadlines(struct slots *slots)
{
    int64_t now = clock_boot_ms(slots->clock);

    for (size_t i = 0; i < slots->count; i++) {
        struct slot *slot = slots->all[i];
        if (slot->pid <= 0)
            continue;
        if (slot->deadline_boot_ms != 0 && slot->deadline_boot_ms <= now)
            slot_kill(slots, slot,
                      slot->state == SLOT_STARTING  ? SLOT_KILLED_STARTUP
                      : slot->state == SLOT_LEAVING ? SLOT_KILLED_QUIT
                                                    : SLOT_KILLED_GARBAGE);
        else if (slot->job != NULL && slot->job->deadline_boot_ms != 0 &&
                 slot->job->deadline_boot_ms <= now)
            slot_kill(slots, slot, SLOT_KILLED_DEADLINE);
    }
}

int64_t slots_next_due(const struct slots *slots)
{
    int64_t due = INT64_MAX;

    for (size_t i = 0; i < slots->count; i++) {
        const struct slot *slot = slots->all[i];
        int64_t at = 0;
        if (slot->state == SLOT_EMPTY) {
            if (wants_worker(slots, slot))
                at = slot->spawn_boot_ms;
        } else {
            at = slot->deadline_boot_ms;
            if (slot->job != NULL && slot->job->deadline_boot_ms != 0 &&
                (at == 0 || slot->job->deadline_boot_ms < at))
                at = slot->job->deadline_boot_ms;
        }
        if (at != 0 && at < due)
            due = at;
    }
    return due;
}
