/* s3_url: see the header. Nothing here allocates. */
#include "s3/s3_url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The characters that S3's UriEncode leaves bare (RFC 3986, unreserved). */
static bool is_unreserved(char c)
{
    return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static bool is_address(const char *host)
{
    struct in_addr v4;
    return host[0] == '[' || inet_pton(AF_INET, host, &v4) == 1;
}

/* A host name or IPv4 address: labels of letters, digits, - and _. */
static bool host_name_valid(const char *host)
{
    if (host[0] == '\0' || host[0] == '.' || strstr(host, "..") != NULL)
        return false;
    for (const char *p = host; *p != '\0'; p++)
        if (!is_alnum(*p) && *p != '-' && *p != '.' && *p != '_')
            return false;
    return true;
}

static bool host_v6_valid(const char *host, size_t len)
{
    char inner[64];
    struct in6_addr v6;
    if (len < 4 || len - 2 >= sizeof inner || host[len - 1] != ']')
        return false;
    memcpy(inner, host + 1, len - 2);
    inner[len - 2] = '\0';
    return inet_pton(AF_INET6, inner, &v6) == 1;
}

static const char *parse_port(const char *text, size_t len, uint16_t *port_r)
{
    unsigned port = 0;
    if (len == 0 || len > 5)
        return "its port is not a number from 1 to 65535";
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return "its port is not a number from 1 to 65535";
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    if (port == 0 || port > 65535)
        return "its port is not a number from 1 to 65535";
    *port_r = (uint16_t)port;
    return NULL;
}

static const char *parse_authority(const char *text, size_t len, struct s3_endpoint *endpoint)
{
    size_t host_len = len;
    if (len > 0 && text[0] == '[') {
        const char *close = memchr(text, ']', len);
        if (close == NULL)
            return "its IPv6 address has no closing bracket";
        host_len = (size_t)(close - text) + 1;
    } else {
        const char *colon = memchr(text, ':', len);
        if (colon != NULL)
            host_len = (size_t)(colon - text);
    }
    if (host_len == 0 || host_len > S3_HOST_MAX)
        return "it names no host";
    for (size_t i = 0; i < host_len; i++)
        endpoint->host[i] = to_lower(text[i]);
    endpoint->host[host_len] = '\0';
    if (text[0] == '[' ? !host_v6_valid(endpoint->host, host_len)
                       : !host_name_valid(endpoint->host))
        return "its host is neither a name nor an address (IPv6 goes in brackets)";
    if (host_len == len)
        return NULL;
    if (text[host_len] != ':')
        return "something other than a port follows its host";
    return parse_port(text + host_len + 1, len - host_len - 1, &endpoint->port);
}

static const char *parse_base_path(const char *text, size_t len, struct s3_endpoint *endpoint)
{
    while (len > 0 && text[len - 1] == '/')
        len--;
    if (len > S3_BASE_PATH_MAX)
        return "its path is too long";
    for (size_t i = 0; i < len; i++)
        if (!is_unreserved(text[i]) && text[i] != '/')
            return "its path may hold only letters, digits and -._~/";
    memcpy(endpoint->base_path, text, len);
    endpoint->base_path[len] = '\0';
    return NULL;
}

bool s3_endpoint_parse(const char *text, size_t len, struct s3_endpoint *endpoint_r,
                       const char **why_r)
{
    struct s3_endpoint endpoint = {0};
    const char *why = NULL;
    if (len > 8 && memcmp(text, "https://", 8) == 0) {
        endpoint.tls = true;
        text += 8;
        len -= 8;
    } else if (len > 7 && memcmp(text, "http://", 7) == 0) {
        text += 7;
        len -= 7;
    } else {
        *why_r = "it begins with neither http:// nor https://";
        return false;
    }
    const char *slash = memchr(text, '/', len);
    size_t authority_len = slash == NULL ? len : (size_t)(slash - text);
    if (memchr(text, '@', authority_len) != NULL)
        why = "it holds a user name; keys belong into the environment or a credentials file";
    if (why == NULL)
        why = parse_authority(text, authority_len, &endpoint);
    if (why == NULL && slash != NULL)
        why = parse_base_path(slash, len - authority_len, &endpoint);
    if (why != NULL) {
        *why_r = why;
        return false;
    }
    if (endpoint.port == (endpoint.tls ? 443U : 80U))
        endpoint.port = 0; /* curl leaves it out of Host, so it must not be signed */
    endpoint.aws =
        ends_with(endpoint.host, ".amazonaws.com") || ends_with(endpoint.host, ".amazonaws.com.cn");
    *endpoint_r = endpoint;
    return true;
}

bool s3_endpoint_of_region(const char *region, struct s3_endpoint *endpoint_r)
{
    size_t len = strlen(region);
    if (len == 0 || len > 40)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!(region[i] >= 'a' && region[i] <= 'z') && !(region[i] >= '0' && region[i] <= '9') &&
            region[i] != '-')
            return false;
    struct s3_endpoint endpoint = {.tls = true, .aws = true};
    snprintf(endpoint.host, sizeof endpoint.host, "s3.%s.amazonaws.com%s", region,
             strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
    *endpoint_r = endpoint;
    return true;
}

bool s3_bucket_name_valid(const char *bucket)
{
    size_t len = strlen(bucket);
    if (len < 3 || len > S3_BUCKET_MAX || is_address(bucket))
        return false;
    if (!is_alnum(bucket[0]) || !is_alnum(bucket[len - 1]) || strstr(bucket, "..") != NULL)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_alnum(bucket[i]) && bucket[i] != '-' && bucket[i] != '.' && bucket[i] != '_')
            return false;
    return true;
}

static bool bucket_is_host_label(const char *bucket)
{
    for (const char *p = bucket; *p != '\0'; p++)
        if (*p == '_' || (*p >= 'A' && *p <= 'Z'))
            return false;
    return true;
}

bool s3_place_make(const struct s3_endpoint *endpoint, const char *bucket,
                   enum s3_addressing addressing, struct s3_place *place_r, const char **why_r)
{
    struct s3_place place = {.tls = endpoint->tls};
    if (!s3_bucket_name_valid(bucket)) {
        *why_r = "a bucket's name is 3 to 63 letters, digits, dots and hyphens";
        return false;
    }
    if (addressing == S3_ADDRESSING_AUTO)
        addressing = endpoint->aws && bucket_is_host_label(bucket) && strchr(bucket, '.') == NULL
                         ? S3_ADDRESSING_VIRTUAL
                         : S3_ADDRESSING_PATH;
    bool virtual_host = addressing == S3_ADDRESSING_VIRTUAL;
    if (virtual_host && (is_address(endpoint->host) || !bucket_is_host_label(bucket))) {
        *why_r = "virtual-host style needs a host name and a bucket name that can stand before it";
        return false;
    }
    char port[8] = "";
    if (endpoint->port != 0)
        snprintf(port, sizeof port, ":%u", endpoint->port);
    snprintf(place.authority, sizeof place.authority, "%s%s%s%s", virtual_host ? bucket : "",
             virtual_host ? "." : "", endpoint->host, port);
    snprintf(place.path, sizeof place.path, "%s/%s%s", endpoint->base_path,
             virtual_host ? "" : bucket, virtual_host ? "" : "/");
    *place_r = place;
    return true;
}

size_t s3_url_encode(const char *text, size_t len, bool keep_slash, char *out, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        bool bare = is_unreserved(text[i]) || (keep_slash && text[i] == '/');
        if (at + (bare ? 1U : 3U) >= size) {
            if (size > 0)
                out[0] = '\0';
            return 0;
        }
        if (bare) {
            out[at++] = text[i];
        } else {
            out[at++] = '%';
            out[at++] = digits[(unsigned char)text[i] >> 4];
            out[at++] = digits[(unsigned char)text[i] & 15];
        }
    }
    if (at < size)
        out[at] = '\0';
    return at;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = to_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool s3_url_decode(const char *text, size_t len, char *out, size_t *len_r)
{
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            int high = len - i > 2 ? hex_value(text[i + 1]) : -1;
            int low = len - i > 2 ? hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        out[at++] = c;
    }
    *len_r = at;
    return true;
}
