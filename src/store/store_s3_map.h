/* From HTTP facts to store results: the one place where a status, a code or a cut connection
 * becomes one of the words of store.h. Pure; any thread. */
#ifndef BF_STORE_STORE_S3_MAP_H
#define BF_STORE_STORE_S3_MAP_H

#include <stdbool.h>

#include "s3/s3_http.h"
#include "store/store.h"

/* All that the result is decided from. */
struct s3_facts {
    enum store_kind kind;
    enum store_cond cond;
    bool expired; /* a presigned request, answered past its expiry by the server's clock */
    enum s3_http_outcome outcome;
    int status;       /* 0: none */
    const char *code; /* of the Error document; "" when there is none (HEAD, a proxy's page) */
};

/* What would help before the request is sent again, if it is safe to send it again. */
enum s3_remedy {
    S3_REMEDY_NONE,
    S3_REMEDY_WAIT,  /* time: back off and repeat */
    S3_REMEDY_CLOCK, /* the answer's Date: this sending did nothing, whatever it was */
    S3_REMEDY_KEYS,  /* fetched anew: this sending did nothing, whatever it was. With FATAL: only if
                        the new ones differ */
};

struct s3_verdict {
    enum store_status status;
    enum s3_remedy remedy;
};

/* The result of one sending.
 *
 * A HEAD answered 404 is NOT_FOUND although it has no body that could tell a missing key from a
 * missing bucket or a proxy's page: it is a hint. Of everything else a 404 counts by its code; with
 * a code that we do not know it proves nothing. */
struct s3_verdict s3_verdict_of(const struct s3_facts *facts) MUST_CHECK;

/* What to do about a FATAL answer, as the last part of a message; never NULL. */
const char *s3_remedy_text(const struct s3_facts *facts) MUST_CHECK;

#endif
