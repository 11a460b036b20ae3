/* See master.h: a reload is a transaction. The new configuration is read and checked whole before
 * anything changes; each difference is named; what needs a restart stays as it is in both sets. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "daemon/master_private.h"

#define SLOTS_MAX 4096

struct pace master_pace(const struct settings *settings)
{
    return (struct pace){
        .poll_ms = settings_number(settings, SETTING_POLL_INTERVAL),
        .poll_max_ms = settings_number(settings, SETTING_POLL_MAX),
        .store_patience_ms = settings_number(settings, SETTING_STORE_PATIENCE),
        .retry_base_ms = settings_number(settings, SETTING_RETRY_BASE),
        .retry_max_ms = settings_number(settings, SETTING_RETRY_MAX),
        .min_free_bytes = settings_number(settings, SETTING_MIN_FREE_SPACE),
    };
}

/* Each thread gets a copy of its own: ours goes with the next reload. */
static void tell_thread(const struct master *master, struct mailbox *to)
{
    struct post *post = post_create(POST_SETTINGS);

    post->pace = master_pace(master->settings);
    post->settings = settings_copy(master->settings);
    post_send(to, post);
}

void master_set_slots(struct master *master, int64_t wanted)
{
    struct post *post = post_create(POST_SLOTS);

    if (wanted < 0)
        wanted = 0;
    if (wanted > SLOTS_MAX)
        wanted = SLOTS_MAX;
    if ((size_t)wanted != master->slots.wanted && master->slots.spawning)
        log_event(LOG_INFO, wanted > (int64_t)master->slots.wanted ? "slot_start" : "slot_stop",
                  LOG_I("slots", wanted));
    if (master->adopted && !master->opened)
        master->slots.wanted = (size_t)wanted; /* the lease thread cannot be told yet */
    else
        slots_resize(&master->slots, (size_t)wanted);
    post->slot = wanted;
    post_send(master->to_lease, post);
}

/* Takes the new set over; what needs a restart is in it as it was. */
static void apply_settings(struct master *master, struct settings *fresh)
{
    struct settings *old = master->settings;
    enum log_level level;

    if (old != master->first_settings)
        settings_destroy(old);
    master->settings = fresh;
    master->slots.settings = fresh;
    if (log_level_parse(settings_text(fresh, SETTING_LOG_LEVEL), &level))
        log_set_level(level);
    log_set_json(strcmp(settings_text(fresh, SETTING_LOG_FORMAT), "json") == 0);
    atomic_store(&master->janitor_interval_ms, settings_number(fresh, SETTING_JANITOR_INTERVAL));
    master_set_slots(master, settings_number(fresh, SETTING_SLOTS));
    tell_thread(master, master->to_lease);
    tell_thread(master, master->to_janitor);
    master_window_load(master);
}

/* Settings that need a restart keep their old values in the new set, so that whoever reads them
 * later (a worker's folder, a further store) finds what runs. */
static bool keep_fixed(const struct settings *old, struct settings *fresh, char **error_r)
{
    for (enum setting_id id = 0; id < SETTING_COUNT; id++) {
        struct buf value = BUF_INIT;
        bool kept = true;
        if (!setting_reloadable(id)) {
            setting_print(old, id, &value);
            kept = settings_set(fresh, setting_name(id), buf_text(&value), settings_origin(old, id),
                                error_r);
        }
        buf_release(&value);
        if (!kept)
            return false;
    }
    return true;
}

static const char *change_note(enum setting_id id)
{
    if (!setting_reloadable(id))
        return "takes effect at the next start, not now";
    if (!setting_has_effect(id))
        return "has no effect in this version";
    return NULL;
}

/* Every difference by name. */
static void say_changes(const struct settings *old, const struct settings *fresh)
{
    for (enum setting_id id = 0; id < SETTING_COUNT; id++) {
        struct buf before = BUF_INIT, after = BUF_INIT;
        const char *note = change_note(id);
        setting_print(old, id, &before);
        setting_print(fresh, id, &after);
        if (strcmp(buf_text(&before), buf_text(&after)) != 0)
            log_event(note == NULL ? LOG_INFO : LOG_WARNING, "reload",
                      LOG_S("setting", setting_name(id)), LOG_S("from", buf_text(&before)),
                      LOG_S("to", buf_text(&after)), LOG_S("msg", note));
        buf_release(&before);
        buf_release(&after);
    }
}

/* An event per fault. */
static void say_refused(char *error)
{
    while (error != NULL) {
        char *next = strchr(error, '\n');
        if (next != NULL)
            *next++ = '\0';
        log_event(LOG_ERROR, "reload_refused", LOG_S("msg", error),
                  LOG_S("remedy", "the old configuration stays in force"));
        error = next;
    }
}

static bool reload(struct master *master, char **error_r)
{
    char *error = NULL;
    struct settings *fresh = master->options->reload(master->options->reload_arg, &error);

    if (error_r != NULL)
        *error_r = NULL;
    if (fresh != NULL && !log_open(settings_text(fresh, SETTING_LOG_FILE))) {
        error = mem_printf("log_file: cannot be opened: %s", strerror(errno));
        settings_destroy(fresh);
        fresh = NULL;
    }
    if (fresh != NULL) {
        say_changes(master->settings, fresh);
        if (!keep_fixed(master->settings, fresh, &error)) { /* cannot be: they were taken before */
            settings_destroy(fresh);
            fresh = NULL;
        }
    }
    if (fresh == NULL) {
        if (error_r != NULL)
            *error_r = mem_strdup(error == NULL ? "cannot be read" : error);
        say_refused(error);
        free(error);
        return false;
    }
    apply_settings(master, fresh);
    log_event(LOG_INFO, "reload", LOG_S("msg", "configuration is in force"));
    return true;
}

bool master_reload(struct master *master, char **error_r)
{
    bool tell = master->stage == STAGE_RUNNING, taken;

    if (tell)
        master_notify_reloading();
    taken = reload(master, error_r);
    if (tell) /* the old configuration serves as well */
        master_notify_ready(master);
    return taken;
}
