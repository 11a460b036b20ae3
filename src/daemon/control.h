/* The control socket, run_dir/INSTANCE.sock: orders and questions of the operator.
 *
 *     -> {"cmd": "status"}
 *     <- {"ok": true, "version": …}        or {"ok": false, "error": "…"}
 *
 * One line in, one line out, in their order. What comes in is foreign: lines are bounded, so are
 * connections and the time that one may do nothing, and nothing here ever waits. Each peer is
 * checked (peer.h) when it connects and before each of its orders.
 *
 * Main thread only. control_fd() is readable when control_act() has something to do. */
#ifndef BF_DAEMON_CONTROL_H
#define BF_DAEMON_CONTROL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/settings.h"
#include "daemon/control_request.h"

struct control;

/* Carries out an order. Returns the answer, whose "ok" the server sets; NULL with *error_r: refused
 * (the text is freed by the server); NULL without: control_answer() follows. */
typedef struct json_object *control_handler(void *arg, const struct control_request *request,
                                            char **error_r);

/* control_group's; (gid_t)-1: it names none. false with *error_r: there is no such group. */
bool control_find_group(const struct settings *settings, gid_t *group_r, char **error_r) MUST_CHECK;
/* 0, or an exit status with *error_r. The instance's lock must be held: a socket that lies there is
 * a dead run's. */
int control_open(const struct settings *settings, control_handler *handler, void *arg,
                 struct control **control_r, char **error_r) MUST_CHECK;
/* Closes all connections and removes the socket. NULL is fine. */
void control_close(struct control *control);
int control_fd(const struct control *control);
void control_act(struct control *control);
/* Is somebody waiting for control_answer()? */
bool control_is_awaited(const struct control *control);
/* Asks the handler again for each of those who wait. */
void control_answer(struct control *control);
/* When an idle connection is to be closed; INT64_MAX: never. */
int64_t control_next_due(const struct control *control);

#endif
