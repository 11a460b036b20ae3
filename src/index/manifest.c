/* See manifest.h. Writing goes in rounds: read a handful of objects at once, merge each, write them
 * at once by If-Match; whatever lost a race or was not settled is in the next round. */
#include "index/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/json.h"
#include "index/manifest_merge.h"

#define ROUND_PARTS                                                                                \
    16                 /* objects in memory at once; as many requests as a store does in parallel  \
                        */
#define ROUND_TRIES 60 /* each lost race is another writer's success: this many are never lost */
#define ROUND_PAUSE_MS 50 /* between tries, ± half of it, growing */

struct note { /* owns what struct manifest_note borrows */
    char *hash, *path, *source;
    char **tags;
    size_t tag_count;
    int64_t size_bytes;
};

/* One object of the manifest that is to be changed. */
struct part {
    char key[KEY_SIZE];
    struct note *notes; /* of this object; borrowed */
    size_t note_count;
    const char *remove; /* a hash to take out; NULL: none */
    size_t max_bytes;
    int version; /* of a new object */
    enum {
        PART_OPEN,
        PART_DONE,
        PART_MOVED,
        PART_FAILED
    } state;
    enum queue_result result; /* PART_FAILED */
};

struct manifest {
    struct queue *queue;
    enum manifest_form form;
    struct note *notes;
    size_t note_count, note_room;
    size_t new_count;      /* of them, those of files that were not known */
    int64_t first_note_ms; /* boot time of the oldest of these */
};

const char *manifest_form_name(enum manifest_form form)
{
    switch (form) {
    case MANIFEST_UNKNOWN:
        return "unknown";
    case MANIFEST_ABSENT:
        return "absent";
    case MANIFEST_SHARDS:
        return "shards";
    case MANIFEST_V1:
        return "v1";
    }
    return "?";
}

struct manifest *manifest_create(struct queue *queue)
{
    struct manifest *manifest = mem_alloc(sizeof(*manifest));

    manifest->queue = queue;
    return manifest;
}

static void note_release(struct note *note)
{
    free(note->hash);
    free(note->path);
    free(note->source);
    for (size_t i = 0; i < note->tag_count; i++)
        free(note->tags[i]);
    free(note->tags);
}

void manifest_destroy(struct manifest *manifest)
{
    if (manifest == NULL)
        return;
    for (size_t i = 0; i < manifest->note_count; i++)
        note_release(&manifest->notes[i]);
    free(manifest->notes);
    free(manifest);
}

void manifest_note_file(struct manifest *manifest, const struct manifest_note *note)
{
    struct note *own;

    if (manifest->note_count == manifest->note_room) {
        manifest->note_room = manifest->note_room > 0 ? manifest->note_room * 2 : 64;
        manifest->notes = mem_resize(manifest->notes, manifest->note_room, sizeof(*own));
    }
    if (!note->known && manifest->new_count++ == 0)
        manifest->first_note_ms = clock_boot_ms(manifest->queue->clock);
    own = &manifest->notes[manifest->note_count++];
    own->hash = mem_strdup(note->hash);
    own->path = mem_strdup(note->path);
    own->source = mem_strdup(note->source);
    own->tag_count = note->tag_count;
    own->size_bytes = note->size_bytes;
    own->tags = mem_alloc((note->tag_count + 1) * sizeof(*own->tags));
    for (size_t i = 0; i < note->tag_count; i++)
        own->tags[i] = mem_strdup(note->tags[i]);
}

size_t manifest_pending(const struct manifest *manifest)
{
    return manifest->note_count;
}

bool manifest_flush_due(const struct manifest *manifest)
{
    return manifest->new_count >= MANIFEST_PENDING_MAX ||
           manifest->note_count >= MANIFEST_KNOWN_MAX ||
           (manifest->new_count > 0 &&
            clock_boot_ms(manifest->queue->clock) - manifest->first_note_ms >= MANIFEST_FLUSH_MS);
}

/* ---- errors ---- */

static void say(char **error_r, const char *key, const char *why, const char *remedy)
{
    if (*error_r == NULL)
        *error_r = mem_printf("%s: %s; %s", key, why, remedy);
}

/* What a store's answer that is neither OK nor a lost race means here. Its own text is whole. */
static enum queue_result say_status(char **error_r, const struct store_op *op)
{
    if (*error_r == NULL && op->error != NULL)
        *error_r = mem_strdup(op->error);
    switch (op->status) {
    case STORE_FATAL:
        say(error_r, op->key, store_status_name(op->status), "run blobforge doctor");
        return QUEUE_FATAL;
    case STORE_UNKNOWN:
    case STORE_PRECONDITION:
    case STORE_NOT_FOUND:
        say(error_r, op->key, store_status_name(op->status), "the same command again completes it");
        return QUEUE_UNKNOWN;
    case STORE_OK:
    case STORE_AGAIN:
        break;
    }
    say(error_r, op->key, store_status_name(op->status), "the same command again completes it");
    return QUEUE_AGAIN;
}

static enum queue_result say_damaged(char **error_r, const char *key, const char *why)
{
    say(error_r, key, why,
        "left as it is, nothing of it was overwritten; look at it, then move it away");
    return QUEUE_DAMAGED;
}

/* ---- which form ---- */

/* Reads one body as JSON. OK, NONE (not there), DAMAGED, AGAIN, FATAL. */
static enum queue_result parse_body(const struct store_op *op, size_t max,
                                    struct json_object **object_r, char **error_r)
{
    enum json_result parsed;

    *object_r = NULL;
    if (op->status == STORE_NOT_FOUND)
        return QUEUE_NONE;
    if (op->status != STORE_OK)
        return say_status(error_r, op);
    parsed = json_parse(op->data.data, op->data.len, max, object_r);
    if (parsed != JSON_OK)
        return say_damaged(error_r, op->key, json_result_name(parsed));
    if (!manifest_shape_is_sound(*object_r)) {
        json_object_put(*object_r);
        *object_r = NULL;
        return say_damaged(error_r, op->key, "entries is not an object of objects");
    }
    return QUEUE_OK;
}

static enum queue_result read_object(struct manifest *manifest, const char *key, size_t max,
                                     struct json_object **object_r, char **error_r)
{
    enum queue_result result;
    struct store_op op;

    store_op_init(&op, STORE_GET, key);
    op.max_bytes = max;
    store_run(manifest->queue->store, &op, 1);
    result = parse_body(&op, max, object_r, error_r);
    store_op_release(&op);
    return result;
}

enum queue_result manifest_find_form(struct manifest *manifest, enum manifest_form *form_r,
                                     char **error_r)
{
    char key[KEY_SIZE];
    struct json_object *object;
    enum queue_result result = QUEUE_OK;

    *error_r = NULL;
    if (manifest->form == MANIFEST_UNKNOWN || manifest->form == MANIFEST_ABSENT) {
        key_registry(&manifest->queue->keys, "manifest.json", key);
        result = read_object(manifest, key, MANIFEST_V1_MAX, &object, error_r);
        if (result == QUEUE_OK)
            manifest->form =
                json_get_object(object, "entries") != NULL ? MANIFEST_V1 : MANIFEST_SHARDS;
        else if (result == QUEUE_NONE)
            manifest->form = MANIFEST_ABSENT;
        json_object_put(object);
        if (result == QUEUE_NONE)
            result = QUEUE_OK;
    }
    *form_r = manifest->form;
    return result;
}

static void set_updated(struct manifest *manifest, struct json_object *object)
{
    char iso[CLOCK_ISO_SIZE];

    clock_format_iso(store_server_ms(manifest->queue->store, manifest->queue->clock), iso);
    json_set_text(object, "updated_at", iso);
}

/* Writes down that a new bucket is sharded. Whoever came first decides: the form is read again. */
static enum queue_result mark_sharded(struct manifest *manifest, char **error_r)
{
    char key[KEY_SIZE];
    struct json_object *object = json_object_new_object();
    struct buf body = BUF_INIT;
    enum queue_result result = QUEUE_OK;
    enum manifest_form form;
    struct store_op op;

    json_set_int(object, "version", 2);
    set_updated(manifest, object);
    json_set_text(object, "form", "shards");
    json_append(&body, object);
    json_object_put(object);
    store_op_init(&op, STORE_PUT, key_registry(&manifest->queue->keys, "manifest.json", key));
    op.cond = STORE_IF_ABSENT;
    op.body = body.data;
    op.body_len = body.len;
    op.content_type = "application/json";
    store_run(manifest->queue->store, &op, 1);
    if (op.status == STORE_FATAL || op.status == STORE_AGAIN)
        result = say_status(error_r, &op);
    else
        result = manifest_find_form(manifest, &form, error_r);
    if (result == QUEUE_OK && manifest->form == MANIFEST_ABSENT)
        result = say_status(error_r, &op);
    store_op_release(&op);
    buf_release(&body);
    return result;
}

static enum queue_result settle_form(struct manifest *manifest, char **error_r)
{
    enum manifest_form form;
    enum queue_result result = manifest_find_form(manifest, &form, error_r);

    for (int i = 0; i < 5 && result == QUEUE_OK && manifest->form == MANIFEST_ABSENT; i++) {
        free(*error_r);
        *error_r = NULL;
        result = mark_sharded(manifest, error_r);
        if (result == QUEUE_UNKNOWN && i < 4)
            result = QUEUE_OK; /* a 412 or a lost answer, and not there yet: once more */
    }
    return result;
}

/* ---- writing ---- */

static void part_init(struct manifest *manifest, struct part *part, const char *digits)
{
    char name[32];

    memset(part, 0, sizeof(*part));
    if (manifest->form == MANIFEST_V1) {
        key_registry(&manifest->queue->keys, "manifest.json", part->key);
        part->max_bytes = MANIFEST_V1_MAX;
        part->version = 1;
        return;
    }
    snprintf(name, sizeof(name), "manifest/%.2s.json", digits);
    key_registry(&manifest->queue->keys, name, part->key);
    part->max_bytes = MANIFEST_SHARD_MAX;
    part->version = 2;
}

static void part_fail(struct part *part, enum queue_result result)
{
    part->state = PART_FAILED;
    part->result = result;
}

/* Lays the part's notes over what was read. true: there is something to write, *body holds it. */
static bool part_merge(struct manifest *manifest, struct part *part, struct json_object *object,
                       struct buf *body)
{
    struct json_object *entries = json_get_object(object, "entries");
    int64_t now = store_server_ms(manifest->queue->store, manifest->queue->clock);
    bool changed = false;

    if (entries == NULL) {
        entries = json_object_new_object();
        json_set_object(object, "entries", entries);
    }
    for (size_t i = 0; i < part->note_count; i++) {
        const struct note *own = &part->notes[i];
        struct manifest_note note = {
            .hash = own->hash,
            .path = own->path,
            .source = own->source,
            .tags = (const char *const *)own->tags,
            .tag_count = own->tag_count,
            .size_bytes = own->size_bytes,
        };
        changed |= manifest_merge(entries, &note, now);
    }
    if (part->remove != NULL && json_get_object(entries, part->remove) != NULL) {
        json_remove(entries, part->remove);
        changed = true;
    }
    if (changed) {
        set_updated(manifest, object);
        json_append(body, object);
    }
    return changed;
}

/* The answer to a part's GET: what to write into *put, or how the part ends. true: write. */
static bool part_prepare(struct manifest *manifest, struct part *part, const struct store_op *get,
                         struct store_op *put, struct buf *body, char **error_r)
{
    struct json_object *object = NULL;
    enum queue_result result;
    bool write = false;

    result = parse_body(get, part->max_bytes, &object, error_r);
    store_op_init(put, STORE_PUT, part->key);
    put->content_type = "application/json";
    if (result == QUEUE_OK && manifest->form == MANIFEST_V1 &&
        json_get_object(object, "entries") == NULL) {
        part->state = PART_MOVED; /* somebody turned v1's form into shards meanwhile */
    } else if (result == QUEUE_OK) {
        put->cond = STORE_IF_MATCH;
        snprintf(put->etag, sizeof(put->etag), "%s", get->etag_r);
        write = part_merge(manifest, part, object, body);
    } else if (result == QUEUE_NONE && manifest->form != MANIFEST_V1 && part->remove == NULL) {
        object = json_object_new_object();
        json_set_int(object, "version", part->version);
        put->cond = STORE_IF_ABSENT;
        write = part_merge(manifest, part, object, body);
    } else if (result == QUEUE_NONE) {
        part->state = part->remove != NULL ? PART_DONE : PART_MOVED;
    } else {
        part_fail(part, result);
    }
    if (!write && part->state == PART_OPEN)
        part->state = PART_DONE;
    json_object_put(object);
    put->body = body->data;
    put->body_len = body->len;
    return write;
}

static void part_written(struct part *part, const struct store_op *put, bool last, char **error_r)
{
    switch (put->status) {
    case STORE_OK:
        part->state = PART_DONE;
        return;
    case STORE_FATAL:
        part_fail(part, say_status(error_r, put));
        return;
    case STORE_NOT_FOUND: /* lost, or not settled: read and merged again */
    case STORE_PRECONDITION:
    case STORE_UNKNOWN:
    case STORE_AGAIN:
        if (last)
            part_fail(part, say_status(error_r, put));
        return;
    }
}

/* Reads, merges and writes up to ROUND_PARTS parts that are open. */
static void round_run(struct manifest *manifest, struct part **parts, size_t count, bool last,
                      char **error_r)
{
    struct store_op gets[ROUND_PARTS], puts[ROUND_PARTS];
    struct buf bodies[ROUND_PARTS];
    struct part *written[ROUND_PARTS];
    size_t put_count = 0;

    for (size_t i = 0; i < count; i++) {
        store_op_init(&gets[i], STORE_GET, parts[i]->key);
        gets[i].max_bytes = parts[i]->max_bytes;
    }
    store_run(manifest->queue->store, gets, count);
    for (size_t i = 0; i < count; i++) {
        struct buf *body = &bodies[put_count];

        *body = (struct buf)BUF_INIT;
        if (part_prepare(manifest, parts[i], &gets[i], &puts[put_count], body, error_r))
            written[put_count++] = parts[i];
        store_op_release(&gets[i]);
    }
    store_run(manifest->queue->store, puts, put_count);
    for (size_t i = 0; i < put_count; i++) {
        part_written(written[i], &puts[i], last, error_r);
        store_op_release(&puts[i]);
        buf_release(&bodies[i]);
    }
}

/* Runs rounds until no part is open. */
static void parts_run(struct manifest *manifest, struct part *parts, size_t count, char **error_r)
{
    for (int try = 0; try < ROUND_TRIES; try++) {
        struct part *open[ROUND_PARTS];
        size_t open_count = 0, left = 0;

        for (size_t i = 0; i < count; i++) {
            if (parts[i].state != PART_OPEN)
                continue;
            open[open_count++] = &parts[i];
            if (open_count == ROUND_PARTS) {
                round_run(manifest, open, open_count, try + 1 == ROUND_TRIES, error_r);
                open_count = 0;
            }
        }
        if (open_count > 0)
            round_run(manifest, open, open_count, try + 1 == ROUND_TRIES, error_r);
        for (size_t i = 0; i < count; i++)
            left += parts[i].state == PART_OPEN;
        if (left == 0)
            return;
        clock_sleep_ms(
            manifest->queue->clock,
            rng_jitter(manifest->queue->rng, ROUND_PAUSE_MS * (try < 9 ? try + 1 : 10), 50));
    }
}

static int compare_notes(const void *a, const void *b)
{
    return strcmp(((const struct note *)a)->hash, ((const struct note *)b)->hash);
}

/* Cuts the sorted notes into parts: by shard, or all in one for v1. *parts_r is allocated. */
static size_t cut_parts(struct manifest *manifest, struct part **parts_r)
{
    size_t count = 0;

    *parts_r = mem_alloc(256 * sizeof(**parts_r));
    for (size_t i = 0; i < manifest->note_count; i++) {
        struct note *note = &manifest->notes[i];

        if (count == 0 || (manifest->form == MANIFEST_SHARDS &&
                           memcmp(note->hash, manifest->notes[i - 1].hash, 2) != 0)) {
            part_init(manifest, &(*parts_r)[count], note->hash);
            (*parts_r)[count++].notes = note;
        }
        (*parts_r)[count - 1].note_count++;
    }
    return count;
}

/* Drops the notes of parts that are done or that no repetition helps; keeps the others'. OK unless
 * a part failed. */
static enum queue_result drop_recorded(struct manifest *manifest, const struct part *parts,
                                       size_t count, bool *moved_r)
{
    enum queue_result result = QUEUE_OK;
    size_t kept = 0;

    *moved_r = false;
    for (size_t i = 0; i < count; i++) {
        bool keep = parts[i].state == PART_MOVED || parts[i].state == PART_OPEN ||
                    (parts[i].state == PART_FAILED &&
                     (parts[i].result == QUEUE_AGAIN || parts[i].result == QUEUE_UNKNOWN));

        *moved_r |= parts[i].state == PART_MOVED;
        if (parts[i].state == PART_FAILED && result == QUEUE_OK)
            result = parts[i].result;
        for (size_t n = 0; n < parts[i].note_count; n++) {
            struct note note = parts[i].notes[n];
            if (keep)
                manifest->notes[kept++] = note;
            else
                note_release(&note);
        }
    }
    manifest->note_count = manifest->new_count = kept;
    manifest->first_note_ms = clock_boot_ms(manifest->queue->clock);
    return result;
}

enum queue_result manifest_flush(struct manifest *manifest, char **error_r)
{
    enum queue_result result = QUEUE_OK;
    bool moved = true;

    *error_r = NULL;
    for (int i = 0; i < 4 && moved && result == QUEUE_OK && manifest->note_count > 0; i++) {
        struct part *parts;
        size_t count;

        result = settle_form(manifest, error_r);
        if (result != QUEUE_OK)
            return result;
        qsort(manifest->notes, manifest->note_count, sizeof(*manifest->notes), compare_notes);
        count = cut_parts(manifest, &parts);
        parts_run(manifest, parts, count, error_r);
        result = drop_recorded(manifest, parts, count, &moved);
        free(parts);
        if (moved)
            manifest->form = MANIFEST_UNKNOWN;
    }
    if (result == QUEUE_OK && manifest->note_count > 0) {
        say(error_r, "manifest", "it changes its form all the time",
            "the same command again completes it");
        result = QUEUE_AGAIN;
    }
    return result;
}

enum queue_result manifest_remove(struct manifest *manifest, const char *hash, char **error_r)
{
    enum queue_result result = QUEUE_OK;

    *error_r = NULL;
    for (int i = 0; i < 4; i++) {
        enum manifest_form form;
        struct part part;

        result = manifest_find_form(manifest, &form, error_r);
        if (result != QUEUE_OK || form == MANIFEST_ABSENT)
            return result;
        part_init(manifest, &part, hash);
        part.remove = hash;
        parts_run(manifest, &part, 1, error_r);
        if (part.state == PART_DONE)
            return QUEUE_OK;
        if (part.state == PART_FAILED)
            return part.result;
        manifest->form = MANIFEST_UNKNOWN;
    }
    say(error_r, "manifest", "it changes its form all the time",
        "the same command again completes it");
    return QUEUE_AGAIN;
}

/* ---- looking ---- */

enum queue_result manifest_lookup(struct manifest *manifest, const char *hash,
                                  struct manifest_entry *entry_r, char **error_r)
{
    enum manifest_form form;
    struct json_object *object = NULL, *value;
    enum queue_result result;
    struct part part;

    memset(entry_r, 0, sizeof(*entry_r));
    result = manifest_find_form(manifest, &form, error_r);
    if (result != QUEUE_OK || form == MANIFEST_ABSENT)
        return result == QUEUE_OK ? QUEUE_NONE : result;
    part_init(manifest, &part, hash);
    result = read_object(manifest, part.key, part.max_bytes, &object, error_r);
    if (result == QUEUE_OK) {
        value = json_get_object(json_get_object(object, "entries"), hash);
        if (value != NULL)
            manifest_entry_read(hash, value, entry_r);
        else
            result = QUEUE_NONE;
    }
    json_object_put(object);
    return result;
}

/* Calls `each` for the entries of one object. false: it wants no more. */
static bool each_of(struct json_object *object,
                    bool (*each)(void *arg, const struct manifest_entry *entry), void *arg)
{
    struct json_object *entries = json_get_object(object, "entries");
    bool more = true;

    if (entries == NULL)
        return true;
    json_object_object_foreach(entries, hash, value)
    {
        struct manifest_entry entry;

        if (!more || !hash_is_valid(hash))
            continue;
        manifest_entry_read(hash, value, &entry);
        more = each(arg, &entry);
        manifest_entry_release(&entry);
    }
    return more;
}

enum queue_result manifest_each(struct manifest *manifest,
                                bool (*each)(void *arg, const struct manifest_entry *entry),
                                void *arg, char **error_r)
{
    enum manifest_form form;
    enum queue_result result = manifest_find_form(manifest, &form, error_r);
    unsigned shard_count = form == MANIFEST_V1 ? 1 : 256;
    bool more = true;

    if (result != QUEUE_OK || form == MANIFEST_ABSENT)
        return result;
    for (unsigned i = 0; i < shard_count && more; i++) {
        struct json_object *object = NULL;
        struct part part;
        char digits[3];

        snprintf(digits, sizeof(digits), "%02x", i & 255);
        part_init(manifest, &part, digits);
        result = read_object(manifest, part.key, part.max_bytes, &object, error_r);
        if (result == QUEUE_OK)
            more = each_of(object, each, arg);
        json_object_put(object);
        if (result != QUEUE_OK && result != QUEUE_NONE)
            return result;
    }
    return QUEUE_OK;
}
