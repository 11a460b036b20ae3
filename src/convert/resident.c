/* See resident.h. */
#include "convert/resident.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/exitcode.h"
#include "convert/convert.h"
#include "convert/spawn.h"
#include "convert/tree.h"

#define LEAVE_MS 2000 /* to end at end of file, before it is killed */

struct resident {
    int64_t jobs, jobs_max;
    struct spawn child; /* pid -1: none */
    double cpu_seconds; /* its tree's when it was last stopped */

    /* what it was started with */
    char *command, *env, *type, *wrapper;
    enum sandbox_level level;
    enum sandbox_profile profile;
    struct convert_limits limits;
};

struct resident *resident_create(int64_t jobs_max)
{
    struct resident *resident = mem_alloc(sizeof(*resident));

    *resident = (struct resident){.jobs_max = jobs_max > 0 ? jobs_max : 1, .child = spawn_none};
    return resident;
}

void resident_over(struct resident *resident)
{
    resident->child = spawn_none;
    resident->jobs = 0;
    resident->cpu_seconds = 0;
}

/* What it was started with: after its end, since its last run may still be told about. */
static void resident_forget(struct resident *resident)
{
    free(resident->command);
    free(resident->env);
    free(resident->type);
    free(resident->wrapper);
    resident->command = resident->env = resident->type = resident->wrapper = NULL;
}

/* Lets it end by itself, as a program that may want to write something down, and kills what is
 * left.
 */
static void resident_end(struct resident *resident)
{
    struct spawn *child = &resident->child;
    struct tree_end end = {.leader = child->pid};

    if (child->pid == -1)
        return;
    close(child->job_fd);
    tree_continue();
    (void)poll(&(struct pollfd){child->pidfd, POLLIN, 0}, 1, LEAVE_MS);
    tree_kill(&end);
    spawn_close(child);
    resident_over(resident);
}

void resident_destroy(struct resident *resident)
{
    if (resident == NULL)
        return;
    resident_end(resident);
    resident_forget(resident);
    free(resident);
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static bool same_limits(const struct convert_limits *a, const struct convert_limits *b)
{
    return a->time_limit_ms == b->time_limit_ms && a->memory_bytes == b->memory_bytes &&
           a->cpu_ms == b->cpu_ms && a->output_bytes == b->output_bytes &&
           a->processes == b->processes && a->address_space_free == b->address_space_free;
}

static bool resident_is_alive(const struct resident *resident)
{
    struct pollfd end = {resident->child.pidfd, POLLIN, 0};

    return resident->child.pid != -1 && poll(&end, 1, 0) == 0;
}

static bool resident_fits(const struct resident *resident, const struct convert_job *job)
{
    return resident->jobs < resident->jobs_max && same_text(resident->command, job->command) &&
           same_text(resident->env, job->env) && same_text(resident->type, job->type) &&
           resident->level == job->sandbox && resident->profile == job->profile &&
           same_text(resident->wrapper, job->sandbox_command) &&
           same_limits(&resident->limits, &job->limits);
}

bool resident_prepare(struct resident *resident, struct slot_folder *folder,
                      const struct convert_job *job, char **error_r)
{
    *error_r = NULL;
    if (!resident_is_alive(resident) || !resident_fits(resident, job) ||
        !slot_folder_renew(folder, error_r)) {
        resident_end(resident);
        free(*error_r);
        *error_r = NULL;
        if (!slot_folder_prepare(folder, error_r))
            return false;
    }
    if (resident->child.pid == -1) {
        resident_forget(resident);
        resident->command = mem_strdup(job->command);
        resident->env = mem_strdup(job->env != NULL ? job->env : "");
        resident->type = mem_strdup(job->type);
        resident->level = job->sandbox;
        resident->profile = job->profile;
        resident->wrapper = mem_strdup(job->sandbox_command != NULL ? job->sandbox_command : "");
        resident->limits = job->limits;
    }
    return true;
}

bool resident_clear(struct resident *resident, struct slot_folder *folder, char **error_r)
{
    *error_r = NULL;
    if (resident->child.pid != -1 && slot_folder_renew(folder, error_r))
        return true;
    free(*error_r);
    resident_end(resident);
    return slot_folder_empty(folder, error_r);
}

/* The whole line fits an empty pipe. What became of the program is seen by its end. */
static void give_job(int fd)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    ssize_t n;

    sigaction(SIGPIPE, &ignore, &before);
    do
        n = write(fd, "job\n", 4);
    while (n == -1 && errno == EINTR);
    sigaction(SIGPIPE, &before, NULL);
}

bool resident_begin(struct resident *resident, const struct run_spec *spec, struct spawn *spawn_r,
                    double *cpu_base_r, char **error_r)
{
    *error_r = NULL;
    if (resident->child.pid == -1) {
        if (!spawn_converter(spec, &resident->child, error_r)) {
            resident->child = spawn_none;
            return false;
        }
    } else {
        tree_continue();
    }
    give_job(resident->child.job_fd);
    *spawn_r = resident->child;
    *cpu_base_r = resident->cpu_seconds;
    resident->jobs++;
    return true;
}

/* Answers after which a program is trusted with the next document. */
static bool is_well(int status)
{
    return status == EXITCODE_OK || status == EXITCODE_DATAERR || status == EXITCODE_UNAVAILABLE ||
           status == EXITCODE_NOPERM;
}

bool resident_stop(struct resident *resident, int status)
{
    struct tree_sample sample;

    if (!is_well(status) || !resident_is_alive(resident) || !tree_stop())
        return false;
    tree_measure(spawn_first(&resident->child), 0, &sample);
    resident->cpu_seconds = sample.cpu_seconds;
    return true;
}

bool resident_keep(struct resident *resident, const struct spawn *spawn)
{
    /* A pipe that it closed says that nothing more is to be expected of it. */
    if (spawn->progress_fd == -1 || spawn->stdout_fd == -1 || spawn->stderr_fd == -1)
        return false;
    resident->child = *spawn;
    return true;
}
