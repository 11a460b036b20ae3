/* SHA-256 and MD5 of bytes and files, and hashes as hex.
 *
 * Whole PDFs are hashed here, through one function that uses libcrypto where configure found it
 * (SHA-NI: several times mbedTLS's speed; DESIGN.md has the measured ratio) and mbedTLS elsewhere.
 * Any thread. */
#ifndef BF_BASE_DIGEST_H
#define BF_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

#define SHA256_BYTES 32
#define SHA256_HEX_SIZE 65 /* 64 digits and NUL */
#define MD5_BYTES 16

/* A running SHA-256. digest_begin() allocates, digest_end() finishes and frees. */
struct digest;
struct digest *digest_begin(void) MUST_CHECK;
void digest_update(struct digest *digest, const void *bytes, size_t len);
void digest_end(struct digest *digest, unsigned char sha256_r[static SHA256_BYTES]);

void digest_sha256(const void *bytes, size_t len, unsigned char sha256_r[static SHA256_BYTES]);
void digest_md5(const void *bytes, size_t len, unsigned char md5_r[static MD5_BYTES]);
/* MD5 of the first `len` bytes of a file (pread, position untouched). false with errno; EIO:
 * shorter. */
bool digest_md5_fd(int fd, long long len, unsigned char md5_r[static MD5_BYTES]) MUST_CHECK;

/* Lower-case hex; text_r has room for 2 × len + 1. */
void hex_encode(const void *bytes, size_t len, char *text_r);
/* 64 lower-case hex digits and nothing else: what a job's hash looks like. NULL is not one. */
bool hash_is_valid(const char *text);
/* `len` lower-case hex digits at `text`. */
bool hex_is_lower(const char *text, size_t len);

#endif
