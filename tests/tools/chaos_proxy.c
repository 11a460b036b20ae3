/* A bad network in front of an S3 server, for tests.
 *
 *   chaos_proxy [-c FIFO] [-l PORT] [-s SEED] [-v] SERVER-PORT [COMMAND]...
 *
 * Listens on 127.0.0.1 (a free port unless -l), passes HTTP/1.1 requests on to SERVER-PORT of the
 * same address, and harms some of them. Prints its own port on standard output as soon as it
 * listens. What it does is said by commands, one per line through the FIFO (which it makes), or as
 * arguments:
 *
 *   delay MIN MAX     every request waits so many ms before it goes on, and its answer again
 *   FAULT N           of 10 000 requests N meet it; FAULT is one of
 *     cut-before        the connection closes, nothing of the request goes on
 *     cut-request       a part of the request goes on, then both sides close
 *     cut-unanswered    the request goes on whole; the client's side closes before the answer
 *     cut-answer        the client's side closes in mid-answer
 *     hole              silence on the connection for up to the time of `hole-ms`, before the
 *                       request goes on or before its answer does; then both sides close
 *     late              the client's side closes; the request goes on after up to `late-ms`
 *     slow-down, error, conflict    503 SlowDown, 500, 409; nothing goes on
 *   hole-ms MS, late-ms MS    the longest of each (default 5000)
 *   down MS           for so long nothing moves on any connection, and new ones wait
 *   only TEXT         faults only for requests whose first line holds TEXT; `only` alone: for all
 *   quiet             no faults and no delays from now on
 *   stats             the counts so far, to standard error
 *
 * Requests are taken in whole before they go on, so an answer is all that comes from the server
 * until the next request. What a request meets is drawn when it is whole, from one seeded sequence:
 * the same seed gives the same faults to the same order of requests. Ends at SIGTERM or SIGINT with
 * its counts. One thread. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/rng.h"

#define REQUEST_MAX (64 << 20) /* larger ones are not for this tool */
#define ANSWER_AHEAD (1 << 20) /* of an answer kept while the client is slow */
#define PART_OF 10000
#define LINE_SIZE 200

enum fault {
    FAULT_NONE,
    FAULT_CUT_BEFORE,
    FAULT_CUT_REQUEST,
    FAULT_CUT_UNANSWERED,
    FAULT_CUT_ANSWER,
    FAULT_HOLE,
    FAULT_LATE,
    FAULT_SLOW_DOWN,
    FAULT_ERROR,
    FAULT_CONFLICT,
    FAULT_COUNT
};
static const char *const fault_names[FAULT_COUNT] = {
    "none", "cut-before", "cut-request", "cut-unanswered", "cut-answer",
    "hole", "late",       "slow-down",   "error",          "conflict"};

enum state {
    STATE_REQUEST, /* bytes come from the client; the next request is not whole */
    STATE_WAITS,   /* it is whole and waits for its time */
    STATE_ANSWER,  /* it is on its way to the server, or done; the answer comes */
    STATE_HELD,    /* the answer's beginning is here and waits for its time */
    STATE_HOLE,    /* silence until its time, then the end */
    STATE_ENDED
};

struct end { /* one side of a connection */
    int fd;  /* -1: closed */
    struct buf out;
    size_t sent;      /* of out */
    unsigned watched; /* epoll's events now */
    struct link *link;
};

struct link {
    struct link *next;
    struct end client, server;
    enum state state;
    int64_t due_ms; /* WAITS, HELD, HOLE */
    struct buf request;
    size_t request_len; /* of the whole first request in `request`; 0: not known yet */
    enum fault fault;
    bool hole_later;  /* the hole comes with the answer */
    size_t cut_after; /* bytes of the answer that may pass */
    size_t passed;
    char line[LINE_SIZE]; /* method and path, for the log */
    bool continued;       /* 100 Continue was said */
};

static struct {
    int poll_fd, listener, control, signals, server_port;
    bool verbose, ends;
    struct rng_seeded rng;
    unsigned parts[FAULT_COUNT];
    int64_t delay_min_ms, delay_max_ms, hole_ms, late_ms, down_until_ms;
    char only[LINE_SIZE];
    uint64_t requests, met[FAULT_COUNT];
    struct link *links;
    struct buf commands;
} proxy = {.hole_ms = 5000, .late_ms = 5000};

static void die(const char *what)
{
    fprintf(stderr, "chaos_proxy: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ms(void)
{
    return clock_boot_ms(clock_system());
}

static int64_t draw(int64_t min, int64_t max)
{
    return max <= min ? min : min + (int64_t)rng_below(&proxy.rng.rng, (uint64_t)(max - min + 1));
}

/* ---- ends of a connection ---- */

/* Listens for what this end is to hear: bytes to read, room to write what waits. */
static void end_watch(struct end *end, bool reads, bool writes)
{
    unsigned wanted = (reads ? EPOLLIN : 0u) | (writes && end->sent < end->out.len ? EPOLLOUT : 0u);
    struct epoll_event event = {.events = wanted, .data.ptr = end};

    if (end->fd < 0 || wanted == end->watched)
        return;
    if (epoll_ctl(proxy.poll_fd, EPOLL_CTL_MOD, end->fd, &event) != 0)
        die("epoll");
    end->watched = wanted;
}

static void end_open(struct end *end, int fd, struct link *link)
{
    struct epoll_event event = {.data.ptr = end};
    int one = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    end->fd = fd;
    end->link = link;
    end->watched = 0;
    if (epoll_ctl(proxy.poll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll");
}

static void end_close(struct end *end)
{
    if (end->fd >= 0)
        close(end->fd);
    end->fd = -1;
    buf_release(&end->out);
    end->sent = 0;
}

/* Cuts as a network does: what is under way is lost, the peer sees a reset. */
static void end_cut(struct end *end)
{
    struct linger now = {.l_onoff = 1};

    if (end->fd >= 0)
        (void)setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    end_close(end);
}

/* false: the peer is gone. */
static bool end_flush(struct end *end)
{
    while (end->fd >= 0 && end->sent < end->out.len) {
        ssize_t n =
            send(end->fd, end->out.data + end->sent, end->out.len - end->sent, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        end->sent += (size_t)n;
    }
    buf_clear(&end->out);
    end->sent = 0;
    return true;
}

static void link_end(struct link *link)
{
    end_close(&link->client);
    end_close(&link->server);
    buf_release(&link->request);
    link->state = STATE_ENDED; /* freed by the loop, when no event names it any more */
}

/* ---- requests ---- */

static long content_length(const char *head, size_t len)
{
    static const char name[] = "\r\ncontent-length:";

    for (size_t at = 0; at + sizeof(name) - 1 < len; at++)
        if (strncasecmp(head + at, name, sizeof(name) - 1) == 0)
            return atol(head + at + sizeof(name) - 1);
    return 0;
}

static bool expects_continue(const char *head, size_t len)
{
    static const char name[] = "\r\nexpect: 100-continue";

    for (size_t at = 0; at + sizeof(name) - 1 < len; at++)
        if (strncasecmp(head + at, name, sizeof(name) - 1) == 0)
            return true;
    return false;
}

/* Is the first request in the buffer whole? Its length is then known. */
static bool request_is_whole(struct link *link)
{
    const char *text = buf_text(&link->request), *end;

    if (link->request_len == 0) {
        long body;

        end = memmem(text, link->request.len, "\r\n\r\n", 4);
        if (end == NULL)
            return false;
        body = content_length(text, (size_t)(end - text));
        link->request_len = (size_t)(end + 4 - text) + (body > 0 ? (size_t)body : 0);
        /* without the query: it may hold a signature */
        snprintf(link->line, sizeof(link->line), "%.*s", (int)strcspn(text, "?\r\n"), text);
        if (body > 0 && expects_continue(text, (size_t)(end - text)) && !link->continued) {
            buf_puts(&link->client.out, "HTTP/1.1 100 Continue\r\n\r\n");
            link->continued = true;
        }
    }
    return link->request.len >= link->request_len;
}

static enum fault draw_fault(const struct link *link)
{
    int64_t at = draw(0, PART_OF - 1); /* drawn in any case: the sequence stays the same */

    if (proxy.only[0] != '\0' && strstr(link->line, proxy.only) == NULL)
        return FAULT_NONE;
    for (int fault = 1; fault < FAULT_COUNT; fault++) {
        at -= proxy.parts[fault];
        if (at < 0)
            return (enum fault)fault;
    }
    return FAULT_NONE;
}

static bool server_open(struct link *link)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)proxy.server_port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd;

    if (link->server.fd >= 0)
        return true;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        die("socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 && errno != EINPROGRESS) {
        close(fd);
        return false;
    }
    end_open(&link->server, fd, link);
    return true;
}

static void request_drop(struct link *link)
{
    size_t rest = link->request.len - link->request_len;

    memmove(link->request.data, link->request.data + link->request_len, rest);
    link->request.len = rest;
    link->request_len = 0;
    link->continued = false;
}

/* Sends on the first `len` bytes of the request and forgets it. */
static void request_pass(struct link *link, size_t len)
{
    if (!server_open(link)) {
        link_end(link);
        return;
    }
    buf_append(&link->server.out, link->request.data, len);
    request_drop(link);
    link->state = STATE_ANSWER;
    link->passed = 0;
    if (!end_flush(&link->server))
        link_end(link);
}

static void answer_ourselves(struct link *link, const char *status, const char *code)
{
    char body[128];
    int len = snprintf(body, sizeof(body), "<Error><Code>%s</Code></Error>", code);

    buf_printf(&link->client.out,
               "HTTP/1.1 %s\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%s",
               status, strncmp(link->line, "HEAD ", 5) == 0 ? 0 : len,
               strncmp(link->line, "HEAD ", 5) == 0 ? "" : body);
    request_drop(link);
    link->state = STATE_REQUEST;
}

/* The request is whole: what will it meet? */
static void request_begin(struct link *link)
{
    proxy.requests++;
    link->fault = draw_fault(link);
    proxy.met[link->fault]++;
    if (proxy.verbose && link->fault != FAULT_NONE)
        fprintf(stderr, "%lld %s %s\n", (long long)now_ms(), fault_names[link->fault], link->line);
    link->hole_later = link->fault == FAULT_HOLE && draw(0, 1) == 1;
    link->cut_after = (size_t)draw(1, 300);
    link->state = STATE_WAITS;
    link->due_ms = now_ms() + draw(proxy.delay_min_ms, proxy.delay_max_ms);
    if (link->fault == FAULT_LATE) {
        end_cut(&link->client);
        link->due_ms += draw(1, proxy.late_ms);
    }
}

/* Its time has come. */
static void request_go(struct link *link)
{
    switch (link->fault) {
    case FAULT_NONE:
    case FAULT_CUT_UNANSWERED:
    case FAULT_CUT_ANSWER:
    case FAULT_LATE:
        request_pass(link, link->request_len);
        return;
    case FAULT_HOLE:
        if (link->hole_later) {
            request_pass(link, link->request_len);
            return;
        }
        link->state = STATE_HOLE;
        link->due_ms = now_ms() + draw(1, proxy.hole_ms);
        return;
    case FAULT_CUT_REQUEST:
        request_pass(link, (size_t)draw(1, (int64_t)link->request_len - 1));
        if (link->state != STATE_ENDED)
            link_end(link);
        return;
    case FAULT_CUT_BEFORE:
        end_cut(&link->client);
        link_end(link);
        return;
    case FAULT_SLOW_DOWN:
        answer_ourselves(link, "503 Slow Down", "SlowDown");
        return;
    case FAULT_ERROR:
        answer_ourselves(link, "500 Internal Server Error", "InternalError");
        return;
    case FAULT_CONFLICT:
        answer_ourselves(link, "409 Conflict", "ConditionalRequestConflict");
        return;
    case FAULT_COUNT:
        return;
    }
}

/* ---- answers ---- */

/* The answer's first bytes are here. */
static void answer_begin(struct link *link)
{
    if (link->fault == FAULT_CUT_UNANSWERED) {
        end_cut(&link->client);
        link_end(link);
        return;
    }
    if (link->fault == FAULT_HOLE) {
        link->state = STATE_HOLE;
        link->due_ms = now_ms() + draw(1, proxy.hole_ms);
        return;
    }
    link->state = STATE_HELD;
    link->due_ms = now_ms() + draw(proxy.delay_min_ms, proxy.delay_max_ms);
}

static void on_server(struct link *link)
{
    char piece[65536];
    ssize_t n = recv(link->server.fd, piece, sizeof(piece), 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        if (link->client.out.len == 0 || !end_flush(&link->client) || link->client.out.len == 0)
            link_end(link);
        else
            end_close(&link->server); /* the client hears the rest first */
        return;
    }
    if (link->client.fd < 0) { /* a late request: nobody listens */
        link_end(link);
        return;
    }
    if (link->state == STATE_ANSWER && link->passed == 0)
        answer_begin(link);
    if (link->state == STATE_ENDED || link->state == STATE_HOLE)
        return;
    if (link->fault == FAULT_CUT_ANSWER && link->passed + (size_t)n >= link->cut_after) {
        buf_append(&link->client.out, piece, link->cut_after - link->passed);
        (void)end_flush(&link->client);
        link_end(link);
        return;
    }
    link->passed += (size_t)n;
    buf_append(&link->client.out, piece, (size_t)n);
}

static void on_client(struct link *link)
{
    char piece[65536];
    ssize_t n = recv(link->client.fd, piece, sizeof(piece), 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || link->request.len + (size_t)n > REQUEST_MAX) {
        link_end(link);
        return;
    }
    buf_append(&link->request, piece, (size_t)n);
    /* bytes after an answer: it is over, the next request has begun */
    if (link->state == STATE_ANSWER && link->passed > 0)
        link->state = STATE_REQUEST;
}

/* ---- one turn of a link ---- */

static bool is_due(const struct link *link)
{
    return link->due_ms <= now_ms();
}

static void link_turn(struct link *link)
{
    if (link->state == STATE_REQUEST && request_is_whole(link))
        request_begin(link);
    if (link->state == STATE_WAITS && is_due(link))
        request_go(link);
    if (link->state == STATE_HELD && is_due(link))
        link->state = STATE_ANSWER;
    if (link->state == STATE_HOLE && is_due(link)) {
        end_cut(&link->client);
        link_end(link);
    }
    if (link->state == STATE_ENDED)
        return;
    if (link->state != STATE_HELD && link->state != STATE_HOLE && !end_flush(&link->client)) {
        link_end(link);
        return;
    }
    end_watch(&link->client, link->state == STATE_REQUEST || link->state == STATE_ANSWER,
              link->state != STATE_HELD && link->state != STATE_HOLE);
    end_watch(&link->server,
              link->state != STATE_HOLE && link->client.out.len - link->client.sent < ANSWER_AHEAD,
              link->state != STATE_HOLE);
}

static void on_link(struct end *end, unsigned events)
{
    struct link *link = end->link;

    if (link->state == STATE_ENDED || end->fd < 0)
        return;
    if ((events & EPOLLOUT) != 0 && !end_flush(end)) {
        link_end(link);
        return;
    }
    if ((events & EPOLLIN) != 0) {
        if (end == &link->client)
            on_client(link);
        else
            on_server(link);
    } else if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
        if (link->state == STATE_HOLE)
            end_close(end); /* the other side is not to know before its time */
        else
            link_end(link);
    }
}

/* ---- commands ---- */

static void say_counts(void)
{
    fprintf(stderr, "chaos_proxy: %llu requests", (unsigned long long)proxy.requests);
    for (int fault = 1; fault < FAULT_COUNT; fault++)
        fprintf(stderr, ", %llu %s", (unsigned long long)proxy.met[fault], fault_names[fault]);
    fputc('\n', stderr);
}

static bool obey(const char *line)
{
    char word[32], text[LINE_SIZE] = "";
    long long a = 0, b = 0;
    int words = sscanf(line, "%31s %lld %lld", word, &a, &b);

    if (words < 1)
        return true;
    if (strcmp(word, "delay") == 0 && words == 3) {
        proxy.delay_min_ms = a;
        proxy.delay_max_ms = b;
        return true;
    }
    if (strcmp(word, "hole-ms") == 0 && words == 2) {
        proxy.hole_ms = a;
        return true;
    }
    if (strcmp(word, "late-ms") == 0 && words == 2) {
        proxy.late_ms = a;
        return true;
    }
    if (strcmp(word, "down") == 0 && words == 2) {
        proxy.down_until_ms = now_ms() + a;
        return true;
    }
    if (strcmp(word, "only") == 0) {
        (void)sscanf(line, "only %199[^\n]", text);
        memcpy(proxy.only, text, sizeof(proxy.only));
        return true;
    }
    if (strcmp(word, "quiet") == 0) {
        memset(proxy.parts, 0, sizeof(proxy.parts));
        proxy.delay_min_ms = proxy.delay_max_ms = 0;
        return true;
    }
    if (strcmp(word, "stats") == 0) {
        say_counts();
        return true;
    }
    for (int fault = 1; fault < FAULT_COUNT && words == 2; fault++) {
        if (strcmp(word, fault_names[fault]) == 0 && a >= 0 && a <= PART_OF) {
            proxy.parts[fault] = (unsigned)a;
            return true;
        }
    }
    fprintf(stderr, "chaos_proxy: what is '%s'?\n", line);
    return false;
}

static void on_commands(void)
{
    char piece[512], *end;
    ssize_t n = read(proxy.control, piece, sizeof(piece));

    if (n > 0)
        buf_append(&proxy.commands, piece, (size_t)n);
    while ((end = strchr((char *)buf_text(&proxy.commands), '\n')) != NULL) {
        size_t len = (size_t)(end - proxy.commands.data);

        *end = '\0';
        (void)obey(proxy.commands.data);
        memmove(proxy.commands.data, end + 1, proxy.commands.len - len - 1);
        proxy.commands.len -= len + 1;
        proxy.commands.data[proxy.commands.len] = '\0';
    }
}

/* ---- the loop ---- */

static void on_listener(void)
{
    int fd = accept4(proxy.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct link *link;

    if (fd < 0)
        return;
    link = mem_alloc(sizeof(*link));
    link->server.fd = -1;
    link->next = proxy.links;
    proxy.links = link;
    end_open(&link->client, fd, link);
}

static int64_t turn_all(void)
{
    int64_t next = INT64_MAX;
    struct link **at = &proxy.links;

    while (*at != NULL) {
        struct link *link = *at;

        if (link->state != STATE_ENDED)
            link_turn(link);
        if (link->state == STATE_ENDED) {
            *at = link->next;
            free(link);
            continue;
        }
        if ((link->state == STATE_WAITS || link->state == STATE_HELD ||
             link->state == STATE_HOLE) &&
            link->due_ms < next)
            next = link->due_ms;
        at = &link->next;
    }
    return next;
}

static void run(void)
{
    struct epoll_event events[64];
    int64_t next = INT64_MAX;

    while (!proxy.ends) {
        int64_t now = now_ms();
        bool down = proxy.down_until_ms > now;
        int64_t until = down ? proxy.down_until_ms : next;
        int64_t wait = until == INT64_MAX ? -1 : until > now ? until - now : 0;
        int n;

        if (down && wait > 20)
            wait = 20; /* level-triggered events would spin: they are looked at, not for */
        n = epoll_wait(proxy.poll_fd, events, 64, wait > 60000 ? 60000 : (int)wait);
        if (n < 0 && errno != EINTR)
            die("epoll");
        for (int i = 0; i < n; i++) {
            void *who = events[i].data.ptr;

            if (who == &proxy.signals)
                proxy.ends = true;
            else if (who == &proxy.control)
                on_commands();
            else if (down)
                continue;
            else if (who == &proxy.listener)
                on_listener();
            else
                on_link(who, events[i].events);
        }
        if (down)
            clock_sleep_ms(clock_system(), n > 0 ? 5 : 0);
        else
            next = turn_all();
    }
}

static void watch(int *fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = fd};

    if (epoll_ctl(proxy.poll_fd, EPOLL_CTL_ADD, *fd, &event) != 0)
        die("epoll");
}

static int listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int one = 1;

    proxy.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)setsockopt(proxy.listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(proxy.listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(proxy.listener, 256) != 0 ||
        getsockname(proxy.listener, (struct sockaddr *)&address, &len) != 0)
        die("127.0.0.1");
    return ntohs(address.sin_port);
}

static int usage(void)
{
    fputs("usage: chaos_proxy [-c FIFO] [-l PORT] [-s SEED] [-v] SERVER-PORT [COMMAND]...\n",
          stderr);
    return 64;
}

int main(int argc, char **argv)
{
    const char *fifo = NULL;
    uint64_t seed = 1;
    int port = 0, option;
    sigset_t signals;

    while ((option = getopt(argc, argv, "c:l:s:v")) != -1) {
        if (option == 'c')
            fifo = optarg;
        else if (option == 'l')
            port = atoi(optarg);
        else if (option == 's')
            seed = strtoull(optarg, NULL, 10);
        else if (option == 'v')
            proxy.verbose = true;
        else
            return usage();
    }
    if (optind >= argc || (proxy.server_port = atoi(argv[optind])) <= 0)
        return usage();
    rng_seeded_init(&proxy.rng, seed);
    for (int i = optind + 1; i < argc; i++)
        if (!obey(argv[i]))
            return usage();
    setvbuf(stderr, NULL, _IOLBF, 0);
    proxy.poll_fd = epoll_create1(EPOLL_CLOEXEC);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    proxy.signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    watch(&proxy.signals);
    port = listen_on(port);
    watch(&proxy.listener);
    if (fifo != NULL) {
        /* opened for both, so that it never ends when a writer closes */
        if ((mkfifo(fifo, 0600) != 0 && errno != EEXIST) ||
            (proxy.control = open(fifo, O_RDWR | O_CLOEXEC | O_NONBLOCK)) < 0)
            die(fifo);
        watch(&proxy.control);
    }
    printf("%d\n", port);
    fflush(stdout);
    run();
    say_counts();
    return 0;
}
