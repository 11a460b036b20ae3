/* s3_secret: see the header. */
#include "s3/s3_secret.h"

#include <string.h>
#include <sys/mman.h>

void *s3_secret_create(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    if (madvise(memory, size, MADV_DONTDUMP) != 0) {
        munmap(memory, size);
        return NULL;
    }
    /* Both are refused by some sandboxes and old kernels; the keys are still usable then. */
    (void)!madvise(memory, size, MADV_WIPEONFORK);
    (void)!mlock(memory, size);
    return memory;
}

void s3_secret_destroy(void *memory, size_t size)
{
    if (memory == NULL)
        return;
    explicit_bzero(memory, size);
    munmap(memory, size);
}
