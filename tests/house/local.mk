# The house rules, as tests.
HOUSE_TESTS = tests/house/layers.sh tests/house/words.sh tests/house/format.sh \
	tests/house/shellcheck.sh tests/house/manlint.sh tests/house/configure.sh tests/house/messages.sh \
	tests/house/container.sh
EXTRA_DIST += $(HOUSE_TESTS) tests/house/messages.py
TESTS += $(HOUSE_TESTS)
