/* See slot.h: giving running workers to another program in the same process, and taking them up
 * there. Main thread. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/log.h"
#include "daemon/slot_private.h"

struct field {
    const char *name;
    size_t offset;
};

#define OF(type, field)                                                                            \
    {                                                                                              \
#field, offsetof(struct type, field)                                                       \
    }

static const struct field slot_fields[] = {
    OF(slot, number),
    OF(slot, started_boot_ms),
    OF(slot, jobs),
    OF(slot, recycle_at),
};
static const struct field start_fields[] = {
    OF(post, slot),
    OF(post, seq),
    OF(post, attempt),
    OF(post, conversion_timeout_ms),
    OF(post, started_boot_ms),
};
static const struct field progress_fields[] = {
    OF(ipc_progress, page),
    OF(ipc_progress, pages),
    OF(ipc_progress, rss_bytes),
    OF(ipc_progress, size_bytes),
};

static void write_fields(struct json_object *object, const struct field *fields, size_t count,
                         const void *base)
{
    for (size_t i = 0; i < count; i++)
        json_set_int(object, fields[i].name,
                     *(const int64_t *)((const char *)base + fields[i].offset));
}

static bool read_fields(struct json_object *object, const struct field *fields, size_t count,
                        void *base)
{
    for (size_t i = 0; i < count; i++)
        if (!json_get_int(object, fields[i].name, (int64_t *)((char *)base + fields[i].offset)))
            return false;
    return true;
}

bool slots_can_be_handed_over(const struct slots *slots)
{
    for (size_t i = 0; i < slots->count; i++) {
        const struct slot *slot = slots->all[i];
        const struct slot_job *job = slot->job;
        bool idle = slot->state == SLOT_IDLE || slot->state == SLOT_EMPTY;
        if (job == NULL
                ? !idle
                : slot->state != SLOT_WORKING || !job->dispatched || job->kill_asked || job->told)
            return false;
    }
    return true;
}

static struct json_object *job_state(const struct slot_job *job)
{
    struct json_object *object = json_object_new_object();
    struct json_object *start = json_object_new_object(), *progress = json_object_new_object();
    struct json_object *limits = json_object_new_object();

    write_fields(start, start_fields, ARRAY_LEN(start_fields), job->start);
    json_set_text(start, "hash", job->start->hash);
    json_set_text(start, "claim", job->start->claim);
    write_fields(progress, progress_fields, ARRAY_LEN(progress_fields), &job->progress);
    json_set_text(progress, "phase", job->progress.phase);
    json_set_text(progress, "stage", job->progress.stage);
    json_set_text(progress, "name", job->progress.name);
    json_set_double(progress, "cpu_seconds", job->progress.cpu_seconds);
    ipc_limits_write(limits, &job->limits);
    json_set_object(object, "start", start);
    json_set_object(object, "progress", progress);
    json_set_object(object, "limits", limits);
    json_set_int(object, "hard_boot_ms", job->hard_boot_ms);
    json_set_bool(object, "alone", job->alone);
    return object;
}

struct json_object *slots_state(const struct slots *slots)
{
    struct json_object *array = json_object_new_array();

    for (size_t i = 0; i < slots->count; i++) {
        const struct slot *slot = slots->all[i];
        struct json_object *object;
        if (slot->pid <= 0)
            continue;
        object = json_object_new_object();
        write_fields(object, slot_fields, ARRAY_LEN(slot_fields), slot);
        json_set_int(object, "pid", slot->pid);
        json_set_int(object, "sock", slot->sock);
        if (slot->job != NULL)
            json_set_object(object, "job", job_state(slot->job));
        json_object_array_add(array, object);
    }
    return array;
}

/* ---- the other program ---- */

static bool read_text(struct json_object *object, const char *name, char *out, size_t size)
{
    const char *text = json_get_text(object, name);

    if (text == NULL || strlen(text) >= size)
        return false;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static bool read_job(struct json_object *object, struct slot_job *job)
{
    struct json_object *start = json_get_object(object, "start");
    struct json_object *progress = json_get_object(object, "progress");
    struct json_object *limits = json_get_object(object, "limits");

    job->dispatched = true;
    return start != NULL && progress != NULL && limits != NULL &&
           read_fields(start, start_fields, ARRAY_LEN(start_fields), job->start) &&
           read_text(start, "hash", job->start->hash, sizeof(job->start->hash)) &&
           read_text(start, "claim", job->start->claim, sizeof(job->start->claim)) &&
           read_fields(progress, progress_fields, ARRAY_LEN(progress_fields), &job->progress) &&
           read_text(progress, "phase", job->progress.phase, sizeof(job->progress.phase)) &&
           read_text(progress, "stage", job->progress.stage, sizeof(job->progress.stage)) &&
           read_text(progress, "name", job->progress.name, sizeof(job->progress.name)) &&
           json_get_double(progress, "cpu_seconds", &job->progress.cpu_seconds) &&
           ipc_limits_read(limits, &job->limits) &&
           json_get_int(object, "hard_boot_ms", &job->hard_boot_ms) &&
           json_get_bool(object, "alone", &job->alone);
}

static bool take_slot(struct slots *slots, struct json_object *object)
{
    struct json_object *job = json_get_object(object, "job");
    int64_t number = -1, pid = 0, sock = -1;
    struct slot *slot;

    if (!json_get_int(object, "number", &number) || number < 0 || number > 100000 ||
        !json_get_int(object, "pid", &pid) || pid <= 1 || !json_get_int(object, "sock", &sock) ||
        sock <= 2)
        return false;
    if ((size_t)number >= slots->count)
        slots_resize(slots, (size_t)number + 1);
    slot = slots->all[number];
    if (!read_fields(object, slot_fields, ARRAY_LEN(slot_fields), slot))
        return false;
    fcntl((int)sock, F_SETFD, FD_CLOEXEC);
    slot->pid = (pid_t)pid;
    slot->sock = (int)sock;
    slot->state = SLOT_IDLE;
    if (job == NULL)
        return true;
    slot->job = mem_alloc(sizeof(*slot->job));
    slot->job->start = post_create(POST_START);
    slot->state = SLOT_WORKING;
    if (!read_job(job, slot->job))
        return false;
    slots->alone = slots->alone_changed = slots->alone || slot->job->alone;
    return true;
}

bool slots_take_over(struct slots *slots, struct json_object *array)
{
    size_t wanted = slots->wanted;

    for (size_t i = 0; array != NULL && i < json_object_array_length(array); i++)
        if (!take_slot(slots, json_object_array_get_idx(array, i)))
            return false;
    slots->wanted = wanted; /* slots_go_on() makes it so: until then nobody takes a retirement */
    return true;
}

void slots_go_on(struct slots *slots)
{
    int64_t now = clock_boot_ms(slots->clock);

    slots_resize(slots, slots->wanted); /* retires what is too much */
    for (size_t i = 0; i < slots->count; i++) {
        struct slot *slot = slots->all[i];
        if (slot->state == SLOT_IDLE && slot->pid > 0)
            slot_offer(slots, slot);
        if (slot->state == SLOT_WORKING)
            slot->job->deadline_boot_ms = now + SLOT_SILENCE_MS < slot->job->hard_boot_ms
                                              ? now + SLOT_SILENCE_MS
                                              : slot->job->hard_boot_ms;
    }
}
