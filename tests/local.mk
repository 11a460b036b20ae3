# Tests: each folder adds its programs and scripts to TESTS, and to THREAD_TESTS what has threads.
AM_TESTS_ENVIRONMENT = top_srcdir='$(abs_top_srcdir)'; top_builddir='$(abs_top_builddir)'; \
	export top_srcdir top_builddir;
LOG_COMPILER = $(top_srcdir)/tests/timed.sh
EXTRA_DIST += tests/timed.sh tests/fresh-root.sh tests/container.sh tests/lib/debian-root.sh tests/lib/make-pdfs.sh tests/lib/echo-converter.sh

include tests/house/local.mk
include tests/base/local.mk
include tests/s3/local.mk
include tests/store/local.mk
include tests/queue/local.mk
include tests/index/local.mk
include tests/ingest/local.mk
include tests/sim/local.mk
include tests/daemon/local.mk
include tests/escape/local.mk
include tests/convert/local.mk
include tests/cli/local.mk
include tests/converter/local.mk
include tests/tools/local.mk
include tests/chaos/local.mk
include tests/bench/local.mk
include tests/model/local.mk
include tests/soak/local.mk

# What may go otherwise for an ordinary user than for root: `make check-user`. The others look at no user.
USER_TESTS = $(filter-out tests/house/% tests/converter/% tests/sim/%,$(TESTS)) tests/house/container.sh

# Parsers of foreign bytes under libFuzzer: pdf2md's stages, the daemon's lines. In a build of its own, since all that
# is fuzzed is instrumented. make fuzz FUZZ_SECONDS=3600.
FUZZ_SECONDS = 600

fuzz: all
	top_builddir='$(abs_top_builddir)' $(srcdir)/tests/converter/fuzz.sh $(FUZZ_SECONDS)
	$(MKDIR_P) fuzz-build
	cd fuzz-build && '$(abs_top_srcdir)/configure' CC=clang >/dev/null && '$(abs_top_srcdir)/tests/daemon/fuzz.sh' $(FUZZ_SECONDS)

# The steps of contrib/Containerfile in Debian roots; needs root, debootstrap and some minutes. What it makes goes there.
CONTAINER_DIR = /var/tmp/blobforge-container

container:
	$(top_srcdir)/tests/container.sh $(CONTAINER_DIR)

clean-local:
	rm -rf fuzz-build
.PHONY: fuzz container

# A minute's choice of one test or two of each room: make check TESTS='$(QUICK_TESTS)'.
QUICK_TESTS = $(HOUSE_TESTS) tests/base/base_test tests/base/settings_test tests/s3/test_s3 tests/s3/test_decisions \
	tests/store/test_store tests/store/test_store_fs tests/queue/test_steps tests/queue/test_gate \
	tests/ingest/test_ingest tests/convert/test_parts tests/convert/test_files tests/convert/example.sh tests/cli/usage.sh tests/cli/jobs.sh \
	tests/daemon/test_daemon tests/daemon/many_jobs.sh
if BUILD_PDF2MD
QUICK_TESTS += tests/converter/stages_test tests/converter/pages.sh
endif
