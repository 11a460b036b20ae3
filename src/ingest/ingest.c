/* See ingest.h. The loop of a run: take what the crew has ready, a batch at a time, and flush the
 * manifest when it is due. */
#include "ingest/ingest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ingest/run.h"
#include "queue/scan.h"

#define TAKE_WAIT_MS 200 /* how long a stop flag or a due flush may wait */

const char *ingest_action_name(enum ingest_action action)
{
    switch (action) {
    case INGEST_QUEUED:
        return "queued";
    case INGEST_WOULD_QUEUE:
        return "would_queue";
    case INGEST_SKIPPED:
        return "skipped";
    case INGEST_ERROR:
        return "error";
    }
    return "?";
}

const char *ingest_reason_name(enum ingest_reason reason)
{
    switch (reason) {
    case INGEST_REASON_NONE:
        return NULL;
    case INGEST_DONE:
        return "done";
    case INGEST_PROCESSING:
        return "processing";
    case INGEST_TODO:
        return "todo";
    case INGEST_FAILED:
        return "failed";
    case INGEST_DEAD:
        return "dead";
    case INGEST_DUPLICATE:
        return "duplicate";
    case INGEST_NOT_PDF:
        return "not_pdf";
    case INGEST_TOO_LARGE:
        return "too_large";
    case INGEST_CHANGED:
        return "changed";
    case INGEST_LFS_MISSING:
        return "lfs_missing";
    case INGEST_UNREADABLE:
        return "unreadable";
    }
    return "?";
}

/* ---- outcomes ---- */

static void show_progress(struct run *run)
{
    if (run->options->progress == NULL)
        return;
    crew_count(run->crew, &run->progress);
    run->options->progress(run->options->arg, &run->progress);
}

void run_report(struct run *run, struct file *file, enum ingest_action action,
                enum ingest_reason reason)
{
    struct ingest_summary *summary = run->summary;
    struct ingest_outcome outcome = {
        .path = file->path,
        .hash = file->hash[0] != '\0' ? file->hash : NULL,
        .action = action,
        .reason = reason,
        .size_bytes = file->size,
        .error = file->error,
    };

    summary->found++;
    summary->bytes += file->size > 0 ? file->size : 0;
    summary->queued += action == INGEST_QUEUED || action == INGEST_WOULD_QUEUE;
    summary->skipped += action == INGEST_SKIPPED;
    summary->errors += action == INGEST_ERROR;
    summary->by_reason[reason]++;
    if (action == INGEST_SKIPPED)
        summary->skipped_by[reason]++;
    run->progress.files_done++;
    run->progress.bytes_done += file->size > 0 ? file->size : 0;
    if (run->options->each != NULL)
        run->options->each(run->options->arg, &outcome);
    crew_drop(run->crew, file);
    show_progress(run);
}

void run_report_store_error(struct run *run, struct file *file, char *error)
{
    const char *why = error != NULL ? error : "the store gave no usable answer";
    bool has_remedy = strchr(why, ';') != NULL;

    file_refuse(file, INGEST_REASON_NONE, "%s%s", why,
                has_remedy ? "" : "; ingest it again, nothing is done twice");
    free(error);
    run_report(run, file, INGEST_ERROR, INGEST_REASON_NONE);
}

static void end_run(struct run *run, enum queue_result result, const char *error)
{
    if (run->verdict != QUEUE_OK)
        return;
    run->verdict = result;
    run->verdict_error = mem_strdup(error != NULL ? error : queue_result_name(result));
}

void run_store_failed(struct run *run, enum queue_result result, const char *error)
{
    if (result == QUEUE_FATAL || ++run->store_failures >= STORE_FAILURES_MAX)
        end_run(run, result, error);
}

static void warn(struct run *run, const char *text)
{
    if (run->options->warning != NULL)
        run->options->warning(run->options->arg, text);
}

/* ---- manifest ---- */

static void flush(struct run *run)
{
    char *error = NULL;
    enum queue_result result;

    if (run->manifest == NULL || manifest_pending(run->manifest) == 0)
        return;
    result = manifest_flush(run->manifest, &error);
    if (result != QUEUE_OK) {
        run->summary->errors++;
        warn(run, error != NULL ? error : queue_result_name(result));
    }
    /* What could not be recorded for the store's trouble is kept for the next time: not for ever.
     */
    run->flush_failures =
        result == QUEUE_AGAIN || result == QUEUE_UNKNOWN ? run->flush_failures + 1 : 0;
    if (run->flush_failures >= STORE_FAILURES_MAX)
        end_run(run, result, error);
    free(error);
}

/* Files that are no pointers again are errors, though their jobs are made. */
static void take_warnings(struct run *run)
{
    char *text;

    while ((text = crew_next_warning(run->crew)) != NULL) {
        run->summary->errors++;
        warn(run, text);
        free(text);
    }
}

/* The first request of a run: a store that cannot be reached is found here, before any file. */
static void open_manifest(struct run *run)
{
    enum manifest_form form;
    char *error = NULL;
    enum queue_result result;

    run->manifest = manifest_create(run->queue);
    result = manifest_find_form(run->manifest, &form, &error);
    if (result == QUEUE_DAMAGED) {
        run->summary->errors++;
        warn(run, error);
    } else if (result != QUEUE_OK) {
        end_run(run, result, error);
    }
    if (result != QUEUE_OK || run->options->dry_run) {
        manifest_destroy(run->manifest);
        run->manifest = NULL;
    }
    free(error);
}

/* ---- the loop ---- */

static bool stop_asked(struct run *run)
{
    if (run->options->stop != NULL && *run->options->stop != 0 && !run->summary->stopped) {
        run->summary->stopped = true;
        crew_stop(run->crew);
    }
    return run->summary->stopped;
}

/* A file in a directory costs the same alone and in company; elsewhere a batch shares its round
 * trips. */
static int64_t batch_wait_ms(const struct run *run)
{
    if (run->options->batch_wait_ms > 0)
        return run->options->batch_wait_ms;
    return store_properties(run->queue->store)->presigns ? BATCH_WAIT_MS : 0;
}

/* Deferred twins first, then what the crew has ready; waits for the first. true: go on. */
static bool gather(struct run *run, struct file **files, size_t *count_r)
{
    int64_t begun = clock_boot_ms(run->queue->clock), wait = batch_wait_ms(run);
    enum crew_result taken = CREW_FILE;
    size_t count = 0;

    while (run->deferred != NULL && count < BATCH_MAX) {
        files[count] = run->deferred;
        run->deferred = files[count++]->next;
    }
    while (count < BATCH_MAX) {
        struct file *file;

        int64_t left = begun + wait - clock_boot_ms(run->queue->clock);

        taken = crew_take(run->crew, count == 0 ? TAKE_WAIT_MS : left > 0 ? (int)left : 0, &file);
        if (taken != CREW_FILE)
            break;
        if (file->abandoned) {
            crew_drop(run->crew, file);
        } else if (file->reason == INGEST_TOO_LARGE) {
            run_report(run, file, INGEST_SKIPPED, file->reason);
        } else if (file->reason != INGEST_REASON_NONE) {
            run_report(run, file, INGEST_ERROR, file->reason);
        } else {
            files[count++] = file;
        }
    }
    *count_r = count;
    return taken != CREW_END || count > 0 || run->deferred != NULL;
}

static void loop(struct run *run)
{
    struct file *files[BATCH_MAX];
    size_t count;

    while (gather(run, files, &count)) {
        if (stop_asked(run)) {
            for (size_t i = 0; i < count; i++)
                crew_drop(run->crew, files[i]);
            continue;
        }
        if (count > 0)
            batch_process(run, files, count);
        if (run->verdict != QUEUE_OK)
            return;
        if (run->manifest != NULL && manifest_flush_due(run->manifest))
            flush(run);
        take_warnings(run);
        show_progress(run);
    }
}

enum queue_result ingest_run(struct queue *queue, const struct ingest_options *options,
                             struct ingest_summary *summary_r, char **error_r)
{
    struct run run = {.queue = queue, .options = options, .summary = summary_r};
    int64_t began = clock_boot_ms(queue->clock);

    memset(summary_r, 0, sizeof(*summary_r));
    *error_r = NULL;
    known_init(&run.known, queue, SCAN_ALL);
    open_manifest(&run);
    if (run.verdict == QUEUE_OK)
        run.crew = crew_create(options);
    if (run.verdict == QUEUE_OK && run.crew == NULL)
        end_run(&run, QUEUE_FATAL, strerror(errno));
    if (run.crew != NULL) {
        loop(&run);
        flush(&run);
        while (run.deferred != NULL) {
            struct file *file = run.deferred;
            run.deferred = file->next;
            crew_drop(run.crew, file);
        }
        crew_join(run.crew);
        take_warnings(&run);
        summary_r->links_passed = crew_links_passed(run.crew);
        summary_r->roots_opened = crew_roots_opened(run.crew);
    }
    crew_destroy(run.crew);
    manifest_destroy(run.manifest);
    seen_release(&run.seen);
    known_release(&run.known);
    summary_r->milliseconds = clock_boot_ms(queue->clock) - began;
    *error_r = run.verdict_error;
    return run.verdict;
}
