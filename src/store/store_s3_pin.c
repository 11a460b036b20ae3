/* The addresses behind an endpoint's name, for the gate: it asks each of them (store_s3_parts.h).
 *
 * Where http_proxy or https_proxy holds, the proxy looks names up, and pinning does nothing: then
 * the server's address of the last answer is none of ours, and the endpoint has no addresses. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/store_s3_parts.h"

/* The authority is HOST, HOST:PORT, [IPv6] or [IPv6]:PORT. */
static void split(const struct s3_place *place, char host[static S3_HOST_MAX + S3_BUCKET_MAX + 8],
                  const char **port_r)
{
    const char *text = place->authority, *end = text[0] == '[' ? strchr(text, ']') : NULL;
    const char *colon = strchr(end != NULL ? end : text, ':');
    size_t len = colon != NULL ? (size_t)(colon - text) : strlen(text);

    if (end != NULL) { /* without brackets */
        text++;
        len = (size_t)(end - text);
    }
    memcpy(host, text, len);
    host[len] = '\0';
    *port_r = colon != NULL ? colon + 1 : place->tls ? "443" : "80";
}

char *s3_pin_host(const struct s3_place *place)
{
    char host[S3_HOST_MAX + S3_BUCKET_MAX + 8];
    const char *port;

    split(place, host, &port);
    return mem_printf("%s:%s", host, port);
}

static bool add(const struct addrinfo *info, char (*addresses)[STORE_ADDRESS_SIZE], size_t count)
{
    const void *bytes = info->ai_family == AF_INET
                            ? (const void *)&((struct sockaddr_in *)info->ai_addr)->sin_addr
                            : (const void *)&((struct sockaddr_in6 *)info->ai_addr)->sin6_addr;

    if ((info->ai_family != AF_INET && info->ai_family != AF_INET6) ||
        inet_ntop(info->ai_family, bytes, addresses[count], STORE_ADDRESS_SIZE) == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        if (strcmp(addresses[i], addresses[count]) == 0)
            return false;
    return true;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

size_t s3_addresses(struct store *store, char (*addresses_r)[STORE_ADDRESS_SIZE], size_t max)
{
    struct s3_store *s3 = CONTAINER_OF(store, struct s3_store, base);
    struct addrinfo wish = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list = NULL;
    char host[S3_HOST_MAX + S3_BUCKET_MAX + 8];
    const char *port;
    size_t count = 0;
    bool known = s3->address[0] == '\0';

    split(&s3->place, host, &port);
    if (getaddrinfo(host, port, &wish, &list) != 0)
        return 0;
    for (struct addrinfo *info = list; info != NULL && count < max; info = info->ai_next)
        count += add(info, addresses_r, count);
    freeaddrinfo(list);
    for (size_t i = 0; i < count; i++)
        known = known || strcmp(addresses_r[i], s3->address) == 0;
    qsort(addresses_r, count, sizeof(addresses_r[0]), by_text);
    return known ? count : 0;
}
