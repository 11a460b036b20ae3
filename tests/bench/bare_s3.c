/* The bare limit: what a plain libcurl loop gets out of the same server with the requests of a job.
 *
 *     bare_s3 jobs ENDPOINT BUCKET CONCURRENCY JOBS    prints jobs per second
 *     bare_s3 upload ENDPOINT BUCKET CONCURRENCY FILE... prints MB/s and files/s
 *
 * A job is what blobforged sends for one that succeeds at once: PUT lock (if absent), GET marker,
 * HEAD result, GET raw, PUT result (if absent), DELETE marker, DELETE lock: one after the other on
 * each of CONCURRENCY connections, one curl multi handle, one thread, no thinking in between.
 * Markers and raw objects are made before the clock starts. Keys from AWS_ACCESS_KEY_ID and
 * AWS_SECRET_ACCESS_KEY. Only `make bench` uses it. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "s3/s3_sign.h"

enum step_kind {
    STEP_LOCK,
    STEP_MARKER,
    STEP_RESULT_HEAD,
    STEP_RAW,
    STEP_RESULT,
    STEP_MARKER_AWAY,
    STEP_LOCK_AWAY,
    STEP_COUNT
};

struct lane { /* one connection's worth of sequential requests */
    CURL *easy;
    struct curl_slist *headers;
    int job, step;
    char url[2048];
};

struct loop {
    struct s3_signer *signer;
    const char *endpoint, *host, *bucket;
    int next, jobs;
    bool setting_up;
    char **files; /* upload mode */
    long long bytes;
    int failures;
};

static char body[1024];

static size_t drop(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    (void)arg;
    return size * count;
}

static void add_header(struct lane *lane, const char *name, const char *value)
{
    char line[2048];

    snprintf(line, sizeof(line), "%s: %s", name, value);
    lane->headers = curl_slist_append(lane->headers, line);
}

static void prepare(struct loop *loop, struct lane *lane, const char *method, const char *key,
                    bool if_absent, const void *data, long len)
{
    struct s3_header extra[1] = {{"if-none-match", "*"}};
    struct s3_signature signature;
    char path[1024];
    struct s3_sign_request request = {.method = method,
                                      .host = loop->host,
                                      .path = path,
                                      .query = "",
                                      .headers = extra,
                                      .headers_len = if_absent ? 1 : 0,
                                      .payload_hash = S3_PAYLOAD_UNSIGNED,
                                      .at_ms = clock_wall_ms(clock_system())};

    snprintf(path, sizeof(path), "/%s/%s", loop->bucket, key);
    snprintf(lane->url, sizeof(lane->url), "%s%s", loop->endpoint, path);
    if (!s3_signer_sign(loop->signer, &request, &signature))
        abort();
    curl_slist_free_all(lane->headers);
    lane->headers = NULL;
    add_header(lane, "x-amz-date", signature.date);
    add_header(lane, "x-amz-content-sha256", S3_PAYLOAD_UNSIGNED);
    add_header(lane, "authorization", signature.authorization);
    if (if_absent)
        add_header(lane, "if-none-match", "*");
    lane->headers = curl_slist_append(lane->headers, "Content-Type:");
    lane->headers = curl_slist_append(lane->headers, "Expect:");
    curl_easy_setopt(lane->easy, CURLOPT_URL, lane->url);
    curl_easy_setopt(lane->easy, CURLOPT_HTTPHEADER, lane->headers);
    curl_easy_setopt(lane->easy, CURLOPT_NOBODY, 0L);
    curl_easy_setopt(lane->easy, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(lane->easy, CURLOPT_CUSTOMREQUEST, NULL);
    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(lane->easy, CURLOPT_NOBODY, 1L);
    } else if (strcmp(method, "PUT") == 0) {
        curl_easy_setopt(lane->easy, CURLOPT_POSTFIELDS, data);
        curl_easy_setopt(lane->easy, CURLOPT_POSTFIELDSIZE, len);
        curl_easy_setopt(lane->easy, CURLOPT_CUSTOMREQUEST, "PUT");
    } else if (strcmp(method, "DELETE") == 0) {
        curl_easy_setopt(lane->easy, CURLOPT_CUSTOMREQUEST, "DELETE");
    }
}

/* The request of one step of one job. */
static void prepare_step(struct loop *loop, struct lane *lane)
{
    char key[256];

/* Each run has keys of its own: what an earlier one left would answer this one's conditions. */
#define KEY(format) snprintf(key, sizeof(key), "bare/%d/" format, (int)getpid(), lane->job)
    switch ((enum step_kind)lane->step) {
    case STEP_LOCK:
        KEY("queue/processing/%08d");
        prepare(loop, lane, "PUT", key, true, body, 350);
        break;
    case STEP_MARKER:
        KEY("queue/todo/3_normal/%08d");
        if (loop->setting_up)
            prepare(loop, lane, "PUT", key, false, "", 0);
        else
            prepare(loop, lane, "GET", key, false, NULL, 0);
        break;
    case STEP_RESULT_HEAD:
        KEY("store/out/%08d.zip");
        prepare(loop, lane, "HEAD", key, false, NULL, 0);
        break;
    case STEP_RAW:
        KEY("store/raw/%08d.pdf");
        if (loop->setting_up)
            prepare(loop, lane, "PUT", key, false, body, sizeof(body));
        else
            prepare(loop, lane, "GET", key, false, NULL, 0);
        break;
    case STEP_RESULT:
        KEY("store/out/%08d.zip");
        prepare(loop, lane, "PUT", key, true, body, 700);
        break;
    case STEP_MARKER_AWAY:
        KEY("queue/todo/3_normal/%08d");
        prepare(loop, lane, "DELETE", key, false, NULL, 0);
        break;
    case STEP_LOCK_AWAY:
        KEY("queue/processing/%08d");
        prepare(loop, lane, "DELETE", key, false, NULL, 0);
        break;
    case STEP_COUNT:
        abort();
    }
#undef KEY
}

static bool expected(struct loop *loop, struct lane *lane, long status)
{
    if (loop->files != NULL || loop->setting_up)
        return status == 200;
    if (lane->step == STEP_RESULT_HEAD)
        return status == 404;
    return status == 200 || status == 204;
}

static char *read_file(const char *name, long *len_r)
{
    FILE *file = fopen(name, "rb");
    char *data;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        abort();
    *len_r = ftell(file);
    rewind(file);
    data = mem_alloc((size_t)*len_r + 1);
    if (fread(data, 1, (size_t)*len_r, file) != (size_t)*len_r)
        abort();
    fclose(file);
    return data;
}

/* Gives the lane its next request; false: nothing is left for it. */
static bool advance(struct loop *loop, struct lane *lane)
{
    if (loop->files != NULL) {
        char key[64], *data;
        long len;
        if (loop->next >= loop->jobs)
            return false;
        lane->job = loop->next++;
        data = read_file(loop->files[lane->job], &len);
        loop->bytes += len;
        snprintf(key, sizeof(key), "bare/%d/upload/%08d", (int)getpid(), lane->job);
        prepare(loop, lane, "PUT", key, false, NULL, len);
        curl_easy_setopt(lane->easy, CURLOPT_COPYPOSTFIELDS, data);
        free(data);
        return true;
    }
    if (loop->setting_up)
        lane->step = lane->step == STEP_MARKER ? STEP_RAW : STEP_COUNT;
    else
        lane->step++;
    if (lane->step >= STEP_COUNT || lane->job < 0) {
        if (loop->next >= loop->jobs)
            return false;
        lane->job = loop->next++;
        lane->step = loop->setting_up ? STEP_MARKER : STEP_LOCK;
    }
    prepare_step(loop, lane);
    return true;
}

static double run(struct loop *loop, int concurrency)
{
    CURLM *multi = curl_multi_init();
    struct lane *lanes = mem_alloc(sizeof(*lanes) * (size_t)concurrency);
    struct timespec begin, end;
    int active = 0;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    loop->next = 0;
    for (int i = 0; i < concurrency; i++) {
        struct lane *lane = &lanes[i];
        lane->easy = curl_easy_init();
        lane->job = -1;
        lane->step = STEP_COUNT;
        curl_easy_setopt(lane->easy, CURLOPT_WRITEFUNCTION, drop);
        curl_easy_setopt(lane->easy, CURLOPT_PRIVATE, lane);
        curl_easy_setopt(lane->easy, CURLOPT_NOSIGNAL, 1L);
        if (advance(loop, lane)) {
            curl_multi_add_handle(multi, lane->easy);
            active++;
        }
    }
    while (active > 0) {
        int running, left;
        CURLMsg *message;
        curl_multi_perform(multi, &running);
        while ((message = curl_multi_info_read(multi, &left)) != NULL) {
            struct lane *lane;
            long status = 0;
            CURL *easy = message->easy_handle;
            curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&lane);
            curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
            if (!expected(loop, lane, status) && loop->failures++ < 5)
                fprintf(stderr, "bare_s3: step %d of job %d: status %ld\n", lane->step, lane->job,
                        status);
            curl_multi_remove_handle(multi, easy);
            if (advance(loop, lane))
                curl_multi_add_handle(multi, easy);
            else
                active--;
        }
        if (active > 0)
            curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    for (int i = 0; i < concurrency; i++) {
        curl_easy_cleanup(lanes[i].easy);
        curl_slist_free_all(lanes[i].headers);
    }
    free(lanes);
    curl_multi_cleanup(multi);
    return (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
}

int main(int argc, char **argv)
{
    struct loop loop = {0};
    const char *access = getenv("AWS_ACCESS_KEY_ID"), *secret = getenv("AWS_SECRET_ACCESS_KEY");
    int concurrency;
    double seconds;

    if (argc < 6 || access == NULL || secret == NULL) {
        fprintf(stderr, "usage: bare_s3 jobs|upload ENDPOINT BUCKET CONCURRENCY JOBS|FILE...\n");
        return 64;
    }
    memset(body, 'x', sizeof(body));
    curl_global_init(CURL_GLOBAL_ALL);
    loop.endpoint = argv[2];
    loop.host = strstr(argv[2], "//") != NULL ? strstr(argv[2], "//") + 2 : argv[2];
    loop.bucket = argv[3];
    concurrency = atoi(argv[4]);
    loop.signer = s3_signer_create("us-east-1", "s3");
    if (loop.signer == NULL || !s3_signer_set_keys(loop.signer, access, secret, NULL))
        abort();
    if (strcmp(argv[1], "upload") == 0) {
        loop.files = argv + 5;
        loop.jobs = argc - 5;
        seconds = run(&loop, concurrency);
        printf("%.1f MB/s %.0f files/s\n", (double)loop.bytes / 1e6 / seconds, loop.jobs / seconds);
    } else {
        loop.jobs = atoi(argv[5]);
        loop.setting_up = true;
        (void)run(&loop, 16);
        loop.setting_up = false;
        seconds = run(&loop, concurrency);
        printf("%.1f jobs/s\n", loop.jobs / seconds);
    }
    s3_signer_destroy(loop.signer);
    curl_global_cleanup();
    return loop.failures > 0;
}
