/* See history.h: attempt records of a job, read back. */
#include "queue/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "queue/step.h"
#include "queue/view.h"

#define BATCH 32

static int compare_entries(const void *a, const void *b)
{
    const struct store_entry *x = a, *y = b;

    if (x->modified_ms != y->modified_ms)
        return x->modified_ms < y->modified_ms ? -1 : 1;
    return strcmp(x->key, y->key);
}

/* All lines of the folder, oldest first; the memory is the caller's. */
static enum queue_result list_entries(struct queue *queue, struct claim *claim, const char *hash,
                                      struct store_entry **entries_r, size_t *count_r,
                                      char **error_r)
{
    enum queue_result result = QUEUE_OK;
    struct store_entry *entries = NULL;
    size_t count = 0;
    char key[KEY_SIZE];
    char *after = NULL;
    bool more = true;

    key_log(&queue->keys, hash, "attempts/", key);
    while (more && result == QUEUE_OK) {
        struct store_op op;

        store_op_init(&op, STORE_LIST, key);
        op.start_after = after;
        result = step_read(queue, claim, &op, 1, error_r);
        entries = mem_resize(entries, count + op.entry_count + 1, sizeof(*entries));
        for (size_t i = 0; i < op.entry_count; i++) {
            entries[count] = op.entries[i];
            entries[count++].key = mem_strdup(op.entries[i].key);
        }
        more = op.more_r;
        free(after);
        after = mem_strdup(op.next_after_r);
        store_op_release(&op);
    }
    free(after);
    if (count > 1)
        qsort(entries, count, sizeof(*entries), compare_entries);
    *entries_r = entries;
    *count_r = count;
    return result;
}

static enum queue_result read_batch(struct queue *queue, struct claim *claim,
                                    const struct store_entry *entries, size_t count,
                                    struct history *history, char **error_r)
{
    struct store_op *ops = mem_alloc(count * sizeof(*ops));
    enum queue_result result;

    for (size_t i = 0; i < count; i++)
        store_op_init(&ops[i], STORE_GET, entries[i].key);
    result = step_read(queue, claim, ops, count, error_r);
    for (size_t i = 0; i < count; i++) {
        struct history_line *line = &history->lines[history->count];

        if (result == QUEUE_OK && ops[i].status == STORE_OK &&
            record_attempt_read(buf_text(&ops[i].data), ops[i].data.len, &line->attempt) ==
                RECORD_OK) {
            line->modified_ms = entries[i].modified_ms;
            history->count++;
        }
        store_op_release(&ops[i]);
    }
    free(ops);
    return result;
}

enum queue_result history_read(struct queue *queue, struct claim *claim, const char *hash,
                               struct history *history_r, char **error_r)
{
    struct store_entry *entries;
    size_t count, first;
    enum queue_result result;

    memset(history_r, 0, sizeof(*history_r));
    result = list_entries(queue, claim, hash, &entries, &count, error_r);
    first = count > HISTORY_MAX ? count - HISTORY_MAX : 0;
    history_r->lines = mem_alloc((count - first + 1) * sizeof(*history_r->lines));
    for (size_t i = first; i < count && result == QUEUE_OK; i += BATCH)
        result = read_batch(queue, claim, entries + i, count - i < BATCH ? count - i : BATCH,
                            history_r, error_r);
    for (size_t i = 0; i < count; i++)
        free(entries[i].key);
    free(entries);
    return result;
}

void history_release(struct history *history)
{
    for (size_t i = 0; i < history->count; i++)
        record_attempt_release(&history->lines[i].attempt);
    free(history->lines);
    memset(history, 0, sizeof(*history));
}

/* Index of the first line after the last reset. A second is the clock's grain: what was modified in
 * the reset's own second counts as before it; the marker has the truth. */
static size_t since_reset(const struct history *history)
{
    size_t first = 0;

    for (size_t i = 0; i < history->count; i++)
        if (history->lines[i].attempt.outcome == ATTEMPT_RESET)
            first = i + 1;
    while (first > 0 && first < history->count &&
           history->lines[first].modified_ms <= history->lines[first - 1].modified_ms)
        first++;
    return first;
}

int64_t history_charged(const struct history *history, const char *but)
{
    int64_t charged = 0;

    for (size_t i = since_reset(history); i < history->count; i++) {
        const struct record_attempt *attempt = &history->lines[i].attempt;

        if (attempt->charged && strcmp(attempt->claim, but) != 0)
            charged++;
    }
    return charged;
}

int64_t history_runs(const struct history *history)
{
    int64_t runs = 0;

    for (size_t i = 0; i < history->count; i++) {
        const struct record_attempt *attempt = &history->lines[i].attempt;
        bool makes_up = attempt->outcome == ATTEMPT_GIVEN_BACK;

        if (attempt->number - makes_up > runs)
            runs = attempt->number - makes_up;
    }
    return runs;
}

bool history_counted(const struct history *history, const char *claim_id, int64_t count)
{
    const struct history_line *mine = NULL, *reset = NULL;

    for (size_t i = 0; i < history->count; i++) {
        const struct history_line *line = &history->lines[i];

        if (line->attempt.outcome == ATTEMPT_RESET)
            reset = line;
        else if (line->attempt.charged && strcmp(line->attempt.claim, claim_id) == 0)
            mine = line;
    }
    if (mine == NULL)
        return false;
    if (reset != NULL && mine->modified_ms < reset->modified_ms)
        return true; /* the reset was about it, too */
    return history_charged(history, claim_id) < count;
}

static bool was_trouble(const struct record_attempt *attempt)
{
    /* A failure with such a cause is one that was charged for having come back too often. */
    if (attempt->outcome != ATTEMPT_GIVEN_BACK && attempt->outcome != ATTEMPT_FAILED)
        return false;
    return attempt->cause == CAUSE_HOST || attempt->cause == CAUSE_STORE ||
           (attempt->cause == CAUSE_OPERATOR && attempt->exit_status >= 0);
}

int64_t history_given_back(const struct history *history, const char *but)
{
    int64_t count = 0;

    for (size_t i = history->count; i > since_reset(history); i--) {
        const struct record_attempt *attempt = &history->lines[i - 1].attempt;

        if (!was_trouble(attempt))
            break;
        count += strcmp(attempt->claim, but) != 0;
    }
    return count;
}

bool history_ends_buried(const struct history *history)
{
    enum attempt_outcome last;

    if (history->count == 0)
        return false;
    last = history->lines[history->count - 1].attempt.outcome;
    return last == ATTEMPT_BURIED || last == ATTEMPT_CANCELLED;
}

/* For people: a store's clock may be of whole seconds, a record's is not. */
static int compare_lines(const void *a, const void *b)
{
    const struct history_line *x = a, *y = b;
    int64_t x_ms = x->attempt.ended_ms > 0 ? x->attempt.ended_ms : x->modified_ms;
    int64_t y_ms = y->attempt.ended_ms > 0 ? y->attempt.ended_ms : y->modified_ms;

    if (x_ms != y_ms)
        return x_ms < y_ms ? -1 : 1;
    if (x->attempt.number != y->attempt.number)
        return x->attempt.number < y->attempt.number ? -1 : 1;
    return strcmp(x->attempt.claim, y->attempt.claim);
}

enum queue_result view_attempts(struct queue *queue, const char *hash,
                                struct record_attempt **attempts_r, size_t *count_r, char **error_r)
{
    struct history history;
    enum queue_result result;

    *error_r = NULL;
    result = history_read(queue, NULL, hash, &history, error_r);
    if (history.count > 1)
        qsort(history.lines, history.count, sizeof(*history.lines), compare_lines);
    *attempts_r = mem_alloc((history.count + 1) * sizeof(**attempts_r));
    *count_r = history.count;
    for (size_t i = 0; i < history.count; i++)
        (*attempts_r)[i] = history.lines[i].attempt; /* moved: texts are the caller's now */
    free(history.lines);
    return result;
}
