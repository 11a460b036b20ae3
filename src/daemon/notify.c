/* See notify.h. */
#include "daemon/notify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/human.h"
#include "base/unix_socket.h"

#define MESSAGE_MAX 1024

static struct unix_address address;
static int notify_fd = -1;
static int64_t watchdog_ms;
static const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"};
static char *taken[ARRAY_LEN(names)]; /* as they came */

/* A number of the environment; 0: none. */
static int64_t take_number(const char *name)
{
    const char *text = getenv(name);
    int64_t value = 0;

    if (text == NULL || !human_parse_int(text, &value) || value < 0)
        return 0;
    return value;
}

void notify_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    int64_t pid = take_number("WATCHDOG_PID");

    if (path != NULL && unix_address_parse(path, &address))
        notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notify_fd >= 0 && (pid == 0 || pid == getpid()))
        watchdog_ms = take_number("WATCHDOG_USEC") / 1000;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        taken[i] = mem_strdup(getenv(names[i]));
        unsetenv(names[i]);
    }
}

void notify_restore(void)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (taken[i] != NULL)
            setenv(names[i], taken[i], 1);
}

bool notify_is_wanted(void)
{
    return notify_fd >= 0;
}

int64_t notify_watchdog_ms(void)
{
    return watchdog_ms;
}

void notify_send(const char *fmt, ...)
{
    char message[MESSAGE_MAX];
    va_list args;
    int len;

    if (notify_fd < 0)
        return;
    va_start(args, fmt);
    len = vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    if (len < 0)
        return;
    if ((size_t)len >= sizeof(message))
        len = sizeof(message) - 1;
    (void)!sendto(notify_fd, message, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL,
                  (const struct sockaddr *)&address.sun, address.len);
}
