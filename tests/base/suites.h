/* The suites of base_test, one per module. */
#ifndef TESTS_BASE_SUITES_H
#define TESTS_BASE_SUITES_H

#include <check.h>

TCase *tests_buf(void);
TCase *tests_clock(void);
TCase *tests_digest(void);
TCase *tests_fiber(void);
TCase *tests_histogram(void);
TCase *tests_human(void);
TCase *tests_json(void);
TCase *tests_log(void);
TCase *tests_mailbox(void);
TCase *tests_quote(void);
TCase *tests_rng(void);

#endif
