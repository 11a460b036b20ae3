# Tests of base.
check_PROGRAMS += tests/base/base_test tests/base/settings_test
TESTS += tests/base/base_test tests/base/settings_test
THREAD_TESTS += tests/base/base_test
tests_base_base_test_SOURCES = tests/base/base_test.c tests/base/suites.h \
	tests/base/buf_test.c \
	tests/base/clock_test.c \
	tests/base/digest_test.c \
	tests/base/fiber_test.c \
	tests/base/histogram_test.c \
	tests/base/human_test.c \
	tests/base/json_test.c \
	tests/base/log_test.c \
	tests/base/mailbox_test.c \
	tests/base/quote_test.c \
	tests/base/rng_test.c
tests_base_base_test_LDADD = $(BF_LIBS) $(CHECK_LIBS)
tests_base_settings_test_SOURCES = tests/base/settings_test.c
tests_base_settings_test_LDADD = $(BF_LIBS) $(CHECK_LIBS)
