/* See names.h. */
#include "ingest/names.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS 100 /* how long a stop may wait */
#define BLOCK 65536

void names_init(struct names *names, int fd, bool nul, const atomic_bool *stop)
{
    memset(names, 0, sizeof(*names));
    names->fd = fd;
    names->nul = names->decided = nul;
    names->stop = stop;
}

void names_release(struct names *names)
{
    buf_release(&names->bytes);
}

/* More bytes. false: the end, a stop, an error. */
static bool read_more(struct names *names)
{
    struct pollfd ready = {.fd = names->fd, .events = POLLIN};
    ssize_t n;

    if (names->ended)
        return false;
    if (names->at > 0) {
        memmove(names->bytes.data, names->bytes.data + names->at, names->bytes.len - names->at);
        names->bytes.len -= names->at;
        names->at = 0;
    }
    while (!atomic_load(names->stop) && poll(&ready, 1, LOOK_MS) == 0)
        continue;
    names->ended = true;
    if (atomic_load(names->stop))
        return false;
    buf_reserve(&names->bytes, BLOCK);
    do
        n = read(names->fd, names->bytes.data + names->bytes.len, BLOCK);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        names->error_number = errno;
    if (n <= 0)
        return false;
    if (!names->decided)
        names->nul = memchr(names->bytes.data + names->bytes.len, '\0', (size_t)n) != NULL;
    names->decided = true;
    names->bytes.len += (size_t)n;
    names->ended = false;
    return true;
}

const char *names_next(struct names *names)
{
    size_t seen = 0;

    for (;;) {
        char *begin = names->bytes.len > 0 ? names->bytes.data + names->at : NULL;
        size_t len = names->bytes.len - names->at;
        char *end = len > seen ? memchr(begin + seen, names->nul ? '\0' : '\n', len - seen) : NULL;

        if (end != NULL) {
            *end = '\0';
            names->at += (size_t)(end - begin) + 1;
            if (end > begin)
                return begin;
            seen = 0;
            continue;
        }
        if (len > NAMES_LENGTH_MAX) {
            names->error_number = ENAMETOOLONG;
            names->ended = true;
            return NULL;
        }
        seen = len;
        if (read_more(names))
            continue;
        if (len == 0 || names->error_number != 0 || atomic_load(names->stop))
            return NULL;
        /* The last name need not be ended. */
        buf_putc(&names->bytes, '\0');
        begin = names->bytes.data + names->at;
        names->at = names->bytes.len;
        return begin;
    }
}
