# The contract suite of every store, asked of the S3 store too.
store_contract = tests/store/contract.c tests/store/contract.h tests/store/contract_parts.h \
	tests/store/contract_lists.c tests/store/contract_objects.c tests/store/contract_shared.c
# Tests of the S3 layer. Those that need the real server are scripts that start it by with-rgw.
check_PROGRAMS += tests/s3/test_s3 tests/s3/test_decisions tests/s3/test_faults tests/s3/test_sessions tests/s3/test_tune \
	tests/s3/test_server \
	tests/s3/test_tls tests/s3/test_contract
tests_s3_test_s3_SOURCES = tests/s3/test_s3.c
tests_s3_test_s3_LDADD = $(BF_LIBS) $(CHECK_LIBS)
tests_s3_test_decisions_SOURCES = tests/s3/test_decisions.c
tests_s3_test_decisions_LDADD = $(BF_LIBS) $(CHECK_LIBS)
s3_scripted = tests/s3/scripted.c tests/s3/scripted.h
tests_s3_test_sessions_SOURCES = tests/s3/test_sessions.c $(s3_scripted)
tests_s3_test_sessions_LDADD = $(BF_LIBS) $(CHECK_LIBS)
tests_s3_test_tune_SOURCES = tests/s3/test_tune.c $(s3_scripted)
tests_s3_test_tune_LDADD = $(BF_LIBS) $(CHECK_LIBS)
tests_s3_test_faults_SOURCES = tests/s3/test_faults.c $(s3_scripted)
tests_s3_test_faults_LDADD = $(BF_LIBS) $(CHECK_LIBS)
tests_s3_test_server_SOURCES = tests/s3/test_server.c tests/s3/bucket.h
tests_s3_test_server_LDADD = $(BF_LIBS) $(CHECK_LIBS)
tests_s3_test_tls_SOURCES = tests/s3/test_tls.c
tests_s3_test_tls_LDADD = $(BF_LIBS) $(CHECK_LIBS)
tests_s3_test_contract_SOURCES = tests/s3/test_contract.c tests/s3/bucket.h \
	$(store_contract)
tests_s3_test_contract_LDADD = $(BF_LIBS) $(CHECK_LIBS)

# Each of these has a server of its own.
S3_SERVER_TESTS = tests/s3/addressing.sh tests/s3/contract.sh tests/s3/server.sh tests/s3/two_masters.sh tests/s3/bad_store.sh \
	tests/s3/upgrade.sh
TESTS += tests/s3/test_s3 tests/s3/test_decisions tests/s3/test_faults tests/s3/test_sessions tests/s3/test_tune \
	tests/s3/tls.sh tests/s3/liars.sh tests/s3/regate.sh tests/s3/reload.sh tests/s3/requests.sh tests/s3/soft.sh tests/s3/creds.sh $(S3_SERVER_TESTS)
THREAD_TESTS += tests/s3/test_faults tests/s3/regate.sh tests/s3/reload.sh tests/s3/two_masters.sh
EXTRA_DIST += $(S3_SERVER_TESTS) tests/s3/requests.sh tests/s3/soft.sh tests/s3/creds.sh tests/s3/regate.sh tests/s3/reload.sh tests/s3/liars.sh tests/s3/liar.py tests/s3/tls.sh tests/s3/with-rgw tests/s3/rgw-up tests/s3/rgw-down \
	tests/s3/s3-bench.c tests/s3/README
