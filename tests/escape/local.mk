# The escape suite: programs that try to get out of the sandbox. Built without sanitizers: as tests/convert/hostile.
# `make escape` runs it and prints what is proven.
check_PROGRAMS += tests/escape/escape tests/escape/suite
tests_escape_escape_SOURCES = tests/escape/escape.c
tests_escape_escape_CFLAGS = $(WARN_CFLAGS)
tests_escape_escape_LDFLAGS =
tests_escape_suite_SOURCES = tests/escape/suite.c
tests_escape_suite_LDADD = $(BF_LIBS)
TESTS += tests/escape/escape.sh
EXTRA_DIST += tests/escape/escape.sh

escape: blobforged tests/escape/escape tests/escape/suite
	top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' $(srcdir)/tests/escape/escape.sh

.PHONY: escape
