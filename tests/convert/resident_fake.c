/* A resident converter for the tests: `resident_fake INPUT OUTDIR`. Each document says in its
 * second line what shall happen to it. content.md gets "PID JOB TRACE", where TRACE counts the
 * lines of a file in TMPDIR to which each job adds one. At end of file it leaves a file `bye` in
 * TMPDIR. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *input, *outdir;

static void say(const char *line)
{
    if (write(3, line, strlen(line)) < 0)
        _exit(99);
}

static char *path_of(const char *folder, const char *name)
{
    char *path;

    if (asprintf(&path, "%s/%s", folder, name) < 0)
        _exit(71);
    return path;
}

static FILE *open_in(const char *folder, const char *name, const char *mode)
{
    char *path = path_of(folder, name);
    FILE *file = fopen(path, mode);

    if (file == NULL)
        _exit(74);
    free(path);
    return file;
}

static int trace_lines(void)
{
    FILE *file = open_in(getenv("TMPDIR"), "trace", "a+");
    int lines = 0, c;

    fputs("job\n", file);
    rewind(file);
    while ((c = getc(file)) != EOF)
        lines += c == '\n';
    fclose(file);
    return lines;
}

static void read_order(char *order, size_t room)
{
    FILE *file = fopen(input, "r");

    order[0] = '\0';
    if (file == NULL || fgets(order, (int)room, file) == NULL ||
        fgets(order, (int)room, file) == NULL)
        _exit(66);
    order[strcspn(order, "\n")] = '\0';
    fclose(file);
}

static void write_content(int job)
{
    FILE *file = open_in(outdir, "content.md", "w");

    fprintf(file, "%d %d %d\n", (int)getpid(), job, trace_lines());
    fclose(file);
}

static void hang(void)
{
    for (;;)
        pause();
}

/* A child that neither the answer nor the end of its parent stops. */
static void leave_writer(void)
{
    if (fork() != 0)
        return;
    setsid();
    signal(SIGTERM, SIG_IGN);
    for (;;) {
        FILE *file = open_in(outdir, "content.md", "a");
        fputs("more\n", file);
        fclose(file);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
}

/* So that no compiler finds out that nobody reads it. */
static char *volatile eaten;

static void eat(void)
{
    for (size_t block = 1 << 20;;) {
        char *p = malloc(block);
        if (p == NULL)
            _exit(75);
        memset(p, 1, block);
        eaten = p;
        nanosleep(&(struct timespec){0, 2000000}, NULL);
    }
}

static void burn(void)
{
    while (clock() < CLOCKS_PER_SEC / 3)
        ;
}

static void convert(int job)
{
    char order[64], done[32];
    int status = 0;

    read_order(order, sizeof(order));
    say("pages 2\n");
    write_content(job);
    if (strcmp(order, "asset") == 0) {
        mkdir(path_of(outdir, "assets"), 0700);
        fputs("x", open_in(path_of(outdir, "assets"), "a.png", "w"));
        fflush(NULL);
    } else if (strncmp(order, "status=", 7) == 0) {
        status = atoi(order + 7);
    } else if (strncmp(order, "exit=", 5) == 0) {
        exit(atoi(order + 5));
    } else if (strcmp(order, "hang") == 0) {
        hang();
    } else if (strcmp(order, "eat") == 0) {
        eat();
    } else if (strcmp(order, "burn") == 0) {
        burn();
    } else if (strcmp(order, "writer") == 0) {
        leave_writer();
    } else if (strcmp(order, "link") == 0) {
        char *aside = path_of(outdir, "../aside");
        if (rename(outdir, aside) != 0 || symlink(aside, outdir) != 0)
            _exit(74);
    } else if (strcmp(order, "chatter") == 0) {
        for (int i = 0; i < 100000; i++)
            puts("a line that nobody asked for");
        fflush(stdout);
    }
    if (strcmp(order, "twice") == 0)
        say("done 0\ndone 70\n");
    say("page 2\n");
    snprintf(done, sizeof(done), "done %d\n", status);
    say(done);
}

int main(int argc, char **argv)
{
    char line[16];
    ssize_t n;

    if (argc != 3)
        return 64;
    input = argv[1];
    outdir = argv[2];
    for (int job = 1; (n = read(4, line, sizeof(line))) > 0; job++) {
        if (n != 4 || memcmp(line, "job\n", 4) != 0)
            return 70;
        convert(job);
    }
    fclose(open_in(getenv("TMPDIR"), "bye", "w"));
    if (getenv("STUBBORN") != NULL)
        hang();
    return 0;
}
