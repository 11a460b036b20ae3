# Tests of store.
check_PROGRAMS += tests/store/test_store
TESTS += tests/store/test_store
tests_store_test_store_SOURCES = tests/store/test_store.c \
	tests/store/contract.c tests/store/contract.h
tests_store_test_store_LDADD = $(BF_LIBS) $(CHECK_LIBS)
