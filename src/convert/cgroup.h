/* Control groups (version 2) where they are delegated to us: memory and processes of a whole tree
 * bounded by the kernel, and a tree killed by one write.
 *
 * The daemon takes what it was delegated (systemd's Delegate=yes, or a group that belongs to its
 * user): it moves itself into a group `blobforged` below it, for a group with processes cannot give
 * controllers to its children, and its workers make a group beside that for each job. Without a
 * delegation nothing is done here, and sampling stands in. */
#ifndef BF_CONVERT_CGROUP_H
#define BF_CONVERT_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"

enum cgroup_state {
    CGROUP_NONE,   /* not delegated, or no version 2 here */
    CGROUP_KILL,   /* groups can be made and killed, no controllers */
    CGROUP_LIMITS, /* memory and pids are bounded too */
};

/* For the daemon, at start, before it takes on its user (who then owns the groups): takes what is
 * delegated. An ordinary user's own: uid is who we are. */
enum cgroup_state cgroup_take(uid_t uid, gid_t gid);
/* What a process of a daemon that took it finds; for doctor: what cgroup_take() would come to. */
enum cgroup_state cgroup_look(void) MUST_CHECK;

struct cgroup; /* of one job */

/* A new group; NULL: none here, which is no error. Bounds in bytes and processes, 0: none. */
struct cgroup *cgroup_create(const char *name, int64_t memory_bytes, int64_t processes) MUST_CHECK;
int cgroup_join_fd(const struct cgroup *cgroup); /* borrowed; for cgroup_join() */
/* In the child. Async-signal-safe. 0 or an errno. */
int cgroup_join(int fd) MUST_CHECK;
/* Kills all that is in it at once. */
void cgroup_kill(const struct cgroup *cgroup);

struct cgroup_seen {
    bool oom;             /* its memory limit killed somebody */
    int64_t memory_bytes; /* peak; -1: not known */
};
void cgroup_see(const struct cgroup *cgroup, struct cgroup_seen *seen_r);

/* After its last process is gone: removes it and frees. NULL is fine. */
void cgroup_destroy(struct cgroup *cgroup);

#endif
