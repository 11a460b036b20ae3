/* See control.h. */
#include "daemon/control.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/json.h"
#include "base/log.h"
#include "base/unix_socket.h"
#include "daemon/peer.h"

#define CONNECTIONS_MAX 16
#define IDLE_MS 60000 /* of a connection that neither asks nor reads its answers */
#define EVENTS 32

struct connection {
    int fd; /* -1: free */
    struct peer peer;
    struct buf in, out;
    size_t out_sent;
    bool waiting; /* for control_answer() to `request` */
    bool closing; /* once all is sent; nothing more is taken from it */
    bool ended;   /* it sends no more; what it has sent is answered */
    struct control_request request;
    int64_t idle_boot_ms; /* closed then */
};

struct control {
    int listen_fd, epoll_fd;
    char *dir, *name;
    gid_t group;
    control_handler *handler;
    void *arg;
    struct connection connections[CONNECTIONS_MAX];
};

/* ---- connections ---- */

/* A worker that is being made while we close holds the same socket until its exec: the set would go
 * on telling of it, in the name of whoever gets this place next. */
static void connection_close(struct control *control, struct connection *connection)
{
    if (connection->fd < 0)
        return;
    epoll_ctl(control->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
    close(connection->fd);
    peer_release(&connection->peer);
    buf_release(&connection->in);
    buf_release(&connection->out);
    memset(connection, 0, sizeof(*connection));
    connection->fd = connection->peer.pid_fd = -1;
}

static void connection_touch(struct connection *connection)
{
    connection->idle_boot_ms = clock_boot_ms(clock_system()) + IDLE_MS;
}

/* Takes ownership of object. */
static void say(struct connection *connection, struct json_object *object)
{
    json_append(&connection->out, object);
    buf_putc(&connection->out, '\n');
    json_object_put(object);
}

static struct json_object *error_object(const char *error)
{
    struct json_object *object = json_object_new_object();

    json_set_bool(object, "ok", false);
    json_set_text(object, "error", error);
    return object;
}

static void say_error(struct connection *connection, const char *error)
{
    say(connection, error_object(error));
}

/* Not the order is refused, but whoever gives it. */
static void say_denied(struct connection *connection, const char *error)
{
    struct json_object *object = error_object(error);

    json_set_bool(object, "denied", true);
    say(connection, object);
}

static void ask_handler(struct control *control, struct connection *connection)
{
    char *error = NULL;
    struct json_object *answer = control->handler(control->arg, &connection->request, &error);

    connection->waiting = answer == NULL && error == NULL;
    if (answer != NULL) {
        json_set_bool(answer, "ok", true);
        say(connection, answer);
    } else if (error != NULL) {
        say_error(connection, error);
    }
    free(error);
}

static void on_line(struct control *control, struct connection *connection, const char *line,
                    size_t len)
{
    const char *wrong;

    if (!peer_lives(&connection->peer)) {
        connection->closing = true;
        return;
    }
    wrong = control_request_parse(line, len, &connection->request);
    if (wrong != NULL) {
        say_error(connection, wrong);
        return;
    }
    if (connection->request.command != CONTROL_STATUS &&
        connection->request.command != CONTROL_METRICS)
        log_event(LOG_INFO, "control",
                  LOG_S("cmd", control_command_name(connection->request.command)),
                  LOG_I("peer", connection->peer.pid), LOG_I("uid", connection->peer.uid));
    ask_handler(control, connection);
}

/* Whole lines of what came in, one at a time: the next only when this one is answered. */
static void take_lines(struct control *control, struct connection *connection)
{
    while (!connection->waiting && !connection->closing && connection->in.len > 0) {
        char *line = connection->in.data;
        char *newline = memchr(line, '\n', connection->in.len);
        size_t len, whole;
        if (newline == NULL) {
            if (connection->in.len > CONTROL_LINE_MAX) {
                say_error(connection, "line too long");
                connection->closing = true;
            }
            return;
        }
        len = (size_t)(newline - line);
        whole = len + 1;
        on_line(control, connection, line, len);
        memmove(line, line + whole, connection->in.len - whole);
        connection->in.len -= whole;
    }
}

static void send_some(struct control *control, struct connection *connection)
{
    struct epoll_event event = {.events = connection->ended ? 0 : EPOLLIN};

    while (connection->out_sent < connection->out.len) {
        ssize_t n = send(connection->fd, connection->out.data + connection->out_sent,
                         connection->out.len - connection->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n < 0) {
            connection_close(control, connection);
            return;
        }
        connection->out_sent += (size_t)n;
        connection_touch(connection);
    }
    if (connection->out_sent == connection->out.len) {
        if (connection->closing || (connection->ended && !connection->waiting)) {
            connection_close(control, connection);
            return;
        }
        buf_release(&connection->out);
        connection->out_sent = 0;
    } else {
        event.events = EPOLLOUT; /* who does not read is not listened to */
    }
    event.data.ptr = connection;
    epoll_ctl(control->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
}

static void read_some(struct control *control, struct connection *connection)
{
    char chunk[4096];
    ssize_t n = recv(connection->fd, chunk, sizeof(chunk), MSG_DONTWAIT);

    if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
        return;
    if (n < 0) {
        connection_close(control, connection);
        return;
    }
    if (n == 0) { /* it may have closed its sending half only: who waits is still answered */
        struct epoll_event event = {.data.ptr = connection};
        connection->ended = true;
        if (!connection->waiting && connection->out.len == connection->out_sent)
            connection_close(control, connection);
        else
            epoll_ctl(control->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
        return;
    }
    connection_touch(connection);
    buf_append(&connection->in, chunk, (size_t)n);
    take_lines(control, connection);
    send_some(control, connection);
}

static struct connection *free_connection(struct control *control)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (control->connections[i].fd < 0)
            return &control->connections[i];
    return NULL;
}

static void accept_one(struct control *control)
{
    struct connection *connection = free_connection(control);
    int fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    const char *refused;

    if (fd < 0)
        return;
    if (connection == NULL) {
        static const char busy[] = "{\"ok\": false, \"error\": \"too many connections\"}\n";
        (void)!send(fd, busy, sizeof(busy) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        close(fd);
        return;
    }
    connection->fd = fd;
    connection_touch(connection);
    refused = peer_check(fd, control->group, &connection->peer);
    if (refused != NULL) {
        log_event(LOG_WARNING, "control", LOG_S("msg", refused),
                  LOG_I("peer", connection->peer.pid), LOG_I("uid", connection->peer.uid));
        say_denied(connection, refused);
        connection->closing = true;
    }
    if (epoll_ctl(control->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        connection_close(control, connection);
        return;
    }
    if (connection->closing)
        send_some(control, connection);
}

static void close_idle(struct control *control)
{
    int64_t now = clock_boot_ms(clock_system());

    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (control->connections[i].fd >= 0 && control->connections[i].idle_boot_ms <= now)
            connection_close(control, &control->connections[i]);
}

void control_act(struct control *control)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(control->epoll_fd, events, EVENTS, 0);
    bool knocks = false;

    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (connection == NULL)
            knocks = true; /* after those who leave have left */
        else if (connection->fd < 0)
            continue; /* closed in this very round */
        else if ((events[i].events & (EPOLLERR | EPOLLHUP)) != 0)
            connection_close(control, connection);
        else if ((events[i].events & EPOLLOUT) != 0)
            send_some(control, connection);
        else
            read_some(control, connection);
    }
    close_idle(control);
    if (knocks)
        accept_one(control);
}

bool control_is_awaited(const struct control *control)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (control->connections[i].waiting)
            return true;
    return false;
}

void control_answer(struct control *control)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &control->connections[i];
        if (!connection->waiting)
            continue;
        ask_handler(control, connection);
        take_lines(control, connection);
        send_some(control, connection);
    }
}

int64_t control_next_due(const struct control *control)
{
    int64_t due = INT64_MAX;

    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (control->connections[i].fd >= 0 && control->connections[i].idle_boot_ms < due)
            due = control->connections[i].idle_boot_ms;
    return due;
}

int control_fd(const struct control *control)
{
    return control->epoll_fd;
}

/* ---- the socket ---- */

bool control_find_group(const struct settings *settings, gid_t *group_r, char **error_r)
{
    const char *name = settings_text(settings, SETTING_CONTROL_GROUP);
    const struct group *group;

    *group_r = (gid_t)-1;
    if (*name == '\0')
        return true;
    group = getgrnam(name);
    if (group == NULL) {
        *error_r =
            mem_printf("control_group %s: there is no such group; make it or name another", name);
        return false;
    }
    *group_r = group->gr_gid;
    return true;
}

/* Nobody can connect before listen(2), and by then mode and group are right. */
static bool listen_at(struct control *control, const struct settings *settings)
{
    long mode = strtol(settings_text(settings, SETTING_CONTROL_MODE), NULL, 8);
    struct unix_address address;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    bool bound;

    if (!unix_address_make(control->dir, control->name, &address))
        return false;
    control->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlinkat(address.dir_fd, control->name, 0);
    bound = control->listen_fd >= 0 &&
            bind(control->listen_fd, (struct sockaddr *)&address.sun, address.len) == 0 &&
            (control->group == (gid_t)-1 ||
             fchownat(address.dir_fd, control->name, (uid_t)-1, control->group, 0) == 0) &&
            fchmodat(address.dir_fd, control->name, (mode_t)mode & 0777, 0) == 0 &&
            listen(control->listen_fd, 16) == 0 &&
            epoll_ctl(control->epoll_fd, EPOLL_CTL_ADD, control->listen_fd, &event) == 0;
    unix_address_release(&address);
    return bound;
}

int control_open(const struct settings *settings, control_handler *handler, void *arg,
                 struct control **control_r, char **error_r)
{
    struct control *control = mem_alloc(sizeof(*control));
    int status = 0;

    *control_r = control;
    control->handler = handler;
    control->arg = arg;
    control->listen_fd = -1;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        control->connections[i].fd = control->connections[i].peer.pid_fd = -1;
    control->dir = mem_strdup(settings_text(settings, SETTING_RUN_DIR));
    control->name = mem_printf("%s.sock", settings_text(settings, SETTING_INSTANCE));
    control->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!control_find_group(settings, &control->group, error_r)) {
        status = EXITCODE_CONFIG;
    } else if (control->epoll_fd < 0 || !listen_at(control, settings)) {
        *error_r = mem_printf("control socket %s/%s: %s; see run_dir, control_mode and "
                              "control_group",
                              control->dir, control->name, strerror(errno));
        status = EXITCODE_CANTCREAT;
    }
    if (status != 0) {
        control_close(control);
        *control_r = NULL;
    }
    return status;
}

void control_close(struct control *control)
{
    char *path;

    if (control == NULL)
        return;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &control->connections[i];
        if (connection->fd >= 0 && connection->out.len > connection->out_sent)
            (void)!send(connection->fd, connection->out.data + connection->out_sent,
                        connection->out.len - connection->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        connection_close(control, connection);
    }
    if (control->listen_fd >= 0) {
        path = mem_printf("%s/%s", control->dir, control->name);
        unlink(path);
        free(path);
        close(control->listen_fd);
    }
    if (control->epoll_fd >= 0)
        close(control->epoll_fd);
    free(control->dir);
    free(control->name);
    free(control);
}
