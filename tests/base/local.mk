# Tests of base.
check_PROGRAMS += tests/base/settings_test
TESTS += tests/base/settings_test
tests_base_settings_test_SOURCES = tests/base/settings_test.c
tests_base_settings_test_LDADD = $(BF_LIBS) $(CHECK_LIBS)
