# Tests: each folder adds its programs and scripts to TESTS.
AM_TESTS_ENVIRONMENT = top_srcdir='$(abs_top_srcdir)'; top_builddir='$(abs_top_builddir)'; \
	export top_srcdir top_builddir;

include tests/house/local.mk
include tests/tools/local.mk
include tests/base/local.mk
include tests/s3/local.mk
include tests/store/local.mk
include tests/queue/local.mk
include tests/ingest/local.mk
include tests/sim/local.mk
include tests/daemon/local.mk
include tests/convert/local.mk
include tests/cli/local.mk
include tests/converter/local.mk
include tests/bench/local.mk
include tests/model/local.mk
