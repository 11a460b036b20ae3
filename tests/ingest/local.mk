# Tests of ingest.
check_PROGRAMS += tests/ingest/test_ingest tests/ingest/test_lfs
TESTS += tests/ingest/test_ingest tests/ingest/test_lfs
THREAD_TESTS += tests/ingest/test_ingest tests/ingest/test_lfs
TESTS += tests/ingest/command.sh tests/ingest/follow.sh
EXTRA_DIST += tests/ingest/command.sh tests/ingest/follow.sh
ingest_support = tests/ingest/support.c tests/ingest/support.h
tests_ingest_test_ingest_SOURCES = tests/ingest/main.c $(ingest_support) \
	tests/ingest/walk_test.c tests/ingest/parts_test.c \
	tests/ingest/manifest_test.c tests/ingest/run_test.c
tests_ingest_test_ingest_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests/ingest
tests_ingest_test_ingest_LDADD = $(BF_LIBS) $(CHECK_LIBS)
tests_ingest_test_lfs_SOURCES = tests/ingest/lfs_test.c $(ingest_support)
tests_ingest_test_lfs_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests/ingest
tests_ingest_test_lfs_LDADD = $(BF_LIBS) $(CHECK_LIBS)
