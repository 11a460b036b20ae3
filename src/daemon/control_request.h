/* What is asked of a running daemon: one line of JSON, {"cmd": "...", ...}.
 *
 *     status metrics drain pause resume reload
 *     slots       {"slots": N}
 *     kill-slot   {"slot": N}
 *     log-level   {"level": "debug"}
 *
 * Pure: bytes in, a request or one sentence out; a fuzz target calls it. */
#ifndef BF_DAEMON_CONTROL_REQUEST_H
#define BF_DAEMON_CONTROL_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/log.h"

#define CONTROL_LINE_MAX 65536 /* without the newline */
#define CONTROL_SLOTS_MAX 4096

enum control_command {
    CONTROL_STATUS,
    CONTROL_METRICS,
    CONTROL_DRAIN,
    CONTROL_PAUSE,
    CONTROL_RESUME,
    CONTROL_RELOAD,
    CONTROL_SLOTS,
    CONTROL_KILL_SLOT,
    CONTROL_LOG_LEVEL
};
const char *control_command_name(enum control_command command);

struct control_request {
    enum control_command command;
    int64_t number; /* SLOTS: how many; KILL_SLOT: which */
    enum log_level level;
};

/* NULL: *request_r is whole; else what is wrong, static. */
const char *control_request_parse(const void *line, size_t len,
                                  struct control_request *request_r) MUST_CHECK;

#endif
