/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * The parts of the program stages_test.
 */
#ifndef TESTS_STAGES_TEST_H
#define TESTS_STAGES_TEST_H

#include <check.h>

/* Blocks and roles. */
void blocks_add_tests(TCase *tc);

#endif
