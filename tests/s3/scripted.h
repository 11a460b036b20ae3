/* An S3 server that answers by a script, for tests of what the store makes of its answers.
 *
 * A thread answers the n-th request with the n-th line of the script, then goes on with the last
 * one. It counts whole requests. One server a process: Check runs each test in one of its own. */
#ifndef BF_TESTS_S3_SCRIPTED_H
#define BF_TESTS_S3_SCRIPTED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "store/store_s3.h"

#define DATE "Date: Fri, 24 May 2013 00:00:00 GMT\r\n"
#define OK_EMPTY "HTTP/1.1 200 OK\r\n" DATE "ETag: \"e1\"\r\n\r\n"
#define OK_BODY "HTTP/1.1 200 OK\r\n" DATE "ETag: \"e1\"\r\n\r\nbody"
#define SLOW_DOWN "HTTP/1.1 503 Slow Down\r\n\r\n"
#define CUT "" /* the connection is closed without an answer */
#define HANG NULL

struct server {
    int listener, port;
    pthread_t thread;
    const char *const *script;
    size_t steps;
    atomic_int requests;
    char last[8192]; /* the last request's head */
    atomic_bool stop;
};

extern struct server server;

void serve_script(const char *const *script, size_t steps);
#define SERVE(...)                                                                                 \
    do {                                                                                           \
        static const char *const script_[] = {__VA_ARGS__};                                        \
        serve_script(script_, ARRAY_LEN(script_));                                                 \
    } while (0)

/* The server may still be reading what the client has given up on: waits for its count. */
void expect_requests(int requests);
/* A store on the server with keys from the environment, which this sets, and short time-outs. */
struct store *open_on_port(int port);

#endif
