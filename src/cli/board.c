/* See board.h: the bucket at a glance. */
#include "cli/board_pages.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/quote.h"

#define HOUR_MS 3600000.0  /* over which throughput is told */
#define WINDOW_MIN 30000.0 /* a shorter time tells no rate */
#define SAMPLE_MIN 30      /* results of the last hour in a sample, below which it says little */
#define NAMES 512

struct name { /* a document's name and size do not change */
    char hash[65], name[160];
    int64_t size_bytes;
};

struct board {
    struct queue *queue;
    struct board_show show;
    struct name *names; /* NAMES of them, the oldest is overwritten */
    size_t name_next;
};

struct board *board_create(struct queue *queue)
{
    struct board *board = mem_alloc(sizeof(*board));

    board->queue = queue;
    board->names = mem_alloc(NAMES * sizeof(*board->names));
    board->show.jobs_per_hour = board->show.left_seconds = -1;
    snprintf(board->show.url, sizeof(board->show.url), "%s", store_url(queue->store));
    return board;
}

void board_destroy(struct board *board)
{
    if (board == NULL)
        return;
    board_show_release(&board->show);
    free(board->names);
    free(board);
}

const struct board_show *board_shown(const struct board *board)
{
    return &board->show;
}

void board_show_copy(struct board_show *target, const struct board_show *source)
{
    *target = *source;
    target->jobs = mem_alloc((source->job_count + 1) * sizeof(*target->jobs));
    if (source->job_count > 0)
        memcpy(target->jobs, source->jobs, source->job_count * sizeof(*target->jobs));
    target->cards.list = mem_alloc((source->cards.count + 1) * sizeof(*target->cards.list));
    if (source->cards.count > 0)
        memcpy(target->cards.list, source->cards.list,
               source->cards.count * sizeof(*target->cards.list));
}

void board_show_release(struct board_show *show)
{
    free(show->jobs);
    cards_release(&show->cards);
    memset(show, 0, sizeof(*show));
}

/* ---- texts ---- */

/* Harmless, and cut at a whole character. */
static void take_text(char *target, size_t size, const char *text)
{
    struct buf quoted = BUF_INIT;
    size_t len = 0, n;

    if (text != NULL)
        quote_append(&quoted, text, strlen(text));
    while (len < quoted.len) {
        n = utf8_sequence((const unsigned char *)quoted.data + len, quoted.len - len, NULL);
        if (len + (n > 0 ? n : 1) >= size)
            break;
        len += n > 0 ? n : 1;
    }
    if (len > 0)
        memcpy(target, quoted.data, len);
    target[len] = '\0';
    buf_release(&quoted);
}

/* ---- totals ---- */

static int64_t above_zero(int64_t value)
{
    return value > 0 ? value : 0;
}

/* A job that runs or waits for its retry has its marker too. */
static void reckon_counts(struct look *look)
{
    struct board_show *show = &look->board->show;
    int64_t others;

    show->about = true;
    show->processing = sample_reckon(&look->samples[PLACE_LOCK]);
    show->failed = above_zero(sample_reckon(&look->samples[PLACE_FAILED]));
    show->dead = sample_reckon(&look->samples[PLACE_DEAD]);
    show->done = sample_reckon(&look->samples[PLACE_OUT]);
    others = show->processing + show->failed;
    for (int tier = 0; tier < TIER_COUNT; tier++) {
        int64_t markers = sample_reckon(&look->samples[tier]);
        int64_t less = markers < others ? markers : others;

        show->todo[tier] = markers - less;
        others -= less;
    }
}

static void exact_counts(struct look *look)
{
    struct board_show *show = &look->board->show;
    struct job_counts counts;

    look->result = view_counts(look->queue, &counts, look->error_r);
    if (look->result != QUEUE_OK)
        return;
    show->about = false;
    memcpy(show->todo, counts.todo, sizeof(show->todo));
    show->processing = counts.processing;
    show->failed = counts.failed;
    show->dead = counts.dead;
    show->done = counts.done;
}

static double rate_of_cards(const struct cards *cards)
{
    double rate = -1;

    for (size_t i = 0; i < cards->count; i++)
        if (card_alive(&cards->list[i]) && cards->list[i].jobs_per_hour > 0)
            rate = (rate < 0 ? 0 : rate) + cards->list[i].jobs_per_hour;
    return rate;
}

/* Results that came within the last hour; since the first of them, when that is not so long ago. */
static void tell_rate(struct look *look, int64_t now_ms)
{
    struct board_show *show = &look->board->show;
    const struct sample *out = &look->samples[PLACE_OUT];
    double recent = 0, oldest = 0, window,
           waiting = (double)(board_todo(show) + show->processing + show->failed);

    for (size_t i = 0; i < out->count; i++)
        for (size_t n = 0; n < out->pages[i].entry_count; n++) {
            double age = (double)(now_ms - out->pages[i].entries[n].modified_ms);

            if (age > HOUR_MS)
                continue;
            recent++;
            oldest = age > oldest ? age : oldest;
        }
    window = oldest > HOUR_MS / 2 ? HOUR_MS : oldest > WINDOW_MIN ? oldest : WINDOW_MIN;
    show->jobs_per_hour = rate_of_cards(&show->cards);
    if (out->whole ? recent >= 2 && oldest > 0 : recent >= SAMPLE_MIN)
        show->jobs_per_hour = recent / (out->whole ? 1 : out->span) * HOUR_MS / window;
    show->left_seconds = show->jobs_per_hour > 0 ? waiting * 3600 / show->jobs_per_hour : -1;
    if (waiting == 0)
        show->left_seconds = 0;
}

/* ---- names ---- */

static const struct name *find_name(const struct board *board, const char *hash)
{
    for (size_t i = 0; i < NAMES; i++)
        if (strcmp(board->names[i].hash, hash) == 0)
            return &board->names[i];
    return NULL;
}

/* Reads the names of some jobs that are not known yet, at once. */
static bool read_names(struct look *look, const char *const *hashes, size_t count)
{
    struct store_op *ops = mem_alloc((count + 1) * sizeof(*ops));
    char(*keys)[KEY_SIZE] = mem_alloc((count + 1) * KEY_SIZE);
    const char **asked = mem_alloc((count + 1) * sizeof(*asked));
    size_t used = 0;
    bool ok;

    for (size_t i = 0; i < count; i++) {
        if (find_name(look->board, hashes[i]) != NULL)
            continue;
        store_op_init(&ops[used], STORE_HEAD, key_raw(&look->queue->keys, hashes[i], keys[used]));
        asked[used++] = hashes[i];
    }
    ok = used == 0 || look_run(look, ops, used);
    for (size_t i = 0; i < used; i++) {
        struct name *name = &look->board->names[look->board->name_next];
        char *text = record_meta_text(&ops[i], "original-name");

        if (ok) {
            snprintf(name->hash, sizeof(name->hash), "%s", asked[i]);
            take_text(name->name, sizeof(name->name), text != NULL ? text : "-");
            name->size_bytes = ops[i].status == STORE_OK ? ops[i].size_r : -1;
            look->board->name_next = (look->board->name_next + 1) % NAMES;
        }
        free(text);
        store_op_release(&ops[i]);
    }
    free(asked);
    free(keys);
    free(ops);
    return ok;
}

/* ---- jobs ---- */

static void read_progress(struct json_object *progress, struct board_job *job)
{
    struct json_object *bar = progress != NULL ? json_get_object(progress, "marker") : NULL;
    const char *stage;

    job->page = job->pages = -1;
    if (progress == NULL) {
        take_text(job->stage, sizeof(job->stage), "starting");
        return;
    }
    stage = json_get_text(progress, "stage");
    if (json_get_text(progress, "phase") != NULL) {
        const char *phase = json_get_text(progress, "phase");
        stage = strcmp(phase, "convert") == 0 && stage != NULL && strcmp(stage, "converting") != 0
                    ? stage
                    : phase;
    }
    json_get_int(progress, "page", &job->page);
    json_get_int(progress, "pages", &job->pages);
    if (bar != NULL) { /* version 1 */
        json_get_int(bar, "tqdm_current", &job->page);
        json_get_int(bar, "tqdm_total", &job->pages);
        if (json_get_text(bar, "tqdm_stage") != NULL)
            stage = json_get_text(bar, "tqdm_stage");
    }
    take_text(job->stage, sizeof(job->stage), stage != NULL ? stage : "starting");
}

static void read_lock(const struct store_op *op, struct board_job *job)
{
    struct record_lock lock;

    if (record_lock_read(buf_text(&op->data), op->data.len, &lock) != RECORD_OK) {
        take_text(job->stage, sizeof(job->stage), "damaged lock");
        return;
    }
    take_text(job->worker, sizeof(job->worker), lock.worker);
    job->started_ms = lock.started;
    job->heartbeat_ms = lock.last_heartbeat;
    job->retries = lock.retries;
    if (lock.tier_known)
        job->tier = lock.tier;
    read_progress(lock.progress, job);
    if (lock.op != LOCK_OP_CONVERT)
        take_text(job->stage, sizeof(job->stage), lock_op_name(lock.op));
    record_lock_release(&lock);
}

static void job_begin(struct board_job *job, const char *hash, const struct store_entry *entry,
                      enum job_state state)
{
    memset(job, 0, sizeof(*job));
    snprintf(job->hash, sizeof(job->hash), "%s", hash);
    snprintf(job->etag, sizeof(job->etag), "%s", entry->etag);
    job->state = state;
    job->tier = TIER_DEFAULT;
    job->size_bytes = job->retries = job->page = job->pages = -1;
}

static const struct board_job *known_job(const struct board_show *show,
                                         const struct board_job *wanted)
{
    for (size_t i = 0; i < show->job_count; i++)
        if (show->jobs[i].state == JOB_PROCESSING &&
            strcmp(show->jobs[i].hash, wanted->hash) == 0 &&
            strcmp(show->jobs[i].etag, wanted->etag) == 0)
            return &show->jobs[i];
    return NULL;
}

/* Drops the rows of jobs that do not run any more. */
static size_t drop_leftovers(struct look *look, struct board_job *jobs, size_t count)
{
    const char *hashes[BOARD_JOBS];
    enum job_state states[BOARD_JOBS];
    bool keep[BOARD_JOBS];
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        hashes[i] = jobs[i].hash;
        states[i] = JOB_PROCESSING;
    }
    look_settle(look, hashes, states, count, keep);
    for (size_t i = 0; i < count; i++)
        if (keep[i])
            jobs[kept++] = jobs[i];
    return kept;
}

/* Running jobs: those whose lock changed are read. */
static size_t gather_running(struct look *look, struct board_job *jobs, int64_t now_ms)
{
    const struct store_op *page = &look->samples[PLACE_LOCK].pages[0];
    struct store_op *ops = mem_alloc(BOARD_JOBS * sizeof(*ops));
    size_t *wanted = mem_alloc(BOARD_JOBS * sizeof(*wanted)), used = 0, count = 0;
    char hash[65];

    for (size_t i = 0; i < page->entry_count && count < BOARD_JOBS; i++) {
        const struct board_job *same;

        if (!key_hash(page->entries[i].key, hash))
            continue;
        job_begin(&jobs[count], hash, &page->entries[i], JOB_PROCESSING);
        same = known_job(&look->board->show, &jobs[count]);
        if (same != NULL) {
            jobs[count] = *same;
        } else {
            store_op_init(&ops[used], STORE_GET, page->entries[i].key);
            wanted[used++] = count;
        }
        jobs[count++].stale = now_ms - page->entries[i].modified_ms > look->queue->limits.stale_ms;
    }
    look->board->show.jobs_cut = page->more_r || page->entry_count > BOARD_JOBS;
    if (used > 0)
        look_run(look, ops, used);
    for (size_t i = 0; i < used; i++) {
        if (ops[i].status == STORE_OK)
            read_lock(&ops[i], &jobs[wanted[i]]);
        else
            jobs[wanted[i]].hash[0] = '\0'; /* it has ended meanwhile */
        store_op_release(&ops[i]);
    }
    used = 0;
    for (size_t i = 0; i < count; i++)
        if (jobs[i].hash[0] != '\0')
            jobs[used++] = jobs[i];
    free(wanted);
    free(ops);
    return look->result == QUEUE_OK ? drop_leftovers(look, jobs, used) : used;
}

static bool is_among(const struct board_job *jobs, size_t count, const char *hash)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(jobs[i].hash, hash) == 0)
            return true;
    return false;
}

/* Jobs that failed have a marker too: they are among the failures. */
static bool has_failed(const struct look *look, const char *hash)
{
    const struct store_op *page = &look->samples[PLACE_FAILED].pages[0];
    char other[65];

    for (size_t i = 0; i < page->entry_count; i++)
        if (key_hash(page->entries[i].key, other) && strcmp(other, hash) == 0)
            return true;
    return false;
}

/* Some waiting jobs, the highest tiers first. */
static size_t gather_waiting(const struct look *look, struct board_job *jobs, size_t running)
{
    size_t count = 0;
    char hash[65];

    for (int tier = 0; tier < TIER_COUNT; tier++) {
        const struct store_op *page = &look->samples[tier].pages[0];

        for (size_t i = 0; i < page->entry_count && count < BOARD_WAITING; i++) {
            if (!key_hash(page->entries[i].key, hash) || is_among(jobs, running + count, hash) ||
                has_failed(look, hash))
                continue;
            job_begin(&jobs[running + count], hash, &page->entries[i], JOB_TODO);
            jobs[running + count++].tier = (enum tier)tier;
        }
    }
    return count;
}

static int longest_first(const void *a, const void *b)
{
    const struct board_job *x = a, *y = b;

    if (x->started_ms != y->started_ms)
        return x->started_ms < y->started_ms ? -1 : 1;
    return strcmp(x->hash, y->hash);
}

static void gather_jobs(struct look *look, int64_t now_ms)
{
    struct board_show *show = &look->board->show;
    struct board_job *jobs = mem_alloc((BOARD_JOBS + BOARD_WAITING) * sizeof(*jobs));
    const char *hashes[BOARD_JOBS + BOARD_WAITING] = {NULL};
    size_t count = gather_running(look, jobs, now_ms);

    if (count > 1)
        qsort(jobs, count, sizeof(*jobs), longest_first);
    count += gather_waiting(look, jobs, count);
    for (size_t i = 0; i < count; i++)
        hashes[i] = jobs[i].hash;
    if (look->result == QUEUE_OK)
        (void)read_names(look, hashes, count); /* look->result tells */
    for (size_t i = 0; i < count; i++) {
        const struct name *name = find_name(look->board, jobs[i].hash);

        if (name == NULL)
            continue;
        memcpy(jobs[i].name, name->name, sizeof(jobs[i].name));
        jobs[i].size_bytes = name->size_bytes;
    }
    if (look->result != QUEUE_OK) { /* what was seen before stays */
        free(jobs);
        return;
    }
    free(show->jobs);
    show->jobs = jobs;
    show->job_count = count;
}

/* A card is written once a minute; how many locks carry its worker's name is known now. */
static void count_slots(struct board_show *show)
{
    for (size_t c = 0; c < show->cards.count && !show->jobs_cut; c++) {
        struct card *card = &show->cards.list[c];
        int64_t count = 0;

        if (!card_alive(card) || card->v1)
            continue;
        for (size_t i = 0; i < show->job_count; i++)
            count += show->jobs[i].state == JOB_PROCESSING && !show->jobs[i].stale &&
                     strcmp(show->jobs[i].worker, card->worker) == 0;
        card->current_jobs = count;
        if (count > 0 && strcmp(card->status, "idle") == 0)
            snprintf(card->status, sizeof(card->status), "processing");
        else if (count == 0 && strcmp(card->status, "processing") == 0)
            snprintf(card->status, sizeof(card->status), "idle");
    }
}

/* ---- failures ---- */

static int newest_first(const void *a, const void *b)
{
    const struct board_failure *x = a, *y = b;

    if (x->when_ms != y->when_ms)
        return x->when_ms > y->when_ms ? -1 : 1;
    return strcmp(x->hash, y->hash);
}

static void offer(struct board_failure *list, size_t *count, const struct store_entry *entry,
                  enum job_state state)
{
    struct board_failure failure = {.state = state, .when_ms = entry->modified_ms};

    if (!key_hash(entry->key, failure.hash))
        return;
    snprintf(failure.etag, sizeof(failure.etag), "%s", entry->etag);
    if (*count < BOARD_FAILURES)
        list[(*count)++] = failure;
    else if (newest_first(&failure, &list[*count - 1]) < 0)
        list[*count - 1] = failure;
    else
        return;
    qsort(list, *count, sizeof(*list), newest_first);
}

static void read_failure(const struct store_op *op, struct board_failure *failure)
{
    const char *bytes = buf_text(&op->data);

    take_text(failure->error, sizeof(failure->error), "its record cannot be read");
    if (failure->state == JOB_DEAD) {
        struct record_dead dead;
        if (record_dead_read(bytes, op->data.len, &dead) == RECORD_OK) {
            take_text(failure->cause, sizeof(failure->cause), cause_name(dead.cause));
            take_text(failure->reason, sizeof(failure->reason), dead.reason);
            take_text(failure->error, sizeof(failure->error), dead.error);
            record_dead_release(&dead);
        }
    } else {
        struct record_failed failed;
        if (record_failed_read(bytes, op->data.len, &failed) == RECORD_OK) {
            take_text(failure->cause, sizeof(failure->cause), cause_name(failed.cause));
            take_text(failure->error, sizeof(failure->error), failed.error);
            record_failed_release(&failed);
        }
    }
}

static bool take_known(const struct board_show *show, struct board_failure *failure)
{
    for (size_t i = 0; i < show->failure_count; i++)
        if (strcmp(show->failures[i].hash, failure->hash) == 0 &&
            strcmp(show->failures[i].etag, failure->etag) == 0 &&
            show->failures[i].state == failure->state) {
            *failure = show->failures[i];
            return true;
        }
    return false;
}

static size_t drop_settled(struct look *look, struct board_failure *list, size_t count)
{
    const char *hashes[BOARD_FAILURES] = {NULL};
    enum job_state states[BOARD_FAILURES] = {JOB_UNKNOWN};
    bool keep[BOARD_FAILURES] = {false};
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        hashes[i] = list[i].hash;
        states[i] = list[i].state;
    }
    look_settle(look, hashes, states, count, keep);
    for (size_t i = 0; i < count; i++)
        if (keep[i])
            list[kept++] = list[i];
    return kept;
}

static void gather_failures(struct look *look)
{
    struct board_show *show = &look->board->show;
    struct board_failure list[BOARD_FAILURES];
    struct store_op ops[BOARD_FAILURES];
    char keys[BOARD_FAILURES][KEY_SIZE];
    const char *hashes[BOARD_FAILURES] = {NULL};
    size_t count = 0, used = 0, wanted[BOARD_FAILURES];

    for (int place = PLACE_FAILED; place <= PLACE_DEAD; place++)
        for (size_t i = 0; i < look->samples[place].count; i++)
            for (size_t n = 0; n < look->samples[place].pages[i].entry_count; n++)
                offer(list, &count, &look->samples[place].pages[i].entries[n],
                      place == PLACE_DEAD ? JOB_DEAD : JOB_FAILED);
    count = drop_settled(look, list, count);
    for (size_t i = 0; i < count; i++) {
        hashes[i] = list[i].hash;
        if (take_known(show, &list[i]))
            continue;
        store_op_init(&ops[used], STORE_GET,
                      list[i].state == JOB_DEAD
                          ? key_dead(&look->queue->keys, list[i].hash, keys[used])
                          : key_failed(&look->queue->keys, list[i].hash, keys[used]));
        wanted[used++] = i;
    }
    if (used > 0)
        look_run(look, ops, used);
    for (size_t i = 0; i < used; i++) {
        if (ops[i].status == STORE_OK)
            read_failure(&ops[i], &list[wanted[i]]);
        store_op_release(&ops[i]);
    }
    if (look->result == QUEUE_OK)
        (void)read_names(look, hashes, count); /* look->result tells */
    for (size_t i = 0; i < count; i++) {
        const struct name *name = find_name(look->board, list[i].hash);
        if (name != NULL)
            memcpy(list[i].name, name->name, sizeof(list[i].name));
    }
    if (look->result != QUEUE_OK)
        return;
    memcpy(show->failures, list, sizeof(list));
    show->failure_count = count;
}

/* ---- a look ---- */

static uint64_t requests_so_far(const struct store *store)
{
    uint64_t sum = 0;

    for (int kind = 0; kind < STORE_KIND_COUNT; kind++)
        sum += store_meter(store)->requests[kind];
    return sum;
}

static bool all_whole(const struct look *look)
{
    for (int place = 0; place < PLACE_COUNT; place++)
        if (!look->samples[place].whole)
            return false;
    return true;
}

enum queue_result board_look(struct board *board, char **error_r)
{
    struct queue *queue = board->queue;
    struct look look = {.board = board, .queue = queue, .error_r = error_r};
    uint64_t before = requests_so_far(queue->store);
    int64_t began = clock_boot_ms(queue->clock), now;

    *error_r = NULL;
    look.samples = mem_alloc(PLACE_COUNT * sizeof(*look.samples));
    if (look_read_pages(&look))
        look.result = cards_read(queue, BOARD_CARDS, &board->show.cards, error_r);
    now = store_server_ms(queue->store, queue->clock);
    if (look.result == QUEUE_OK)
        gather_jobs(&look, now);
    if (look.result == QUEUE_OK)
        gather_failures(&look);
    if (look.result == QUEUE_OK)
        count_slots(&board->show);
    if (look.result == QUEUE_OK && all_whole(&look))
        exact_counts(&look);
    else if (look.result == QUEUE_OK)
        reckon_counts(&look);
    if (look.result == QUEUE_OK) {
        tell_rate(&look, now);
        board->show.read_ms = now;
        board->show.read_boot_ms = clock_boot_ms(queue->clock);
        board->show.took_ms = board->show.read_boot_ms - began;
        board->show.requests = requests_so_far(queue->store) - before;
    }
    for (int place = 0; place < PLACE_COUNT; place++)
        for (size_t i = 0; i < look.samples[place].count; i++)
            store_op_release(&look.samples[place].pages[i]);
    free(look.samples);
    return look.result;
}

/* ---- rows ---- */

int64_t board_todo(const struct board_show *show)
{
    int64_t sum = 0;

    for (int tier = 0; tier < TIER_COUNT; tier++)
        sum += show->todo[tier];
    return sum;
}

double board_done_share(const struct board_show *show)
{
    int64_t all = board_todo(show) + show->processing + show->failed + show->dead + show->done;

    return all > 0 ? (double)show->done / (double)all : 0;
}

double board_elapsed(const struct board_job *job, int64_t now_ms)
{
    if (job->started_ms <= 0)
        return -1;
    return now_ms > job->started_ms ? (double)(now_ms - job->started_ms) / 1000 : 0;
}

/* From the pages done at the last heartbeat. */
double board_left(const struct board_job *job, int64_t now_ms)
{
    double then = (double)(job->heartbeat_ms - job->started_ms) / 1000, left;

    if (job->started_ms <= 0 || job->page <= 0 || job->pages < job->page || then <= 0)
        return -1;
    left = then * (double)(job->pages - job->page) / (double)job->page -
           (double)(now_ms - job->heartbeat_ms) / 1000;
    return left > 0 ? left : 0;
}

const char *board_job_state(const struct board_job *job)
{
    return job->stale ? "stale" : job_state_name(job->state);
}

const char *board_page(const struct board_job *job, char text_r[static 48])
{
    if (job->pages < 0 && job->page < 0)
        return "-";
    if (job->pages < 0)
        snprintf(text_r, 48, "%" PRId64, job->page);
    else
        snprintf(text_r, 48, "%" PRId64 "/%" PRId64, job->page < 0 ? 0 : job->page, job->pages);
    return text_r;
}
