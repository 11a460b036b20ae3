# Tests of cli.
CLI_TESTS = \
	tests/cli/bulk.sh \
	tests/cli/catalog.sh \
	tests/cli/catalog_either.sh \
	tests/cli/completion.sh \
	tests/cli/config.sh \
	tests/cli/convert.sh \
	tests/cli/copy.sh \
	tests/cli/doctor.sh \
	tests/cli/hydrate.sh \
	tests/cli/interrupt.sh \
	tests/cli/jobs.sh \
	tests/cli/on_s3.sh \
	tests/cli/results.sh \
	tests/cli/screens.sh \
	tests/cli/settings.sh \
	tests/cli/terminal.sh \
	tests/cli/tutorial.sh \
	tests/cli/usage.sh \
	tests/cli/v1_bucket.sh
# What the pages say is asked of one build; sanitizers look at the same commands in the other tests.
if !SANITIZE_ON
TESTS += tests/cli/examples.sh
endif
check_PROGRAMS += tests/cli/args_test tests/cli/markdown_test
TESTS += tests/cli/args_test tests/cli/markdown_test $(CLI_TESTS)
THREAD_TESTS += tests/cli/bulk.sh
EXTRA_DIST += tests/cli/examples.sh tests/cli/lib.sh tests/cli/zsh_complete.py tests/cli/synopses.py tests/cli/v1_bucket.py tests/cli/covered.py $(CLI_TESTS)
tests_cli_args_test_SOURCES = tests/cli/args_test.c
tests_cli_args_test_LDADD = libblobforge-cli.a $(BF_LIBS) $(NCURSES_LIBS) $(CHECK_LIBS)
tests_cli_markdown_test_SOURCES = tests/cli/markdown_test.c
tests_cli_markdown_test_LDADD = libblobforge-cli.a $(BF_LIBS) $(NCURSES_LIBS) $(CHECK_LIBS)
