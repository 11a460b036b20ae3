# The house rules, as tests.
HOUSE_TESTS = tests/house/layers.sh tests/house/words.sh tests/house/format.sh \
	tests/house/shellcheck.sh tests/house/manlint.sh tests/house/configure.sh
EXTRA_DIST += $(HOUSE_TESTS)
TESTS += $(HOUSE_TESTS)
