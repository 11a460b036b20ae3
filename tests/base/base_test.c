/* Unit tests of base/: one test case per module. */
#include <stdlib.h>

#include "base/compiler.h"
#include "suites.h"

int main(void)
{
    static TCase *(*const cases[])(void) = {tests_buf,       tests_clock, tests_digest, tests_fiber,
                                            tests_histogram, tests_human, tests_json,   tests_log,
                                            tests_mailbox,   tests_quote, tests_rng};
    Suite *suite = suite_create("base");
    SRunner *runner;
    int failed;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        suite_add_tcase(suite, cases[i]());
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
