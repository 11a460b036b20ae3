# `make bench`: built only for it.
EXTRA_PROGRAMS = tests/bench/bare_dir tests/bench/bare_list tests/bench/bare_s3 tests/bench/digest_speed tests/bench/null_converter
tests_bench_bare_dir_SOURCES = tests/bench/bare_dir.c
tests_bench_bare_list_SOURCES = tests/bench/bare_list.c
tests_bench_bare_list_LDADD = $(BF_LIBS)
tests_bench_bare_s3_SOURCES = tests/bench/bare_s3.c
tests_bench_bare_s3_LDADD = $(BF_LIBS) $(CURL_LIBS)
tests_bench_digest_speed_SOURCES = tests/bench/digest_speed.c
tests_bench_digest_speed_LDADD = $(BF_LIBS)
tests_bench_null_converter_SOURCES = tests/bench/null_converter.c
EXTRA_DIST += tests/bench/bench.sh tests/bench/counts.sh tests/bench/known.sh tests/bench/make_manifest.py
CLEANFILES += $(EXTRA_PROGRAMS)
