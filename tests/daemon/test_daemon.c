/* Parts of the daemon that need no daemon: messages between master and worker, the breaker, fibers
 * that share a store. */
#include <check.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/rng.h"
#include "daemon/breaker.h"
#include "daemon/control_request.h"
#include "daemon/figures.h"
#include "daemon/host_load.h"
#include "daemon/ipc.h"
#include "daemon/window.h"
#include "store/store_fiber.h"
#include "store/store_mem.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static int ends[2];

static void pair_up(void)
{
    ck_assert(ipc_pair(&ends[0], &ends[1]));
}

static void pair_down(void)
{
    close(ends[0]);
    close(ends[1]);
}

static struct ipc_message next_message(enum ipc_type type)
{
    struct ipc_message message;

    ck_assert_int_eq(ipc_read(ends[1], &message), IPC_OK);
    ck_assert_str_eq(ipc_type_name(message.type), ipc_type_name(type));
    return message;
}

/* ---- run windows ---- */

static int64_t local_ms(int year, int month, int day, int hour, int minute)
{
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute,
                    .tm_isdst = -1};

    return (int64_t)mktime(&tm) * 1000;
}

/* Central Europe by rule, so that no zone files are needed: forward on 2026-03-29 at 2:00, back on
 * 2026-10-25 at 3:00. */
static void set_zone(void)
{
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
}

START_TEST(test_window_words)
{
    static const char *const bad[] = {"22",
                                      "22:00",
                                      "22:00-",
                                      "22:00-6",
                                      "24:01-06:00",
                                      "22:60-23:00",
                                      "a",
                                      "10:00-11:00 12:00-13:00",
                                      "10:00-10:00",
                                      "24:00-06:00",
                                      "10:00-11:00-12:00",
                                      "010:00-11:00",
                                      "10:000-11:00"};
    struct window window;
    struct buf many = BUF_INIT;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(window_parse(bad[i], &window) != NULL, "'%s' passes", bad[i]);
    ck_assert_ptr_null(window_parse(" 22:00 - 6:00 ,12:30-13:15, ", &window));
    ck_assert_uint_eq(window.count, 2);
    ck_assert_ptr_null(window_parse("", &window));
    ck_assert(window_is_open(&window, 0));
    for (int i = 0; i <= WINDOW_MAX; i++)
        buf_puts(&many, "1:00-2:00,");
    ck_assert_ptr_nonnull(window_parse(buf_text(&many), &window));
    buf_release(&many);
}
END_TEST

START_TEST(test_window_hours)
{
    struct window window;

    set_zone();
    ck_assert_ptr_null(window_parse("22:00-06:00, 12:30-13:15", &window));
    ck_assert(!window_is_open(&window, local_ms(2026, 6, 1, 21, 59)));
    ck_assert(window_is_open(&window, local_ms(2026, 6, 1, 22, 0)));
    ck_assert(window_is_open(&window, local_ms(2026, 6, 2, 0, 0)));
    ck_assert(window_is_open(&window, local_ms(2026, 6, 2, 5, 59)));
    ck_assert(!window_is_open(&window, local_ms(2026, 6, 2, 6, 0)));
    ck_assert(window_is_open(&window, local_ms(2026, 6, 2, 13, 14)));
    ck_assert(!window_is_open(&window, local_ms(2026, 6, 2, 13, 15)));
    ck_assert_int_eq(window_next(&window, local_ms(2026, 6, 2, 6, 0), true),
                     local_ms(2026, 6, 2, 12, 30));
    ck_assert_int_eq(window_next(&window, local_ms(2026, 6, 2, 22, 0) + 1234, false),
                     local_ms(2026, 6, 3, 6, 0));
    ck_assert_int_eq(window_next_look(local_ms(2026, 6, 2, 6, 0) + 59999),
                     local_ms(2026, 6, 2, 6, 1));
    ck_assert_ptr_null(window_parse("00:00-24:00", &window));
    ck_assert_int_eq(window_next(&window, local_ms(2026, 6, 2, 6, 0), false), -1);
}
END_TEST

START_TEST(test_window_clock_change)
{
    struct window window;
    int64_t hour = 3600 * 1000;

    set_zone();
    ck_assert_ptr_null(window_parse("22:00-06:00", &window));
    /* the night is an hour shorter, an hour longer: it opens and closes by the clock's face */
    ck_assert_int_eq(window_next(&window, local_ms(2026, 3, 28, 22, 0), false),
                     local_ms(2026, 3, 28, 22, 0) + 7 * hour);
    ck_assert_int_eq(window_next(&window, local_ms(2026, 10, 24, 22, 0), false),
                     local_ms(2026, 10, 24, 22, 0) + 9 * hour);
    /* an hour that is left out does not open; one that comes twice opens twice */
    ck_assert_ptr_null(window_parse("02:00-03:00", &window));
    ck_assert_int_eq(window_next(&window, local_ms(2026, 3, 29, 0, 0), true),
                     local_ms(2026, 3, 30, 2, 0));
    ck_assert_int_eq(window_next(&window, local_ms(2026, 10, 25, 0, 0) + 2 * hour, false),
                     local_ms(2026, 10, 25, 0, 0) + 4 * hour);
}
END_TEST

/* ---- control requests ---- */

START_TEST(test_control_requests)
{
    static const struct {
        const char *line;
        bool good;
        enum control_command command;
        int64_t number;
    } cases[] = {
        {"{\"cmd\":\"status\"}", true, CONTROL_STATUS, 0},
        {" {\"cmd\": \"drain\", \"more\": 1} ", true, CONTROL_DRAIN, 0},
        {"{\"cmd\":\"slots\",\"slots\":8}", true, CONTROL_SLOTS, 8},
        {"{\"cmd\":\"slots\",\"slots\":4096}", true, CONTROL_SLOTS, 4096},
        {"{\"cmd\":\"slots\",\"slots\":4097}", false, 0, 0},
        {"{\"cmd\":\"slots\",\"slots\":-1}", false, 0, 0},
        {"{\"cmd\":\"slots\",\"slots\":\"8\"}", false, 0, 0},
        {"{\"cmd\":\"slots\"}", false, 0, 0},
        {"{\"cmd\":\"kill-slot\",\"slot\":0}", true, CONTROL_KILL_SLOT, 0},
        {"{\"cmd\":\"log-level\",\"level\":\"debug\"}", true, CONTROL_LOG_LEVEL, 0},
        {"{\"cmd\":\"log-level\",\"level\":\"loud\"}", false, 0, 0},
        {"{\"cmd\":\"dance\"}", false, 0, 0},
        {"{\"cmd\":[]}", false, 0, 0},
        {"{}", false, 0, 0},
        {"[]", false, 0, 0},
        {"", false, 0, 0},
        {"{\"cmd\":\"status\"}{}", false, 0, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct control_request request;
        const char *wrong = control_request_parse(cases[i].line, strlen(cases[i].line), &request);
        ck_assert_msg((wrong == NULL) == cases[i].good, "%s: %s", cases[i].line, wrong);
        if (wrong == NULL) {
            ck_assert_int_eq(request.command, cases[i].command);
            ck_assert_int_eq(request.number, cases[i].number);
        }
    }
}
END_TEST

/* ---- messages ---- */

START_TEST(test_job_round_trip)
{
    char url[] = "https://host/key?X-Amz-Signature=abc", header[] = "if-none-match: *";
    char *headers[] = {header};
    char type[] = "pdf", command[] = "x '{input}' {output}", worker[] = "id";
    struct ipc_job job = {.seq = 7,
                          .hash = HASH,
                          .claim = "00112233445566778899aabbccddeeff",
                          .attempt = 3,
                          .type = type,
                          .command = command,
                          .worker_id = worker,
                          .sandbox = SANDBOX_L1,
                          .grant = {.url = url, .headers = headers, .header_count = 1, .fd = -1}};
    struct ipc_job read_back;
    struct ipc_message message;

    convert_limits_default(&job.limits);
    job.limits.time_limit_ms = 123456;
    job.limits.output_files = 17;
    ck_assert_int_eq(ipc_job_write(ends[0], &job), IPC_OK);
    message = next_message(IPC_JOB);
    ck_assert(ipc_job_read(&message, &read_back));
    ck_assert_int_eq(read_back.seq, 7);
    ck_assert_str_eq(read_back.hash, HASH);
    ck_assert_str_eq(read_back.command, command);
    ck_assert_ptr_null(read_back.env);
    ck_assert_ptr_null(read_back.ca_file);
    ck_assert_int_eq(read_back.limits.time_limit_ms, 123456);
    ck_assert_int_eq(read_back.limits.output_files, 17);
    ck_assert_int_eq(read_back.limits.cpu_ms, job.limits.cpu_ms);
    ck_assert_int_eq(read_back.sandbox, SANDBOX_L1);
    ck_assert_str_eq(read_back.grant.url, url);
    ck_assert_uint_eq(read_back.grant.header_count, 1);
    ck_assert_str_eq(read_back.grant.headers[0], header);
    ipc_job_release(&read_back);
    ipc_message_release(&message);
}
END_TEST

START_TEST(test_grant_with_descriptor)
{
    char name[] = "/tmp/blobforge-ipc-XXXXXX";
    struct store_grant grant = {.fd = mkstemp(name)}, read_back;
    struct ipc_message message;
    char byte;

    ck_assert_int_ge(grant.fd, 0);
    unlink(name);
    ck_assert_int_eq(pwrite(grant.fd, "!", 1, 0), 1);
    ck_assert_int_eq(ipc_publish_write(ends[0], 9, &grant), IPC_OK);
    message = next_message(IPC_PUBLISH);
    ck_assert(ipc_publish_read(&message, &read_back));
    ck_assert_int_ge(read_back.fd, 0);
    ck_assert_int_eq(pread(read_back.fd, &byte, 1, 0), 1);
    ck_assert_int_eq(byte, '!');
    store_grant_release(&read_back);
    ipc_message_release(&message);
    close(grant.fd);
}
END_TEST

static char *long_tail(char c, size_t len)
{
    char *tail = mem_alloc(len + 1);

    memset(tail, c, len);
    tail[len] = '\0';
    return tail;
}

static void check_tail(const char *read, const char *sent)
{
    if (sent == NULL || *sent == '\0') /* nothing was said there */
        ck_assert_ptr_null(read);
    else
        ck_assert_str_eq(read, sent);
}

START_TEST(test_ended_with_tails)
{
    static const size_t lengths[][2] = {
        {0, 0},           {1, 0}, {0, 1}, {3, 5}, {RUN_TAIL_MAX, RUN_TAIL_MAX}, {0, RUN_TAIL_MAX},
        {7, RUN_TAIL_MAX}};
    struct record_attempt record;
    struct ipc_ended ended = {.record = &record}, read_back;
    struct ipc_message message;

    record_attempt_init(&record);
    record.stderr_tail = long_tail('e', lengths[_i][0]);
    record.stdout_tail = long_tail('o', lengths[_i][1]);
    ck_assert_int_eq(ipc_ended_write(ends[0], 4, &ended), IPC_OK);
    message = next_message(IPC_ENDED);
    ck_assert(ipc_ended_read(&message, &read_back));
    check_tail(read_back.record->stderr_tail, record.stderr_tail);
    check_tail(read_back.record->stdout_tail, record.stdout_tail);
    record_attempt_release(read_back.record);
    free(read_back.record);
    record_attempt_release(&record);
    ipc_message_release(&message);
}
END_TEST

/* Workers of before have no "stderr_bytes", and standard error alone in the file; one that lies
 * about it gets no more bytes read than there may be. */
START_TEST(test_ended_of_others)
{
    static const struct {
        const char *member;
        bool good;
        size_t err, out;
    } rows[] = {
        {"", true, RUN_TAIL_MAX, RUN_TAIL_MAX},
        {"\"stderr_bytes\":\"7\",", true, RUN_TAIL_MAX, RUN_TAIL_MAX},
        {"\"stderr_bytes\":7,", true, 7, RUN_TAIL_MAX},
        {"\"stderr_bytes\":65536,", true, RUN_TAIL_MAX, RUN_TAIL_MAX},
        {"\"stderr_bytes\":65537,", false, 0, 0},
        {"\"stderr_bytes\":-1,", false, 0, 0},
        {"\"stderr_bytes\":9223372036854775807,", false, 0, 0},
    };
    char *line = mem_printf("{\"type\":\"ended\",\"seq\":1,\"blame\":0,%s\"record\":{"
                            "\"stderr_tail\":\"x\",\"stdout_tail\":\"x\"}}",
                            rows[_i].member);
    char *much = long_tail('m', 3 * RUN_TAIL_MAX);
    struct ipc_message message;
    struct ipc_ended ended;

    for (int with_file = 0; with_file < 2; with_file++) {
        ck_assert_int_eq(ipc_parse(line, strlen(line), &message), IPC_OK);
        if (with_file) {
            message.fd = memfd_create("test", MFD_CLOEXEC);
            ck_assert(store_write_at(message.fd, much, 3 * RUN_TAIL_MAX, 0));
        }
        ck_assert_int_eq(ipc_ended_read(&message, &ended), rows[_i].good);
        if (rows[_i].good) {
            const char *err = ended.record->stderr_tail, *out = ended.record->stdout_tail;
            ck_assert_uint_eq(err != NULL ? strlen(err) : 0, with_file ? rows[_i].err : 0);
            ck_assert_uint_eq(out != NULL ? strlen(out) : 0, with_file ? rows[_i].out : 0);
            record_attempt_release(ended.record);
            free(ended.record);
        }
        ipc_message_release(&message);
    }
    free(much);
    free(line);
}
END_TEST

START_TEST(test_ended_with_long_tail)
{
    struct record_attempt record;
    struct ipc_ended ended = {.blame = ATTEMPT_BLAME_BURY, .breaker = true, .record = &record};
    struct ipc_ended read_back;
    struct ipc_message message;

    record_attempt_init(&record);
    record.stderr_tail = mem_alloc(RUN_TAIL_MAX + 1);
    memset(record.stderr_tail, 1, RUN_TAIL_MAX); /* each byte would be six in JSON */
    record.error = mem_strdup("broken");
    record.cause = CAUSE_DOCUMENT;
    record.exit_status = 65;
    ck_assert_int_eq(ipc_ended_write(ends[0], 4, &ended), IPC_OK);
    message = next_message(IPC_ENDED);
    ck_assert(ipc_ended_read(&message, &read_back));
    ck_assert_int_eq(read_back.blame, ATTEMPT_BLAME_BURY);
    ck_assert(read_back.breaker);
    ck_assert_str_eq(read_back.record->error, "broken");
    ck_assert_int_eq(read_back.record->cause, CAUSE_DOCUMENT);
    ck_assert_int_eq(read_back.record->exit_status, 65);
    ck_assert_str_eq(read_back.record->stderr_tail, record.stderr_tail);
    record_attempt_release(read_back.record);
    free(read_back.record);
    record_attempt_release(&record);
    ipc_message_release(&message);
}
END_TEST

START_TEST(test_small_messages)
{
    unsigned char md5[16] = {0xde, 0xad, 0xbe, 0xef}, md5_r[16];
    struct ipc_progress progress = {.phase = "convert", .stage = "ocr", .page = 3, .pages = -1};
    struct ipc_progress progress_r;
    struct ipc_message message;
    enum store_status status;
    int64_t length;
    char *error;

    ck_assert_int_eq(ipc_packed_write(ends[0], 1, 1234567890123, md5), IPC_OK);
    message = next_message(IPC_PACKED);
    ck_assert(ipc_packed_read(&message, &length, md5_r));
    ck_assert_int_eq(length, 1234567890123);
    ck_assert_mem_eq(md5, md5_r, sizeof(md5));
    ck_assert(!ipc_progress_read(&message, &progress_r));
    ipc_message_release(&message);
    ck_assert_int_eq(ipc_progress_write(ends[0], 1, &progress), IPC_OK);
    message = next_message(IPC_PROGRESS);
    ck_assert(ipc_progress_read(&message, &progress_r));
    ck_assert_str_eq(progress_r.stage, "ocr");
    ck_assert_int_eq(progress_r.page, 3);
    ck_assert_int_eq(progress_r.pages, -1);
    ipc_message_release(&message);
    ck_assert_int_eq(ipc_sent_write(ends[0], 1, STORE_UNKNOWN, NULL), IPC_OK);
    message = next_message(IPC_SENT);
    ck_assert(ipc_sent_read(&message, &status, &error));
    ck_assert_int_eq(status, STORE_UNKNOWN);
    ck_assert_ptr_null(error);
    ipc_message_release(&message);
}
END_TEST

START_TEST(test_garbage)
{
    static const struct {
        const char *text;
        enum ipc_result parsed;
    } rows[] = {
        {"", IPC_BAD},
        {"{", IPC_BAD},
        {"[]", IPC_BAD},
        {"{}", IPC_BAD},
        {"{\"type\": \"nonsense\", \"seq\": 1}", IPC_BAD},
        {"{\"type\": 7, \"seq\": 1}", IPC_BAD},
        {"{\"type\": \"sent\"}", IPC_OK}, /* a message, but not a good one */
        {"{\"type\": \"packed\", \"length\": -1, \"md5\": \"\"}", IPC_OK},
        {"{\"type\": \"ended\", \"blame\": 99, \"record\": {}}", IPC_OK},
        {"{\"type\": \"job\", \"hash\": \"../../etc\", \"claim\": \"x\"}", IPC_OK},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ipc_message message;
        struct ipc_job job;
        struct ipc_ended ended;
        enum store_status status;
        unsigned char md5[16];
        int64_t length;
        char *error = NULL;

        ck_assert_int_eq(ipc_parse(rows[i].text, strlen(rows[i].text), &message), rows[i].parsed);
        if (rows[i].parsed != IPC_OK)
            continue;
        ck_assert(!ipc_sent_read(&message, &status, &error));
        ck_assert(!ipc_packed_read(&message, &length, md5));
        ck_assert(!ipc_ended_read(&message, &ended));
        ck_assert(!ipc_job_read(&message, &job));
        ipc_job_release(&job);
        ipc_message_release(&message);
    }
}
END_TEST

/* Bytes of a good message, changed at random: whatever comes out of the parser, nothing breaks. */
START_TEST(test_random_garbage)
{
    static const char good[] =
        "{\"type\":\"ended\",\"seq\":3,\"blame\":1,\"breaker\":false,\"record\":{\"number\":1,"
        "\"claim\":\"00112233445566778899aabbccddeeff\",\"cause\":\"document\",\"limit\":{\"name\":"
        "\"time\",\"requested\":1,\"granted\":2},\"error\":\"x\"}}";
    struct rng_seeded rng;
    uint64_t seed = rng_u64(rng_system());
    const char *given = getenv("BLOBFORGE_TEST_SEED");
    int parsed = 0;

    if (given != NULL)
        seed = strtoull(given, NULL, 10);
    printf("seed %llu (BLOBFORGE_TEST_SEED replays)\n", (unsigned long long)seed);
    rng_seeded_init(&rng, seed);
    for (int round = 0; round < 20000; round++) {
        char bytes[sizeof(good)];
        struct ipc_message message;
        struct ipc_ended ended;
        size_t len = sizeof(good) - 1 - rng_below(&rng.rng, 4);

        memcpy(bytes, good, sizeof(good));
        for (uint64_t n = rng_below(&rng.rng, 4); n > 0; n--)
            bytes[rng_below(&rng.rng, len)] = (char)rng_below(&rng.rng, 256);
        if (ipc_parse(bytes, len, &message) != IPC_OK)
            continue;
        parsed++;
        if (ipc_ended_read(&message, &ended)) {
            record_attempt_release(ended.record);
            free(ended.record);
        }
        ipc_message_release(&message);
    }
    ck_assert_int_gt(parsed, 100);
}
END_TEST

START_TEST(test_end_and_silence)
{
    struct ipc_message message;

    ck_assert_int_eq(ipc_read(ends[1], &message), IPC_NONE);
    close(ends[0]);
    ck_assert_int_eq(ipc_read(ends[1], &message), IPC_END);
    ck_assert_int_ne(ipc_hello_write(ends[1], 1), IPC_OK);
    ends[0] = dup(ends[1]);
}
END_TEST

/* ---- breaker ---- */

START_TEST(test_breaker)
{
    struct breaker breaker = {.state = BREAKER_CLOSED};
    int64_t now = 1000000;

    for (int i = 0; i < BREAKER_FAILURES - 1; i++)
        ck_assert(!breaker_failure(&breaker, now + i));
    ck_assert(breaker_failure(&breaker, now + 10));
    ck_assert_int_eq(breaker.state, BREAKER_OPEN);
    ck_assert(!breaker_failure(&breaker, now + 11));
    ck_assert(!breaker_due(&breaker, now + 10 + BREAKER_REST_MS - 1));
    ck_assert(breaker_due(&breaker, now + 10 + BREAKER_REST_MS));
    now += 10 + BREAKER_REST_MS;
    ck_assert(breaker_failure(&breaker, now)); /* one is enough now, and the rest is longer */
    ck_assert(!breaker_due(&breaker, now + BREAKER_REST_MS));
    ck_assert(breaker_due(&breaker, now + 2 * BREAKER_REST_MS));
    ck_assert(breaker_success(&breaker));
    ck_assert(!breaker_success(&breaker));
}
END_TEST

START_TEST(test_breaker_slow_failures)
{
    struct breaker breaker = {.state = BREAKER_CLOSED};

    for (int i = 1; i < 50; i++)
        ck_assert(!breaker_failure(&breaker, i * (BREAKER_WINDOW_MS / 2)));
}
END_TEST

/* ---- a store shared by fibers ---- */

struct actor {
    struct store *store;
    char key[32];
    int steps;
};

static void actor_body(void *arg)
{
    struct actor *actor = arg;

    for (int i = 0; i < 5; i++) {
        struct store_op op;
        store_op_init(&op, i == 0 ? STORE_PUT : STORE_GET, actor->key);
        op.body = actor->key;
        op.body_len = strlen(actor->key);
        ck_assert_int_eq(store_do(actor->store, &op), STORE_OK);
        if (i > 0)
            ck_assert_str_eq(buf_text(&op.data), actor->key);
        store_op_release(&op);
        actor->steps++;
    }
}

START_TEST(test_fibers_share_a_store)
{
    enum {
        COUNT = 20
    };
    struct store_mem *mem = store_mem_create(NULL);
    struct store *store = store_fiber_open(store_mem_open(mem));
    struct actor actors[COUNT];
    struct fiber *fibers[COUNT], *fiber;
    int interleaved = 0;

    for (int i = 0; i < COUNT; i++) {
        actors[i] = (struct actor){.store = store};
        snprintf(actors[i].key, sizeof(actors[i].key), "key-%d", i);
        fibers[i] = fiber_create(actor_body, &actors[i]);
        fiber_resume(fibers[i]);
        ck_assert(!fiber_ended(fibers[i]));
    }
    while ((fiber = store_fiber_wait(store, 0, -1)) != NULL) {
        fiber_resume(fiber);
        interleaved += actors[0].steps > 0 && actors[0].steps < 5 && actors[1].steps > 0;
    }
    ck_assert_int_gt(interleaved, 0);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(actors[i].steps, 5);
        ck_assert(fiber_ended(fibers[i]));
        fiber_destroy(fibers[i]);
    }
    ck_assert_uint_eq(store_meter(store)->requests[STORE_GET], 4 * COUNT);
    store_close(store);
    store_mem_destroy(mem);
}
END_TEST

/* ---- figures ---- */

static void fill_histogram(struct histogram *histogram, uint64_t *next)
{
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++)
        histogram->upto[i] = (*next)++;
    histogram->count = (*next)++;
    histogram->sum = (double)(*next)++;
}

/* Every counter another value. */
static void fill_figures(struct lease_counters *counters, struct store_meter *meter)
{
    uint64_t next = 1;

    for (size_t i = 0; i < FIGURES_OUTCOMES; i++)
        counters->ends[i] = next++;
    for (size_t i = 0; i < FIGURES_CAUSES; i++)
        counters->causes[i] = next++;
    counters->completed_ms = (int64_t)next++;
    counters->completed_bytes = (int64_t)next++;
    fill_histogram(&counters->job_seconds, &next);
    fill_histogram(&counters->renewal_gap_seconds, &next);
    for (size_t i = 0; i <= STORE_FATAL; i++)
        meter->results[i] = next++;
    for (size_t kind = 0; kind < STORE_KIND_COUNT; kind++) {
        meter->requests[kind] = next++;
        for (size_t i = 0; i <= STORE_FATAL; i++)
            meter->ended[kind][i] = next++;
        fill_histogram(&meter->seconds[kind], &next);
    }
    meter->bytes_in = next++;
    meter->bytes_out = next++;
}

START_TEST(test_figures_handed_over)
{
    static struct lease_counters counters, read_counters;
    static struct store_meter meter, read_meter, sum;
    struct json_object *object;

    fill_figures(&counters, &meter);
    object = figures_write(&counters, &meter);
    figures_read(NULL, &read_counters, &read_meter);
    ck_assert_uint_eq(read_counters.ends[0], 0);
    figures_read(object, &read_counters, &read_meter);
    ck_assert_mem_eq(&read_counters, &counters, sizeof(counters));
    ck_assert_mem_eq(&read_meter, &meter, sizeof(meter));
    json_object_put(object);
    object = json_tokener_parse("{\"ends\": [1], \"causes\": {\"host\": -1}, \"kinds\": "
                                "{\"get\": 3}, \"job_seconds\": 5, \"bytes_in\": -1}");
    figures_read(object, &read_counters, &read_meter);
    ck_assert_mem_eq(&read_counters, &counters, sizeof(counters));
    ck_assert_mem_eq(&read_meter, &meter, sizeof(meter));
    json_object_put(object);
    store_meter_merge(&sum, &meter);
    store_meter_merge(&sum, &meter);
    ck_assert_uint_eq(sum.bytes_out, 2 * meter.bytes_out);
    ck_assert_uint_eq(sum.ended[4][5], 2 * meter.ended[4][5]);
    ck_assert_uint_eq(sum.seconds[4].count, 2 * meter.seconds[4].count);
}
END_TEST

/* ---- the host's load ---- */

START_TEST(test_host_load_texts)
{
    static const char stat[] = "cpu  100 10 40 800 50 3 7 0 60 0\ncpu0 1 1 1 1\n";
    static const char old[] = "cpu 1 2 3 4\n";
    static const char meminfo[] = "MemTotal:       16384 kB\nMemFree:  1 kB\nMemAvailable:    4096 "
                                  "kB\nBad: kB\nHuge: 99999999999999999999 kB";
    uint64_t busy, total;

    ck_assert(host_load_cpu_parse(stat, strlen(stat), &busy, &total));
    ck_assert_uint_eq(total, 1010);
    ck_assert_uint_eq(busy, 160);
    ck_assert(host_load_cpu_parse(old, strlen(old), &busy, &total));
    ck_assert_uint_eq(busy, 6);
    for (size_t len = 0; len < 11; len++)
        ck_assert_msg(!host_load_cpu_parse(old, len, &busy, &total) || len == 11, "%zu", len);
    ck_assert(!host_load_cpu_parse("cpus 1 2 3 4", 12, &busy, &total));
    ck_assert_int_eq(host_load_meminfo_parse(meminfo, strlen(meminfo), "MemTotal"), 16384 << 10);
    ck_assert_int_eq(host_load_meminfo_parse(meminfo, strlen(meminfo), "MemAvailable"), 4096 << 10);
    ck_assert_int_eq(host_load_meminfo_parse(meminfo, strlen(meminfo), "MemAvail"), -1);
    ck_assert_int_eq(host_load_meminfo_parse(meminfo, strlen(meminfo), "Bad"), -1);
    ck_assert_int_eq(host_load_meminfo_parse(meminfo, strlen(meminfo), "Huge"), -1);
    ck_assert_int_eq(host_load_meminfo_parse(meminfo, 0, "MemTotal"), -1);
}
END_TEST

START_TEST(test_host_load_here)
{
    struct host_load_sampler sampler = {0};
    struct host_load load;

    host_load_sample(&sampler, "/tmp", &load);
    ck_assert(load.cpu_percent >= 0 && load.cpu_percent <= 100);
    ck_assert(load.memory_percent > 0 && load.memory_percent < 100);
    ck_assert_int_gt(load.memory_bytes, 1 << 20);
    ck_assert_int_gt(load.disk_free_bytes, 0);
    ck_assert(load.load_average[0] >= 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("daemon");
    TCase *ipc = tcase_create("ipc"), *breaker = tcase_create("breaker"),
          *fiber = tcase_create("fiber"), *load = tcase_create("load"),
          *steering = tcase_create("steering");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(ipc, pair_up, pair_down);
    tcase_set_timeout(ipc, 60);
    tcase_add_test(ipc, test_job_round_trip);
    tcase_add_test(ipc, test_grant_with_descriptor);
    tcase_add_loop_test(ipc, test_ended_with_tails, 0, 7);
    tcase_add_loop_test(ipc, test_ended_of_others, 0, 7);
    tcase_add_test(ipc, test_ended_with_long_tail);
    tcase_add_test(ipc, test_small_messages);
    tcase_add_test(ipc, test_garbage);
    tcase_add_test(ipc, test_random_garbage);
    tcase_add_test(ipc, test_end_and_silence);
    tcase_add_test(steering, test_window_words);
    tcase_add_test(steering, test_window_hours);
    tcase_add_test(steering, test_window_clock_change);
    tcase_add_test(steering, test_control_requests);
    suite_add_tcase(suite, steering);
    tcase_add_test(breaker, test_breaker);
    tcase_add_test(breaker, test_breaker_slow_failures);
    tcase_add_test(fiber, test_fibers_share_a_store);
    tcase_add_test(load, test_figures_handed_over);
    tcase_add_test(load, test_host_load_texts);
    tcase_add_test(load, test_host_load_here);
    suite_add_tcase(suite, load);
    suite_add_tcase(suite, ipc);
    suite_add_tcase(suite, breaker);
    suite_add_tcase(suite, fiber);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
