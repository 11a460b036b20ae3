/* See peer.h. */
#include "daemon/peer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "daemon/children.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif
#define DEPTH_MAX 128 /* of a chain of parents */
#define LOOKS 5       /* a parent may end while we walk; its children then move up */

enum descent {
    DESCENT_NONE,
    DESCENT_OURS,
    DESCENT_UNSURE
};

static enum descent walk_up(pid_t pid)
{
    pid_t self = getpid();

    for (int depth = 0; depth < DEPTH_MAX; depth++) {
        char text[24];
        pid_t parent;
        if (pid == self)
            return DESCENT_OURS;
        if (pid == 1)
            return DESCENT_NONE;
        snprintf(text, sizeof(text), "%ld", (long)pid);
        if (!children_parent_of(text, &parent))
            return DESCENT_UNSURE; /* gone, or hidden from us */
        if (parent == 0)
            return DESCENT_NONE; /* entered our pid namespace from outside */
        pid = parent;
    }
    return DESCENT_UNSURE;
}

static bool is_member(int sock, const struct ucred *cred, gid_t group)
{
    gid_t *groups;
    socklen_t len = 65536 * sizeof(*groups);
    bool member = cred->gid == group;

    if (group == (gid_t)-1 || member)
        return member;
    groups = mem_alloc(len);
    if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0)
        for (size_t i = 0; i < len / sizeof(*groups); i++)
            member = member || groups[i] == group;
    free(groups);
    return member;
}

const char *peer_check(int sock, gid_t group, struct peer *peer_r)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);
    enum descent descent = DESCENT_UNSURE;
    int fd = -1;

    *peer_r = (struct peer){.pid_fd = -1};
    if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
        return "peer unknown";
    peer_r->pid = cred.pid;
    peer_r->uid = cred.uid;
    len = sizeof(fd);
    if (getsockopt(sock, SOL_SOCKET, SO_PEERPIDFD, &fd, &len) == 0)
        peer_r->pid_fd = fd;
    if (cred.uid != 0 && cred.uid != geteuid() && !is_member(sock, &cred, group))
        return "not allowed for this user; see control_group";
    if (cred.pid == 0)
        return NULL;
    for (int look = 0; look < LOOKS && descent == DESCENT_UNSURE; look++)
        descent = walk_up(cred.pid);
    if (descent == DESCENT_OURS)
        return "not allowed for what the daemon itself runs";
    /* Processes of others may be hidden from us (hidepid); ours never are. */
    if (descent == DESCENT_UNSURE && (cred.uid == geteuid() || !peer_lives(peer_r)))
        return "the process that connected is gone";
    return peer_lives(peer_r) ? NULL : "the process that connected is gone";
}

bool peer_lives(const struct peer *peer)
{
    struct pollfd pfd = {.fd = peer->pid_fd, .events = POLLIN};

    if (peer->pid == 0)
        return true;
    if (peer->pid_fd >= 0)
        return poll(&pfd, 1, 0) == 0;
    return kill(peer->pid, 0) == 0 || errno == EPERM;
}

void peer_release(struct peer *peer)
{
    if (peer->pid_fd >= 0)
        close(peer->pid_fd);
    peer->pid_fd = -1;
}
