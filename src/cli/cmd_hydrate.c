/* blobforge hydrate: results as Markdown beside the PDFs of a tree.
 *
 * The crew of ingest walks and hashes; this thread finds out what the bucket has, by one pass over
 * its results where that pays, and looks at what stands beside each PDF; a few writers fetch and
 * unpack, each with a store of its own. All that is said is said by this thread. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/human.h"
#include "base/json.h"
#include "base/quote.h"
#include "cli/cmd.h"
#include "cli/fetch.h"
#include "cli/hydrate.h"
#include "cli/progress.h"
#include "ingest/crew.h"
#include "ingest/known.h"
#include "ingest/seen.h"
#include "queue/scan.h"

#define WRITERS_REMOTE 8 /* fetching waits for round trips */
#define WRITERS_LOCAL 4
#define BATCH_MAX 128
#define BATCH_OF_MANY 64 /* from so many on a pass over the results is thought of */
#define WAIT_MS 100
#define TASKS_MAX 64 /* waiting for a writer */

enum action {
    WRITTEN,
    WOULD_WRITE,
    CURRENT,
    NO_RESULT,
    FAILED
};
#define ACTION_COUNT 5

static const char *action_name(enum action action)
{
    switch (action) {
    case WRITTEN:
        return "written";
    case WOULD_WRITE:
        return "would_write";
    case CURRENT:
        return "current";
    case NO_RESULT:
        return "no_result";
    case FAILED:
        return "error";
    }
    return "?";
}

/* A result to be written. */
struct task {
    struct task *next;
    struct file *file; /* the crew's */
    struct hydrate_target target;
    int64_t result_seconds;
    char *error;            /* WHY; REMEDY */
    enum store_status sent; /* of the fetch */
};

struct hydrate {
    struct cli *cli;
    struct queue *queue;
    struct crew *crew;
    struct known known;
    struct seen paths, taken; /* PDFs that came by; Markdown files that belong to one of them */
    struct progress_line line;
    bool dry_run, force;
    int64_t counts[ACTION_COUNT];
    int64_t begun_ms;
    enum exitcode verdict;
    int failures; /* of the store, in a row */

    pthread_mutex_t lock;
    pthread_cond_t work, answer;
    struct task *tasks, **tasks_tail; /* for writers */
    struct task *done;                /* from them */
    int under_way;                    /* given and not taken back */
    bool quit;
    pthread_t writers[WRITERS_REMOTE];
    struct store *stores[WRITERS_REMOTE];
    int writer_count;
};

/* ---- telling ---- */

static void report(struct hydrate *hydrate, struct file *file, enum action action,
                   const char *error)
{
    struct cli *cli = hydrate->cli;
    char *name = quote_name(file->path);

    hydrate->counts[action]++;
    if (error != NULL) {
        progress_end(&hydrate->line);
        cli_error("%s: %s", name, error);
    }
    if (cli_json(cli)) {
        struct json_object *line = json_object_new_object();

        json_set_text(line, "path", file->path);
        json_set_text(line, "hash", file->hash[0] != '\0' ? file->hash : NULL);
        json_set_text(line, "action", action_name(action));
        json_set_text(line, "error", error);
        cli_print_json(line);
    } else if (cli_verbose(cli) > 0) {
        progress_end(&hydrate->line);
        cli_printf("%-11s  %.12s  %s\n", action_name(action),
                   file->hash[0] != '\0' ? file->hash : "-", name);
    }
    free(name);
    crew_drop(hydrate->crew, file);
}

static void show_progress(struct hydrate *hydrate)
{
    struct ingest_progress progress;
    int64_t done = 0;

    crew_count(hydrate->crew, &progress);
    for (int i = 0; i < ACTION_COUNT; i++)
        done += hydrate->counts[i];
    progress_step(&hydrate->line, done, progress.counted ? progress.files_total : 0, "files");
}

/* ---- writers ---- */

static void write_one(struct hydrate *hydrate, struct store *store, struct task *task)
{
    int fd = fetch_temporary();
    struct store_op op;
    char key[KEY_SIZE];

    task->sent = STORE_OK;
    if (fd < 0) {
        task->error = mem_strdup("no temporary file; name another folder with TMPDIR");
        return;
    }
    store_op_init(&op, STORE_GET, key_out(&hydrate->queue->keys, task->file->hash, key));
    op.sink_fd = fd;
    task->sent = store_do(store, &op);
    if (task->sent == STORE_OK) {
        if (hydrate_write(&task->target, task->file->hash, task->result_seconds, fd,
                          &task->error) == EXITCODE_DATAERR)
            task->error = fetch_damaged_text(task->file->hash, task->error);
    } else if (task->sent == STORE_NOT_FOUND)
        task->error = mem_strdup("its result has gone meanwhile; try again");
    else
        task->error =
            mem_strdup(op.error != NULL ? op.error : "the store gave no usable answer; try again");
    store_op_release(&op);
    close(fd);
}

struct writer {
    struct hydrate *hydrate;
    struct store *store;
};

static void *writer_main(void *arg)
{
    struct writer writer = *(struct writer *)arg;
    struct hydrate *hydrate = writer.hydrate;

    free(arg);
    pthread_mutex_lock(&hydrate->lock);
    for (;;) {
        struct task *task = hydrate->tasks;

        if (task == NULL) {
            if (hydrate->quit)
                break;
            pthread_cond_wait(&hydrate->work, &hydrate->lock);
            continue;
        }
        hydrate->tasks = task->next;
        if (hydrate->tasks == NULL)
            hydrate->tasks_tail = &hydrate->tasks;
        pthread_mutex_unlock(&hydrate->lock);
        write_one(hydrate, writer.store, task);
        pthread_mutex_lock(&hydrate->lock);
        task->next = hydrate->done;
        hydrate->done = task;
        pthread_cond_signal(&hydrate->answer);
    }
    pthread_mutex_unlock(&hydrate->lock);
    return NULL;
}

/* One more writer, as long as there is more work than hands. */
static void add_writer(struct hydrate *hydrate)
{
    int most = store_properties(hydrate->queue->store)->presigns ? WRITERS_REMOTE : WRITERS_LOCAL;
    struct writer *writer;
    sigset_t all, before;

    if (hydrate->writer_count == most || hydrate->under_way < hydrate->writer_count)
        return;
    writer = mem_alloc(sizeof(*writer));
    *writer = (struct writer){hydrate, cli_open_store(hydrate->cli)};
    if (writer->store == NULL) {
        free(writer);
        return;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    hydrate->stores[hydrate->writer_count] = writer->store;
    if (pthread_create(&hydrate->writers[hydrate->writer_count], NULL, writer_main, writer) == 0) {
        hydrate->writer_count++;
    } else {
        store_close(writer->store);
        free(writer);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* The store fails again and again: the run ends. */
static void count_failure(struct hydrate *hydrate, enum store_status sent)
{
    bool trouble = sent == STORE_AGAIN || sent == STORE_FATAL || sent == STORE_UNKNOWN;

    hydrate->failures = trouble ? hydrate->failures + 1 : 0;
    if (hydrate->failures >= WRITERS_REMOTE && hydrate->verdict == EXITCODE_OK)
        hydrate->verdict = cli_queue_failed(
            hydrate->cli, sent == STORE_FATAL ? QUEUE_FATAL : QUEUE_AGAIN, "hydrate",
            mem_strdup("the store fails for every file; the same command again goes on from here"));
}

static void task_end(struct hydrate *hydrate, struct task *task)
{
    count_failure(hydrate, task->sent);
    report(hydrate, task->file, task->error == NULL ? WRITTEN : FAILED, task->error);
    hydrate_target_release(&task->target);
    free(task->error);
    free(task);
}

/* Takes back what writers have done; waits until at most `leave` are under way. */
static void collect(struct hydrate *hydrate, int leave)
{
    pthread_mutex_lock(&hydrate->lock);
    for (;;) {
        struct task *task = hydrate->done;

        if (task != NULL) {
            hydrate->done = task->next;
            hydrate->under_way--;
            pthread_mutex_unlock(&hydrate->lock);
            task_end(hydrate, task);
            show_progress(hydrate);
            pthread_mutex_lock(&hydrate->lock);
        } else if (hydrate->under_way > leave) {
            pthread_cond_wait(&hydrate->answer, &hydrate->lock);
        } else {
            break;
        }
    }
    pthread_mutex_unlock(&hydrate->lock);
}

static void hand_over(struct hydrate *hydrate, struct file *file, struct hydrate_target *target,
                      int64_t result_seconds)
{
    struct task *task;

    collect(hydrate, TASKS_MAX);
    add_writer(hydrate);
    if (hydrate->writer_count == 0) {
        report(hydrate, file, FAILED, "no thread to write it; try again");
        hydrate_target_release(target);
        return;
    }
    task = mem_alloc(sizeof(*task));
    task->file = file;
    task->target = *target;
    task->result_seconds = result_seconds;
    pthread_mutex_lock(&hydrate->lock);
    *hydrate->tasks_tail = task;
    hydrate->tasks_tail = &task->next;
    hydrate->under_way++;
    pthread_cond_signal(&hydrate->work);
    pthread_mutex_unlock(&hydrate->lock);
}

/* ---- deciding ---- */

/* Was `text` there before in this run? It is now. */
static bool was_seen(struct seen *seen, const char *text)
{
    unsigned char sha256[SHA256_BYTES];
    char hex[SHA256_HEX_SIZE];
    bool was;

    digest_sha256(text, strlen(text), sha256);
    hex_encode(sha256, sizeof(sha256), hex);
    was = seen_has(seen, hex);
    if (!was)
        seen_add(seen, hex);
    return was;
}

/* The Markdown's path, as text that tells it from others of this run. */
static char *place_of(const struct file *file, const struct hydrate_target *target)
{
    const char *slash = strrchr(file->path, '/');
    int folder = slash != NULL ? (int)(slash + 1 - file->path) : 0;

    return mem_printf("%.*s%s", folder, file->path, target->markdown);
}

static void decide(struct hydrate *hydrate, struct file *file, int64_t result_seconds)
{
    struct hydrate_target target;
    char *error = NULL, *place;

    if (result_seconds < 0) {
        report(hydrate, file, NO_RESULT, NULL);
        return;
    }
    if (was_seen(&hydrate->paths, file->path)) { /* named twice: it is done */
        report(hydrate, file, CURRENT, NULL);
        return;
    }
    if (!hydrate_target_open(file->path, &target, &error)) {
        report(hydrate, file, FAILED, error);
        hydrate_target_release(&target);
        free(error);
        return;
    }
    place = place_of(file, &target);
    if (was_seen(&hydrate->taken, place)) {
        report(hydrate, file, FAILED,
               "another PDF of its folder has the same name but for its ending; rename one");
        hydrate_target_release(&target);
    } else if (!hydrate->force && hydrate_is_current(&target, file->hash, result_seconds)) {
        report(hydrate, file, CURRENT, NULL);
        hydrate_target_release(&target);
    } else if (hydrate->dry_run) {
        report(hydrate, file, WOULD_WRITE, NULL);
        hydrate_target_release(&target);
    } else {
        hand_over(hydrate, file, &target, result_seconds);
    }
    free(place);
}

/* HEADs for what the pass did not answer. seconds_r: -1 no result, -2 no answer (reported). */
static void ask(struct hydrate *hydrate, struct file **files, size_t count, int64_t *seconds_r)
{
    struct store_op *ops = mem_alloc(BATCH_MAX * sizeof(*ops));
    char(*keys)[KEY_SIZE] = mem_alloc((size_t)BATCH_MAX * KEY_SIZE);
    size_t owners[BATCH_MAX], used = 0;

    for (size_t i = 0; i < count; i++) {
        seconds_r[i] = known_result_seconds(&hydrate->known, files[i]->hash);
        if (seconds_r[i] >= 0 || known_complete(&hydrate->known))
            continue;
        store_op_init(&ops[used], STORE_HEAD,
                      key_out(&hydrate->queue->keys, files[i]->hash, keys[used]));
        owners[used++] = i;
    }
    store_run(hydrate->queue->store, ops, used);
    known_spent(&hydrate->known, used);
    for (size_t i = 0; i < used; i++) {
        struct file *file = files[owners[i]];

        if (ops[i].status == STORE_OK) {
            seconds_r[owners[i]] = ops[i].modified_ms_r / 1000;
        } else if (ops[i].status != STORE_NOT_FOUND) {
            count_failure(hydrate, ops[i].status);
            report(hydrate, file, FAILED,
                   ops[i].error != NULL ? ops[i].error : "the store gave no usable answer");
            files[owners[i]] = NULL;
        }
        store_op_release(&ops[i]);
    }
    free(keys);
    free(ops);
}

static void process(struct hydrate *hydrate, struct file **files, size_t count)
{
    int64_t seconds[BATCH_MAX];

    if (count >= BATCH_OF_MANY)
        known_prepare(&hydrate->known);
    ask(hydrate, files, count, seconds);
    for (size_t i = 0; i < count; i++)
        if (files[i] != NULL)
            decide(hydrate, files[i], seconds[i]);
}

/* ---- the command ---- */

static bool should_end(const struct hydrate *hydrate)
{
    return cli_stopped() || hydrate->verdict != EXITCODE_OK;
}

/* What the crew has ready, up to a batch. false: no more comes. */
static bool gather(struct hydrate *hydrate, struct file **files, size_t *count_r)
{
    enum crew_result taken = CREW_FILE;

    *count_r = 0;
    while (*count_r < BATCH_MAX) {
        struct file *file;

        taken = crew_take(hydrate->crew, WAIT_MS, &file);
        if (taken != CREW_FILE)
            break;
        if (file->abandoned)
            crew_drop(hydrate->crew, file);
        else if (file->reason != INGEST_REASON_NONE)
            report(hydrate, file, FAILED, file->error);
        else
            files[(*count_r)++] = file;
    }
    return taken != CREW_END || *count_r > 0;
}

static void loop(struct hydrate *hydrate)
{
    struct file *files[BATCH_MAX];
    size_t count;

    while (gather(hydrate, files, &count)) {
        if (should_end(hydrate)) {
            crew_stop(hydrate->crew);
            for (size_t i = 0; i < count; i++)
                crew_drop(hydrate->crew, files[i]);
        } else {
            process(hydrate, files, count);
        }
        collect(hydrate, TASKS_MAX);
        show_progress(hydrate);
    }
    collect(hydrate, 0);
}

static void stop_writers(struct hydrate *hydrate)
{
    pthread_mutex_lock(&hydrate->lock);
    hydrate->quit = true;
    pthread_cond_broadcast(&hydrate->work);
    pthread_mutex_unlock(&hydrate->lock);
    for (int i = 0; i < hydrate->writer_count; i++) {
        pthread_join(hydrate->writers[i], NULL);
        store_close(hydrate->stores[i]);
    }
}

static void print_summary(struct hydrate *hydrate)
{
    const int64_t *n = hydrate->counts;
    char text[HUMAN_SIZE];

    if (cli_json(hydrate->cli) || cli_quiet(hydrate->cli))
        return;
    cli_printf("%lld %s, %lld current, %lld without a result, %lld %s in %s\n",
               (long long)(n[WRITTEN] + n[WOULD_WRITE]),
               hydrate->dry_run ? "would be written" : "written", (long long)n[CURRENT],
               (long long)n[NO_RESULT], (long long)n[FAILED], n[FAILED] == 1 ? "error" : "errors",
               human_show_duration(clock_boot_ms(clock_system()) - hydrate->begun_ms, text));
    if (n[NO_RESULT] > 0)
        cli_note(hydrate->cli, "hydrate: what has no result is not converted yet, or was never "
                               "ingested; `blobforge list` counts what is under way");
}

static enum exitcode run(struct cli *cli)
{
    struct ingest_options options = {
        .dry_run = cli_flag(cli, "dry-run"),
        .follow_symlinks = cli_flag(cli, "follow-symlinks"),
        .max_pdf_size = INT64_MAX,
        .count_ahead = cli_terminal_err() && !cli_quiet(cli),
    };
    struct hydrate hydrate = {.cli = cli,
                              .dry_run = options.dry_run,
                              .force = cli_flag(cli, "force"),
                              .begun_ms = clock_boot_ms(clock_system()),
                              .lock = PTHREAD_MUTEX_INITIALIZER,
                              .work = PTHREAD_COND_INITIALIZER,
                              .answer = PTHREAD_COND_INITIALIZER};
    enum exitcode code = cli_open(cli, CLI_READ, &hydrate.queue);

    if (code != EXITCODE_OK)
        return code;
    options.paths = cli_operands(cli, &options.path_count);
    crew_raise_open_files();
    hydrate.tasks_tail = &hydrate.tasks;
    known_init(&hydrate.known, hydrate.queue, SCAN_BIT(SCAN_OUT));
    hydrate.crew = crew_create(&options);
    if (hydrate.crew == NULL) {
        cli_error("threads: %s; try again", strerror(errno));
        return EXITCODE_OSERR;
    }
    progress_begin(&hydrate.line, cli, "hydrate");
    loop(&hydrate);
    progress_end(&hydrate.line);
    stop_writers(&hydrate);
    crew_join(hydrate.crew);
    print_summary(&hydrate);
    code = hydrate.verdict;
    if (code == EXITCODE_OK && cli_stopped())
        code = EXITCODE_INTERRUPTED;
    else if (code == EXITCODE_OK && crew_roots_opened(hydrate.crew) == 0)
        code = EXITCODE_NOINPUT;
    else if (code == EXITCODE_OK && hydrate.counts[FAILED] > 0)
        code = EXITCODE_PARTIAL;
    crew_destroy(hydrate.crew);
    known_release(&hydrate.known);
    seen_release(&hydrate.paths);
    seen_release(&hydrate.taken);
    return code;
}

static const struct cli_option options[] = {
    {'n', "dry-run", NULL, "say what would be written; change nothing"},
    {'L', "follow-symlinks", NULL, "follow symbolic links inside folders"},
    {0, "force", NULL, "write what is current, too"},
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_hydrate = {
    .name = "hydrate",
    .operands = "PATH ...",
    .operands_min = 1,
    .operands_max = CLI_ANY_NUMBER,
    .summary = "write results as Markdown beside the PDFs of a tree",
    .help = "For each PDF with a result, <stem>.md and, with images, <stem>.assets/ appear\n"
            "beside it, where they are missing or older than the result. Each appears as a\n"
            "whole or not at all. What is not of blobforge is kept under its name with a ~.",
    .options = options,
    .interrupt = CLI_INTERRUPT_BETWEEN,
    .resume = "what was written is complete; the same command again goes on from there",
    .run = run,
};
