/* See claim_state.h: a row for each field that is a number or a text of fixed size. */
#include "queue/claim_state.h"

#include <stddef.h>
#include <string.h>

#include "base/json.h"

struct number_row {
    const char *name;
    size_t offset;
};

struct text_row {
    const char *name;
    size_t offset, size;
};

#define NUMBER(field)                                                                              \
    {                                                                                              \
#field, offsetof(struct claim, field)                                                      \
    }
#define TEXT(field)                                                                                \
    {                                                                                              \
#field, offsetof(struct claim, field), sizeof(((struct claim *)0)->field)                  \
    }

static const struct number_row numbers[] = {
    NUMBER(retries),        NUMBER(attempt),        NUMBER(slot),
    NUMBER(started_ms),     NUMBER(beat),           NUMBER(renewed_boot_ms),
    NUMBER(answer_date_ms), NUMBER(answer_boot_ms), NUMBER(pending_boot_ms),
};

static const struct text_row texts[] = {
    TEXT(hash),          TEXT(id),          TEXT(from),
    TEXT(cancel_by),     TEXT(lock_etag),   TEXT(marker_etag),
    TEXT(standing_etag), TEXT(result_etag), TEXT(dead_etag),
};

struct json_object *claim_state_write(const struct claim *claim)
{
    struct json_object *object = json_object_new_object();
    struct buf marker = BUF_INIT;

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        json_set_int(object, numbers[i].name,
                     *(const int64_t *)((const char *)claim + numbers[i].offset));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        json_set_text(object, texts[i].name, (const char *)claim + texts[i].offset);
    json_set_int(object, "tier", (int64_t)claim->tier);
    json_set_int(object, "op", (int64_t)claim->op);
    json_set_int(object, "cancel", (int64_t)claim->cancel);
    json_set_bool(object, "marker_present", claim->marker_present);
    json_set_bool(object, "marker_damaged", claim->marker_damaged);
    json_set_bool(object, "marker_past", claim->marker_past);
    record_todo_write(&marker, &claim->marker);
    json_set_text(object, "marker", buf_text(&marker));
    buf_release(&marker);
    if (claim->progress != NULL)
        json_set_object(object, "progress", json_object_get(claim->progress));
    if (claim->lost != NULL)
        json_set_object(object, "lost", json_object_get(claim->lost));
    return object;
}

static bool read_text(struct json_object *object, const struct text_row *row, struct claim *claim)
{
    const char *text = json_get_text(object, row->name);

    if (text == NULL || strlen(text) >= row->size)
        return false;
    memcpy((char *)claim + row->offset, text, strlen(text) + 1);
    return true;
}

bool claim_state_read(struct json_object *object, struct claim *claim_r)
{
    const char *marker = json_get_text(object, "marker");
    struct json_object *progress = json_get_object(object, "progress");
    struct json_object *lost = json_get_object(object, "lost");
    int64_t tier = -1, op = -1, cancel = -1;
    bool whole = marker != NULL;

    memset(claim_r, 0, sizeof(*claim_r));
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        whole = whole && json_get_int(object, numbers[i].name,
                                      (int64_t *)((char *)claim_r + numbers[i].offset));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        whole = whole && read_text(object, &texts[i], claim_r);
    whole = whole && json_get_int(object, "tier", &tier) && json_get_int(object, "op", &op) &&
            json_get_int(object, "cancel", &cancel) && tier >= 0 && tier < TIER_COUNT &&
            op == LOCK_OP_CONVERT && cancel >= CANCEL_NONE && cancel <= CANCEL_REQUEUE &&
            json_get_bool(object, "marker_present", &claim_r->marker_present) &&
            json_get_bool(object, "marker_damaged", &claim_r->marker_damaged) &&
            json_get_bool(object, "marker_past", &claim_r->marker_past) &&
            record_todo_read(marker, strlen(marker), &claim_r->marker) == RECORD_OK;
    if (!whole)
        return false;
    claim_r->tier = (enum tier)tier;
    claim_r->op = LOCK_OP_CONVERT;
    claim_r->cancel = (enum cancel_to)cancel;
    claim_r->progress = progress == NULL ? NULL : json_object_get(progress);
    claim_r->lost = lost == NULL ? NULL : json_object_get(lost);
    return true;
}
