/* USR2: the program file is executed anew in this very process; running conversions, their locks
 * and deadlines live on. Main thread.
 *
 *   CHECKING  the new program runs once beside us: it starts, understands what we hand over, and
 * takes the configuration; else it is refused and all stays as it is SETTLING  no more claims; what
 * is being published, closed, started or killed is finished FREEZING  workers are not listened to;
 * the lease thread is asked to rest. It rests only when nothing but conversions is under way; else
 * SETTLING goes on ENDING    the janitor thread ends what it is at, for a while at most (its locks
 * are found again like a crashed run's); then exec
 *
 * From FREEZING on nothing is sent to the lease thread, and signals and orders wait: for the new
 * program, which finds them pending. A worker is a child of the process, not of the program, and
 * stays one; its socket stays open. What it says meanwhile waits in the socket. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/log.h"
#include "daemon/handover.h"
#include "daemon/instance.h"
#include "daemon/master_private.h"
#include "daemon/notify.h"

#define CHECK_MS 20000
#define SETTLE_MS 120000 /* a large result that is being published */
#define AGAIN_MS 50
#define JANITOR_MS 5000

bool master_is_frozen(const struct master *master)
{
    return master->upgrade.stage >= UPGRADE_FREEZING;
}

bool master_listens(const struct master *master)
{
    return !master_is_frozen(master) && (master->opened || !master->adopted);
}

static void end_check(struct upgrade *upgrade, struct master *master)
{
    if (upgrade->out >= 0)
        close(upgrade->out);
    upgrade->out = -1;
    upgrade->checker = master->slots.spared = 0;
}

/* Everything is as before. */
static void refuse(struct master *master, const char *why)
{
    struct upgrade *upgrade = &master->upgrade;
    bool settling = upgrade->stage >= UPGRADE_SETTLING;

    if (upgrade->checker > 0)
        kill(upgrade->checker, SIGKILL); /* reaped as anybody's */
    end_check(upgrade, master);
    json_object_put(upgrade->lease);
    upgrade->lease = NULL;
    upgrade->stage = UPGRADE_NONE;
    log_event(LOG_ERROR, "upgrade_refused", LOG_S("msg", why),
              LOG_S("remedy", "the running program stays"));
    if (settling) {
        master_tell_mode(master);
        if (master->stage == STAGE_RUNNING)
            master_notify_ready(master);
    }
}

void master_upgrade_begin(struct master *master)
{
    struct upgrade *upgrade = &master->upgrade;

    if (upgrade->stage != UPGRADE_NONE)
        return;
    if (master->stage != STAGE_RUNNING) {
        log_event(LOG_ERROR, "upgrade_refused",
                  LOG_S("msg", "the daemon is opening its store or ending"));
        return;
    }
    upgrade->checker = handover_spawn_check(&upgrade->out);
    if (upgrade->checker < 0) {
        upgrade->checker = 0;
        log_event(LOG_ERROR, "upgrade_refused", LOG_S("msg", strerror(errno)));
        return;
    }
    master->slots.spared = upgrade->checker;
    upgrade->stage = UPGRADE_CHECKING;
    upgrade->until_boot_ms = clock_boot_ms(master->clock) + CHECK_MS;
    log_event(LOG_INFO, "upgrade", LOG_S("msg", "the new program is asked"));
}

static bool says_our_version(int out)
{
    char text[64];
    ssize_t n = read(out, text, sizeof(text) - 1);

    if (n <= 0)
        return false;
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return strcmp(text, handover_version()) == 0;
}

void master_upgrade_reaped(struct master *master, pid_t pid, int status)
{
    struct upgrade *upgrade = &master->upgrade;
    bool same;

    if (upgrade->stage != UPGRADE_CHECKING || pid != upgrade->checker)
        return;
    same = says_our_version(upgrade->out);
    end_check(upgrade, master);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        char *why = mem_printf("the new program cannot be run or refuses the configuration: "
                               "status %d; `blobforged -t` says more",
                               WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        refuse(master, why);
        free(why);
    } else if (!same) {
        refuse(master, "the new program does not understand this one's state; drain and restart");
    } else {
        upgrade->stage = UPGRADE_SETTLING;
        upgrade->until_boot_ms = clock_boot_ms(master->clock) + SETTLE_MS;
        upgrade->again_boot_ms = 0;
        master_tell_mode(master);
        master_notify_reloading();
    }
}

static void ask_to_freeze(struct master *master)
{
    if (!slots_can_be_handed_over(&master->slots)) {
        master->upgrade.again_boot_ms = clock_boot_ms(master->clock) + AGAIN_MS;
        return;
    }
    master->upgrade.stage = UPGRADE_FREEZING;
    post_send(master->to_lease, post_create(POST_FREEZE));
}

void master_upgrade_frozen(struct master *master, struct json_object *state)
{
    struct upgrade *upgrade = &master->upgrade;

    if (upgrade->stage != UPGRADE_FREEZING || state == NULL) {
        json_object_put(state);
        if (upgrade->stage == UPGRADE_FREEZING)
            upgrade->stage = UPGRADE_SETTLING;
        upgrade->again_boot_ms = clock_boot_ms(master->clock) + AGAIN_MS;
        return;
    }
    upgrade->lease = state;
    upgrade->stage = UPGRADE_ENDING;
    upgrade->until_boot_ms = clock_boot_ms(master->clock) + JANITOR_MS;
    if (master->janitor_runs)
        post_send(master->to_janitor, post_create(POST_END));
}

/* ---- exec ---- */

static struct json_object *fixed_settings(const struct settings *settings)
{
    struct json_object *object = json_object_new_object();

    for (enum setting_id id = 0; id < SETTING_COUNT; id++) {
        struct json_object *line;
        struct buf value = BUF_INIT;
        if (setting_reloadable(id))
            continue;
        line = json_object_new_object();
        setting_print(settings, id, &value);
        json_set_text(line, "value", buf_text(&value));
        json_set_int(line, "origin", (int64_t)settings_origin(settings, id));
        json_set_object(object, setting_name(id), line);
        buf_release(&value);
    }
    return object;
}

static struct json_object *kills_state(const struct slots *slots)
{
    struct json_object *object = json_object_new_object();

    json_set_int(object, "all", (int64_t)slots->killed);
    for (int limit = RUN_LIMIT_NONE + 1; limit <= RUN_LIMIT_PROCESSES; limit++)
        json_set_int(object, run_limit_name((enum run_limit)limit),
                     (int64_t)slots->limit_kills[limit]);
    return object;
}

static struct json_object *whole_state(const struct master *master)
{
    struct json_object *object = json_object_new_object();

    json_set_text(object, "version", handover_version());
    json_set_int(object, "pid", getpid());
    json_set_text(object, "worker_id", master->options->worker_id);
    json_set_text(object, "incarnation", master->options->lease_incarnation);
    json_set_object(object, "settings", fixed_settings(master->settings));
    json_set_int(object, "pid_fd", master->options->pid_fd);
    json_set_object(object, "slots", slots_state(&master->slots));
    json_set_object(object, "lease", json_object_get(master->upgrade.lease));
    json_set_object(object, "environment", instance_kept_secrets());
    json_set_text(object, "paused_by", master->paused ? master->paused_by : NULL);
    json_set_int(object, "slots_wanted", (int64_t)master->slots.wanted);
    json_set_int(object, "started_boot_ms", master->started_boot_ms);
    json_set_object(object, "kills", kills_state(&master->slots));
    return object;
}

static void become_new(struct master *master)
{
    int *keep = mem_resize(NULL, master->slots.count + 1, sizeof(*keep));
    struct json_object *state = whole_state(master);
    size_t count = 0;
    int error;

    keep[count++] = master->options->pid_fd;
    for (size_t i = 0; i < master->slots.count; i++)
        if (master->slots.all[i]->sock >= 0)
            keep[count++] = master->slots.all[i]->sock;
    log_event(LOG_INFO, "upgrade", LOG_I("jobs", slots_busy(&master->slots)),
              LOG_S("msg", "executing the new program"));
    notify_restore();
    handover_exec(state, keep, count);
    error = errno;
    json_object_put(state);
    free(keep);
    post_send(master->to_lease, post_create(POST_THAW));
    refuse(master, strerror(error));
    log_event(LOG_ERROR, "janitor",
              LOG_S("msg", "the janitor thread has ended for it; restart when the jobs allow it"));
}

void master_upgrade_check(struct master *master)
{
    struct upgrade *upgrade = &master->upgrade;
    int64_t now = clock_boot_ms(master->clock);

    switch (upgrade->stage) {
    case UPGRADE_NONE:
    case UPGRADE_FREEZING: /* the answer comes at once: the lease thread never blocks */
        return;
    case UPGRADE_CHECKING:
        if (now >= upgrade->until_boot_ms)
            refuse(master, "the new program does not answer");
        return;
    case UPGRADE_SETTLING:
        if (master->stage != STAGE_RUNNING)
            refuse(master, "the daemon is ending");
        else if (now >= upgrade->until_boot_ms)
            refuse(master, "what is being published or closed does not come to its end");
        else if (now >= upgrade->again_boot_ms)
            ask_to_freeze(master);
        return;
    case UPGRADE_ENDING:
        if (!master->janitor_runs || now >= upgrade->until_boot_ms)
            become_new(master);
        return;
    }
}

int64_t master_upgrade_due(const struct master *master)
{
    switch (master->upgrade.stage) {
    case UPGRADE_NONE:
    case UPGRADE_FREEZING:
        return INT64_MAX;
    case UPGRADE_CHECKING:
    case UPGRADE_ENDING:
        return master->upgrade.until_boot_ms;
    case UPGRADE_SETTLING:
        return master->upgrade.again_boot_ms;
    }
    return INT64_MAX;
}

/* ---- in the new program ---- */

static void take_kills(struct slots *slots, struct json_object *object)
{
    int64_t n = 0;

    if (object == NULL)
        return;
    if (json_get_int(object, "all", &n) && n >= 0)
        slots->killed = (uint64_t)n;
    for (int limit = RUN_LIMIT_NONE + 1; limit <= RUN_LIMIT_PROCESSES; limit++)
        if (json_get_int(object, run_limit_name((enum run_limit)limit), &n) && n >= 0)
            slots->limit_kills[limit] = (uint64_t)n;
}

/* What the lease thread counted, until it is asked itself: counters that begin anew at nothing and
 * jump would be counted twice by whoever adds them up. */
static void take_figures(struct master *master, struct json_object *lease)
{
    if (lease == NULL)
        return;
    master->figures = mem_alloc(sizeof(*master->figures));
    figures_read(json_get_object(lease, "figures"), &master->figures->counters,
                 &master->figures->meter);
}

bool master_take_over(struct master *master)
{
    struct json_object *state = master->options->handover;
    const char *paused_by = json_get_text(state, "paused_by");
    int64_t wanted = settings_number(master->settings, SETTING_SLOTS);

    master->adopted = true;
    json_get_int(state, "started_boot_ms", &master->started_boot_ms);
    json_get_int(state, "slots_wanted", &wanted);
    if (wanted >= 0 && wanted <= CONTROL_SLOTS_MAX)
        master->slots.wanted = (size_t)wanted;
    if (paused_by != NULL) {
        master->paused = true;
        master->paused_by = strcmp(paused_by, "WINCH") == 0 ? "WINCH" : "ctl pause";
    }
    take_kills(&master->slots, json_get_object(state, "kills"));
    take_figures(master, json_get_object(state, "lease"));
    return slots_take_over(&master->slots, json_get_array(state, "slots"));
}
