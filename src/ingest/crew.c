/* See crew.h. One lock guards the lists and counts below it; nobody holds it while reading. */
#include "ingest/crew.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ingest/walk.h"

struct file_list {
    struct file *first, **tail;
};

struct crew {
    const struct ingest_options *options;
    atomic_bool stop;
    struct file_rules rules;
    pthread_t walker, counter, hashers[CREW_THREADS_MAX];
    bool walker_runs, counter_runs;
    int hasher_count;

    pthread_mutex_t lock;
    pthread_cond_t work;       /* `found` grew, or the end is near: hashers wait here */
    pthread_cond_t room;       /* fewer files under way: the walker waits here */
    pthread_cond_t ready_grew; /* the owner waits here */
    struct file_list found;    /* to be examined */
    struct file_list ready;    /* examined */
    int under_way;             /* files made and not dropped */
    int examining;             /* in the hands of hashers */
    bool walked;               /* no more will be found */
    bool quit;                 /* hashers: go home */
    int64_t walked_files, walked_bytes;
    int64_t links_passed;
    size_t roots_opened;

    atomic_llong counted_files, counted_bytes;
    atomic_bool counted;
};

static void list_push(struct file_list *list, struct file *file)
{
    file->next = NULL;
    *list->tail = file;
    list->tail = &file->next;
}

static struct file *list_take(struct file_list *list)
{
    struct file *file = list->first;

    if (file == NULL)
        return NULL;
    list->first = file->next;
    if (list->first == NULL)
        list->tail = &list->first;
    file->next = NULL;
    return file;
}

/* ---- the walker ---- */

static struct file *make_file(struct walk *walk, enum walk_result result,
                              const struct walk_entry *entry)
{
    struct file *file;
    int fd = -1, error_number = 0;

    if (result == WALK_FILE) {
        fd = walk_open(walk);
        error_number = errno;
    }
    file = file_create(entry->path, entry->relative, entry->source, fd);
    if (result == WALK_ERROR && entry->error != NULL)
        file_refuse(file, INGEST_UNREADABLE, "%s", entry->error);
    else if (fd < 0)
        file_refuse_errno(file, result == WALK_ERROR ? entry->error_number : error_number);
    return file;
}

/* Waits for room and hands one file on. false: stopped. */
static bool hand_on(struct crew *crew, struct file *file)
{
    struct stat st;
    bool refused = file->reason != INGEST_REASON_NONE;
    int64_t bytes = !refused && fstat(file->fd, &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : 0;

    pthread_mutex_lock(&crew->lock);
    while (crew->under_way >= CREW_FILES_MAX && !atomic_load(&crew->stop))
        pthread_cond_wait(&crew->room, &crew->lock);
    if (atomic_load(&crew->stop)) {
        pthread_mutex_unlock(&crew->lock);
        file_destroy(file);
        return false;
    }
    crew->under_way++;
    crew->walked_files++;
    crew->walked_bytes += bytes;
    list_push(refused ? &crew->ready : &crew->found, file);
    pthread_cond_signal(refused ? &crew->ready_grew : &crew->work);
    pthread_mutex_unlock(&crew->lock);
    return true;
}

static void *walker_main(void *arg)
{
    struct crew *crew = arg;
    struct walk_options options = {.follow_symlinks = crew->options->follow_symlinks};
    struct walk *walk = walk_create(crew->options->paths, crew->options->path_count, &options);
    struct walk_entry entry;
    enum walk_result result;

    while (!atomic_load(&crew->stop) && (result = walk_next(walk, &entry)) != WALK_END)
        if (!hand_on(crew, make_file(walk, result, &entry)))
            break;
    pthread_mutex_lock(&crew->lock);
    crew->walked = true;
    crew->links_passed = walk_links_passed(walk);
    crew->roots_opened = walk_roots_opened(walk);
    pthread_cond_signal(&crew->ready_grew);
    pthread_mutex_unlock(&crew->lock);
    walk_destroy(walk);
    return NULL;
}

/* ---- the counter: only names and sizes, so that a progress line knows its end ---- */

static void *counter_main(void *arg)
{
    struct crew *crew = arg;
    struct walk_options options = {.follow_symlinks = crew->options->follow_symlinks,
                                   .sizes = true};
    struct walk *walk = walk_create(crew->options->paths, crew->options->path_count, &options);
    struct walk_entry entry;

    while (!atomic_load(&crew->stop)) {
        if (walk_next(walk, &entry) == WALK_END) {
            atomic_store(&crew->counted, true);
            break;
        }
        atomic_fetch_add(&crew->counted_files, 1);
        atomic_fetch_add(&crew->counted_bytes, entry.size_hint > 0 ? entry.size_hint : 0);
    }
    walk_destroy(walk);
    return NULL;
}

/* ---- the hashers ---- */

static void *hasher_main(void *arg)
{
    struct crew *crew = arg;
    char *block = mem_alloc(FILE_BLOCK);

    pthread_mutex_lock(&crew->lock);
    for (;;) {
        struct file *file = list_take(&crew->found);

        if (file == NULL) {
            if (crew->quit)
                break;
            pthread_cond_wait(&crew->work, &crew->lock);
            continue;
        }
        crew->examining++;
        pthread_mutex_unlock(&crew->lock);
        if (atomic_load(&crew->stop))
            file->abandoned = true;
        else
            file_examine(file, &crew->rules, block);
        pthread_mutex_lock(&crew->lock);
        crew->examining--;
        list_push(&crew->ready, file);
        pthread_cond_signal(&crew->ready_grew);
    }
    pthread_mutex_unlock(&crew->lock);
    free(block);
    return NULL;
}

/* ---- the owner ---- */

static int hashers_wanted(const struct ingest_options *options)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    long wanted = options->threads > 0 ? options->threads : cores;

    /* More than four read a disk no faster, and the store's thread wants a core too. */
    if (options->threads <= 0 && wanted > 4)
        wanted = 4;
    if (wanted < 1)
        wanted = 1;
    return wanted > CREW_THREADS_MAX ? CREW_THREADS_MAX : (int)wanted;
}

struct crew *crew_create(const struct ingest_options *options)
{
    struct crew *crew = mem_alloc(sizeof(*crew));
    int wanted = hashers_wanted(options), error = 0;
    pthread_condattr_t attr;
    sigset_t all, before;

    crew->options = options;
    crew->rules = (struct file_rules){options->max_pdf_size, !options->dry_run, &crew->stop};
    crew->found.tail = &crew->found.first;
    crew->ready.tail = &crew->ready.first;
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->work, NULL);
    pthread_cond_init(&crew->room, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&crew->ready_grew, &attr);
    pthread_condattr_destroy(&attr);

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (int i = 0; i < wanted && error == 0; i++) {
        error = pthread_create(&crew->hashers[i], NULL, hasher_main, crew);
        crew->hasher_count += error == 0;
    }
    if (error == 0 || crew->hasher_count > 0) {
        error = pthread_create(&crew->walker, NULL, walker_main, crew);
        crew->walker_runs = error == 0;
    }
    if (error == 0 && options->count_ahead)
        crew->counter_runs = pthread_create(&crew->counter, NULL, counter_main, crew) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        crew_destroy(crew);
        errno = error;
        return NULL;
    }
    return crew;
}

void crew_stop(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    atomic_store(&crew->stop, true);
    pthread_cond_broadcast(&crew->room);
    pthread_mutex_unlock(&crew->lock);
}

void crew_destroy(struct crew *crew)
{
    struct file *file;

    if (crew == NULL)
        return;
    crew_stop(crew);
    pthread_mutex_lock(&crew->lock);
    crew->quit = true;
    pthread_cond_broadcast(&crew->work);
    pthread_mutex_unlock(&crew->lock);
    if (crew->walker_runs)
        pthread_join(crew->walker, NULL);
    if (crew->counter_runs)
        pthread_join(crew->counter, NULL);
    for (int i = 0; i < crew->hasher_count; i++)
        pthread_join(crew->hashers[i], NULL);
    while ((file = list_take(&crew->found)) != NULL)
        file_destroy(file);
    while ((file = list_take(&crew->ready)) != NULL)
        file_destroy(file);
    pthread_cond_destroy(&crew->ready_grew);
    pthread_cond_destroy(&crew->room);
    pthread_cond_destroy(&crew->work);
    pthread_mutex_destroy(&crew->lock);
    free(crew);
}

enum crew_result crew_take(struct crew *crew, int wait_ms, struct file **file_r)
{
    enum crew_result result = CREW_IDLE;
    struct timespec until;
    int waited = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (wait_ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&crew->lock);
    for (;;) {
        *file_r = list_take(&crew->ready);
        if (*file_r != NULL)
            result = CREW_FILE;
        else if (crew->walked && crew->found.first == NULL && crew->examining == 0)
            result = CREW_END;
        if (result != CREW_IDLE || waited != 0 || wait_ms == 0)
            break;
        waited = pthread_cond_timedwait(&crew->ready_grew, &crew->lock, &until);
    }
    pthread_mutex_unlock(&crew->lock);
    return result;
}

void crew_drop(struct crew *crew, struct file *file)
{
    file_destroy(file);
    pthread_mutex_lock(&crew->lock);
    crew->under_way--;
    pthread_cond_signal(&crew->room);
    pthread_mutex_unlock(&crew->lock);
}

void crew_again(struct crew *crew, struct file *file)
{
    pthread_mutex_lock(&crew->lock);
    list_push(&crew->found, file);
    pthread_cond_signal(&crew->work);
    pthread_mutex_unlock(&crew->lock);
}

void crew_count(struct crew *crew, struct ingest_progress *progress)
{
    pthread_mutex_lock(&crew->lock);
    progress->files_total = crew->walked_files;
    progress->bytes_total = crew->walked_bytes;
    progress->counted = crew->walked;
    pthread_mutex_unlock(&crew->lock);
    if (!progress->counted && crew->counter_runs) {
        progress->files_total = atomic_load(&crew->counted_files);
        progress->bytes_total = atomic_load(&crew->counted_bytes);
        progress->counted = atomic_load(&crew->counted);
    }
}

int64_t crew_links_passed(struct crew *crew)
{
    int64_t links;

    pthread_mutex_lock(&crew->lock);
    links = crew->links_passed;
    pthread_mutex_unlock(&crew->lock);
    return links;
}

size_t crew_roots_opened(struct crew *crew)
{
    size_t roots;

    pthread_mutex_lock(&crew->lock);
    roots = crew->roots_opened;
    pthread_mutex_unlock(&crew->lock);
    return roots;
}
