/* The bare limit of a directory: what the disk gives for the calls of a job.
 *
 *     bare_dir DIR CONCURRENCY JOBS    prints jobs per second
 *
 * A job is what a claim and a result that succeed at once need: lock and result, each written
 * aside, synced, renamed into its folder, the folder synced; the raw body read; marker and lock
 * unlinked. CONCURRENCY processes share the jobs. Only `make bench` uses it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char body[1024];

static void need(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        _exit(1);
    }
}

static void put(const char *folder, int job, size_t len, int synced)
{
    char aside[64], name[64];
    int fd;

    snprintf(aside, sizeof(aside), "tmp/%d", job);
    snprintf(name, sizeof(name), "%s/%d", folder, job);
    fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    need(fd >= 0 && write(fd, body, len) == (ssize_t)len, aside);
    need(!synced || fsync(fd) == 0, "fsync");
    close(fd);
    need(rename(aside, name) == 0, name);
    if (!synced)
        return;
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    need(fd >= 0 && fsync(fd) == 0, folder);
    close(fd);
}

static void drop(const char *folder, int job)
{
    char name[64];

    snprintf(name, sizeof(name), "%s/%d", folder, job);
    need(unlink(name) == 0, name);
}

static void run_job(int job)
{
    char name[64];
    int fd;

    put("processing", job, 350, 1);
    snprintf(name, sizeof(name), "raw/%d", job);
    fd = open(name, O_RDONLY | O_CLOEXEC);
    need(fd >= 0 && read(fd, body, sizeof(body)) == (ssize_t)sizeof(body), name);
    close(fd);
    put("out", job, 700, 1);
    drop("todo", job);
    drop("processing", job);
}

int main(int argc, char **argv)
{
    static const char *const folders[] = {"tmp", "raw", "todo", "processing", "out"};
    int concurrency, jobs, status, failed = 0;
    struct timespec begin, end;

    if (argc != 4) {
        fprintf(stderr, "usage: bare_dir DIR CONCURRENCY JOBS\n");
        return 64;
    }
    concurrency = atoi(argv[2]);
    jobs = atoi(argv[3]);
    need(chdir(argv[1]) == 0, argv[1]);
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        need(mkdir(folders[i], 0700) == 0, folders[i]);
    for (int i = 0; i < jobs; i++) {
        put("todo", i, 0, 0);
        put("raw", i, sizeof(body), 0);
    }
    sync();
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int i = 0; i < concurrency; i++) {
        pid_t pid = fork();

        need(pid >= 0, "fork");
        if (pid == 0) {
            for (int job = i; job < jobs; job += concurrency)
                run_job(job);
            _exit(0);
        }
    }
    while (wait(&status) > 0)
        failed = failed || status != 0;
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%.1f jobs/s\n", jobs / ((double)(end.tv_sec - begin.tv_sec) +
                                    (double)(end.tv_nsec - begin.tv_nsec) / 1e9));
    return failed;
}
