# Tests of store.
check_PROGRAMS += tests/store/test_store tests/store/test_store_fs tests/store/test_fault
TESTS += tests/store/test_store tests/store/test_store_fs tests/store/test_fault
THREAD_TESTS += tests/store/test_store tests/store/test_store_fs
tests_store_test_store_SOURCES = tests/store/test_store.c \
	$(store_contract)
tests_store_test_store_LDADD = $(BF_LIBS) $(CHECK_LIBS)
tests_store_test_store_fs_SOURCES = tests/store/test_store_fs.c
tests_store_test_store_fs_LDADD = $(BF_LIBS) $(CHECK_LIBS)
tests_store_test_fault_SOURCES = tests/store/test_fault.c
tests_store_test_fault_LDADD = $(BF_LIBS) $(CHECK_LIBS)
