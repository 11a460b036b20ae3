/* See digest.h: SHA-256 and MD5. */
#include "config.h"

#include "base/digest.h"

#include <errno.h>
#include <mbedtls/md5.h>
#include <mbedtls/sha256.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef HAVE_LIBCRYPTO
#include <openssl/evp.h>
#endif

#include "base/alloc.h"

#ifdef HAVE_LIBCRYPTO

struct digest {
    EVP_MD_CTX *state;
};

struct digest *digest_begin(void)
{
    struct digest *digest = mem_alloc(sizeof(*digest));

    digest->state = EVP_MD_CTX_new();
    if (digest->state == NULL || EVP_DigestInit_ex(digest->state, EVP_sha256(), NULL) != 1)
        abort(); /* no memory, or a libcrypto without SHA-256 */
    return digest;
}

void digest_update(struct digest *digest, const void *bytes, size_t len)
{
    if (EVP_DigestUpdate(digest->state, bytes, len) != 1)
        abort();
}

void digest_end(struct digest *digest, unsigned char sha256_r[static SHA256_BYTES])
{
    if (EVP_DigestFinal_ex(digest->state, sha256_r, NULL) != 1)
        abort();
    EVP_MD_CTX_free(digest->state);
    free(digest);
}

#else

struct digest {
    mbedtls_sha256_context state;
};

struct digest *digest_begin(void)
{
    struct digest *digest = mem_alloc(sizeof(*digest));

    mbedtls_sha256_init(&digest->state);
    if (mbedtls_sha256_starts_ret(&digest->state, 0) != 0)
        abort();
    return digest;
}

void digest_update(struct digest *digest, const void *bytes, size_t len)
{
    if (mbedtls_sha256_update_ret(&digest->state, bytes, len) != 0)
        abort();
}

void digest_end(struct digest *digest, unsigned char sha256_r[static SHA256_BYTES])
{
    if (mbedtls_sha256_finish_ret(&digest->state, sha256_r) != 0)
        abort();
    mbedtls_sha256_free(&digest->state);
    free(digest);
}

#endif

void digest_sha256(const void *bytes, size_t len, unsigned char sha256_r[static SHA256_BYTES])
{
    if (mbedtls_sha256_ret(bytes, len, sha256_r, 0) != 0)
        abort();
}

void digest_md5(const void *bytes, size_t len, unsigned char md5_r[static MD5_BYTES])
{
    if (mbedtls_md5_ret(bytes, len, md5_r) != 0)
        abort();
}

bool digest_md5_fd(int fd, long long len, unsigned char md5_r[static MD5_BYTES])
{
    mbedtls_md5_context state;
    unsigned char block[65536];
    long long at = 0;
    bool ok = true;

    mbedtls_md5_init(&state);
    if (mbedtls_md5_starts_ret(&state) != 0)
        abort();
    while (ok && at < len) {
        size_t want = len - at < (long long)sizeof(block) ? (size_t)(len - at) : sizeof(block);
        ssize_t n = pread(fd, block, want, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = EIO;
        ok = n > 0;
        if (ok && mbedtls_md5_update_ret(&state, block, (size_t)n) != 0)
            abort();
        at += ok ? n : 0;
    }
    if (mbedtls_md5_finish_ret(&state, md5_r) != 0)
        abort();
    mbedtls_md5_free(&state);
    return ok;
}

void hex_encode(const void *bytes, size_t len, char *text_r)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = bytes;

    for (size_t i = 0; i < len; i++) {
        text_r[2 * i] = digits[p[i] >> 4];
        text_r[2 * i + 1] = digits[p[i] & 15];
    }
    text_r[2 * len] = '\0';
}

bool hex_is_lower(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
            return false;
    return true;
}

bool hash_is_valid(const char *text)
{
    return text != NULL && strnlen(text, 65) == 64 && hex_is_lower(text, 64);
}
