/* Words to the service manager: sd_notify(3)'s protocol, a datagram to $NOTIFY_SOCKET.
 *
 * Where there is no service manager all of this does nothing. Main thread. */
#ifndef BF_DAEMON_NOTIFY_H
#define BF_DAEMON_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

/* Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID over from the environment; nobody that we
 * start is to have them. */
void notify_open(void);
/* Puts them back, for a program that takes our place. */
void notify_restore(void);
bool notify_is_wanted(void);
/* NAME=VALUE lines. A message that is not taken at once is dropped: the loop waits for nobody. */
void notify_send(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* How often WATCHDOG=1 is asked for; 0: never. */
int64_t notify_watchdog_ms(void);

#endif
