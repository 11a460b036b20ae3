/* The few XML documents that S3 answers with, read by expat.
 *
 * Bytes come from the network: pointer and length, bounded depth and text, no document type (so no
 * entities of anyone's), and a document that is cut short or goes on after its end is an error.
 * Pure but for the visitor's doing; any thread. On false *why_r is a fixed sentence part. */
#ifndef BF_S3_XML_H
#define BF_S3_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define S3_XML_ETAG_SIZE 80
#define S3_XML_CODE_SIZE 64
#define S3_XML_TEXT_SIZE 256
#define S3_UPLOAD_ID_SIZE 1024 /* AWS's are about 130 characters; no bound is documented */

/* A line of a listing. Strings are the parser's until the visitor returns. */
struct s3_xml_entry {
    const char *key;  /* decoded, NUL-terminated; a key with a NUL in it is an error */
    const char *etag; /* without quotes; "" of a folder */
    int64_t size;
    int64_t modified_ms;
    bool folder; /* a CommonPrefix */
};

/* ListBucketResult of ListObjectsV2 (S3 API, ListObjectsV2, response syntax). `entry` is called for
 * each Contents and CommonPrefixes in the order of the document; when false comes back, what it was
 * given is to be dropped. Keys are decoded when the document says EncodingType url before them or
 * after (AWS writes a blank as `+` there). */
bool s3_xml_parse_list(const char *text, size_t len,
                       void (*entry)(void *arg, const struct s3_xml_entry *entry), void *arg,
                       bool *truncated_r, const char **why_r) MUST_CHECK;

struct s3_creds;
/* The Credentials of an AssumeRoleWithWebIdentity answer; false when it holds none that are whole.
 */
bool s3_xml_parse_session(const char *text, size_t len, struct s3_creds *creds_r) MUST_CHECK;

struct s3_xml_error {
    char code[S3_XML_CODE_SIZE];    /* never empty */
    char message[S3_XML_TEXT_SIZE]; /* often empty; foreign text */
    char region[S3_XML_CODE_SIZE];  /* of AuthorizationHeaderMalformed and PermanentRedirect */
    char endpoint[S3_XML_TEXT_SIZE];
};

/* An Error document; false when it is none. */
bool s3_xml_parse_error(const char *text, size_t len, struct s3_xml_error *error_r) MUST_CHECK;

/* A LifecycleConfiguration (S3 API, GetBucketLifecycleConfiguration): `rule` is called with the key
 * prefix of each rule that is in force, lets current objects expire, and asks for no tag. False: it
 * is none; what `rule` was given is to be dropped. */
bool s3_xml_parse_expiry(const char *text, size_t len, void (*rule)(void *arg, const char *prefix),
                         void *arg) MUST_CHECK;

/* An ObjectLockConfiguration (S3 API, GetObjectLockConfiguration). False: it is none. */
bool s3_xml_parse_lock(const char *text, size_t len, bool *enabled_r) MUST_CHECK;

/* UploadId of an InitiateMultipartUploadResult. */
bool s3_xml_parse_upload_id(const char *text, size_t len,
                            char id_r[static S3_UPLOAD_ID_SIZE]) MUST_CHECK;

/* Is it a CompleteMultipartUploadResult? (Such an answer may say 200 and hold an Error all the
 * same.) Its ETag without quotes: Ceph RGW 16 leaves it empty. */
bool s3_xml_parse_completed(const char *text, size_t len,
                            char etag_r[static S3_XML_ETAG_SIZE]) MUST_CHECK;

#endif
