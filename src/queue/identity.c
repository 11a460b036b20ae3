/* See identity.h: worker ids. */
#include "queue/identity.h"

#include <fcntl.h>
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

void identity_incarnation(struct rng *rng, char text_r[static INCARNATION_SIZE])
{
    rng_hex(rng, (INCARNATION_SIZE - 1) / 2, text_r);
}
