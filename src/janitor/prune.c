/* See prune.h. */
#include "janitor/prune.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "queue/step.h"

#define DAY_MS (24 * 60 * 60 * 1000LL)
#define CARD_MS (7 * DAY_MS) /* a daemon writes its card every minute or so */
#define PROBE_MS DAY_MS      /* the longest probe is one of seconds */

struct pruning {
    struct queue *queue;
    bool dry_run;
    struct janitor_report *report;
    char **error_r;
};

/* Older than its time, by two times of the server's. One without a time is left. */
static bool is_old(const struct store_op *page, const struct store_entry *entry, int64_t age_ms)
{
    size_t len = strlen(entry->key);

    return len > 0 && entry->key[len - 1] != '/' && entry->modified_ms > 0 &&
           page->date_ms_r - entry->modified_ms > age_ms;
}

/* Only the body that was listed: whoever wrote it anew keeps it. */
static enum queue_result discard(struct pruning *pruning, const struct store_op *page,
                                 const struct store_entry *entry)
{
    struct evidence evidence;
    enum queue_result result = QUEUE_OK;

    evidence_set(pruning->queue, &evidence, entry->key, page);
    memcpy(evidence.etag, entry->etag, sizeof(evidence.etag));
    if (!pruning->dry_run)
        result =
            step_delete(pruning->queue, NULL, entry->key, entry->etag, &evidence, pruning->error_r);
    if (result == QUEUE_OK)
        pruning->report->pruned++;
    return result == QUEUE_BUSY ? QUEUE_OK : result;
}

static enum queue_result prune_folder(struct pruning *pruning, const char *folder, int64_t age_ms)
{
    enum queue_result result = QUEUE_OK;
    char *after = NULL;
    bool more = true;

    while (more && result == QUEUE_OK) {
        struct store_op page;

        store_op_init(&page, STORE_LIST, folder);
        page.start_after = after;
        result = step_read(pruning->queue, NULL, &page, 1, pruning->error_r);
        for (size_t i = 0; i < page.entry_count && result == QUEUE_OK; i++)
            if (is_old(&page, &page.entries[i], age_ms))
                result = discard(pruning, &page, &page.entries[i]);
        more = page.more_r;
        free(after);
        after = mem_strdup(page.next_after_r);
        store_op_release(&page);
    }
    free(after);
    return result;
}

enum queue_result prune(struct queue *queue, bool dry_run, struct janitor_report *report,
                        char **error_r)
{
    struct pruning pruning = {queue, dry_run, report, error_r};
    char key[KEY_SIZE];
    enum queue_result result =
        prune_folder(&pruning, key_registry(&queue->keys, "workers/", key), CARD_MS);

    if (result == QUEUE_OK)
        result = prune_folder(&pruning, key_registry(&queue->keys, "probe/", key), PROBE_MS);
    return result;
}
