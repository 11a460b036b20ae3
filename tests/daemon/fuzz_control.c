/* The parsers that read foreign lines in the master: control requests, and workers' messages.
 *
 * LLVMFuzzerTestOneInput() is what clang's libFuzzer calls (tests/daemon/fuzz.sh). Compiled by
 * itself it is a test: the seeds, then some thousand mutations of them, by a random seed that is
 * printed and may be given as argument. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "daemon/control_request.h"
#include "daemon/ipc.h"
#include "daemon/window.h"

static void check(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "does not hold: %s\n", what);
    abort();
}

static void feed_request(const void *bytes, size_t len)
{
    struct control_request request;
    const char *wrong = control_request_parse(bytes, len, &request);

    if (wrong != NULL) {
        check(*wrong != '\0', "a refusal has words");
        return;
    }
    check(control_command_name(request.command) != NULL, "an accepted order has a name");
    check(request.number >= 0 && request.number <= CONTROL_SLOTS_MAX, "numbers are in bounds");
}

static size_t length(const char *text)
{
    return text != NULL ? strlen(text) : 0;
}

/* A file beside a message, longer than what may be read of it. */
static int tails_make(void)
{
    static char bytes[3 * RUN_TAIL_MAX];
    int fd = memfd_create("fuzz-tails", MFD_CLOEXEC);

    check(fd >= 0 && store_write_at(fd, bytes, sizeof(bytes), 0), "there is a file of tails");
    return fd;
}

static void feed_message(const void *bytes, size_t len)
{
    struct ipc_message message;
    struct ipc_progress progress;
    struct ipc_ended ended;
    const char *text;
    unsigned char md5[16];
    int64_t a, b;
    enum store_status status;
    char *error = NULL;
    static int tails = -1;

    if (tails < 0)
        tails = tails_make();
    if (ipc_parse(bytes, len, &message) != IPC_OK)
        return;
    switch (message.type) {
    case IPC_HELLO:
        (void)!ipc_hello_read(&message, &a, &b);
        break;
    case IPC_PROGRESS:
        if (ipc_progress_read(&message, &progress))
            check(memchr(progress.phase, '\0', sizeof(progress.phase)) != NULL, "a phase ends");
        break;
    case IPC_PACKED:
        if (ipc_packed_read(&message, &a, md5))
            check(a >= 0, "a length is none below 0");
        break;
    case IPC_SENT:
        if (ipc_sent_read(&message, &status, &error))
            check(status >= STORE_OK && status <= STORE_FATAL, "a status is one");
        free(error);
        break;
    case IPC_ENDED:
        message.fd = tails;
        if (ipc_ended_read(&message, &ended)) {
            check(length(ended.record->stderr_tail) <= RUN_TAIL_MAX, "standard error is bounded");
            check(length(ended.record->stdout_tail) <= RUN_TAIL_MAX, "standard output is bounded");
            record_attempt_release(ended.record);
            free(ended.record);
        }
        message.fd = -1;
        break;
    case IPC_NOTE:
        if (ipc_note_read(&message, &text))
            check(strlen(text) <= IPC_NOTE_MAX, "a note is short");
        break;
    case IPC_SETUP:
    case IPC_JOB:
    case IPC_PUBLISH:
    case IPC_CLEAR:
        break;
    }
    ipc_message_release(&message);
}

static void feed_window(const void *bytes, size_t len)
{
    struct window window;
    char *text = mem_printf("%.*s", (int)len, (const char *)bytes);

    if (window_parse(text, &window) == NULL)
        check(window.count <= WINDOW_MAX, "windows are few");
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    feed_request(data, size);
    feed_message(data, size);
    feed_window(data, size);
    return 0;
}

#ifndef FUZZER_OF_ITS_OWN
#define ROUNDS 100000

static const char *const seeds[] = {
    "{\"cmd\":\"status\"}",
    "{\"cmd\":\"slots\",\"slots\":8}",
    "{\"cmd\":\"slots\",\"slots\":-1}",
    "{\"cmd\":\"slots\",\"slots\":1e300}",
    "{\"cmd\":\"kill-slot\",\"slot\":3}",
    "{\"cmd\":\"log-level\",\"level\":\"debug\"}",
    "{\"cmd\":[{\"cmd\":{}}]}",
    "{\"type\":\"hello\",\"seq\":0,\"version\":2,\"pid\":77}",
    ("{\"type\":\"progress\",\"seq\":7,\"phase\":\"convert\",\"stage\":\"text\",\"page\":3,"
     "\"pages\":9,"
     "\"cpu_seconds\":1.5,\"rss_bytes\":1024,\"size_bytes\":99,\"name\":\"a.pdf\"}"),
    "{\"type\":\"packed\",\"seq\":7,\"length\":12,\"md5\":\"00112233445566778899aabbccddeeff\"}",
    "{\"type\":\"sent\",\"seq\":7,\"status\":\"ok\",\"error\":null}",
    "{\"type\":\"ended\",\"seq\":7,\"blame\":0,\"stderr_bytes\":9,\"record\":{\"cause\":\"host\"}}",
    "{\"type\":\"note\",\"seq\":7,\"text\":\"two fonts are missing\"}",
    "22:00-06:00, 12:30-13:15",
    "00:00-24:00",
};

static size_t mutate(struct rng *rng, unsigned char *bytes, size_t len, size_t room)
{
    for (uint64_t n = rng_below(rng, 8) + 1; n > 0; n--) {
        size_t at = len == 0 ? 0 : (size_t)rng_below(rng, len);
        switch (rng_below(rng, 5)) {
        case 0:
            if (len > 0)
                bytes[at] = (unsigned char)rng_below(rng, 256);
            break;
        case 1: /* cut */
            len = at;
            break;
        case 2: /* double a piece */
            if (len > 0 && len + (len - at) <= room) {
                memmove(bytes + len, bytes + at, len - at);
                len += len - at;
            }
            break;
        case 3: /* drop a byte */
            if (len > 0) {
                memmove(bytes + at, bytes + at + 1, len - at - 1);
                len--;
            }
            break;
        default: /* a byte of syntax */
            if (len > 0)
                bytes[at] = (unsigned char)"{}[]\",:-0\\u"[rng_below(rng, 11)];
            break;
        }
    }
    return len;
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : rng_below(rng_system(), 1u << 30);
    struct rng_seeded seeded;
    struct rng *rng = &seeded.rng;
    unsigned char bytes[8192];

    rng_seeded_init(&seeded, seed);
    printf("seed %llu\n", (unsigned long long)seed);
    for (size_t i = 0; i < ARRAY_LEN(seeds); i++)
        LLVMFuzzerTestOneInput((const uint8_t *)seeds[i], strlen(seeds[i]));
    for (int round = 0; round < ROUNDS; round++) {
        const char *text = seeds[rng_below(rng, ARRAY_LEN(seeds))];
        size_t len = strlen(text);
        memcpy(bytes, text, len);
        len = mutate(rng, bytes, len, sizeof(bytes));
        LLVMFuzzerTestOneInput(bytes, len);
    }
    return 0;
}
#endif
