# Tests: each folder adds its programs and scripts to TESTS.
include tests/base/local.mk
include tests/s3/local.mk
include tests/store/local.mk
include tests/queue/local.mk
include tests/sim/local.mk
include tests/daemon/local.mk
include tests/cli/local.mk
include tests/converter/local.mk
