/* See s3_creds.h. */
#include "s3/s3_creds.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "s3/s3_creds_net.h"
#include "s3/s3_secret.h"

enum {
    FILE_MAX = 256 * 1024,    /* a shared file with a thousand profiles has some 100 KB */
    EARLY_MS = 5 * 60 * 1000, /* keys are renewed so long before their end ... */
    EARLY_PART = 3,           /* ... or so early a part of their life, if that is shorter */
    AGAIN_MS = 15 * 1000,     /* after a renewal that failed */
    ABSENT_MS = 60 * 1000,    /* who has no keys is not asked again before */
    DROP_MS = 2000,           /* younger keys are not dropped: many requests are refused at once */
};

/* What the environment said when the source was made. */
struct s3_creds_source {
    struct s3_creds own, aws; /* providers 1 and 2; empty fields: variable not set */
    struct s3_creds current;
    struct s3_creds kept; /* of the network; access[0] == 0: none */
    int64_t kept_ms;      /* wall clock: fetched then */
    int64_t absent_ms;    /* wall clock: an instance that did not answer is not asked before */
    struct s3_creds_net *net;
    char *profile;      /* NULL: AWS_PROFILE is not set */
    bool profile_alone; /* it was named for this store: other providers are not asked */
    char *systemd_file, *credentials_file, *config_file;
    bool credentials_named, config_named; /* by a variable, so they must be readable */
};

const char *const s3_creds_secret_variables[] = {
    "BLOBFORGE_S3_ACCESS_KEY_ID",
    "BLOBFORGE_S3_SECRET_ACCESS_KEY",
    "BLOBFORGE_S3_SESSION_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    NULL,
};

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* Copies a variable; a value that does not fit is left out but for its first byte, which no check
 * of the length can take for a whole key: half of a key must not be used. */
static bool copy_value(const char *value, size_t len, char *out, size_t size)
{
    if (len >= size)
        return false;
    memcpy(out, value, len);
    out[len] = '\0';
    return true;
}

static void take_environment(struct s3_creds *creds, const char *access, const char *secret,
                             const char *token)
{
    const char *const values[] = {variable(access), variable(secret), variable(token)};
    char *const fields[] = {creds->access, creds->secret, creds->token};
    const size_t sizes[] = {sizeof(creds->access), sizeof(creds->secret), sizeof(creds->token)};
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        if (values[i] != NULL && !copy_value(values[i], strlen(values[i]), fields[i], sizes[i]))
            creds->expires_ms = -1; /* too long: said when the provider is asked */
    snprintf(creds->origin, sizeof(creds->origin), "environment %s", access);
}

static char *home_file(const char *name)
{
    const char *home = variable("HOME");
    if (home == NULL) {
        const struct passwd *user = getpwuid(getuid());
        home = user != NULL ? user->pw_dir : NULL;
    }
    return home != NULL ? mem_printf("%s/.aws/%s", home, name) : NULL;
}

struct s3_creds_source *s3_creds_source_create(void)
{
    struct s3_creds_source *source = s3_secret_create(sizeof(*source));
    if (source == NULL)
        abort(); /* a few hundred KB of address space are not to be had */
    take_environment(&source->own, s3_creds_secret_variables[0], s3_creds_secret_variables[1],
                     s3_creds_secret_variables[2]);
    take_environment(&source->aws, s3_creds_secret_variables[3], s3_creds_secret_variables[4],
                     s3_creds_secret_variables[5]);
    source->profile = mem_strdup(variable("AWS_PROFILE"));
    const char *directory = variable("CREDENTIALS_DIRECTORY");
    if (directory != NULL)
        source->systemd_file = mem_printf("%s/s3-credentials", directory);
    const char *credentials = variable("AWS_SHARED_CREDENTIALS_FILE");
    const char *config = variable("AWS_CONFIG_FILE");
    source->credentials_named = credentials != NULL;
    source->config_named = config != NULL;
    source->credentials_file =
        credentials != NULL ? mem_strdup(credentials) : home_file("credentials");
    source->config_file = config != NULL ? mem_strdup(config) : home_file("config");
    source->net = s3_creds_net_create();
    return source;
}

void s3_creds_source_set_region(struct s3_creds_source *source, const char *region)
{
    s3_creds_net_set_region(source->net, region);
}

void s3_creds_source_set_profile(struct s3_creds_source *source, const char *profile)
{
    if (profile == NULL || *profile == '\0')
        return;
    free(source->profile);
    source->profile = mem_strdup(profile);
    source->profile_alone = true;
}

void s3_creds_source_drop(struct s3_creds_source *source)
{
    if (clock_wall_ms(clock_system()) - source->kept_ms >= DROP_MS)
        source->kept.access[0] = '\0';
}

void s3_creds_source_destroy(struct s3_creds_source *source)
{
    if (source == NULL)
        return;
    s3_creds_net_destroy(source->net);
    free(source->profile);
    free(source->systemd_file);
    free(source->credentials_file);
    free(source->config_file);
    s3_secret_destroy(source, sizeof(*source));
}

/* ---- shared files ---- */

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

static const char *cut_blanks(const char *begin, const char *end)
{
    while (end > begin && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
        end--;
    return end;
}

static bool text_is(const char *at, const char *end, const char *word)
{
    return (size_t)(end - at) == strlen(word) && memcmp(at, word, strlen(word)) == 0;
}

/* Is `[at, end)`, what stands between the brackets, the profile's name? */
static bool section_is(const char *at, const char *end, const char *profile, bool prefixed)
{
    static const char word[] = "profile";
    at = skip_blanks(at, end);
    end = cut_blanks(at, end);
    if (prefixed && (size_t)(end - at) > sizeof(word) && memcmp(at, word, sizeof(word) - 1) == 0 &&
        (at[7] == ' ' || at[7] == '\t'))
        at = skip_blanks(at + sizeof(word) - 1, end);
    return text_is(at, end, profile);
}

/* A line `name = value` within the section. */
static bool take_line(const char *at, const char *end, struct s3_creds *creds)
{
    const char *equals = memchr(at, '=', (size_t)(end - at));
    if (equals == NULL)
        return true; /* settings of other programs, nested ones too, are not ours to check */
    const char *name_end = cut_blanks(at, equals);
    const char *value = skip_blanks(equals + 1, end);
    size_t len = (size_t)(cut_blanks(value, end) - value);
    if (text_is(at, name_end, "aws_access_key_id"))
        return copy_value(value, len, creds->access, sizeof(creds->access));
    if (text_is(at, name_end, "aws_secret_access_key"))
        return copy_value(value, len, creds->secret, sizeof(creds->secret));
    if (text_is(at, name_end, "aws_session_token"))
        return copy_value(value, len, creds->token, sizeof(creds->token));
    return true;
}

/* What a provider has in its fields. */
static enum s3_creds_status judge(const struct s3_creds *creds, const char **why_r)
{
    if (creds->expires_ms < 0) {
        *why_r = "a key in it is too long";
        return S3_CREDS_BROKEN;
    }
    if (creds->access[0] == '\0' && creds->secret[0] == '\0')
        return S3_CREDS_NONE;
    if (creds->access[0] == '\0' || creds->secret[0] == '\0') {
        *why_r = creds->access[0] == '\0' ? "the secret key has no access key id beside it"
                                          : "the access key id has no secret key beside it";
        return S3_CREDS_BROKEN;
    }
    return S3_CREDS_OK;
}

enum s3_creds_status s3_creds_parse(const char *text, size_t len, const char *profile,
                                    bool prefixed, struct s3_creds *creds_r, const char **why_r)
{
    const char *at = text, *end = text + len;
    bool inside = false;
    memset(creds_r, 0, sizeof(*creds_r));
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline != NULL ? newline : end;
        const char *first = skip_blanks(at, line_end);
        if (first < line_end && *first == '[') {
            const char *close = memchr(first, ']', (size_t)(line_end - first));
            inside = close != NULL && section_is(first + 1, close, profile, prefixed);
        } else if (inside && first < line_end && *first != '#' && *first != ';' &&
                   !take_line(first, line_end, creds_r)) {
            creds_r->expires_ms = -1;
        }
        at = line_end + 1;
    }
    return judge(creds_r, why_r);
}

/* Reads a file of at most FILE_MAX - 1 bytes. -1: errno says why. */
static ssize_t read_file(const char *path, char *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    size_t len = 0;
    if (fd == -1)
        return -1;
    while (len < FILE_MAX) {
        ssize_t n = read(fd, text + len, FILE_MAX - len);
        if (n == -1 && errno == EINTR)
            continue;
        if (n <= 0) {
            int saved = errno;
            close(fd);
            errno = saved;
            return n == 0 ? (ssize_t)len : -1;
        }
        len += (size_t)n;
    }
    close(fd);
    errno = EFBIG;
    return -1;
}

/* What a file that cannot be read means. `must`: it was named, so its absence is a fault. */
static enum s3_creds_status judge_unread(const struct s3_creds_source *source, const char *path,
                                         bool must, int error, char **error_r)
{
    if (!must && (error == ENOENT || error == ENOTDIR))
        return S3_CREDS_NONE;
    if (!must && error == EACCES && source->profile == NULL)
        return S3_CREDS_NONE; /* a daemon that left root has no business in root's home */
    *error_r = mem_printf("keys in %s: %s; make it readable for this user, or name another file",
                          path, strerror(error));
    return S3_CREDS_BROKEN;
}

/* One file as a provider. */
static enum s3_creds_status ask_file(struct s3_creds_source *source, const char *path, bool must,
                                     bool prefixed, char **error_r)
{
    const char *profile = source->profile != NULL ? source->profile : "default";
    const char *why = NULL;
    enum s3_creds_status status;
    if (path == NULL)
        return S3_CREDS_NONE;
    char *text = s3_secret_create(FILE_MAX);
    ssize_t len = text != NULL ? read_file(path, text) : -1;
    if (len == -1)
        status = judge_unread(source, path, must, errno, error_r);
    else
        status = s3_creds_parse(text, (size_t)len, profile, prefixed, &source->current, &why);
    s3_secret_destroy(text, FILE_MAX);
    if (why != NULL)
        *error_r =
            mem_printf("keys in %s, profile %s: %s; complete the profile", path, profile, why);
    snprintf(source->current.origin, sizeof(source->current.origin), "file %s, profile %s", path,
             profile);
    return status;
}

/* ---- the chain ---- */

static enum s3_creds_status ask_environment(struct s3_creds_source *source,
                                            const struct s3_creds *taken, char **error_r)
{
    const char *why = NULL;
    enum s3_creds_status status = judge(taken, &why);
    if (status == S3_CREDS_OK)
        source->current = *taken;
    else if (status == S3_CREDS_BROKEN)
        *error_r = mem_printf("keys in %s: %s; set both or neither", taken->origin, why);
    return status;
}

static enum s3_creds_status ask_own(struct s3_creds_source *source, char **error_r)
{
    return ask_environment(source, &source->own, error_r);
}

static enum s3_creds_status ask_aws(struct s3_creds_source *source, char **error_r)
{
    return ask_environment(source, &source->aws, error_r);
}

static enum s3_creds_status ask_systemd(struct s3_creds_source *source, char **error_r)
{
    return ask_file(source, source->systemd_file, false, false, error_r);
}

static enum s3_creds_status ask_credentials_file(struct s3_creds_source *source, char **error_r)
{
    return ask_file(source, source->credentials_file, source->credentials_named, false, error_r);
}

static enum s3_creds_status ask_config_file(struct s3_creds_source *source, char **error_r)
{
    return ask_file(source, source->config_file, source->config_named, true, error_r);
}

/* What the network said, kept for its time. */
static enum s3_creds_status ask_network(struct s3_creds_source *source,
                                        enum s3_creds_status (*ask)(struct s3_creds_net *,
                                                                    struct s3_creds *, char **),
                                        char **error_r)
{
    int64_t now = clock_wall_ms(clock_system()), early;
    bool good = source->kept.access[0] != '\0' &&
                (source->kept.expires_ms == 0 || now < source->kept.expires_ms);
    enum s3_creds_status status = S3_CREDS_OK;
    if (!good || (source->kept.renew_ms != 0 && now >= source->kept.renew_ms)) {
        status = ask(source->net, &source->current, error_r);
        if (status == S3_CREDS_OK) {
            early = (source->current.expires_ms - now) / EARLY_PART;
            early = early > EARLY_MS ? EARLY_MS : early;
            source->current.renew_ms =
                source->current.expires_ms != 0 ? source->current.expires_ms - early : 0;
            source->kept = source->current;
            source->kept_ms = now;
        } else if (good && status == S3_CREDS_BROKEN) { /* they still do */
            free(*error_r);
            *error_r = NULL;
            source->kept.renew_ms = now + AGAIN_MS;
            status = S3_CREDS_OK;
        }
    }
    if (status == S3_CREDS_OK)
        source->current = source->kept;
    return status;
}

static enum s3_creds_status ask_web_identity(struct s3_creds_source *source, char **error_r)
{
    return ask_network(source, s3_creds_ask_web_identity, error_r);
}

static enum s3_creds_status ask_container(struct s3_creds_source *source, char **error_r)
{
    return ask_network(source, s3_creds_ask_container, error_r);
}

static enum s3_creds_status ask_instance(struct s3_creds_source *source, char **error_r)
{
    int64_t now = clock_wall_ms(clock_system());
    enum s3_creds_status status;
    if (source->profile != NULL || now < source->absent_ms)
        return S3_CREDS_NONE; /* a profile that was named is meant */
    status = ask_network(source, s3_creds_ask_instance, error_r);
    if (status == S3_CREDS_NONE)
        source->absent_ms = now + ABSENT_MS;
    return status;
}

static enum s3_creds_status (*const providers[])(struct s3_creds_source *, char **) = {
    ask_own,         ask_aws,       ask_systemd,  ask_web_identity, ask_credentials_file,
    ask_config_file, ask_container, ask_instance,
};

enum s3_creds_status s3_creds_fetch(struct s3_creds_source *source, const struct s3_creds **creds_r,
                                    char **error_r)
{
    *creds_r = &source->current;
    *error_r = NULL;
    memset(&source->current, 0, sizeof(source->current));
    for (size_t i = 0; i < ARRAY_LEN(providers); i++) {
        enum s3_creds_status status;

        if (source->profile_alone && providers[i] != ask_credentials_file &&
            providers[i] != ask_config_file)
            continue;
        status = providers[i](source, error_r);
        if (status != S3_CREDS_NONE)
            return status;
    }
    if (source->profile != NULL) {
        *error_r =
            mem_printf("keys of profile %s: neither %s nor %s has any; add the profile, or "
                       "unset %s",
                       source->profile,
                       source->credentials_file ? source->credentials_file : "~/.aws/credentials",
                       source->config_file ? source->config_file : "~/.aws/config",
                       source->profile_alone ? "s3_profile" : "AWS_PROFILE");
        return S3_CREDS_BROKEN;
    }
    *error_r = mem_printf(
        "no keys for the bucket: neither the environment nor the shared files nor "
        "this machine's role have any; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write "
        "~/.aws/credentials");
    return S3_CREDS_NONE;
}
