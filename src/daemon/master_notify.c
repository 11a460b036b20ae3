/* See notify.h: what the master tells the service manager, and when.
 *
 *   EXTEND_TIMEOUT_USEC  while the store is waited for at start, and while it drains or ends
 *   READY                once jobs are claimed; after a reload, good or refused
 *   STATUS               what it is at, at most every two seconds
 *   WATCHDOG             only after the lease thread has answered: it is asked each time, so a
 *                        thread that hangs, or a main loop that does, has the unit restarted
 *
 * Main thread. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/master_private.h"
#include "daemon/notify.h"

#define STATUS_EVERY_MS 2000
#define EXTEND_EVERY_MS 20000
#define EXTEND_USEC 60000000LL
#define WATCHDOG_PARTS 4 /* asked so often in one interval of the watchdog */

static void write_status(const struct master *master, char *text, size_t size)
{
    const char *reason;
    enum master_state state = master_state(master, &reason);
    int n = snprintf(text, size, "%s, %zu of %zu slots busy", master_state_name(state),
                     slots_busy(&master->slots), master->slots.wanted);

    if (reason != NULL && n > 0 && (size_t)n < size)
        snprintf(text + n, size - (size_t)n, " (%s)", reason);
    for (char *c = text; *c != '\0'; c++)
        if (*c == '\n')
            *c = ' '; /* else it would be a message of its own */
}

static void say_status(struct master *master, int64_t now)
{
    char text[sizeof(master->notified)];

    master->status_boot_ms = now + STATUS_EVERY_MS;
    write_status(master, text, sizeof(text));
    if (strcmp(text, master->notified) == 0)
        return;
    memcpy(master->notified, text, sizeof(text));
    notify_send("STATUS=%s", text);
}

static void feed_watchdog(struct master *master, int64_t now)
{
    master->watchdog_boot_ms = now + notify_watchdog_ms() / WATCHDOG_PARTS;
    /* Before the lease thread claims and after it has ended there is nothing of it to wait for. */
    if (!master->opened || !master->lease_runs)
        notify_send("WATCHDOG=1");
    else
        master_ask_figures(master);
}

void master_notify_progress(void)
{
    if (notify_watchdog_ms() > 0)
        notify_send("WATCHDOG=1");
}

static bool takes_longer(const struct master *master)
{
    return master->stage != STAGE_RUNNING;
}

void master_notify_check(struct master *master)
{
    int64_t now = clock_boot_ms(master->clock);

    if (!notify_is_wanted())
        return;
    if (now >= master->status_boot_ms)
        say_status(master, now);
    if (takes_longer(master) && now >= master->extend_boot_ms) {
        master->extend_boot_ms = now + EXTEND_EVERY_MS;
        notify_send("EXTEND_TIMEOUT_USEC=%lld", EXTEND_USEC);
    }
    if (notify_watchdog_ms() > 0 && now >= master->watchdog_boot_ms)
        feed_watchdog(master, now);
}

int64_t master_notify_due(const struct master *master)
{
    int64_t due = INT64_MAX;
    char text[sizeof(master->notified)];

    if (!notify_is_wanted())
        return due;
    write_status(master, text, sizeof(text));
    if (strcmp(text, master->notified) != 0)
        due = master->status_boot_ms;
    if (takes_longer(master) && master->extend_boot_ms < due)
        due = master->extend_boot_ms;
    if (notify_watchdog_ms() > 0 && master->watchdog_boot_ms < due)
        due = master->watchdog_boot_ms;
    return due;
}

void master_notify_ready(struct master *master)
{
    char text[sizeof(master->notified)];

    write_status(master, text, sizeof(text));
    memcpy(master->notified, text, sizeof(text));
    notify_send("READY=1\nSTATUS=%s", text);
}

void master_notify_reloading(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now); /* the clock that the protocol names */
    notify_send("RELOADING=1\nMONOTONIC_USEC=%lld",
                (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void master_notify_stopping(struct master *master)
{
    master->extend_boot_ms = clock_boot_ms(master->clock) + EXTEND_EVERY_MS;
    notify_send("STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld", EXTEND_USEC);
}
