# Tests of ingest.
check_PROGRAMS += tests/ingest/test_ingest
TESTS += tests/ingest/test_ingest
THREAD_TESTS += tests/ingest/test_ingest
TESTS += tests/ingest/command.sh
EXTRA_DIST += tests/ingest/command.sh
tests_ingest_test_ingest_SOURCES = tests/ingest/main.c \
	tests/ingest/support.c tests/ingest/support.h \
	tests/ingest/walk_test.c tests/ingest/parts_test.c \
	tests/ingest/manifest_test.c tests/ingest/run_test.c
tests_ingest_test_ingest_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests/ingest
tests_ingest_test_ingest_LDADD = $(BF_LIBS) $(CHECK_LIBS)
