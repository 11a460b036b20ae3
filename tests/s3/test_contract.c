/* Runs the contract suite over the S3 store, against the real server of with-rgw. */
#include <check.h>
#include <stdlib.h>

#include "bucket.h"
#include "../store/contract.h"

static const struct subject all[] = {
    {"s3", NULL, bucket_open, NULL, "pdf/", true},
};

int main(void)
{
    Suite *suite = suite_create("store contract on S3");
    SRunner *runner = srunner_create(suite);
    int failed;

    contract_add(suite, all, ARRAY_LEN(all));
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
