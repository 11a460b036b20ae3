/* Rooms: what of the file system a converter sees, in namespaces that outlive its job.
 *
 *     veil   the whole file system, but where a folder would keep the converter's own user id from
 *            what it needs (work below a folder of mode 0700), that folder is covered by one that
 *            holds nothing else
 *     cell   a root of its own with the places it is given and nothing else, no network, and
 *            processes of its own (the spawner makes those)
 *
 * Building forks, mounts and costs a millisecond; a room serves all jobs of a slot as long as the
 * places stay the same folders. Entering is a few system calls. Single-threaded callers, but for
 * room_probe(). */
#ifndef BF_CONVERT_ROOM_H
#define BF_CONVERT_ROOM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "convert/identity.h"

enum room_kind {
    ROOM_VEIL,
    ROOM_CELL
};

enum room_access {
    ROOM_READ,
    ROOM_DEVICE,
    ROOM_WRITE
};

struct room_place {
    const char *path;   /* where it is seen; absolute */
    const char *source; /* what it is; NULL: the same */
    enum room_access access;
};

struct room_plan {
    enum room_kind kind;
    const char *folder; /* S; places beneath it are bound from it, the rest of it is not seen */
    const struct room_place *places;
    size_t count;
    struct identity identity;
    bool network;   /* a cell that keeps the machine's network */
    int ruleset_fd; /* Landlock's: a cell's root becomes readable in it. -1: none */
};

struct room;

/* Is a veil needed for this identity to reach these places? */
bool room_veil_needed(const struct room_plan *plan) MUST_CHECK;
/* NULL with *error_r: a line; the caller frees. */
struct room *room_build(const struct room_plan *plan, char **error_r) MUST_CHECK;
void room_destroy(struct room *room); /* NULL is fine */

/* In the child. Async-signal-safe. 0 or an errno. The current folder is the root then. */
int room_enter(const struct room *room) MUST_CHECK;
bool room_is_cell(const struct room *room) MUST_CHECK;
/* In a cell, in the first process of its own pid namespace: /proc, and what is made anew for each
 * job. Async-signal-safe. 0 or an errno. */
int room_furnish(void) MUST_CHECK;

/* Can cells be had here? Tried once by making one, then remembered. *why_r (may be NULL): NULL, or
 * a constant line that says what is refused. */
bool room_probe(const char **why_r) MUST_CHECK;
/* A process that hides its memory (PR_SET_DUMPABLE, or a change of user) may not map its user into
 * a namespace, and would find cells refused that its workers can have: it has a process that was
 * executed anew say room_probe_step(), and remembers that as its own finding. */
int room_probe_step(void) MUST_CHECK; /* 0: nothing is refused */
void room_probe_learn(int step);

#endif
