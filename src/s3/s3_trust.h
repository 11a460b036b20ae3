/* The file of certificates that are trusted (setting s3_ca_file, AWS_CA_BUNDLE): can it be used?
 *
 * libcurl reads such a file only when it makes a connection, and then each request fails for good.
 * So it is looked at before: when a bucket is opened, and when a configuration is checked. What is
 * refused here, libcurl refuses too; what a certificate says is not looked at. Any thread. */
#ifndef BF_S3_TRUST_H
#define BF_S3_TRUST_H

#include <stdbool.h>

#include "base/compiler.h"

/* Is it a readable file with a certificate in PEM form, and none that is cut or garbled? NULL or
 * "": the system's, which is not looked at: true. False: *error_r is one line `WHAT: WHY; REMEDY`,
 * the caller frees. */
bool s3_trust_check(const char *ca_file, char **error_r) MUST_CHECK;

#endif
