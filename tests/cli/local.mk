# Tests of cli.
CLI_TESTS = tests/cli/usage.sh tests/cli/settings.sh tests/cli/jobs.sh tests/cli/results.sh \
	tests/cli/convert.sh tests/cli/doctor.sh
TESTS += $(CLI_TESTS)
EXTRA_DIST += tests/cli/lib.sh $(CLI_TESTS)
