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
#include <unistd.h>

static int fd = -1;

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
