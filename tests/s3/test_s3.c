/* The parts of s3/ that need no server: signatures against AWS's published vectors, URLs, times,
 * XML. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "s3/s3_sign.h"
#include "s3/s3_time.h"
#include "s3/s3_url.h"
#include "s3/s3_xml.h"

/* ---- signatures ---- */

/* AWS's SigV4 test suite: key AKIDEXAMPLE, region us-east-1, service "service", 20150830T123600Z.
 */
#define SUITE_MS INT64_C(1440938160000)
#define SUITE_HOST "example.amazonaws.com"
#define SUITE_TOKEN                                                                                \
    "AQoDYXdzEPT//////////"                                                                        \
    "wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIe"                   \
    "oIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/"                                                           \
    "kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0w"                                 \
    "q5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+"             \
    "scqKmlzm8FDrypN"                                                                              \
    "C9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="

static const struct {
    const char *name, *method, *path, *query;
    struct s3_header headers[3];
    const char *body;
    const char *names, *signature;
} suite[] = {
    {"get-vanilla",
     "GET",
     "/",
     "",
     {{0}},
     "",
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-vanilla-query-order-key-case",
     "GET",
     "/",
     "Param1=value1&Param2=value2",
     {{0}},
     "",
     "host;x-amz-date",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"get-vanilla-empty-query-key",
     "GET",
     "/",
     "Param1=value1",
     {{0}},
     "",
     "host;x-amz-date",
     "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
    {"get-vanilla-utf8-query",
     "GET",
     "/",
     "%E1%88%B4=bar",
     {{0}},
     "",
     "host;x-amz-date",
     "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
    {"get-unreserved",
     "GET",
     "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
     "",
     {{0}},
     "",
     "host;x-amz-date",
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {"get-utf8",
     "GET",
     "/%E1%88%B4",
     "",
     {{0}},
     "",
     "host;x-amz-date",
     "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {"get-header-key-duplicate",
     "GET",
     "/",
     "",
     {{"my-header1", "value2,value2,value1"}},
     "",
     "host;my-header1;x-amz-date",
     "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
    {"get-header-value-trim",
     "GET",
     "/",
     "",
     {{"my-header1", " value1"}, {"my-header2", " \"a   b   c\""}},
     "",
     "host;my-header1;my-header2;x-amz-date",
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {"post-vanilla",
     "POST",
     "/",
     "",
     {{0}},
     "",
     "host;x-amz-date",
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {"post-header-key-sort",
     "POST",
     "/",
     "",
     {{"my-header1", "value1"}},
     "",
     "host;my-header1;x-amz-date",
     "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
    {"post-x-www-form-urlencoded",
     "POST",
     "/",
     "",
     {{"content-type", "application/x-www-form-urlencoded"}},
     "Param1=value1",
     "content-type;host;x-amz-date",
     "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
};

static struct s3_signer *suite_signer(const char *token)
{
    struct s3_signer *signer = s3_signer_create("us-east-1", "service");

    ck_assert_ptr_nonnull(signer);
    ck_assert(s3_signer_set_keys(signer, "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                                 token));
    return signer;
}

static size_t count_headers(const struct s3_header *headers)
{
    size_t count = 0;

    while (count < 3 && headers[count].name != NULL)
        count++;
    return count;
}

START_TEST(sign_suite)
{
    struct s3_signer *signer = suite_signer(NULL);
    struct s3_signature signature;
    char hash[S3_HEX_SIZE], want[512];
    struct s3_sign_request request = {.method = suite[_i].method,
                                      .host = SUITE_HOST,
                                      .path = suite[_i].path,
                                      .query = suite[_i].query,
                                      .headers = suite[_i].headers,
                                      .headers_len = count_headers(suite[_i].headers),
                                      .payload_hash = hash,
                                      .at_ms = SUITE_MS};

    s3_sign_hash(suite[_i].body, strlen(suite[_i].body), hash);
    ck_assert(s3_signer_sign(signer, &request, &signature));
    snprintf(want, sizeof(want),
             "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
             "SignedHeaders=%s, Signature=%s",
             suite[_i].names, suite[_i].signature);
    ck_assert_msg(strcmp(signature.authorization, want) == 0, "%s:\n%s\n%s", suite[_i].name,
                  signature.authorization, want);
    ck_assert_str_eq(signature.date, "20150830T123600Z");
    ck_assert_ptr_null(signature.token);
    s3_signer_destroy(signer);
}
END_TEST

START_TEST(sign_suite_token) /* post-sts-header-before */
{
    struct s3_signer *signer = suite_signer(SUITE_TOKEN);
    struct s3_signature signature;
    struct s3_sign_request request = {.method = "POST",
                                      .host = SUITE_HOST,
                                      .path = "/",
                                      .query = "",
                                      .payload_hash = S3_PAYLOAD_EMPTY,
                                      .at_ms = SUITE_MS};

    ck_assert(s3_signer_sign(signer, &request, &signature));
    ck_assert_str_eq(signature.token, SUITE_TOKEN);
    ck_assert_ptr_nonnull(
        strstr(signature.authorization,
               "SignedHeaders=host;x-amz-date;x-amz-security-token, Signature="
               "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"));
    s3_signer_destroy(signer);
}
END_TEST

/* The examples of the S3 API Reference: bucket examplebucket, 24 May 2013. */
#define DOC_MS INT64_C(1369353600000)
#define DOC_HOST "examplebucket.s3.amazonaws.com"
#define DOC_PUT_HASH "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"

static struct s3_signer *doc_signer(void)
{
    struct s3_signer *signer = s3_signer_create("us-east-1", "s3");

    ck_assert_ptr_nonnull(signer);
    ck_assert(s3_signer_set_keys(signer, "AKIAIOSFODNN7EXAMPLE",
                                 "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL));
    return signer;
}

static const struct {
    const char *name, *method, *path, *query;
    struct s3_header headers[3];
    const char *hash, *signature;
} documented[] = {
    {"GET object",
     "GET",
     "/test.txt",
     "",
     {{"range", "bytes=0-9"}},
     S3_PAYLOAD_EMPTY,
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {"PUT object",
     "PUT",
     "/test%24file.text",
     "",
     {{"x-amz-storage-class", "REDUCED_REDUNDANCY"}, {"date", "Fri, 24 May 2013 00:00:00 GMT"}},
     DOC_PUT_HASH,
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {"GET bucket lifecycle",
     "GET",
     "/",
     "lifecycle=",
     {{0}},
     S3_PAYLOAD_EMPTY,
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {"list objects",
     "GET",
     "/",
     "max-keys=2&prefix=J",
     {{0}},
     S3_PAYLOAD_EMPTY,
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};

START_TEST(sign_documented)
{
    struct s3_signer *signer = doc_signer();
    struct s3_signature signature;
    struct s3_sign_request request = {.method = documented[_i].method,
                                      .host = DOC_HOST,
                                      .path = documented[_i].path,
                                      .query = documented[_i].query,
                                      .headers = documented[_i].headers,
                                      .headers_len = count_headers(documented[_i].headers),
                                      .payload_hash = documented[_i].hash,
                                      .at_ms = DOC_MS};

    ck_assert(s3_signer_sign(signer, &request, &signature));
    ck_assert_msg(strstr(signature.authorization, documented[_i].signature) != NULL, "%s: %s",
                  documented[_i].name, signature.authorization);
    s3_signer_destroy(signer);
}
END_TEST

START_TEST(sign_hash_of_a_body)
{
    char hash[S3_HEX_SIZE];

    s3_sign_hash("Welcome to Amazon S3.", 21, hash);
    ck_assert_str_eq(hash, DOC_PUT_HASH);
    s3_sign_hash("", 0, hash);
    ck_assert_str_eq(hash, S3_PAYLOAD_EMPTY);
}
END_TEST

START_TEST(presign_documented)
{
    struct s3_signer *signer = doc_signer();
    char query[1024];
    struct s3_sign_request request = {
        .method = "GET", .host = DOC_HOST, .path = "/test.txt", .query = "", .at_ms = DOC_MS};

    ck_assert(s3_signer_presign(signer, &request, 86400, query, sizeof(query)));
    ck_assert_str_eq(
        query, "X-Amz-Algorithm=AWS4-HMAC-SHA256"
               "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
               "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
               "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
    for (size_t size = 1; size < strlen(query) + 1; size += 7)
        ck_assert(!s3_signer_presign(signer, &request, 86400, query, size));
    s3_signer_destroy(signer);
}
END_TEST

START_TEST(sign_day_and_keys_change)
{
    struct s3_signer *signer = doc_signer(), *fresh = doc_signer();
    struct s3_signature first, again, other;
    struct s3_sign_request request = {.method = "GET",
                                      .host = DOC_HOST,
                                      .path = "/",
                                      .query = "",
                                      .payload_hash = S3_PAYLOAD_EMPTY,
                                      .at_ms = DOC_MS};

    ck_assert(s3_signer_sign(signer, &request, &first));
    request.at_ms += 86400 * 1000;
    ck_assert(s3_signer_sign(signer, &request, &other));
    ck_assert(s3_signer_sign(fresh, &request, &again));
    ck_assert_str_eq(other.authorization, again.authorization);
    ck_assert_str_ne(other.authorization, first.authorization);
    ck_assert(s3_signer_set_keys(signer, "AKIAIOSFODNN7EXAMPLE", "another", NULL));
    ck_assert(s3_signer_sign(signer, &request, &again));
    ck_assert_str_ne(other.authorization, again.authorization);
    s3_signer_destroy(fresh);
    s3_signer_destroy(signer);
}
END_TEST

START_TEST(sign_refuses)
{
    struct s3_signer *signer = s3_signer_create("us-east-1", "s3");
    struct s3_header headers[S3_SIGN_HEADERS_MAX + 1];
    struct s3_signature signature;
    char huge[9000];
    struct s3_sign_request request = {.method = "GET",
                                      .host = DOC_HOST,
                                      .path = "/",
                                      .query = "",
                                      .payload_hash = S3_PAYLOAD_EMPTY,
                                      .at_ms = DOC_MS};

    memset(huge, 'a', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    ck_assert(!s3_signer_sign(signer, &request, &signature)); /* no keys yet */
    ck_assert(!s3_signer_set_keys(signer, "", "secret", NULL));
    ck_assert(!s3_signer_set_keys(signer, "key", "", NULL));
    ck_assert(!s3_signer_set_keys(signer, "key\r\nx-evil: 1", "secret", NULL));
    ck_assert(!s3_signer_set_keys(signer, "key", "secret ", NULL));
    ck_assert(!s3_signer_set_keys(signer, "key", "secret", huge));
    ck_assert(!s3_signer_set_keys(signer, huge, "secret", NULL));
    ck_assert(s3_signer_set_keys(signer, "key", "secret", NULL));
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        headers[i] = (struct s3_header){"x-a", "b"};
    request.headers = headers;
    request.headers_len = ARRAY_LEN(headers);
    ck_assert(!s3_signer_sign(signer, &request, &signature));
    s3_signer_destroy(signer);
    ck_assert_ptr_null(s3_signer_create(huge, "s3"));
}
END_TEST

/* ---- times ---- */

START_TEST(time_http)
{
    static const char *const bad[] = {
        "",
        "Fri",
        "Fri, 24 May 2013 00:00:00",
        "Fri, 24 May 2013 00:00:00 GMT ",
        "Friday, 24-May-13 00:00:00 GMT",
        "Fri May 24 00:00:00 2013",
        "Fri, 24 Mai 2013 00:00:00 GMT",
        "Fri, 2x May 2013 00:00:00 GMT",
        "Fri, 24 May 2013 24:00:00 GMT",
        "Fri, 00 May 2013 00:00:00 GMT",
        "Fri, 24 May 1969 00:00:00 GMT",
    };
    static const char good[] = "Fri, 24 May 2013 00:00:01 GMT";
    char stamp[S3_TIME_STAMP_SIZE];
    int64_t ms = -1;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!s3_time_parse_http(bad[i], strlen(bad[i]), &ms), "%s", bad[i]);
    for (size_t len = 0; len < sizeof(good) - 1; len++)
        ck_assert(!s3_time_parse_http(good, len, &ms));
    ck_assert_int_eq(ms, -1);
    ck_assert(s3_time_parse_http(good, sizeof(good) - 1, &ms));
    ck_assert_int_eq(ms, DOC_MS + 1000);
    s3_time_format_stamp(ms + 999, stamp);
    ck_assert_str_eq(stamp, "20130524T000001Z");
    s3_time_format_stamp(-5, stamp);
    ck_assert_str_eq(stamp, "19700101T000000Z");
    s3_time_format_stamp(INT64_MAX, stamp);
    ck_assert_str_eq(stamp, "99991231T235959Z");
}
END_TEST

/* ---- URLs ---- */

static const struct {
    const char *endpoint, *bucket;
    enum s3_addressing addressing;
    const char *authority, *path; /* NULL: refused */
    bool tls;
} places[] = {
    {"http://127.0.0.1:9000", "bucket", S3_ADDRESSING_AUTO, "127.0.0.1:9000", "/bucket/", false},
    {"http://Example.ORG/", "bucket", S3_ADDRESSING_AUTO, "example.org", "/bucket/", false},
    {"https://example.org:443/a/b//", "bucket", S3_ADDRESSING_PATH, "example.org", "/a/b/bucket/",
     true},
    {"http://example.org:80", "bucket", S3_ADDRESSING_PATH, "example.org", "/bucket/", false},
    {"https://example.org:80", "bucket", S3_ADDRESSING_PATH, "example.org:80", "/bucket/", true},
    {"http://[::1]:8080", "bucket", S3_ADDRESSING_AUTO, "[::1]:8080", "/bucket/", false},
    {"http://[2001:DB8::1]", "bucket", S3_ADDRESSING_AUTO, "[2001:db8::1]", "/bucket/", false},
    {"http://localhost:8000", "bucket", S3_ADDRESSING_VIRTUAL, "bucket.localhost:8000", "/", false},
    {"https://s3.eu-west-1.amazonaws.com", "bucket", S3_ADDRESSING_AUTO,
     "bucket.s3.eu-west-1.amazonaws.com", "/", true},
    {"https://s3.eu-west-1.amazonaws.com", "with.dot", S3_ADDRESSING_AUTO,
     "s3.eu-west-1.amazonaws.com", "/with.dot/", true},
    {"https://s3.eu-west-1.amazonaws.com", "Old_Bucket", S3_ADDRESSING_AUTO,
     "s3.eu-west-1.amazonaws.com", "/Old_Bucket/", true},
    {"http://127.0.0.1:9000", "bucket", S3_ADDRESSING_VIRTUAL, NULL, NULL, false},
    {"http://[::1]", "bucket", S3_ADDRESSING_VIRTUAL, NULL, NULL, false},
    {"http://example.org", "Old_Bucket", S3_ADDRESSING_VIRTUAL, NULL, NULL, false},
    {"http://example.org", "ab", S3_ADDRESSING_AUTO, NULL, NULL, false},
    {"http://example.org", "a/b", S3_ADDRESSING_AUTO, NULL, NULL, false},
    {"http://example.org", "a..b", S3_ADDRESSING_AUTO, NULL, NULL, false},
    {"http://example.org", "192.168.0.1", S3_ADDRESSING_AUTO, NULL, NULL, false},
    {"example.org", "bucket", S3_ADDRESSING_AUTO, NULL, NULL, false},
    {"ftp://example.org", "bucket", S3_ADDRESSING_AUTO, NULL, NULL, false},
    {"http://", "bucket", S3_ADDRESSING_AUTO, NULL, NULL, false},
    {"http:///path", "bucket", S3_ADDRESSING_AUTO, NULL, NULL, false},
    {"http://key:secret@example.org", "bucket", S3_ADDRESSING_AUTO, NULL, NULL, false},
    {"http://example.org:0", "bucket", S3_ADDRESSING_AUTO, NULL, NULL, false},
    {"http://example.org:65536", "bucket", S3_ADDRESSING_AUTO, NULL, NULL, false},
    {"http://example.org:", "bucket", S3_ADDRESSING_AUTO, NULL, NULL, false},
    {"http://example.org:80x", "bucket", S3_ADDRESSING_AUTO, NULL, NULL, false},
    {"http://[::1", "bucket", S3_ADDRESSING_AUTO, NULL, NULL, false},
    {"http://[zz]", "bucket", S3_ADDRESSING_AUTO, NULL, NULL, false},
    {"http://::1", "bucket", S3_ADDRESSING_AUTO, NULL, NULL, false},
    {"http://[::1]x", "bucket", S3_ADDRESSING_AUTO, NULL, NULL, false},
    {"http://example.org/?x=y", "bucket", S3_ADDRESSING_AUTO, NULL, NULL, false},
    {"http://example.org/a b", "bucket", S3_ADDRESSING_AUTO, NULL, NULL, false},
    {"http://exa mple.org", "bucket", S3_ADDRESSING_AUTO, NULL, NULL, false},
};

START_TEST(url_places)
{
    const char *why = NULL;
    struct s3_endpoint endpoint;
    struct s3_place place;
    bool ok =
        s3_endpoint_parse(places[_i].endpoint, strlen(places[_i].endpoint), &endpoint, &why) &&
        s3_place_make(&endpoint, places[_i].bucket, places[_i].addressing, &place, &why);

    ck_assert_msg(ok == (places[_i].authority != NULL), "%s %s: %s", places[_i].endpoint,
                  places[_i].bucket, why ? why : "accepted");
    if (!ok) {
        ck_assert_ptr_nonnull(why);
        return;
    }
    ck_assert_str_eq(place.authority, places[_i].authority);
    ck_assert_str_eq(place.path, places[_i].path);
    ck_assert(place.tls == places[_i].tls);
}
END_TEST

START_TEST(url_regions)
{
    struct s3_endpoint endpoint;

    ck_assert(s3_endpoint_of_region("eu-central-1", &endpoint));
    ck_assert_str_eq(endpoint.host, "s3.eu-central-1.amazonaws.com");
    ck_assert(endpoint.tls && endpoint.aws);
    ck_assert(s3_endpoint_of_region("cn-north-1", &endpoint));
    ck_assert_str_eq(endpoint.host, "s3.cn-north-1.amazonaws.com.cn");
    ck_assert(!s3_endpoint_of_region("", &endpoint));
    ck_assert(!s3_endpoint_of_region("evil.example.org/", &endpoint));
}
END_TEST

START_TEST(url_coding)
{
    static const char odd[] = "a/b c+%&=?#~_-.\xc3\xa9\x01";
    char text[128], back[128];
    size_t len;

    len = s3_url_encode(odd, sizeof(odd) - 1, true, text, sizeof(text));
    ck_assert_str_eq(text, "a/b%20c%2B%25%26%3D%3F%23~_-.%C3%A9%01");
    ck_assert_uint_eq(len, strlen(text));
    ck_assert(s3_url_decode(text, len, back, &len));
    ck_assert_uint_eq(len, sizeof(odd) - 1);
    ck_assert_mem_eq(back, odd, len);
    s3_url_encode("a/b", 3, false, text, sizeof(text));
    ck_assert_str_eq(text, "a%2Fb");
    ck_assert_uint_eq(s3_url_encode("a/b", 3, false, text, 5), 0);
    ck_assert_str_eq(text, "");
    ck_assert_uint_eq(s3_url_encode("a/b", 3, false, text, 6), 5);
    ck_assert(s3_url_decode("a+b", 3, back, &len) && len == 3 && back[1] == '+');
    ck_assert(!s3_url_decode("a%", 2, back, &len));
    ck_assert(!s3_url_decode("a%2", 3, back, &len));
    ck_assert(!s3_url_decode("a%2g", 4, back, &len));
}
END_TEST

/* ---- XML ---- */

struct seen {
    int count, folders;
    char keys[8][128], etags[8][S3_XML_ETAG_SIZE];
    int64_t size, modified_ms;
};

static void see(void *arg, const struct s3_xml_entry *entry)
{
    struct seen *seen = arg;

    if (seen->count < 8) {
        snprintf(seen->keys[seen->count], 128, "%s", entry->key);
        snprintf(seen->etags[seen->count], S3_XML_ETAG_SIZE, "%s", entry->etag);
    }
    seen->count++;
    seen->folders += entry->folder;
    if (!entry->folder) {
        seen->size = entry->size;
        seen->modified_ms = entry->modified_ms;
    }
}

#define XML_HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
static const char listing[] = XML_HEAD
    "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n"
    "  <Name>b</Name><Prefix>p/</Prefix><KeyCount>2</KeyCount><IsTruncated>true</IsTruncated>"
    "<NextContinuationToken>x</NextContinuationToken>\n"
    "<Contents><Key>p/a%2Fb+c%2B%26</Key><LastModified>2009-10-12T17:50:30.000Z</LastModified>"
    "<ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag><Size>434234</Size>"
    "<Owner><ID>i</ID></Owner><StorageClass>STANDARD</StorageClass></Contents>"
    "<Contents><Key>p/%C3%A9</Key><LastModified>2009-10-12T17:50:31Z</LastModified>"
    "<ETag>bare</ETag><Size>0</Size></Contents>"
    "<CommonPrefixes><Prefix>p/folder/</Prefix></CommonPrefixes>"
    "<EncodingType>url</EncodingType></ListBucketResult>\n";

static bool parse_listing(const char *text, size_t len, struct seen *seen, bool *truncated)
{
    const char *why = NULL;
    bool ok;

    memset(seen, 0, sizeof(*seen));
    ok = s3_xml_parse_list(text, len, see, seen, truncated, &why);
    ck_assert(ok == (why == NULL));
    return ok;
}

START_TEST(xml_listing)
{
    struct seen seen;
    bool truncated = false;

    ck_assert(parse_listing(listing, strlen(listing), &seen, &truncated));
    ck_assert(truncated);
    ck_assert_int_eq(seen.count, 3);
    ck_assert_int_eq(seen.folders, 1);
    ck_assert_str_eq(seen.keys[0], "p/a/b c+&");
    ck_assert_str_eq(seen.etags[0], "fba9dede5f27731c9771645a39863328");
    ck_assert_str_eq(seen.keys[1], "p/\xc3\xa9");
    ck_assert_str_eq(seen.etags[1], "bare");
    ck_assert_int_eq(seen.modified_ms, INT64_C(1255369831000));
    ck_assert_int_eq(seen.size, 0);
    ck_assert_str_eq(seen.keys[2], "p/folder/");
    /* Each cut is an error; the last byte is a line break that may go. */
    for (size_t len = 0; len < strlen(listing) - 1; len++)
        ck_assert_msg(!parse_listing(listing, len, &seen, &truncated), "cut at %zu", len);
}
END_TEST

START_TEST(xml_listing_not_encoded)
{
    static const char text[] = "<ListBucketResult><IsTruncated>false</IsTruncated>"
                               "<Contents><Key>a+%20b&lt;EncodingType&gt;url</Key></Contents>"
                               "</ListBucketResult>";
    struct seen seen;
    bool truncated = true;

    ck_assert(parse_listing(text, strlen(text), &seen, &truncated));
    ck_assert(!truncated);
    ck_assert_str_eq(seen.keys[0], "a+%20b<EncodingType>url");
}
END_TEST

static const char *const bad_listings[] = {
    "",
    "hello",
    "<html><body>503</body></html>",
    "<Error><Code>SlowDown</Code></Error>",
    "<ListBucketResult></ListBucketResult>",
    "<ListBucketResult><IsTruncated>maybe</IsTruncated></ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult><more/>",
    "<ListBucketResult><IsTruncated>false</IsTruncated><Contents></Contents></ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key></Key></Contents>"
    "</ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>-1</Size>"
    "</Contents></ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>1e9</Size>"
    "</Contents></ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key>"
    "<LastModified>yesterday</LastModified></Contents></ListBucketResult>",
    "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated><Contents>"
    "<Key>%zz</Key></Contents></ListBucketResult>",
    "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated><Contents>"
    "<Key>a%00b</Key></Contents></ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key><ETag>a&#10;x: "
    "y</ETag>"
    "</Contents></ListBucketResult>",
    "<!DOCTYPE x [<!ENTITY e \"aaaaaaaaaa\"><!ENTITY f \"&e;&e;&e;&e;\">]>"
    "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>&f;</Key></Contents>"
    "</ListBucketResult>",
    "<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><ListBucketResult><IsTruncated>false</IsTruncated>"
    "</ListBucketResult>",
    "<a><a><a><a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a></a></a></a>",
};

START_TEST(xml_bad_listings)
{
    struct seen seen;
    bool truncated;

    ck_assert_msg(!parse_listing(bad_listings[_i], strlen(bad_listings[_i]), &seen, &truncated),
                  "%s", bad_listings[_i]);
}
END_TEST

START_TEST(xml_long_texts)
{
    char text[8192], key[5000];
    struct seen seen;
    bool truncated;

    memset(key, 'k', sizeof(key));
    snprintf(text, sizeof(text),
             "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>"
             "%.*s</Key></Contents></ListBucketResult>",
             S3_KEY_MAX, key);
    ck_assert(parse_listing(text, strlen(text), &seen, &truncated));
    snprintf(text, sizeof(text),
             "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>"
             "%.*s</Key></Contents></ListBucketResult>",
             S3_KEY_MAX + 1, key);
    ck_assert(!parse_listing(text, strlen(text), &seen, &truncated));
    snprintf(text, sizeof(text),
             "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>"
             "%.*s</Key></Contents></ListBucketResult>",
             4900, key);
    ck_assert(!parse_listing(text, strlen(text), &seen, &truncated));
}
END_TEST

START_TEST(xml_small_documents)
{
    static const char error[] = XML_HEAD "<Error><Code>AuthorizationHeaderMalformed</Code>"
                                         "<Message>the region is wrong</Message><Region>eu-west-1"
                                         "</Region><Endpoint>b.s3.amazonaws.com</Endpoint></Error>";
    static const char upload[] = "<InitiateMultipartUploadResult><UploadId>2~a+b</UploadId>"
                                 "</InitiateMultipartUploadResult>";
    static const char completed[] = "<CompleteMultipartUploadResult><ETag>\"abc-2\"</ETag>"
                                    "</CompleteMultipartUploadResult>";
    static const char completed_bare[] = "<CompleteMultipartUploadResult><ETag></ETag>"
                                         "</CompleteMultipartUploadResult>";
    char id[S3_UPLOAD_ID_SIZE], etag[S3_XML_ETAG_SIZE];
    struct s3_xml_error parsed;

    ck_assert(s3_xml_parse_error(error, strlen(error), &parsed));
    ck_assert_str_eq(parsed.code, "AuthorizationHeaderMalformed");
    ck_assert_str_eq(parsed.message, "the region is wrong");
    ck_assert_str_eq(parsed.region, "eu-west-1");
    ck_assert_str_eq(parsed.endpoint, "b.s3.amazonaws.com");
    ck_assert(!s3_xml_parse_error(error, strlen(error) - 1, &parsed));
    ck_assert(!s3_xml_parse_error(listing, strlen(listing), &parsed));
    ck_assert(!s3_xml_parse_error("<html/>", 7, &parsed));
    ck_assert(s3_xml_parse_upload_id(upload, strlen(upload), id));
    ck_assert_str_eq(id, "2~a+b");
    ck_assert(!s3_xml_parse_upload_id(error, strlen(error), id));
    ck_assert(s3_xml_parse_completed(completed, strlen(completed), etag));
    ck_assert_str_eq(etag, "abc-2");
    ck_assert(s3_xml_parse_completed(completed_bare, strlen(completed_bare), etag));
    ck_assert_str_eq(etag, "");
    ck_assert(!s3_xml_parse_completed(error, strlen(error), etag));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("s3");
    TCase *tcase = tcase_create("s3");
    SRunner *runner = srunner_create(s);
    int failed;

    suite_add_tcase(s, tcase);
    tcase_add_loop_test(tcase, sign_suite, 0, ARRAY_LEN(suite));
    tcase_add_test(tcase, sign_suite_token);
    tcase_add_loop_test(tcase, sign_documented, 0, ARRAY_LEN(documented));
    tcase_add_test(tcase, sign_hash_of_a_body);
    tcase_add_test(tcase, presign_documented);
    tcase_add_test(tcase, sign_day_and_keys_change);
    tcase_add_test(tcase, sign_refuses);
    tcase_add_test(tcase, time_http);
    tcase_add_loop_test(tcase, url_places, 0, ARRAY_LEN(places));
    tcase_add_test(tcase, url_regions);
    tcase_add_test(tcase, url_coding);
    tcase_add_test(tcase, xml_listing);
    tcase_add_test(tcase, xml_listing_not_encoded);
    tcase_add_loop_test(tcase, xml_bad_listings, 0, ARRAY_LEN(bad_listings));
    tcase_add_test(tcase, xml_long_texts);
    tcase_add_test(tcase, xml_small_documents);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
