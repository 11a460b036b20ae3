/* The gate's memory: registry/gate.json (gate_parts.h). */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "queue/gate_parts.h"
#include "queue/step.h"

const char *gate_etag_form(const struct store_properties *properties)
{
    return properties->quoted_etag ? "quoted" : properties->presigns ? "bare" : "both";
}

void gate_set_properties(struct queue *queue, const struct gate_report *report)
{
    struct store_properties properties = *store_properties(queue->store);

    properties.conditional_put = report->put_if_none_match && report->put_if_match;
    properties.conditional_delete = report->delete_if_match;
    properties.expiring_delete = report->delete_expires;
    store_set_properties(queue->store, &properties);
}

static bool flag(struct json_object *object, const char *name)
{
    bool value = false;

    return json_get_bool(object, name, &value) && value;
}

static bool text_is(struct json_object *object, const char *name, const char *value)
{
    const char *text = json_get_text(object, name);

    return text != NULL && strcmp(text, value) == 0;
}

/* Are the server's addresses those of the pass? One more is a server that nobody has looked at. */
static bool same_addresses(struct queue *queue, struct json_object *object)
{
    char now[GATE_ADDRESSES][STORE_ADDRESS_SIZE];
    size_t count = store_addresses(queue->store, now, GATE_ADDRESSES), then;
    struct json_object *list = NULL;

    if (!json_object_object_get_ex(object, "addresses", &list) ||
        !json_object_is_type(list, json_type_array))
        return false;
    then = json_object_array_length(list);
    if (then >= GATE_ADDRESSES)
        return true;
    for (size_t i = 0; i < count; i++) {
        bool known = false;

        for (size_t j = 0; j < then; j++)
            known = known ||
                    strcmp(json_object_get_string(json_object_array_get_idx(list, j)), now[i]) == 0;
        if (!known)
            return false;
    }
    return true;
}

/* Is this the memory of a pass that still holds? */
static bool take(struct queue *queue, struct json_object *object, struct gate_report *report_r)
{
    struct json_object *properties = json_get_object(object, "properties");
    int64_t version = 0, checked = 0, now = store_server_ms(queue->store, queue->clock);
    struct store_properties known;

    if (!text_is(object, "store", store_url(queue->store)) ||
        !text_is(object, "endpoint", store_endpoint(queue->store)) ||
        !text_is(object, "server", store_server(queue->store)) ||
        !text_is(object, "verdict", "fit") || properties == NULL)
        return false;
    if (!json_get_int(object, "probe_version", &version) || version != GATE_VERSION ||
        !json_get_int(object, "checked_ms", &checked) || checked > now + GATE_CLOCK_SPREAD_MS ||
        now - checked > GATE_WEEK_MS || !same_addresses(queue, object))
        return false;
    report_r->verdict = GATE_FIT;
    report_r->remembered = true;
    report_r->checked_ms = checked;
    report_r->put_if_none_match = flag(properties, "put_if_none_match");
    report_r->put_if_match = flag(properties, "put_if_match");
    report_r->delete_if_match = flag(properties, "delete_if_match");
    report_r->delete_expires = flag(properties, "delete_expires");
    report_r->versioned = flag(object, "versioned");
    known = *store_properties(queue->store);
    known.quoted_etag = flag(properties, "quoted_etag");
    report_r->etag_form = gate_etag_form(&known);
    store_set_properties(queue->store, &known);
    gate_set_properties(queue, report_r);
    return true;
}

bool gate_recall(struct queue *queue, struct gate_report *report_r)
{
    struct json_object *object = NULL;
    struct store_op op;
    char key[KEY_SIZE];
    bool known = false;

    store_op_init(&op, STORE_GET, key_registry(&queue->keys, "gate.json", key));
    if (store_do(queue->store, &op) == STORE_OK && !op.versioned_r &&
        json_parse(buf_text(&op.data), op.data.len, JSON_RECORD_MAX, &object) == JSON_OK)
        known = take(queue, object, report_r);
    json_object_put(object);
    store_op_release(&op);
    return known;
}

static struct json_object *memory_of(struct queue *queue, const struct gate_report *report)
{
    struct json_object *object = json_object_new_object(), *properties = json_object_new_object();
    struct json_object *addresses = json_object_new_array();

    json_set_int(object, "probe_version", GATE_VERSION);
    json_set_text(object, "store", store_url(queue->store));
    json_set_text(object, "endpoint", store_endpoint(queue->store));
    for (size_t i = 0; i < report->address_count; i++)
        json_object_array_add(addresses, json_object_new_string(report->addresses[i]));
    json_set_object(object, "addresses", addresses);
    json_set_text(object, "server", store_server(queue->store));
    json_set_text(object, "verdict", report->verdict == GATE_FIT ? "fit" : "unfit");
    json_set_bool(object, "versioned", report->versioned);
    json_set_int(object, "checked_ms", report->checked_ms);
    json_set_bool(properties, "put_if_none_match", report->put_if_none_match);
    json_set_bool(properties, "put_if_match", report->put_if_match);
    json_set_bool(properties, "delete_if_match", report->delete_if_match);
    json_set_bool(properties, "delete_expires", report->delete_expires);
    json_set_bool(properties, "quoted_etag", store_properties(queue->store)->quoted_etag);
    json_set_object(object, "properties", properties);
    return object;
}

/* A note for the next start; one that cannot be written costs another probe. */
void gate_remember(struct queue *queue, const struct gate_report *report)
{
    struct json_object *object = memory_of(queue, report);
    struct buf body = BUF_INIT;
    struct store_op op;
    char key[KEY_SIZE];
    char *ignored = NULL;

    json_append(&body, object);
    json_object_put(object);
    store_op_init(&op, STORE_PUT, key_registry(&queue->keys, "gate.json", key));
    op.body = buf_text(&body);
    op.body_len = body.len;
    op.content_type = "application/json";
    if (step_note(queue, NULL, &op, 1, &ignored) != QUEUE_OK)
        step_notice(queue, "gate", NULL, ignored != NULL ? ignored : "the verdict is not kept");
    free(ignored);
    store_op_release(&op);
    buf_release(&body);
}
