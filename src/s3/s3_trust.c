/* See s3_trust.h. */
#include "s3/s3_trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mbedtls/pem.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/quote.h"

enum {
    FILE_MAX = 16 * 1024 * 1024, /* all authorities of the web have 200 KB */
    PIECE = 64 * 1024,
};

/* Whatever OpenSSL takes for a certificate (PEM_X509_INFO_read_bio(3)). */
static const char *const labels[][2] = {
    {"-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"},
    {"-----BEGIN X509 CERTIFICATE-----", "-----END X509 CERTIFICATE-----"},
    {"-----BEGIN TRUSTED CERTIFICATE-----", "-----END TRUSTED CERTIFICATE-----"}};

/* The whole file; what is wrong with it, NULL: nothing. */
static const char *read_all(int fd, struct buf *text)
{
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) != 0)
        return strerror(errno);
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? "it is a directory" : "it is no regular file";
    do {
        buf_reserve(text, PIECE);
        n = read(fd, text->data + text->len, PIECE - 1);
        if (n < 0 && errno != EINTR)
            return strerror(errno);
        if (n > 0)
            text->len += (size_t)n;
        if (text->len > FILE_MAX)
            return "it is larger than 16 MB";
    } while (n != 0);
    text->data[text->len] = '\0';
    return strlen(text->data) == text->len ? NULL : "it is no text";
}

/* How many blocks of a label decode; false: one does not. */
static bool count_blocks(const char *text, const char *begin, const char *end, size_t *count)
{
    while ((text = strstr(text, begin)) != NULL) {
        mbedtls_pem_context block;
        size_t used = 0;
        int status;

        mbedtls_pem_init(&block);
        status = mbedtls_pem_read_buffer(&block, begin, end, (const unsigned char *)text, NULL, 0,
                                         &used);
        mbedtls_pem_free(&block);
        if (status != 0)
            return false;
        (*count)++;
        text += used;
    }
    return true;
}

static const char *fault_of(const char *ca_file)
{
    int fd = open(ca_file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct buf text = BUF_INIT;
    const char *fault;
    size_t count = 0;

    if (fd < 0)
        return strerror(errno);
    fault = read_all(fd, &text);
    close(fd);
    for (size_t i = 0; fault == NULL && i < ARRAY_LEN(labels); i++)
        if (!count_blocks(text.data, labels[i][0], labels[i][1], &count))
            fault = "a certificate in it is cut or garbled";
    if (fault == NULL && count == 0)
        fault = "no certificate in PEM form is in it";
    buf_release(&text);
    return fault;
}

bool s3_trust_check(const char *ca_file, char **error_r)
{
    const char *fault;
    char *name;

    *error_r = NULL;
    if (ca_file == NULL || ca_file[0] == '\0')
        return true;
    fault = fault_of(ca_file);
    if (fault == NULL)
        return true;
    name = quote_name(ca_file);
    *error_r = mem_printf("certificates to trust, %s: %s; correct s3_ca_file or AWS_CA_BUNDLE",
                          name, fault);
    free(name);
    return false;
}
