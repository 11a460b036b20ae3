# Tests of index.
check_PROGRAMS += tests/index/test_index
TESTS += tests/index/test_index
tests_index_test_index_SOURCES = tests/index/test_index.c \
	tests/ingest/support.c tests/ingest/support.h
tests_index_test_index_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests/ingest
tests_index_test_index_LDADD = $(BF_LIBS) $(CHECK_LIBS) $(SQLITE_LIBS)
