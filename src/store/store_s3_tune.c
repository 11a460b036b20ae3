/* What may change while the store is open, and the engines that carry its requests.
 *
 * Connections, time-outs and trusted certificates belong to an engine. Others mean another engine,
 * which takes all requests that begin from then on; the old one is kept until what is under way in
 * it has ended. So no request waits for another, nothing is cut, and none that begins later uses a
 * connection that was made under the old certificates. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "s3/s3_trust.h"
#include "store/store_s3_parts.h"

enum {
    PART_SIZE_MIN = 5 * 1024 * 1024, /* S3 API, "Amazon S3 multipart upload limits" */
    RETIRED_TURN_MS = 10,            /* retired engines are looked at so often */
};

struct s3_retired {
    struct s3_http *http;
    struct s3_retired *next;
};

static void set_text(char **at, const char *text)
{
    free(*at);
    *at = text != NULL && text[0] != '\0' ? mem_strdup(text) : NULL;
}

static void retire(struct s3_store *s3)
{
    struct s3_retired *retired;

    if (s3->http == NULL)
        return;
    if (s3_http_active(s3->http) == 0) {
        s3_http_destroy(s3->http);
        return;
    }
    retired = mem_alloc(sizeof(*retired));
    retired->http = s3->http;
    retired->next = s3->retired;
    s3->retired = retired;
}

void s3_take_tuning(struct s3_store *s3, const struct store_tuning *tuning)
{
    char *pin_host = s3_pin_host(&s3->place);
    struct s3_http_config config = {.connections = tuning->connections,
                                    .connect_timeout_ms = tuning->connect_timeout_ms,
                                    .stall_timeout_ms = tuning->stall_timeout_ms,
                                    .ca_file = tuning->ca_file,
                                    .address = s3->pinned,
                                    .address_host = pin_host};

    set_text(&s3->sse, tuning->sse);
    set_text(&s3->sse_kms_key_id, tuning->sse_kms_key_id);
    set_text(&s3->storage_class, tuning->storage_class);
    s3->patience_ms = tuning->patience_ms;
    s3->part_size = tuning->part_size < PART_SIZE_MIN ? PART_SIZE_MIN : tuning->part_size;
    retire(s3);
    s3->http = s3_http_create(&config, s3->clock);
    free(pin_host);
}

bool s3_tune(struct store *store, const struct store_tuning *tuning, char **error_r)
{
    struct s3_store *s3 = CONTAINER_OF(store, struct s3_store, base);

    if (s3->place.tls && !s3_trust_check(tuning->ca_file, error_r))
        return false;
    s3_take_tuning(s3, tuning);
    return true;
}

static void turn_retired(struct s3_store *s3)
{
    struct s3_retired **at = &s3->retired;

    while (*at != NULL) {
        struct s3_retired *retired = *at;
        (void)s3_http_turn(retired->http, 0, -1);
        if (s3_http_active(retired->http) > 0) {
            at = &retired->next;
            continue;
        }
        *at = retired->next;
        s3_http_destroy(retired->http);
        free(retired);
    }
}

/* One engine can wait at a time: it is the new one, and not for long while there are others. */
bool s3_engines_turn(struct s3_store *s3, int64_t timeout_ms, int wake_fd)
{
    if (s3->retired != NULL) {
        turn_retired(s3);
        if (timeout_ms < 0 || timeout_ms > RETIRED_TURN_MS)
            timeout_ms = RETIRED_TURN_MS;
    }
    return s3_http_turn(s3->http, timeout_ms, wake_fd);
}

void s3_engines_destroy(struct s3_store *s3)
{
    while (s3->retired != NULL) {
        struct s3_retired *retired = s3->retired;
        s3->retired = retired->next;
        s3_http_destroy(retired->http);
        free(retired);
    }
    s3_http_destroy(s3->http);
}
