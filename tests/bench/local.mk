# `make bench`: built only for it.
EXTRA_PROGRAMS = tests/bench/bare_s3
tests_bench_bare_s3_SOURCES = tests/bench/bare_s3.c
tests_bench_bare_s3_LDADD = $(BF_LIBS)
CLEANFILES += $(EXTRA_PROGRAMS)
