/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * A reader that went away, or is slow, must not cost the conversion: a line that cannot be written
 * is lost.
 */
#include "progress.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    SILENCE_MS = 800
};

static int fd = -1;
static int64_t said_ms; /* the last line */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void progress_open(void)
{
    const char *value = getenv("BLOBFORGE_PROGRESS_FD");
    char *end;
    long n;

    if (value == NULL || value[0] == 0) {
        return;
    }
    n = strtol(value, &end, 10);
    if (*end == 0 && n > 0 && n < 65536 && fcntl((int)n, F_GETFD) != -1) {
        fd = (int)n;
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        (void)signal(SIGPIPE, SIG_IGN);
    }
}

static void put(const char *line)
{
    if (fd != -1 && write(fd, line, strlen(line)) == -1) {
        fd = -1;
    }
    said_ms = fd != -1 ? now_ms() : 0;
}

void progress_pages(uint32_t total)
{
    char line[64];
    snprintf(line, sizeof line, "pages %u\n", total);
    put(line);
}

void progress_page(uint32_t done)
{
    char line[64];
    snprintf(line, sizeof line, "page %u\n", done);
    put(line);
}

void progress_stage(const char *word)
{
    char line[64];
    snprintf(line, sizeof line, "stage %.32s\n", word);
    put(line);
}

int64_t progress_due_ms(void)
{
    int64_t silent = fd != -1 ? now_ms() - said_ms : 0;

    return silent < SILENCE_MS ? SILENCE_MS - silent : 0;
}

void progress_alive(const char *word)
{
    if (progress_due_ms() == 0) {
        progress_stage(word);
    }
}

void progress_warn(const char *text)
{
    char line[400];
    int n = snprintf(line, sizeof line - 1, "warn %.300s", text);

    for (int i = 0; i < n; i++) {
        if ((unsigned char)line[i] < 0x20 || (unsigned char)line[i] >= 0x7f) {
            line[i] = '?';
        }
    }
    line[n] = '\n';
    line[n + 1] = 0;
    put(line);
}
