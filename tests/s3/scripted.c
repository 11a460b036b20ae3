/* See scripted.h: a server that answers by a script. */
#include "scripted.h"

#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"

struct server server;
static pthread_mutex_t last_mutex = PTHREAD_MUTEX_INITIALIZER; /* two connections may write it */

/* Reads one request with its body. False: the client is gone. */
static bool read_request(int fd, char *head, size_t size)
{
    size_t len = 0;
    long body = 0;
    char *end = NULL, *field;

    while (end == NULL && len < size - 1) {
        ssize_t n = recv(fd, head + len, size - 1 - len, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
        head[len] = '\0';
        end = strstr(head, "\r\n\r\n");
    }
    ck_assert_ptr_nonnull(end);
    field = strcasestr(head, "\r\ncontent-length:");
    if (field != NULL && field < end)
        body = atol(field + 17);
    for (size_t have = len - (size_t)(end + 4 - head); (long)have < body;) {
        char piece[4096];
        ssize_t n = recv(fd, piece, sizeof(piece), 0);
        if (n <= 0)
            return false;
        have += (size_t)n;
    }
    end[2] = '\0';
    return true;
}

/* Content-Length is added where the script does not lie about it; an answer whose head does not end
 * is sent as it is, then the connection closes. */
static bool send_answer(int fd, const char *answer)
{
    const char *blank = strstr(answer, "\r\n\r\n"), *body = blank == NULL ? answer : blank + 4;
    char *whole = blank == NULL || strstr(answer, "Content-Length:") != NULL
                      ? mem_strdup(answer)
                      : mem_printf("%.*sContent-Length: %zu\r\n\r\n%s", (int)(body - answer - 2),
                                   answer, strlen(body), body);
    bool sent = send(fd, whole, strlen(whole), MSG_NOSIGNAL) == (ssize_t)strlen(whole);

    free(whole);
    return sent && blank != NULL;
}

static void wait_for_stop(int fd)
{
    struct pollfd gone = {.fd = fd, .events = POLLRDHUP};

    while (!atomic_load(&server.stop) && poll(&gone, 1, 20) == 0)
        continue;
}

static void *serve_connection(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char *head = mem_alloc(sizeof(server.last));

    while (read_request(fd, head, sizeof(server.last))) {
        size_t step = (size_t)atomic_fetch_add(&server.requests, 1);
        const char *answer = server.script[step < server.steps ? step : server.steps - 1];
        pthread_mutex_lock(&last_mutex);
        strcpy(server.last, head);
        pthread_mutex_unlock(&last_mutex);
        if (answer == HANG)
            wait_for_stop(fd);
        if (answer == HANG || answer[0] == '\0')
            break;
        if (!send_answer(fd, answer))
            break;
        if (strstr(answer, "Connection: close") != NULL)
            break;
    }
    close(fd);
    free(head);
    return NULL;
}

static void *serve(void *arg)
{
    (void)arg;
    while (!atomic_load(&server.stop)) {
        struct pollfd wait = {.fd = server.listener, .events = POLLIN};
        pthread_t thread;
        int fd;
        if (poll(&wait, 1, 20) != 1)
            continue;
        fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0 && pthread_create(&thread, NULL, serve_connection, (void *)(intptr_t)fd) == 0)
            pthread_detach(thread);
    }
    return NULL;
}

void serve_script(const char *const *script, size_t steps)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    server.script = script;
    server.steps = steps;
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(server.listener, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(server.listener, 16), 0);
    ck_assert_int_eq(getsockname(server.listener, (struct sockaddr *)&address, &len), 0);
    server.port = ntohs(address.sin_port);
    ck_assert_int_eq(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

struct store *open_on_port(int port)
{
    struct store_s3_options options;
    char *error = NULL, *url = mem_printf("http://127.0.0.1:%d", port);
    struct store_properties properties = {
        .conditional_put = true, .expiring_delete = true, .presigns = true, .quoted_etag = true};
    struct store *store;

    setenv("AWS_ACCESS_KEY_ID", "key", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test", 1);
    setenv("no_proxy", "127.0.0.1", 1);
    store_s3_options_init(&options);
    options.bucket = "bucket";
    options.endpoint_url = url;
    options.tuning.connect_timeout_ms = 2000;
    options.tuning.stall_timeout_ms = 3000;
    options.tuning.patience_ms = 30000;
    store = store_s3_open(&options, &error);
    ck_assert_msg(store != NULL, "%s", error);
    store_set_properties(store, &properties);
    free(url);
    return store;
}

void expect_requests(int requests)
{
    int64_t end_ms = clock_boot_ms(clock_system()) + 20000;

    while (atomic_load(&server.requests) < requests && clock_boot_ms(clock_system()) < end_ms)
        clock_sleep_ms(clock_system(), 5);
    ck_assert_int_eq(atomic_load(&server.requests), requests);
}
