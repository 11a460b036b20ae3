/* See crew.h. One lock guards the lists and counts below it; nobody holds it while reading. */
#include "ingest/crew.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ingest/follow.h"
#include "ingest/names.h"
#include "ingest/seen.h"
#include "ingest/walk.h"

struct file_list {
    struct file *first, **tail;
};

struct crew {
    const struct ingest_options *options;
    atomic_bool stop;
    struct file_rules rules;
    pthread_t walker, counter, puller, hashers[CREW_THREADS_MAX];
    bool walker_runs, counter_runs, puller_runs, joined;
    int hasher_count;

    pthread_mutex_t lock;
    pthread_cond_t work;       /* `found` grew, or the end is near: hashers wait here */
    pthread_cond_t room;       /* fewer files under way: the walker waits here */
    pthread_cond_t ready_grew; /* the owner waits here */
    struct file_list found;    /* to be examined */
    struct file_list ready;    /* examined */
    pthread_cond_t pull_work;  /* the next two grew, or `pulled` shrank: the puller waits here */
    struct file_list pointers; /* whose content is wanted */
    struct file_list settled;  /* with content, dropped: to become pointers again */
    int pulling;               /* in the puller's hands */
    int pulled;                /* with content in place, `settled` included */
    struct seen in_vain;       /* hashes whose pull came to nothing; the puller's alone */
    char **warnings;
    size_t warning_count, warning_next;
    int under_way; /* files made and not dropped */
    int examining; /* in the hands of hashers */
    bool walked;   /* no more will be found */
    bool quit;     /* hashers: go home */
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

static const char *next_name(void *arg)
{
    return names_next(arg);
}

/* A list that could not be read to its end is an error like any file. */
static void hand_on_list_error(struct crew *crew, int error_number)
{
    struct file *file = file_create(crew->options->names_path, "", "", -1);

    file_refuse_errno(file, error_number);
    (void)!hand_on(crew, file);
}

static bool hand_on_followed(void *arg, const struct follow_file *found)
{
    struct file *file = file_create(found->path, found->relative, found->source, found->fd);

    if (found->fd < 0 && found->error != NULL)
        file_refuse(file, INGEST_UNREADABLE, "%s", found->error);
    else if (found->fd < 0)
        file_refuse_errno(file, found->error_number);
    return hand_on(arg, file);
}

static void *walker_main(void *arg)
{
    struct crew *crew = arg;
    const struct ingest_options *wanted = crew->options;
    struct names names;
    struct walk_options options = {.follow_symlinks = wanted->follow_symlinks,
                                   .more = wanted->names_path != NULL ? next_name : NULL,
                                   .more_arg = &names};
    struct walk *walk = walk_create(wanted->paths, wanted->path_count, &options);
    struct walk_entry entry;
    enum walk_result result;
    size_t followed = 0;

    names_init(&names, wanted->names_fd, wanted->names_nul, &crew->stop);

    while (!atomic_load(&crew->stop) && (result = walk_next(walk, &entry)) != WALK_END)
        if (!hand_on(crew, make_file(walk, result, &entry)))
            break;
    if (names.error_number != 0)
        hand_on_list_error(crew, names.error_number);
    if (wanted->follow_count > 0 && !atomic_load(&crew->stop))
        follow_run(wanted->follow, wanted->follow_count, &crew->stop, hand_on_followed, crew,
                   &followed);
    names_release(&names);
    pthread_mutex_lock(&crew->lock);
    crew->walked = true;
    crew->links_passed = walk_links_passed(walk);
    crew->roots_opened = walk_roots_opened(walk) + followed;
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

/* ---- the puller: git-lfs, one file at a time ---- */

static void pull_one(struct crew *crew, struct file *file)
{
    struct lfs_pull_rules rules = {crew->options->lfs_limit_ms, &crew->stop};
    char *error;
    int fd;

    /* In a folder that is followed each try is an event that would ask for the next one. */
    if (seen_has(&crew->in_vain, file->hash)) {
        file_refuse(file, INGEST_LFS_MISSING,
                    "a git-lfs pointer whose content could not be had before in this run; see that "
                    "error");
        return;
    }
    file->content = lfs_content_pull(file->path, file->fd, &file->st, &rules, &fd, &error);
    if (file->content != NULL) {
        file_reopen(file, fd);
        file->must_compute = true;
    } else if (atomic_load(&crew->stop)) {
        file->abandoned = true;
    } else {
        file_refuse(file, INGEST_LFS_MISSING, "%s", error);
        seen_add(&crew->in_vain, file->hash);
    }
    free(error);
}

static void return_one(struct crew *crew, struct file *file)
{
    char *error = NULL;

    if (file->reason != INGEST_REASON_NONE)
        seen_add(&crew->in_vain, lfs_content_hash(file->content));
    if (!lfs_content_return(file->content, &error)) {
        pthread_mutex_lock(&crew->lock);
        crew->warnings = mem_resize(crew->warnings, crew->warning_count + 1, sizeof(char *));
        crew->warnings[crew->warning_count++] = error;
        pthread_mutex_unlock(&crew->lock);
    }
    file->content = NULL;
    file_destroy(file);
}

/* Returning comes first: it frees room, and is what a stop must not skip. */
static void *puller_main(void *arg)
{
    struct crew *crew = arg;

    pthread_mutex_lock(&crew->lock);
    for (;;) {
        struct file *file = list_take(&crew->settled);
        bool back = file != NULL;

        if (file == NULL && (crew->pulled < CREW_PULLED_MAX || atomic_load(&crew->stop)))
            file = list_take(&crew->pointers);
        if (file == NULL) {
            if (crew->quit)
                break;
            pthread_cond_wait(&crew->pull_work, &crew->lock);
            continue;
        }
        crew->pulling++;
        pthread_mutex_unlock(&crew->lock);
        if (back)
            return_one(crew, file);
        else if (atomic_load(&crew->stop))
            file->abandoned = true;
        else
            pull_one(crew, file);
        pthread_mutex_lock(&crew->lock);
        crew->pulling--;
        if (back) {
            crew->pulled--;
            crew->under_way--;
            pthread_cond_signal(&crew->room);
        } else if (file->content != NULL) {
            crew->pulled++;
            list_push(&crew->found, file);
            pthread_cond_signal(&crew->work);
        } else {
            list_push(&crew->ready, file);
        }
        pthread_cond_signal(&crew->ready_grew);
    }
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

static int start_puller(struct crew *crew)
{
    sigset_t all, before;
    int error;

    if (crew->puller_runs)
        return 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&crew->puller, NULL, puller_main, crew);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    crew->puller_runs = error == 0;
    return error;
}

void crew_pull(struct crew *crew, struct file *file)
{
    int error = start_puller(crew);

    if (error != 0)
        file_refuse(file, INGEST_LFS_MISSING, "no thread for git lfs: %s; try again",
                    strerror(error));
    pthread_mutex_lock(&crew->lock);
    list_push(error == 0 ? &crew->pointers : &crew->ready, file);
    pthread_cond_signal(&crew->pull_work);
    pthread_mutex_unlock(&crew->lock);
}

char *crew_next_warning(struct crew *crew)
{
    char *text = NULL;

    pthread_mutex_lock(&crew->lock);
    if (crew->warning_next < crew->warning_count)
        text = crew->warnings[crew->warning_next++];
    pthread_mutex_unlock(&crew->lock);
    return text;
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

/* Files under way, and folders inside folders, each hold one. */
#define OPEN_FILES 4096

void crew_raise_open_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= OPEN_FILES)
        return;
    limit.rlim_cur = limit.rlim_max < OPEN_FILES ? limit.rlim_max : OPEN_FILES;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
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
    crew->pointers.tail = &crew->pointers.first;
    crew->settled.tail = &crew->settled.first;
    pthread_cond_init(&crew->pull_work, NULL);
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
    pthread_cond_broadcast(&crew->pull_work);
    pthread_mutex_unlock(&crew->lock);
}

/* Files left in a list: those with content are for the puller, the others go. */
static void drop_list(struct crew *crew, struct file_list *list)
{
    struct file *file;

    while ((file = list_take(list)) != NULL) {
        if (file->content != NULL)
            list_push(&crew->settled, file);
        else
            file_destroy(file);
    }
}

void crew_join(struct crew *crew)
{
    if (crew->joined)
        return;
    crew->joined = true;
    crew_stop(crew);
    pthread_mutex_lock(&crew->lock);
    crew->quit = true;
    pthread_cond_broadcast(&crew->work);
    pthread_cond_broadcast(&crew->pull_work);
    pthread_mutex_unlock(&crew->lock);
    if (crew->walker_runs)
        pthread_join(crew->walker, NULL);
    if (crew->counter_runs)
        pthread_join(crew->counter, NULL);
    for (int i = 0; i < crew->hasher_count; i++)
        pthread_join(crew->hashers[i], NULL);
    if (!crew->puller_runs) {
        drop_list(crew, &crew->found);
        drop_list(crew, &crew->ready);
        return;
    }
    /* It may have put its last file back into `found` or `ready`. */
    pthread_join(crew->puller, NULL);
    drop_list(crew, &crew->found);
    drop_list(crew, &crew->ready);
    drop_list(crew, &crew->pointers);
    for (struct file *file; (file = list_take(&crew->settled)) != NULL;)
        return_one(crew, file);
}

void crew_destroy(struct crew *crew)
{
    if (crew == NULL)
        return;
    crew_join(crew);
    while (crew->warning_next < crew->warning_count)
        free(crew->warnings[crew->warning_next++]);
    free(crew->warnings);
    seen_release(&crew->in_vain);
    pthread_cond_destroy(&crew->pull_work);
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
        else if (crew->walked && crew->found.first == NULL && crew->examining == 0 &&
                 crew->pointers.first == NULL && crew->settled.first == NULL && crew->pulling == 0)
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
    bool pulled = file->content != NULL;

    if (!pulled)
        file_destroy(file);
    pthread_mutex_lock(&crew->lock);
    if (pulled) {
        list_push(&crew->settled, file);
        pthread_cond_signal(&crew->pull_work);
    } else {
        crew->under_way--;
        pthread_cond_signal(&crew->room);
    }
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
