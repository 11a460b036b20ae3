/* See identity.h: worker ids. */
#include "queue/identity.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"

#define MACHINE_ID_MAX 128

static void read_machine_id(char text_r[static MACHINE_ID_MAX + 1])
{
    int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text_r, MACHINE_ID_MAX);

    if (fd >= 0)
        close(fd);
    text_r[n > 0 ? n : 0] = '\0';
    text_r[strcspn(text_r, "\r\n")] = '\0';
}

char *identity_host(void)
{
    char name[256];

    if (gethostname(name, sizeof(name)) != 0)
        return mem_strdup("localhost");
    name[sizeof(name) - 1] = '\0';
    return mem_strdup(name);
}

void identity_fingerprint(const char *run_dir, char text_r[static FINGERPRINT_SIZE])
{
    char machine_id[MACHINE_ID_MAX + 1];
    unsigned char sha256[SHA256_BYTES];
    char *host = identity_host(), *seed;

    read_machine_id(machine_id);
    seed = mem_printf("blobforge2:%s:%s:%s", host, machine_id, run_dir);
    digest_sha256(seed, strlen(seed), sha256);
    hex_encode(sha256, (FINGERPRINT_SIZE - 1) / 2, text_r);
    free(seed);
    free(host);
}

char *identity_daemon_id(const char *worker_id, const char *run_dir, const char *instance)
{
    char fingerprint[FINGERPRINT_SIZE];

    if (*worker_id != '\0')
        return mem_strdup(worker_id);
    identity_fingerprint(run_dir, fingerprint);
    return mem_printf("%s-%s", fingerprint, instance);
}

char *identity_command_id(const char *run_dir)
{
    char fingerprint[FINGERPRINT_SIZE];

    identity_fingerprint(run_dir, fingerprint);
    return mem_printf("%s-cli-%ld", fingerprint, (long)getpid());
}

/* Clock ticks from boot to the start of a process that has not ended. The name in brackets may hold
 * anything. */
static bool read_start(pid_t pid, unsigned long long *ticks_r)
{
    char path[64], line[1024], state = 'X';
    const char *end;
    bool known = false;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    if (fgets(line, sizeof(line), file) != NULL && (end = strrchr(line, ')')) != NULL)
        known = sscanf(end,
                       ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                       "%*s %llu",
                       &state, ticks_r) == 2;
    fclose(file);
    return known && state != 'Z' && state != 'X';
}

char *identity_process(pid_t pid)
{
    unsigned long long ticks;
    char boot[37] = "";
    FILE *file;

    if (pid <= 0 || !read_start(pid, &ticks))
        return NULL;
    file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file == NULL)
        return NULL;
    if (fgets(boot, sizeof(boot), file) == NULL)
        boot[0] = '\0';
    fclose(file);
    return boot[0] == '\0' ? NULL : mem_printf("%s %ld %llu", boot, (long)pid, ticks);
}

void identity_incarnation(struct rng *rng, char text_r[static INCARNATION_SIZE])
{
    rng_hex(rng, (INCARNATION_SIZE - 1) / 2, text_r);
}
