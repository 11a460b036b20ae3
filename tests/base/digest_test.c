/* Digests against published vectors (FIPS 180-4, RFC 1321), whole and in pieces. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/digest.h"
#include "suites.h"

static const struct {
    const char *text, *sha256, *md5;
} vectors[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
     "d41d8cd98f00b204e9800998ecf8427e"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
     "900150983cd24fb0d6963f7d28e17f72"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
     "8215ef0796a20bcaaae116d3876c664a"},
};

START_TEST(vector)
{
    unsigned char sum[SHA256_BYTES];
    char hex[SHA256_HEX_SIZE];
    size_t len = strlen(vectors[_i].text);

    digest_sha256(vectors[_i].text, len, sum);
    hex_encode(sum, SHA256_BYTES, hex);
    ck_assert_str_eq(hex, vectors[_i].sha256);
    digest_md5(vectors[_i].text, len, sum);
    hex_encode(sum, MD5_BYTES, hex);
    ck_assert_str_eq(hex, vectors[_i].md5);
}
END_TEST

START_TEST(pieces_make_the_whole)
{
    unsigned char whole[SHA256_BYTES], parts[SHA256_BYTES];
    char bytes[1000];
    struct digest *digest = digest_begin();

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7);
    digest_sha256(bytes, sizeof(bytes), whole);
    for (size_t at = 0, n = 0; at < sizeof(bytes); at += n, n++) {
        if (n > sizeof(bytes) - at)
            n = sizeof(bytes) - at;
        digest_update(digest, bytes + at, n);
        if (n == 0)
            n = 1, digest_update(digest, bytes + at, 1);
    }
    digest_end(digest, parts);
    ck_assert_mem_eq(whole, parts, SHA256_BYTES);
}
END_TEST

START_TEST(md5_of_a_file)
{
    unsigned char sum[MD5_BYTES], want[MD5_BYTES];
    int fd = memfd_create("digest", MFD_CLOEXEC);

    ck_assert_int_eq(write(fd, "abcdef", 6), 6);
    digest_md5("abc", 3, want);
    ck_assert(digest_md5_fd(fd, 3, sum));
    ck_assert_mem_eq(sum, want, MD5_BYTES);
    ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 6);
    ck_assert(!digest_md5_fd(fd, 7, sum));
    ck_assert_int_eq(errno, EIO);
    close(fd);
    ck_assert(!digest_md5_fd(fd, 1, sum));
}
END_TEST

START_TEST(hash_form)
{
    char hash[66] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    ck_assert(hash_is_valid(hash));
    ck_assert(!hash_is_valid(NULL));
    ck_assert(!hash_is_valid(""));
    hash[0] = 'E';
    ck_assert(!hash_is_valid(hash));
    hash[0] = 'g';
    ck_assert(!hash_is_valid(hash));
    hash[0] = 'e';
    hash[63] = '\0';
    ck_assert(!hash_is_valid(hash));
    hash[63] = '5';
    hash[64] = '0';
    ck_assert(!hash_is_valid(hash));
    ck_assert(hex_is_lower("0f", 2));
    ck_assert(!hex_is_lower("0F", 2));
}
END_TEST

TCase *tests_digest(void)
{
    TCase *tc = tcase_create("digest");

    tcase_add_loop_test(tc, vector, 0, (int)ARRAY_LEN(vectors));
    tcase_add_test(tc, pieces_make_the_whole);
    tcase_add_test(tc, md5_of_a_file);
    tcase_add_test(tc, hash_form);
    return tc;
}
