/* See host_load.h: how busy this machine is. */
#include "daemon/host_load.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "convert/slot.h"

/* Reads the beginning of a file of /proc, ends it with a NUL. Returns its length, 0 without it. */
static size_t proc_read(const char *path, char *text_r, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd == -1 ? 0 : read(fd, text_r, size - 1);

    if (fd != -1)
        close(fd);
    if (got < 0)
        got = 0;
    text_r[got] = '\0';
    return (size_t)got;
}

/* A decimal number at *at, blanks before it skipped; *at moves behind it. */
static bool number_next(const char *text, size_t len, size_t *at, uint64_t *value_r)
{
    size_t begin;

    while (*at < len && (text[*at] == ' ' || text[*at] == '\t'))
        (*at)++;
    begin = *at;
    *value_r = 0;
    while (*at < len && text[*at] >= '0' && text[*at] <= '9' && *value_r < UINT64_MAX / 16) {
        *value_r = *value_r * 10 + (uint64_t)(text[*at] - '0');
        (*at)++;
    }
    return *at > begin;
}

bool host_load_cpu_parse(const char *text, size_t len, uint64_t *busy_r, uint64_t *total_r)
{
    enum {
        IDLE = 3,
        IOWAIT = 4,
        FIELDS = 8
    }; /* guest times are contained in user and nice */
    uint64_t ticks, total = 0, idle = 0;
    size_t at = 4, i;

    if (len < 5 || memcmp(text, "cpu ", 4) != 0)
        return false;
    for (i = 0; i < FIELDS && number_next(text, len, &at, &ticks); i++) {
        total += ticks;
        if (i == IDLE || i == IOWAIT)
            idle += ticks;
    }
    *total_r = total;
    *busy_r = total - idle;
    return i > IDLE;
}

int64_t host_load_meminfo_parse(const char *text, size_t len, const char *name)
{
    size_t name_len = strlen(name);

    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t line_end = end == NULL ? len : (size_t)(end - text);
        uint64_t kilobytes;
        if (line_end - at > name_len && memcmp(text + at, name, name_len) == 0 &&
            text[at + name_len] == ':') {
            at += name_len + 1;
            return number_next(text, line_end, &at, &kilobytes) && kilobytes < INT64_MAX / 1024
                       ? (int64_t)kilobytes * 1024
                       : -1;
        }
        at = line_end + 1;
    }
    return -1;
}

static double percent(double part, double whole)
{
    return whole <= 0 ? -1 : part < 0 ? 0 : 100 * part / whole;
}

void host_load_sample(struct host_load_sampler *sampler, const char *work_dir,
                      struct host_load *load_r)
{
    char text[4096];
    size_t len = proc_read("/proc/stat", text, sizeof(text));
    int64_t available;
    uint64_t busy, total;

    load_r->cpu_percent = -1;
    if (host_load_cpu_parse(text, len, &busy, &total) && total > sampler->total) {
        load_r->cpu_percent =
            percent((double)busy - (double)sampler->busy, (double)total - (double)sampler->total);
        sampler->busy = busy;
        sampler->total = total;
    }
    len = proc_read("/proc/meminfo", text, sizeof(text));
    load_r->memory_bytes = host_load_meminfo_parse(text, len, "MemTotal");
    available = host_load_meminfo_parse(text, len, "MemAvailable");
    load_r->memory_percent = available < 0 ? -1
                                           : percent((double)(load_r->memory_bytes - available),
                                                     (double)load_r->memory_bytes);
    if (getloadavg(load_r->load_average, 3) != 3)
        load_r->load_average[0] = load_r->load_average[1] = load_r->load_average[2] = -1;
    if (!slot_free_bytes(work_dir, &load_r->disk_free_bytes))
        load_r->disk_free_bytes = -1;
}
