/* s3-bench: closed-loop latency of small S3 operations.
 *
 *   cc -O2 -pthread -o s3-bench s3-bench.c -lcrypto
 *   s3-bench HOST PORT BUCKET CONNECTIONS SECONDS OP...
 *
 * OP is one of put create cas get list delete. Keys and region come from
 * AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION. The bucket must be
 * there. "list" asks for 1000 keys under list/ and makes them first if they
 * are not there. "create" is PUT If-None-Match: *, each on a new key. "cas" is
 * PUT If-Match on a key of the connection's own, so that every one succeeds.
 * "delete" removes keys that were put before the clock starts.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum {
    BODY = 256,
    MAXLAT = 1 << 20,
    BUF = 1 << 20
};

static const char *host, *bucket, *access_key, *secret, *region;
static int port, connections;
static double seconds;
static char run_id[32];

struct conn {
    int id, fd;
    char *buf;
    char etag[128];
    int status;
    long body_len;
};

struct job {
    struct conn c;
    const char *op;
    float *lat;
    long n, ok, first, prepared;
    double busy;
    pthread_barrier_t *bar;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
    fprintf(stderr, "s3-bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void hex(const unsigned char *in, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++)
        sprintf(out + 2 * i, "%02x", in[i]);
}

static void sha(const void *data, size_t n, char *out)
{
    unsigned char md[32];
    unsigned len = 0;
    EVP_Digest(data, n, md, &len, EVP_sha256(), NULL);
    hex(md, 32, out);
}

static void mac(const void *key, int klen, const char *data, unsigned char *out)
{
    unsigned len = 0;
    HMAC(EVP_sha256(), key, klen, (const unsigned char *)data, strlen(data), out, &len);
}

static void dial(struct conn *c)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    int one = 1;
    if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
        die("HOST must be an IPv4 address");
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof a) != 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/* The whole reply is read; its status, etag and length are kept. */
static int reply(struct conn *c)
{
    size_t have = 0;
    char *end = NULL;
    while (!end) {
        ssize_t r = recv(c->fd, c->buf + have, BUF - 1 - have, 0);
        if (r <= 0)
            return -1;
        have += (size_t)r;
        c->buf[have] = 0;
        end = strstr(c->buf, "\r\n\r\n");
    }
    *end = 0;
    size_t head = (size_t)(end - c->buf) + 4;
    c->status = atoi(c->buf + 9);
    char *p = strcasestr(c->buf, "\r\netag:");
    c->etag[0] = 0;
    if (p) {
        p += 7;
        while (*p == ' ' || *p == '"')
            p++;
        size_t i = 0;
        while (p[i] && p[i] != '"' && p[i] != '\r' && i < sizeof c->etag - 1) {
            c->etag[i] = p[i];
            i++;
        }
        c->etag[i] = 0;
    }
    int close_after = strcasestr(c->buf, "\r\nconnection: close") != NULL;
    p = strcasestr(c->buf, "\r\ncontent-length:");
    if (p) {
        long want = atol(p + 17);
        long got = (long)(have - head);
        c->body_len = want;
        while (got < want) {
            ssize_t r = recv(c->fd, c->buf, BUF, 0);
            if (r <= 0)
                return -1;
            got += r;
        }
    } else if (strcasestr(c->buf, "\r\ntransfer-encoding: chunked")) {
        char tail[8] = {0};
        size_t keep = have - head < 5 ? have - head : 5;
        memcpy(tail, c->buf + have - keep, keep);
        while (!(keep == 5 && memcmp(tail, "0\r\n\r\n", 5) == 0)) {
            ssize_t r = recv(c->fd, c->buf, BUF, 0);
            if (r <= 0)
                return -1;
            for (ssize_t i = r > 5 ? r - 5 : 0; i < r; i++) {
                memmove(tail, tail + 1, 5);
                tail[4] = c->buf[i];
                if (keep < 5)
                    keep++;
            }
        }
    }
    if (close_after) {
        close(c->fd);
        dial(c);
    }
    return c->status;
}

static int request(struct conn *c, const char *method, const char *key, const char *query,
                   const char *extra, const void *body, size_t blen)
{
    char stamp[20], day[9], hash[65], canon[2048], chash[65], to_sign[512], sig[65], sec[256],
        msg[4096];
    unsigned char k[32], k2[32];
    time_t t = time(NULL);
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
    memcpy(day, stamp, 8);
    day[8] = 0;
    sha(body, blen, hash);
    char path[512];
    snprintf(path, sizeof path, "/%s%s%s", bucket, *key ? "/" : "", key);
    snprintf(canon, sizeof canon,
             "%s\n%s\n%s\nhost:%s:%d\nx-amz-content-sha256:%s\nx-amz-date:%s\n\n"
             "host;x-amz-content-sha256;x-amz-date\n%s",
             method, path, query, host, port, hash, stamp, hash);
    sha(canon, strlen(canon), chash);
    snprintf(to_sign, sizeof to_sign, "AWS4-HMAC-SHA256\n%s\n%s/%s/s3/aws4_request\n%s", stamp, day,
             region, chash);
    snprintf(sec, sizeof sec, "AWS4%s", secret);
    mac(sec, (int)strlen(sec), day, k);
    mac(k, 32, region, k2);
    mac(k2, 32, "s3", k);
    mac(k, 32, "aws4_request", k2);
    mac(k2, 32, to_sign, k);
    hex(k, 32, sig);
    int n = snprintf(
        msg, sizeof msg,
        "%s %s%s%s HTTP/1.1\r\nHost: %s:%d\r\nx-amz-date: %s\r\nx-amz-content-sha256: %s\r\n"
        "Authorization: AWS4-HMAC-SHA256 Credential=%s/%s/%s/s3/aws4_request,"
        "SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=%s\r\n"
        "%sContent-Length: %zu\r\n\r\n",
        method, path, *query ? "?" : "", query, host, port, stamp, hash, access_key, day, region,
        sig, extra, blen);
    memcpy(msg + n, body, blen);
    size_t left = (size_t)n + blen, at = 0;
    while (at < left) {
        ssize_t w = send(c->fd, msg + at, left - at, MSG_NOSIGNAL);
        if (w <= 0)
            die("send");
        at += (size_t)w;
    }
    int status = reply(c);
    if (status < 0)
        die("connection lost");
    return status;
}

static void *work(void *arg)
{
    struct job *j = arg;
    struct conn *c = &j->c;
    char body[BODY], key[128], extra[256];
    memset(body, 'b', sizeof body);
    c->buf = malloc(BUF);
    dial(c);
    const char *op = j->op;
    long ready = 0;
    snprintf(key, sizeof key, "%s/own/%d", run_id, c->id);
    if (request(c, "PUT", key, "", "", body, sizeof body) != 200)
        die("first put refused");
    if (strcmp(op, "delete") == 0)
        for (double until = now() + 2 * seconds; now() < until; ready++) {
            snprintf(key, sizeof key, "%s/del/%d-%ld", run_id, c->id, ready);
            request(c, "PUT", key, "", "", body, sizeof body);
        }
    char tag[128];
    snprintf(key, sizeof key, "%s/own/%d", run_id, c->id);
    request(c, "GET", key, "", "", "", 0);
    snprintf(tag, sizeof tag, "%s", c->etag);
    pthread_barrier_wait(j->bar);
    double start = now(), t0 = start;
    while (t0 - start < seconds && j->n < MAXLAT) {
        int status = 0, want = 200;
        if (strcmp(op, "put") == 0) {
            snprintf(key, sizeof key, "%s/put/%d-%ld", run_id, c->id, j->n);
            status = request(c, "PUT", key, "", "", body, sizeof body);
        } else if (strcmp(op, "create") == 0) {
            snprintf(key, sizeof key, "%s/new/%d-%ld", run_id, c->id, j->n);
            status = request(c, "PUT", key, "", "If-None-Match: *\r\n", body, sizeof body);
        } else if (strcmp(op, "cas") == 0) {
            snprintf(key, sizeof key, "%s/own/%d", run_id, c->id);
            snprintf(extra, sizeof extra, "If-Match: %s%s%s\r\n",
                     getenv("S3_BENCH_QUOTE") ? "\"" : "", tag,
                     getenv("S3_BENCH_QUOTE") ? "\"" : "");
            snprintf(body, sizeof body, "%ld", j->n);
            status = request(c, "PUT", key, "", extra, body, sizeof body);
            snprintf(tag, sizeof tag, "%s", c->etag);
        } else if (strcmp(op, "get") == 0) {
            snprintf(key, sizeof key, "%s/own/%d", run_id, c->id);
            status = request(c, "GET", key, "", "", "", 0);
        } else if (strcmp(op, "list") == 0) {
            status = request(c, "GET", "", "list-type=2&max-keys=1000&prefix=list%2F", "", "", 0);
        } else {
            if (j->n >= ready)
                break;
            snprintf(key, sizeof key, "%s/del/%d-%ld", run_id, c->id, j->n);
            status = request(c, "DELETE", key, "", "", "", 0);
            want = 204;
        }
        double t1 = now();
        j->lat[j->n++] = (float)((t1 - t0) * 1e3);
        j->ok += status == want;
        t0 = t1;
    }
    j->busy = t0 - start;
    close(c->fd);
    free(c->buf);
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void fill_list(void)
{
    struct conn c = {.buf = malloc(BUF)};
    char key[64];
    dial(&c);
    if (request(&c, "GET", "list/0999", "", "", "", 0) != 200)
        for (int i = 0; i < 1000; i++) {
            snprintf(key, sizeof key, "list/%04d", i);
            request(&c, "PUT", key, "", "", "x", 1);
        }
    close(c.fd);
    free(c.buf);
}

int main(int argc, char **argv)
{
    if (argc < 7) {
        fprintf(stderr, "usage: s3-bench HOST PORT BUCKET CONNECTIONS SECONDS OP...\n");
        return 2;
    }
    host = argv[1];
    port = atoi(argv[2]);
    bucket = argv[3];
    connections = atoi(argv[4]);
    seconds = atof(argv[5]);
    access_key = getenv("AWS_ACCESS_KEY_ID");
    secret = getenv("AWS_SECRET_ACCESS_KEY");
    region = getenv("AWS_REGION") ? getenv("AWS_REGION") : "us-east-1";
    if (!access_key || !secret || connections < 1) {
        fprintf(stderr, "s3-bench: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY\n");
        return 2;
    }
    for (int a = 6; a < argc; a++) {
        snprintf(run_id, sizeof run_id, "r%d-%d-%ld", (int)getpid(), a, (long)time(NULL));
        if (strcmp(argv[a], "list") == 0)
            fill_list();
        struct job *jobs = calloc((size_t)connections, sizeof *jobs);
        pthread_t *threads = calloc((size_t)connections, sizeof *threads);
        pthread_barrier_t bar;
        pthread_barrier_init(&bar, NULL, (unsigned)connections);
        for (int i = 0; i < connections; i++) {
            jobs[i].c.id = i;
            jobs[i].op = argv[a];
            jobs[i].lat = malloc(MAXLAT * sizeof(float));
            jobs[i].bar = &bar;
            pthread_create(&threads[i], NULL, work, &jobs[i]);
        }
        long n = 0, ok = 0;
        double longest = 0;
        for (int i = 0; i < connections; i++) {
            pthread_join(threads[i], NULL);
            n += jobs[i].n;
            ok += jobs[i].ok;
            if (jobs[i].busy > longest)
                longest = jobs[i].busy;
        }
        float *all = malloc((size_t)(n ? n : 1) * sizeof *all);
        long at = 0;
        for (int i = 0; i < connections; i++) {
            memcpy(all + at, jobs[i].lat, (size_t)jobs[i].n * sizeof *all);
            at += jobs[i].n;
            free(jobs[i].lat);
        }
        qsort(all, (size_t)n, sizeof *all, by_size);
        if (n)
            printf("%-7s c=%-3d %8.0f op/s  p50 %7.2f ms  p99 %7.2f ms  max %7.1f ms  n=%ld "
                   "failed=%ld\n",
                   argv[a], connections, (double)n / longest, (double)all[n / 2],
                   (double)all[(long)((double)n * .99)], (double)all[n - 1], n, n - ok);
        fflush(stdout);
        free(all);
        free(jobs);
        free(threads);
    }
    return 0;
}
