/* See jobs.h: a job as `status` and `list` show it. */
#include "cli/jobs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/human.h"
#include "base/json.h"
#include "base/quote.h"
#include "cli/table.h"

/* ---- facts ---- */

static void gather_v1_progress(struct json_object *progress, struct job_facts *facts)
{
    struct json_object *bar = json_get_object(progress, "marker");

    json_get_int(progress, "page_count", &facts->pages);
    if (bar == NULL)
        return;
    json_get_int(bar, "tqdm_current", &facts->page);
    json_get_int(bar, "tqdm_total", &facts->pages);
    if (json_get_text(bar, "tqdm_stage") != NULL)
        facts->stage = json_get_text(bar, "tqdm_stage");
}

static void gather_lock(const struct queue *queue, const struct record_lock *lock,
                        struct job_facts *facts)
{
    struct json_object *progress = lock->progress;

    facts->worker = lock->worker;
    facts->retries = lock->retries;
    facts->started_ms = lock->started > 0 ? lock->started : -1;
    facts->heartbeat_ms = lock->last_heartbeat > 0 ? lock->last_heartbeat : -1;
    if (lock->proto > 0)
        facts->slot = lock->slot;
    facts->phase = json_get_text(progress, "phase");
    facts->stage = json_get_text(progress, "stage");
    json_get_int(progress, "page", &facts->page);
    json_get_int(progress, "pages", &facts->pages);
    if (lock->proto == 0) /* version 1 counts pages and what its converter's bar shows */
        gather_v1_progress(progress, facts);
    if (lock->started > 0) {
        facts->elapsed_seconds =
            (double)(store_server_ms(queue->store, queue->clock) - lock->started) / 1000;
        if (facts->elapsed_seconds < 0)
            facts->elapsed_seconds = 0;
    }
    if (facts->page > 0 && facts->pages >= facts->page && facts->elapsed_seconds >= 0)
        facts->eta_seconds =
            facts->elapsed_seconds * (double)(facts->pages - facts->page) / (double)facts->page;
}

static void gather_failed(const struct job_view *view, struct job_facts *facts)
{
    /* One more than the record says; version 1 leaves the marker with its old count, ours has
     * counted. */
    facts->retries = view->failed.retries + 1;
    if (view->has_marker && view->todo.retries > facts->retries)
        facts->retries = view->todo.retries;
    facts->worker = view->failed.worker;
    facts->cause = cause_name(view->failed.cause);
    facts->error = view->failed.error;
}

void job_facts_gather(const struct queue *queue, const struct job_view *view,
                      struct job_facts *facts_r)
{
    *facts_r = (struct job_facts){-1, -1, -1,   -1,   -1,   -1,   -1,   -1,
                                  -1, -1, NULL, NULL, NULL, NULL, NULL, NULL};
    if (view->has_marker) {
        facts_r->retries = view->todo.retries;
        facts_r->queued_ms = view->todo.queued_at > 0 ? view->todo.queued_at : -1;
        facts_r->not_before_ms = view->todo.not_before > 0 ? view->todo.not_before : -1;
        facts_r->error = view->todo.last_error;
    }
    switch (view->state) {
    case JOB_PROCESSING:
        gather_lock(queue, &view->lock, facts_r);
        break;
    case JOB_FAILED:
        gather_failed(view, facts_r);
        break;
    case JOB_DEAD:
        facts_r->retries = view->dead.total_retries;
        facts_r->cause = cause_name(view->dead.cause);
        facts_r->reason = view->dead.reason;
        facts_r->error = view->dead.error;
        break;
    case JOB_DONE:
        facts_r->error = NULL;
        break;
    case JOB_TODO:
    case JOB_RAW:
    case JOB_UNKNOWN:
        break;
    }
}

/* ---- JSON ---- */

static void set_known(struct json_object *object, const char *name, int64_t value)
{
    if (value >= 0)
        json_set_int(object, name, value);
    else
        json_set_null(object, name);
}

static void set_time(struct json_object *object, const char *name, int64_t value)
{
    set_known(object, name, value > 0 ? value : -1);
}

static void set_seconds(struct json_object *object, const char *name, double value)
{
    if (value >= 0)
        json_set_double(object, name, value);
    else
        json_set_null(object, name);
}

static struct json_object *text_array(char *const *texts, size_t count)
{
    struct json_object *array = json_object_new_array();

    for (size_t i = 0; i < count; i++)
        json_object_array_add(array, json_new_text(texts[i], strlen(texts[i])));
    return array;
}

/* The manifest's tags, else those of the raw object's metadata (a JSON list as text). */
static struct json_object *tags_json(const struct job_view *view,
                                     const struct manifest_entry *entry)
{
    struct json_object *tags = NULL;

    if (entry != NULL && entry->tag_count > 0)
        return text_array(entry->tags, entry->tag_count);
    if (view->tags_json != NULL && strlen(view->tags_json) <= JSON_RECORD_MAX)
        tags = json_tokener_parse(view->tags_json);
    if (tags != NULL && json_object_is_type(tags, json_type_array))
        return tags;
    json_object_put(tags);
    return json_object_new_array();
}

struct json_object *job_json(const struct queue *queue, const struct job_view *view,
                             const struct manifest_entry *entry)
{
    struct json_object *job = json_object_new_object();
    struct job_facts facts;

    job_facts_gather(queue, view, &facts);
    json_set_text(job, "hash", view->hash);
    json_set_text(job, "state", job_state_name(view->state));
    json_set_text(job, "tier", view->tier_known ? tier_name(view->tier) : NULL);
    json_set_text(job, "name", view->name);
    json_set_object(job, "paths",
                    entry != NULL ? text_array(entry->paths, entry->path_count)
                                  : json_object_new_array());
    json_set_object(job, "tags", tags_json(view, entry));
    set_known(job, "size_bytes", view->size_bytes);
    set_known(job, "retries", facts.retries);
    json_set_int(job, "max_retries", queue->limits.max_retries);
    set_time(job, "queued_ms", facts.queued_ms);
    set_time(job, "started_ms", facts.started_ms);
    set_time(job, "heartbeat_ms", facts.heartbeat_ms);
    set_time(job, "not_before_ms", facts.not_before_ms);
    set_time(job, "done_ms", view->done_ms);
    set_known(job, "result_bytes", view->result_bytes);
    json_set_text(job, "worker", facts.worker);
    set_known(job, "slot", facts.slot);
    json_set_text(job, "phase", facts.phase);
    json_set_text(job, "stage", facts.stage);
    set_known(job, "page", facts.page);
    set_known(job, "pages", facts.pages);
    set_seconds(job, "elapsed_seconds", facts.elapsed_seconds);
    set_seconds(job, "eta_seconds", facts.eta_seconds);
    if (view->state == JOB_PROCESSING)
        json_set_bool(job, "stale", view->stale);
    else
        json_set_null(job, "stale");
    json_set_text(job, "cause", facts.cause);
    json_set_text(job, "reason", facts.reason);
    json_set_text(job, "error", facts.error);
    json_set_text(job, "damaged", view->damaged);
    return job;
}

/* ---- text ---- */

static void print_line(const char *name, const char *text)
{
    struct buf quoted = BUF_INIT;

    if (text == NULL)
        return;
    quote_append(&quoted, text, strlen(text));
    cli_printf("%-12s%s\n", name, buf_text(&quoted));
    buf_release(&quoted);
}

static void print_time(const char *name, int64_t ms)
{
    char text[HUMAN_SIZE];

    if (ms > 0)
        print_line(name, human_show_time(ms, text));
}

static void print_size(const char *name, int64_t bytes)
{
    char text[HUMAN_SIZE];

    if (bytes >= 0)
        print_line(name, human_show_size(bytes, text));
}

static void print_seconds(const char *name, double seconds)
{
    char text[HUMAN_SIZE];

    if (seconds >= 0)
        print_line(name, human_show_duration((int64_t)(seconds * 1000), text));
}

char *job_progress_text(const struct job_facts *facts)
{
    const char *doing = facts->phase != NULL ? facts->phase : facts->stage;
    const char *gap = doing != NULL ? " " : "";

    if (doing == NULL)
        doing = facts->page < 0 && facts->pages < 0 ? "starting" : "";
    if (facts->page < 0 && facts->pages < 0)
        return mem_strdup(doing);
    if (facts->pages < 0)
        return mem_printf("%s%spage %" PRId64, doing, gap, facts->page);
    return mem_printf("%s%s%" PRId64 "/%" PRId64, doing, gap, facts->page < 0 ? 0 : facts->page,
                      facts->pages);
}

char *job_dead_remedy(const struct job_view *view)
{
    const char *reason = view->dead.reason != NULL ? view->dead.reason : "";

    if (strcmp(reason, "not_convertible") == 0)
        return mem_printf("another try would end alike: repair or decrypt the document and ingest "
                          "it anew, or set another converter and `blobforge retry %.12s`",
                          view->hash);
    if (strcmp(reason, "cancelled") == 0)
        return mem_printf("`blobforge retry %.12s` takes it back", view->hash);
    return mem_printf(
        "`blobforge logs %.12s` says why, `blobforge retry --reset %.12s` tries again", view->hash,
        view->hash);
}

void job_print(const struct queue *queue, const struct job_view *view,
               const struct manifest_entry *entry)
{
    struct job_facts facts;
    char *text;

    job_facts_gather(queue, view, &facts);
    print_line("hash", view->hash);
    text = mem_printf("%s%s", job_state_name(view->state),
                      view->state == JOB_PROCESSING && view->stale
                          ? " (stale: no heartbeat; a janitor takes it over)"
                          : "");
    print_line("state", text);
    free(text);
    print_line("tier", view->tier_known ? tier_name(view->tier) : NULL);
    print_line("name", view->name);
    for (size_t i = 0; entry != NULL && i < entry->path_count; i++)
        print_line(i == 0 ? "paths" : "", entry->paths[i]);
    print_size("size", view->size_bytes);
    print_size("result", view->result_bytes);
    print_time("done", view->done_ms);
    if (facts.retries >= 0 && view->state != JOB_DONE) {
        text = mem_printf("%" PRId64 " of %" PRId64, facts.retries, queue->limits.max_retries);
        print_line("retries", text);
        free(text);
    }
    print_time("queued", facts.queued_ms);
    print_time("not before", facts.not_before_ms);
    print_time("started", facts.started_ms);
    print_time("heartbeat", facts.heartbeat_ms);
    print_line("worker", facts.worker);
    if (view->state == JOB_PROCESSING) {
        text = job_progress_text(&facts);
        print_line("progress", text);
        free(text);
        print_seconds("elapsed", facts.elapsed_seconds);
        print_seconds("left", facts.eta_seconds);
    }
    print_line("cause", facts.cause);
    print_line("reason", facts.reason);
    print_line("error", facts.error);
    if (view->state == JOB_DEAD) {
        text = job_dead_remedy(view);
        print_line("what helps", text);
        free(text);
    }
    if (view->damaged != NULL) {
        text = mem_printf("its %s record cannot be read", view->damaged);
        print_line("damaged", text);
        free(text);
    }
}

/* ---- counts ---- */

static const struct {
    const char *state;
    size_t offset;
} other_states[] = {{"processing", offsetof(struct job_counts, processing)},
                    {"failed", offsetof(struct job_counts, failed)},
                    {"dead", offsetof(struct job_counts, dead)},
                    {"done", offsetof(struct job_counts, done)}};

static int64_t other_count(const struct job_counts *counts, size_t i)
{
    return *(const int64_t *)((const char *)counts + other_states[i].offset);
}

static void print_count_json(const char *state, const char *tier, int64_t count)
{
    struct json_object *line = json_object_new_object();

    json_set_text(line, "state", state);
    json_set_text(line, "tier", tier);
    json_set_int(line, "count", count);
    cli_print_json(line);
}

static void add_count(struct table *table, const char *state, int64_t count)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRId64, count);
    table_add(table, (const char *[]){state, text});
}

void counts_print(struct cli *cli, const struct job_counts *counts)
{
    static const struct table_column columns[] = {{"STATE", false, false, true},
                                                  {"COUNT", true, false, false}};
    struct table *table;
    int64_t waiting = 0;

    if (cli_json(cli)) {
        for (int tier = 0; tier < TIER_COUNT; tier++)
            print_count_json("todo", tier_name((enum tier)tier), counts->todo[tier]);
        for (size_t i = 0; i < ARRAY_LEN(other_states); i++)
            print_count_json(other_states[i].state, NULL, other_count(counts, i));
        return;
    }
    table = table_create(columns, ARRAY_LEN(columns));
    for (int tier = 0; tier < TIER_COUNT; tier++)
        waiting += counts->todo[tier];
    add_count(table, "todo", waiting);
    for (int tier = 0; tier < TIER_COUNT; tier++) {
        char name[32];
        snprintf(name, sizeof(name), "  %s", tier_name((enum tier)tier));
        if (counts->todo[tier] > 0)
            add_count(table, name, counts->todo[tier]);
    }
    for (size_t i = 0; i < ARRAY_LEN(other_states); i++)
        add_count(table, other_states[i].state, other_count(counts, i));
    table_print(table);
    table_destroy(table);
}
