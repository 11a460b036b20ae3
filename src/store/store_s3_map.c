/* See store_s3_map.h.
 *
 * Sources: Amazon S3 API Reference, "Error responses" and "Conditional requests"; what Ceph RGW
 * answers differently is noted where it matters. */
#include "store/store_s3_map.h"

#include <string.h>

static bool is_write(const struct s3_facts *facts)
{
    return facts->kind == STORE_PUT || facts->kind == STORE_DELETE;
}

static bool code_is(const struct s3_facts *facts, const char *code)
{
    return strcmp(facts->code, code) == 0;
}

static struct s3_verdict verdict(enum store_status status, enum s3_remedy remedy)
{
    return (struct s3_verdict){status, remedy};
}

/* No usable answer to something that was sent: a read has simply to be repeated, of a write nobody
 * knows. Ceph answers a lost race of conditional writes with 500, AWS with 409: both are unknown.
 */
static struct s3_verdict unanswered(const struct s3_facts *facts)
{
    return verdict(is_write(facts) ? STORE_UNKNOWN : STORE_AGAIN, S3_REMEDY_WAIT);
}

static struct s3_verdict fatal(void)
{
    return verdict(STORE_FATAL, S3_REMEDY_NONE);
}

static struct s3_verdict of_bad_request(const struct s3_facts *facts)
{
    if (code_is(facts, "ExpiredToken") || code_is(facts, "TokenRefreshRequired"))
        return verdict(STORE_AGAIN, S3_REMEDY_KEYS);
    if (facts->kind == STORE_HEAD) /* its answer names no code; a session that has ended is 400 */
        return verdict(STORE_AGAIN, S3_REMEDY_KEYS);
    if (code_is(facts, "RequestTimeTooSkewed"))
        return verdict(STORE_AGAIN, S3_REMEDY_CLOCK);
    if (code_is(facts, "RequestTimeout")) /* the body came too slowly */
        return unanswered(facts);
    if (code_is(facts, "BadDigest") || code_is(facts, "XAmzContentSHA256Mismatch") ||
        code_is(facts, "IncompleteBody"))
        return verdict(STORE_AGAIN, S3_REMEDY_WAIT); /* damaged on its way, and refused */
    return fatal();
}

static struct s3_verdict of_forbidden(const struct s3_facts *facts)
{
    if (code_is(facts, "RequestTimeTooSkewed"))
        return verdict(STORE_AGAIN, S3_REMEDY_CLOCK);
    if (code_is(facts, "ExpiredToken"))
        return verdict(STORE_AGAIN, S3_REMEDY_KEYS);
    if (facts->expired) /* the store itself kept a late request from doing anything */
        return verdict(STORE_PRECONDITION, S3_REMEDY_NONE);
    if (code_is(facts, "InvalidAccessKeyId") || code_is(facts, "SignatureDoesNotMatch") ||
        facts->kind == STORE_HEAD)
        return verdict(STORE_FATAL, S3_REMEDY_KEYS);
    return fatal();
}

static struct s3_verdict of_missing(const struct s3_facts *facts)
{
    if (facts->kind == STORE_HEAD)
        return verdict(STORE_NOT_FOUND, S3_REMEDY_NONE);
    if (code_is(facts, "NoSuchKey")) {
        bool gone_anyway = facts->kind == STORE_DELETE && facts->cond == STORE_ALWAYS;
        return verdict(gone_anyway ? STORE_OK : STORE_NOT_FOUND, S3_REMEDY_NONE);
    }
    if (code_is(facts, "NoSuchBucket") || code_is(facts, "NoSuchUpload"))
        return fatal();
    return unanswered(facts);
}

static struct s3_verdict of_status(const struct s3_facts *facts)
{
    int status = facts->status;
    if (status >= 200 && status <= 299)
        return verdict(STORE_OK, S3_REMEDY_NONE);
    if (status == 400)
        return of_bad_request(facts);
    if (status == 403)
        return of_forbidden(facts);
    if (status == 404)
        return of_missing(facts);
    if (status == 412)
        return verdict(STORE_PRECONDITION, S3_REMEDY_NONE);
    if (status == 408 || status == 409 || status == 429)
        return unanswered(facts);
    if (status >= 500 && status != 501 && status <= 599)
        return unanswered(facts);
    return fatal(); /* redirects, 401, 405, 411, 501, and what nobody has heard of */
}

struct s3_verdict s3_verdict_of(const struct s3_facts *facts)
{
    switch (facts->outcome) {
    case S3_HTTP_ANSWERED:
        return of_status(facts);
    case S3_HTTP_NOT_SENT:
        return verdict(STORE_AGAIN, S3_REMEDY_WAIT);
    case S3_HTTP_NO_ANSWER:
        return unanswered(facts);
    case S3_HTTP_TOO_LARGE:
    case S3_HTTP_LOCAL:
    case S3_HTTP_UNTRUSTED:
    case S3_HTTP_STOPPED:
        return fatal();
    }
    return fatal();
}

const char *s3_remedy_text(const struct s3_facts *facts)
{
    static const struct {
        const char *code, *text;
    } by_code[] = {
        {"NoSuchBucket", "make the bucket, or correct the setting store"},
        {"InvalidAccessKeyId", "the server does not know this key: check the access key id and "
                               "s3_endpoint_url"},
        {"SignatureDoesNotMatch", "check the secret key and s3_region"},
        {"AccessDenied", "give this key the right to do it, or use another key"},
        {"AuthorizationHeaderMalformed", "correct s3_region"},
        {"InvalidToken", "renew the session token"},
        {"NotImplemented", "this store cannot do what is needed; use another one"},
        {"InvalidArgument", "this store does not understand what is needed; use another one"},
        {"EntityTooLarge", "the object is larger than this store takes in one request"},
        {"QuotaExceeded", "raise the quota of the bucket"},
    };
    if (facts->outcome == S3_HTTP_UNTRUSTED)
        return "correct s3_endpoint_url, or name the authority's certificate in s3_ca_file";
    if (facts->outcome == S3_HTTP_TOO_LARGE)
        return "nothing of ours is so large; look at the object";
    if (facts->outcome != S3_HTTP_ANSWERED)
        return "look at the local file and its disk";
    for (size_t i = 0; i < ARRAY_LEN(by_code); i++)
        if (code_is(facts, by_code[i].code))
            return by_code[i].text;
    if (facts->status >= 300 && facts->status <= 399)
        return "the bucket is elsewhere: correct s3_endpoint_url and s3_region";
    if (facts->status == 401 || facts->status == 403)
        return "check the keys and their rights";
    if (facts->status == 501)
        return "this store cannot do what is needed; use another one";
    return "check s3_endpoint_url: this may be no S3 server";
}
