/* Time, passed in.
 *
 * Code that waits or measures gets a `struct clock` and asks it; only clock.c calls the system.
 * That is what lets the simulator run years of leases in seconds. Two times, never mixed up:
 *   boot_ms  CLOCK_BOOTTIME: goes on during suspend, never steps. Leases, deadlines, back-off.
 *   wall_ms  CLOCK_REALTIME: milliseconds since the epoch, may step. For people and records only;
 *            nothing that counts is decided from it.
 * All values are milliseconds. Any thread. */
#ifndef BF_BASE_CLOCK_H
#define BF_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clock {
    int64_t (*boot_ms)(struct clock *clock);
    int64_t (*wall_ms)(struct clock *clock);
    void (*sleep_ms)(struct clock *clock, int64_t ms);
};

/* The machine's clock. Shared, never freed. */
struct clock *clock_system(void);

static inline int64_t clock_boot_ms(struct clock *clock)
{
    return clock->boot_ms(clock);
}

static inline int64_t clock_wall_ms(struct clock *clock)
{
    return clock->wall_ms(clock);
}

static inline void clock_sleep_ms(struct clock *clock, int64_t ms)
{
    clock->sleep_ms(clock, ms);
}

/* "2026-03-01T12:00:00.123Z": ISO 8601, UTC, milliseconds. */
#define CLOCK_ISO_SIZE 32
void clock_format_iso(int64_t wall_ms, char text_r[static CLOCK_ISO_SIZE]);
/* Reads ISO 8601 as found in v1's records: `Z` or no offset (taken as UTC), or +hh:mm; 0 to 9
 * fraction digits. false: not such a time; *ms_r is untouched. */
bool clock_parse_iso(const char *text, size_t len, int64_t *ms_r);

#endif
