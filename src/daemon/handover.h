/* What a daemon gives to the program that takes its place in the same process (USR2): an object of
 * JSON in a memory file whose descriptor is named in the environment. It holds keys, so it lies
 * nowhere else, and goes as soon as it is read.
 *
 *     version, pid, worker_id, incarnation     who we are
 *     settings {name: {value, origin}}         those that hold until a real restart
 *     pid_fd                                   the instance's lock
 *     slots [{slot, pid, sock, …, job}]        running workers
 *     lease {slots, left, last_seq, …, figures}  held locks (lease_handover.c), what was counted
 *     environment {NAME: value}                what was taken out of the environment
 *     paused_by, slots_wanted, uptime_ms, kills  what the operator sees
 *
 * Main thread. */
#ifndef BF_DAEMON_HANDOVER_H
#define BF_DAEMON_HANDOVER_H

#include <json-c/json.h>
#include <stdbool.h>

#include "base/compiler.h"

/* Raised when an earlier program's state could be misread. Programs of different versions, or whose
 * workers speak another language (IPC_VERSION), do not follow one another. */
#define HANDOVER_VERSION 1

/* "1.2": of this program. */
const char *handover_version(void);

/* As early as main(): the program's file and words, before anything moves them. */
void handover_remember(int argc, char **argv);
/* Starts the new program to have it say its version and check the configuration. *out_r: read its
 * version there. -1 with errno. */
pid_t handover_spawn_check(int *out_r) MUST_CHECK;
/* Becomes the new program. Returns only when that fails, with errno; then nothing has changed.
 * Descriptors in `keep` stay open. */
void handover_exec(struct json_object *state, const int *keep, size_t keep_count);

/* In the new program: what was handed over; NULL: nothing, an ordinary start. false: it cannot be
 * read (said in *error_r). */
bool handover_take(struct json_object **state_r, char **error_r) MUST_CHECK;

#endif
