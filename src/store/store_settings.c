/* See store_settings.h: from settings to an open bucket. */
#include "store/store_settings.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/exitcode.h"
#include "s3/s3_trust.h"
#include "store/store_s3.h"

/* What open_s3() needs beyond the store's own options. */
struct store_s3_settings {
    const struct settings *settings;
    const char *prefix;
    const char *address;          /* NULL: any */
    struct s3_creds_source *keys; /* NULL: its own */
};

static const char *ca_file_of(const struct settings *settings)
{
    const char *named = settings_text(settings, SETTING_S3_CA_FILE);

    return *named != '\0' ? named : getenv("AWS_CA_BUNDLE");
}

static struct store_tuning tuning_of(const struct settings *settings)
{
    return (struct store_tuning){
        .ca_file = ca_file_of(settings),
        .connections = (int)settings_number(settings, SETTING_S3_CONNECTIONS),
        .connect_timeout_ms = settings_number(settings, SETTING_S3_CONNECT_TIMEOUT),
        .stall_timeout_ms = settings_number(settings, SETTING_S3_STALL_TIMEOUT),
        .patience_ms = settings_number(settings, SETTING_STORE_PATIENCE),
        .part_size = settings_number(settings, SETTING_S3_PART_SIZE),
        .sse = settings_text(settings, SETTING_S3_SSE),
        .sse_kms_key_id = settings_text(settings, SETTING_S3_SSE_KMS_KEY_ID),
        .storage_class = settings_text(settings, SETTING_S3_STORAGE_CLASS),
    };
}

static enum store_open_status open_s3(const char *bucket, const struct store_options *options,
                                      struct store **store_r, char **error_r)
{
    const struct settings *settings = options->s3->settings;
    struct store_s3_options s3;

    store_s3_options_init(&s3);
    s3.bucket = bucket;
    s3.prefix = options->s3->prefix;
    s3.address = options->s3->address;
    s3.creds = options->s3->keys;
    s3.profile = settings_text(settings, SETTING_S3_PROFILE);
    s3.endpoint_url = settings_text(settings, SETTING_S3_ENDPOINT_URL);
    s3.region = settings_text(settings, SETTING_S3_REGION);
    s3.tuning = tuning_of(settings);
    s3.clock = options->clock;
    s3.rng = options->rng;
    if (!store_s3_addressing_parse(settings_text(settings, SETTING_S3_ADDRESSING),
                                   &s3.addressing)) {
        *error_r = mem_strdup("s3_addressing: unknown word; give auto, path or virtual");
        return STORE_OPEN_BAD_URL;
    }
    *store_r = store_s3_open(&s3, error_r);
    return *store_r != NULL ? STORE_OPEN_OK : STORE_OPEN_BAD_URL;
}

char *store_settings_prefix(const struct settings *settings, char **error_r)
{
    struct store_url_parts parts;
    const char *named;
    char *prefix = NULL;
    size_t len;

    if (store_url_parse(settings_text(settings, SETTING_STORE), &parts, error_r)) {
        named = parts.prefix != NULL ? parts.prefix : settings_text(settings, SETTING_PREFIX);
        len = strlen(named);
        prefix = mem_printf("%s%s", named, len > 0 && named[len - 1] != '/' ? "/" : "");
    }
    store_url_release(&parts);
    return prefix;
}

bool store_settings_is_remote(const struct settings *settings)
{
    return strncmp(settings_text(settings, SETTING_STORE), "s3:", 3) == 0;
}

bool store_settings_is_soft(const struct settings *settings)
{
    return store_settings_is_remote(settings) &&
           strcmp(settings_text(settings, SETTING_S3_CONDITIONAL_WRITES), "soft") == 0;
}

bool store_settings_check(const struct settings *settings, char **error_r)
{
    bool plain = strncasecmp(settings_text(settings, SETTING_S3_ENDPOINT_URL), "http://", 7) == 0;

    *error_r = NULL;
    return !store_settings_is_remote(settings) || plain ||
           s3_trust_check(ca_file_of(settings), error_r);
}

bool store_settings_tune(struct store *store, const struct settings *settings, char **error_r)
{
    struct store_tuning tuning = tuning_of(settings);

    return store_tune(store, &tuning, error_r);
}

static enum store_open_status open_at(const struct settings *settings, struct clock *clock,
                                      struct rng *rng, bool must_exist,
                                      struct s3_creds_source *keys, const char *address,
                                      struct store **store_r, char **error_r)
{
    char *prefix = store_settings_prefix(settings, error_r);
    struct store_s3_settings s3 = {settings, prefix, address, keys};
    struct store_options options = {
        .clock = clock,
        .rng = rng,
        .allow_network_fs = settings_bool(settings, SETTING_ALLOW_NETWORK_FS),
        .must_exist = must_exist,
        .s3_open = open_s3,
        .s3 = &s3,
    };
    enum store_open_status status = STORE_OPEN_BAD_URL;

    *store_r = NULL;
    if (prefix != NULL)
        status = store_open(settings_text(settings, SETTING_STORE), &options, store_r, error_r);
    free(prefix);
    return status;
}

enum store_open_status store_settings_open(const struct settings *settings, struct clock *clock,
                                           struct rng *rng, bool must_exist, struct store **store_r,
                                           char **error_r)
{
    return open_at(settings, clock, rng, must_exist, NULL, NULL, store_r, error_r);
}

struct s3_creds_source *store_settings_keep_keys(const struct settings *settings)
{
    struct s3_creds_source *keys;

    if (!store_settings_is_remote(settings))
        return NULL;
    keys = s3_creds_source_create();
    s3_creds_source_set_region(keys, settings_text(settings, SETTING_S3_REGION));
    s3_creds_source_set_profile(keys, settings_text(settings, SETTING_S3_PROFILE));
    return keys;
}

void store_settings_drop_keys(struct s3_creds_source *keys)
{
    s3_creds_source_destroy(keys);
}

void store_settings_guard_memory(void)
{
    struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
    if (!SANITIZED)
        prctl(PR_SET_DUMPABLE, 0);
}

const char *const *store_settings_secrets(void)
{
    return s3_creds_secret_variables;
}

struct store *store_settings_open_kept(const struct settings *settings,
                                       struct s3_creds_source *keys, const char *address,
                                       char **error_r)
{
    struct store *store = NULL;

    *error_r = NULL;
    if (open_at(settings, clock_system(), rng_system(), true, keys, address, &store, error_r) !=
        STORE_OPEN_OK)
        store = NULL;
    return store;
}

struct store *store_settings_open_pinned(const struct settings *settings, const char *address)
{
    char *error = NULL;
    struct store *store = store_settings_open_kept(settings, NULL, address, &error);

    free(error);
    return store;
}

int store_open_exitcode(enum store_open_status status)
{
    switch (status) {
    case STORE_OPEN_OK:
        return EXITCODE_OK;
    case STORE_OPEN_BAD_URL:
    case STORE_OPEN_UNFIT:
        return EXITCODE_CONFIG;
    case STORE_OPEN_MISSING:
        return EXITCODE_UNAVAILABLE;
    case STORE_OPEN_DENIED:
        return EXITCODE_NOPERM;
    case STORE_OPEN_ERROR:
        return EXITCODE_IOERR;
    }
    return EXITCODE_SOFTWARE;
}
