/* See s3_creds_net.h. */
#include "s3/s3_creds_net.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/quote.h"
#include "s3/s3_http.h"
#include "s3/s3_secret.h"
#include "s3/s3_url.h"
#include "s3/s3_xml.h"

enum {
    CONNECT_MS = 5000, /* of STS, perhaps far away */
    NEAR_MS = 1000,    /* of what is on this machine, or not at all */
    ANSWER_MS = 10000,
    ANSWER_MAX = 64 * 1024,
    TOKEN_FILE_MAX = 64 * 1024, /* a Kubernetes token has one or two KB */
    TRIES = 3,
    TRY_PAUSE_MS = 300,
    METADATA_TOKEN_S = 300, /* an instance's own token is used at once */
};

#define CONTAINER_HOST "http://169.254.170.2"
#define METADATA_IPV4 "http://169.254.169.254"
#define METADATA_IPV6 "http://[fd00:ec2::254]"

struct s3_creds_net {
    char *region;
    char *role_arn, *role_session, *web_token_file, *sts_url;
    char *container_url, *container_token, *container_token_file;
    char *metadata_url; /* NULL: disabled */
};

static char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? mem_strdup(value) : NULL;
}

static bool variable_is(const char *name, const char *word)
{
    const char *value = getenv(name);
    return value != NULL && strcasecmp(value, word) == 0;
}

struct s3_creds_net *s3_creds_net_create(void)
{
    struct s3_creds_net *net = mem_alloc(sizeof(*net));
    net->region = variable("AWS_REGION");
    if (net->region == NULL)
        net->region = variable("AWS_DEFAULT_REGION");
    net->role_arn = variable("AWS_ROLE_ARN");
    net->role_session = variable("AWS_ROLE_SESSION_NAME");
    net->web_token_file = variable("AWS_WEB_IDENTITY_TOKEN_FILE");
    net->sts_url = variable("AWS_ENDPOINT_URL_STS");
    char *relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    net->container_url = relative != NULL ? mem_printf("%s%s", CONTAINER_HOST, relative)
                                          : variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    free(relative);
    net->container_token = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    net->container_token_file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    if (!variable_is("AWS_EC2_METADATA_DISABLED", "true")) {
        net->metadata_url = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        if (net->metadata_url == NULL)
            net->metadata_url = mem_strdup(
                variable_is("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6") ? METADATA_IPV6
                                                                              : METADATA_IPV4);
    }
    return net;
}

static void free_secret(char *text)
{
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
}

void s3_creds_net_destroy(struct s3_creds_net *net)
{
    if (net == NULL)
        return;
    free(net->region);
    free(net->role_arn);
    free(net->role_session);
    free(net->web_token_file);
    free(net->sts_url);
    free(net->container_url);
    free_secret(net->container_token);
    free(net->container_token_file);
    free(net->metadata_url);
    free(net);
}

void s3_creds_net_set_region(struct s3_creds_net *net, const char *region)
{
    free(net->region);
    net->region = mem_strdup(region);
}

/* ---- one exchange ---- */

struct exchange {
    const char *method, *url, *body;
    struct s3_header headers[2];
    size_t headers_len;
    bool near; /* on this machine: no proxy, and soon given up */
    /* The answer; status 0: none, `why` says why. */
    int status;
    struct buf answer;
    char why[S3_HTTP_WHY_SIZE];
    bool ended;
};

static void on_answer(void *arg, struct s3_http_answer *answer)
{
    struct exchange *exchange = arg;
    exchange->ended = true;
    exchange->status = answer->outcome == S3_HTTP_ANSWERED ? answer->status : 0;
    memcpy(exchange->why, answer->why, sizeof(exchange->why));
    exchange->answer = *answer->body;
    *answer->body = (struct buf)BUF_INIT;
}

static void exchange_release(struct exchange *exchange)
{
    if (exchange->answer.len > 0)
        explicit_bzero(exchange->answer.data, exchange->answer.len);
    buf_release(&exchange->answer);
}

static void send_once(struct s3_http *http, struct exchange *exchange)
{
    struct s3_http_request request;
    exchange_release(exchange);
    exchange->ended = false;
    s3_http_request_init(&request, exchange->method, exchange->url);
    request.headers = exchange->headers;
    request.headers_len = exchange->headers_len;
    request.body = exchange->body;
    request.body_len = exchange->body != NULL ? (int64_t)strlen(exchange->body) : 0;
    request.max_bytes = ANSWER_MAX;
    request.deadline_ms = exchange->near ? 2 * NEAR_MS : ANSWER_MS;
    request.done = on_answer;
    request.arg = exchange;
    if (!s3_http_start(http, &request))
        abort(); /* a fresh engine has a free place */
    while (!exchange->ended)
        (void)s3_http_turn(http, -1, -1);
}

/* Repeats while nobody answers, or 5xx; `tries` in all. */
static void exchange_run(struct exchange *exchange, int tries)
{
    struct s3_http_config config = {.connections = 1,
                                    .connect_timeout_ms = exchange->near ? NEAR_MS : CONNECT_MS,
                                    .stall_timeout_ms = ANSWER_MS,
                                    .direct = exchange->near};
    struct s3_http *http = s3_http_create(&config, clock_system());
    for (int i = 0; i < tries; i++) {
        if (i > 0)
            clock_sleep_ms(clock_system(), TRY_PAUSE_MS << i);
        send_once(http, exchange);
        if (exchange->status != 0 && exchange->status < 500)
            break;
    }
    s3_http_destroy(http);
}

static void add_header(struct exchange *exchange, const char *name, const char *value)
{
    exchange->headers[exchange->headers_len++] = (struct s3_header){name, value};
}

/* "KEYS: URL answers 403"; the answer itself may hold secrets and is not quoted. */
static char *say(const char *keys, const struct exchange *exchange, const char *remedy)
{
    struct buf why = BUF_INIT;
    char *url = quote_name(exchange->url), *text;
    if (exchange->status == 0)
        quote_append(&why, exchange->why, strlen(exchange->why));
    else if (exchange->status != 200)
        buf_printf(&why, "the answer is %d", exchange->status);
    else
        buf_puts(&why, "the answer holds no keys");
    text = mem_printf("keys %s: %s: %s; %s", keys, url, buf_text(&why), remedy);
    buf_release(&why);
    free(url);
    return text;
}

/* A token from a file, without the line's end. NULL: *error_r. The caller frees it by
 * free_secret(). */
static char *read_token(const char *path, char **error_r)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    char *text = mem_alloc(TOKEN_FILE_MAX);
    ssize_t n = fd != -1 ? read(fd, text, TOKEN_FILE_MAX - 1) : -1;
    const char *why = n == -1 ? strerror(errno) : n == 0 ? "it is empty" : NULL;
    if (fd != -1)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    if (why == NULL && text[0] == '\0')
        why = "its first line is empty";
    if (why == NULL)
        return text;
    free_secret(text);
    char *name = quote_name(path);
    *error_r = mem_printf("token in %s: %s; make it readable for this user", name, why);
    free(name);
    return NULL;
}

/* ---- answers ---- */

static bool take(struct json_object *object, const char *name, char *out, size_t size)
{
    const char *text = json_get_text(object, name);
    if (text == NULL || strlen(text) >= size)
        return false;
    memcpy(out, text, strlen(text) + 1);
    explicit_bzero((char *)text, strlen(text)); /* the library's copy */
    return out[0] != '\0';
}

bool s3_creds_parse_json(const char *text, size_t len, struct s3_creds *creds_r)
{
    struct json_object *object = NULL;
    bool good = false;
    memset(creds_r, 0, sizeof(*creds_r));
    if (json_parse(text, len, ANSWER_MAX, &object) == JSON_OK) {
        const char *end = json_get_text(object, "Expiration");
        good = take(object, "AccessKeyId", creds_r->access, sizeof(creds_r->access)) &&
               take(object, "SecretAccessKey", creds_r->secret, sizeof(creds_r->secret)) &&
               take(object, "Token", creds_r->token, sizeof(creds_r->token)) &&
               (end == NULL || clock_parse_iso(end, strlen(end), &creds_r->expires_ms));
    }
    json_object_put(object);
    return good;
}

/* ---- web identity ---- */

static void add_field(struct buf *form, const char *name, const char *value)
{
    size_t room = 3 * strlen(value) + 1;
    buf_printf(form, "%s%s=", form->len > 0 ? "&" : "", name);
    buf_reserve(form, room);
    form->len += s3_url_encode(value, strlen(value), false, form->data + form->len, room);
    form->data[form->len] = '\0';
}

enum s3_creds_status s3_creds_ask_web_identity(struct s3_creds_net *net, struct s3_creds *creds_r,
                                               char **error_r)
{
    const char *region = net->region != NULL ? net->region : "us-east-1";
    struct exchange exchange = {.method = "POST"};
    struct buf form = BUF_INIT;
    if (net->web_token_file == NULL)
        return S3_CREDS_NONE;
    if (net->role_arn == NULL) {
        *error_r = mem_strdup("keys by web identity: AWS_WEB_IDENTITY_TOKEN_FILE is set and "
                              "AWS_ROLE_ARN is not; set both or neither");
        return S3_CREDS_BROKEN;
    }
    char *token = read_token(net->web_token_file, error_r);
    if (token == NULL)
        return S3_CREDS_BROKEN;
    add_field(&form, "Action", "AssumeRoleWithWebIdentity");
    add_field(&form, "Version", "2011-06-15");
    add_field(&form, "RoleArn", net->role_arn);
    add_field(&form, "RoleSessionName",
              net->role_session != NULL ? net->role_session : "blobforge");
    add_field(&form, "WebIdentityToken", token);
    free_secret(token);
    char *url = net->sts_url != NULL ? mem_strdup(net->sts_url)
                                     : mem_printf("https://sts.%s.amazonaws.com%s/", region,
                                                  strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
    exchange.url = url;
    exchange.body = form.data;
    add_header(&exchange, "content-type", "application/x-www-form-urlencoded");
    exchange_run(&exchange, TRIES);
    bool good = exchange.status == 200 &&
                s3_xml_parse_session(buf_text(&exchange.answer), exchange.answer.len, creds_r);
    if (!good)
        *error_r = say("by web identity", &exchange,
                       "check AWS_ROLE_ARN, the role's trust and AWS_WEB_IDENTITY_TOKEN_FILE");
    snprintf(creds_r->origin, sizeof(creds_r->origin), "web identity");
    exchange_release(&exchange);
    explicit_bzero(form.data, form.len);
    buf_release(&form);
    free(url);
    return good ? S3_CREDS_OK : S3_CREDS_BROKEN;
}

/* ---- container ---- */

/* Plain HTTP only to what cannot be elsewhere: the machine itself, and the addresses that ECS and
 * EKS serve their agents at. */
static bool is_allowed(const char *url)
{
    static const char *const hosts[] = {"localhost",      "[::1]",          "169.254.170.2",
                                        "169.254.170.23", "[fd00:ec2::23]", NULL};
    static const char plain[] = "http://";
    if (strncmp(url, "https://", 8) == 0)
        return true;
    if (strncmp(url, plain, sizeof(plain) - 1) != 0)
        return false;
    const char *host = url + sizeof(plain) - 1;
    size_t len = host[0] == '[' ? strcspn(host, "]/") + 1 : strcspn(host, ":/");
    if (memchr(host, '@', strcspn(host, "/")) != NULL)
        return false;
    for (size_t i = 0; hosts[i] != NULL; i++)
        if (strlen(hosts[i]) == len && strncmp(host, hosts[i], len) == 0)
            return true;
    return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == len;
}

enum s3_creds_status s3_creds_ask_container(struct s3_creds_net *net, struct s3_creds *creds_r,
                                            char **error_r)
{
    struct exchange exchange = {.method = "GET", .url = net->container_url, .near = true};
    char *token = NULL;
    if (net->container_url == NULL)
        return S3_CREDS_NONE;
    if (!is_allowed(net->container_url)) {
        *error_r = mem_strdup("keys of the container: AWS_CONTAINER_CREDENTIALS_FULL_URI is plain "
                              "HTTP to another machine; use https");
        return S3_CREDS_BROKEN;
    }
    if (net->container_token_file != NULL) {
        token = read_token(net->container_token_file, error_r);
        if (token == NULL)
            return S3_CREDS_BROKEN;
    }
    if (token != NULL || net->container_token != NULL)
        add_header(&exchange, "authorization", token != NULL ? token : net->container_token);
    exchange_run(&exchange, TRIES);
    free_secret(token);
    bool good = exchange.status == 200 &&
                s3_creds_parse_json(buf_text(&exchange.answer), exchange.answer.len, creds_r);
    if (!good)
        *error_r = say("of the container", &exchange,
                       "check the task's or pod's role and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    snprintf(creds_r->origin, sizeof(creds_r->origin), "container");
    exchange_release(&exchange);
    return good ? S3_CREDS_OK : S3_CREDS_BROKEN;
}

/* ---- instance ---- */

static char *metadata_path(const struct s3_creds_net *net, const char *path, const char *role)
{
    size_t len = strlen(net->metadata_url);
    while (len > 0 && net->metadata_url[len - 1] == '/')
        len--;
    return mem_printf("%.*s/latest/%s%s", (int)len, net->metadata_url, path, role);
}

/* GET with the session's token. The answer's first line, or NULL; *status_r. */
static char *metadata_get(const struct s3_creds_net *net, const char *token, const char *role,
                          struct exchange *exchange)
{
    char *url = metadata_path(net, "meta-data/iam/security-credentials/", role);
    *exchange = (struct exchange){.method = "GET", .url = url, .near = true};
    add_header(exchange, "x-aws-ec2-metadata-token", token);
    exchange_run(exchange, TRIES);
    return url;
}

/* The instance's own session: without it (IMDSv1) nothing is asked, since any program that can be
 * made to fetch a URL could ask that. */
static char *metadata_token(const struct s3_creds_net *net)
{
    char *url = metadata_path(net, "api/token", ""), seconds[16], *token = NULL;
    struct exchange exchange = {.method = "PUT", .url = url, .body = "", .near = true};
    snprintf(seconds, sizeof(seconds), "%d", METADATA_TOKEN_S);
    add_header(&exchange, "x-aws-ec2-metadata-token-ttl-seconds", seconds);
    exchange_run(&exchange, 1);
    if (exchange.status == 200 && exchange.answer.len > 0 &&
        strpbrk(exchange.answer.data, "\r\n") == NULL)
        token = mem_strdup(exchange.answer.data);
    exchange_release(&exchange);
    free(url);
    return token;
}

enum s3_creds_status s3_creds_ask_instance(struct s3_creds_net *net, struct s3_creds *creds_r,
                                           char **error_r)
{
    struct exchange list, keys;
    char *token = net->metadata_url != NULL ? metadata_token(net) : NULL;
    if (token == NULL)
        return S3_CREDS_NONE; /* no such machine */
    enum s3_creds_status status = S3_CREDS_NONE;
    char *list_url = metadata_get(net, token, "", &list), *keys_url = NULL;
    if (list.status == 200 && list.answer.len > 0) {
        list.answer.data[strcspn(list.answer.data, "\r\n")] = '\0';
        keys_url = metadata_get(net, token, list.answer.data, &keys);
        bool good = keys.status == 200 &&
                    s3_creds_parse_json(buf_text(&keys.answer), keys.answer.len, creds_r);
        if (!good)
            *error_r = say("of the instance", &keys, "check the instance's role");
        status = good ? S3_CREDS_OK : S3_CREDS_BROKEN;
        exchange_release(&keys);
    } else if (list.status != 200 && list.status != 404) {
        *error_r = say("of the instance", &list, "check the instance's role");
        status = S3_CREDS_BROKEN;
    }
    snprintf(creds_r->origin, sizeof(creds_r->origin), "instance metadata");
    exchange_release(&list);
    free(list_url);
    free(keys_url);
    free_secret(token);
    return status;
}
