/* See lease_private.h: giving what is held to another program in the same process (USR2), and
 * taking it up there.
 *
 * Only conversions that are under way are handed over: their fibers wait for an event or a beat,
 * and all that they know stands in their claim. Whatever is being published or closed is finished
 * first. Between FROZEN and THAW (or the other program) nothing here runs, so what was handed over
 * stays true. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "daemon/lease_private.h"
#include "queue/claim_state.h"

static bool is_at_rest(const struct lease_slot *slot)
{
    if (!slot->busy)
        return true;
    return slot->held && slot->started && slot->waiting && !slot->settling && !slot->stop &&
           !slot->killed && slot->events == NULL && !slot->sleeper.woken;
}

static bool can_freeze(const struct lease *lease)
{
    if (lease->picking || lease->claiming > 0 || lease->watching || !lease->keeper_rests ||
        lease->finished)
        return false;
    for (size_t i = 0; i < lease->slot_count; i++)
        if (lease->slots[i] != NULL && !is_at_rest(lease->slots[i]))
            return false;
    return true;
}

static struct json_object *slot_state(const struct lease_slot *slot)
{
    struct json_object *object = json_object_new_object();

    json_set_int(object, "slot", slot->number);
    json_set_int(object, "seq", slot->seq);
    json_set_int(object, "began_boot_ms", slot->began_boot_ms);
    json_set_object(object, "claim", claim_state_write(&slot->claim));
    return object;
}

static struct json_object *lease_state(const struct lease *lease)
{
    struct json_object *object = json_object_new_object();
    struct json_object *slots = json_object_new_array(), *left = json_object_new_array();
    struct store_meter meter;

    for (size_t i = 0; i < lease->slot_count; i++)
        if (lease->slots[i] != NULL && lease->slots[i]->busy)
            json_object_array_add(slots, slot_state(lease->slots[i]));
    for (size_t i = 0; i < LEASE_LEFT_MAX; i++) {
        struct json_object *line;
        if (lease->left[i].until_boot_ms == 0)
            continue;
        line = json_object_new_object();
        json_set_text(line, "hash", lease->left[i].hash);
        json_set_int(line, "until_boot_ms", lease->left[i].until_boot_ms);
        json_object_array_add(left, line);
    }
    json_set_object(object, "slots", slots);
    json_set_object(object, "left", left);
    json_set_object(object, "fleet", fleet_state_write(&lease->fleet));
    json_set_int(object, "last_seq", lease->last_seq);
    json_set_int(object, "began_ms", lease->began_ms);
    json_set_int(object, "began_boot_ms", lease->began_boot_ms);
    lease_meter(lease, &meter);
    json_set_object(object, "figures", figures_write(&lease->counters, &meter));
    return object;
}

static void rest_until_thaw(struct lease *lease)
{
    for (;;) {
        struct pollfd pfd = {.fd = mailbox_fd(lease->options->inbox), .events = POLLIN};
        struct post *post;
        if (poll(&pfd, 1, -1) <= 0)
            continue;
        while ((post = post_take(lease->options->inbox)) != NULL) {
            bool thaw = post_type(post) == POST_THAW;
            post_release(post); /* the main thread sends nothing else meanwhile */
            if (thaw)
                return;
        }
    }
}

void lease_freeze(struct lease *lease)
{
    struct post *post = post_create(POST_FROZEN);
    bool frozen = can_freeze(lease);

    if (frozen)
        post->state = lease_state(lease);
    post_send(lease->options->to_main, post);
    if (frozen)
        rest_until_thaw(lease);
}

/* ---- the other program ---- */

static void take_slot(struct lease *lease, struct json_object *object)
{
    struct json_object *state = json_get_object(object, "claim");
    struct lease_slot *slot;
    struct claim claim;
    int64_t number = -1, seq = 0;

    if (!json_get_int(object, "slot", &number) || !json_get_int(object, "seq", &seq) ||
        number < 0 || number > 100000 || state == NULL || !claim_state_read(state, &claim)) {
        log_event(LOG_ERROR, "upgrade", LOG_I("slot", number),
                  LOG_S("msg", "a job that was handed over cannot be read: its lock goes stale"));
        return;
    }
    lease_slot_start(lease, number);
    slot = lease->slots[number];
    slot->queue = lease->queue;
    slot->claim = claim;
    slot->seq = seq;
    slot->began_boot_ms = clock_boot_ms(lease->clock); /* a program before this one does not say */
    json_get_int(object, "began_boot_ms", &slot->began_boot_ms);
    slot->busy = slot->held = slot->started = slot->handed_over = true;
}

void lease_take_over_figures(struct lease *lease)
{
    struct json_object *state = lease->options->handover;

    fleet_init(&lease->fleet);
    if (state == NULL)
        return;
    fleet_state_read(json_get_object(state, "fleet"), &lease->fleet);
    json_get_int(state, "began_ms", &lease->began_ms);
    json_get_int(state, "began_boot_ms", &lease->began_boot_ms);
    figures_read(json_get_object(state, "figures"), &lease->counters, &lease->meter_before);
}

void lease_take_over(struct lease *lease)
{
    struct json_object *state = lease->options->handover, *slots, *left;

    if (state == NULL)
        return;
    json_get_int(state, "last_seq", &lease->last_seq);
    slots = json_get_array(state, "slots");
    for (size_t i = 0; slots != NULL && i < json_object_array_length(slots); i++)
        take_slot(lease, json_object_array_get_idx(slots, i));
    left = json_get_array(state, "left");
    for (size_t i = 0; left != NULL && i < json_object_array_length(left) && i < LEASE_LEFT_MAX;
         i++) {
        struct json_object *line = json_object_array_get_idx(left, i);
        const char *hash = json_get_text(line, "hash");
        if (hash == NULL || strlen(hash) != 64)
            continue;
        memcpy(lease->left[i].hash, hash, sizeof(lease->left[i].hash));
        json_get_int(line, "until_boot_ms", &lease->left[i].until_boot_ms);
        lease->left_next = i + 1;
    }
}
