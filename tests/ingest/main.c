/* Tests of ingest. */
#include <stdlib.h>

#include "support.h"

int main(void)
{
    SRunner *runner = srunner_create(walk_suite());
    int failed;

    srunner_add_suite(runner, parts_suite());
    srunner_add_suite(runner, manifest_suite());
    srunner_add_suite(runner, run_suite());
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
