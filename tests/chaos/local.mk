# Chaos on the real server, and heartbeats under load. `make chaos` is the long run: make chaos CHAOS='long SEED'.
check_PROGRAMS += tests/chaos/test_heartbeats
tests_chaos_test_heartbeats_SOURCES = tests/chaos/test_heartbeats.c
tests_chaos_test_heartbeats_LDADD = $(BF_LIBS) $(CHECK_LIBS)
TESTS += tests/chaos/test_heartbeats tests/chaos/chaos_short.sh tests/chaos/unanswered_delete.sh
EXTRA_DIST += tests/chaos/README tests/chaos/chaos.sh tests/chaos/chaos_short.sh tests/chaos/heartbeats.sh tests/chaos/lib.sh \
	tests/chaos/unanswered_delete.sh
CHAOS = long

chaos: all tests/tools/chaos_proxy
	top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' $(srcdir)/tests/chaos/chaos.sh $(CHAOS)

# 64 jobs in flight on the real server, a slow and faulty network before it.
heartbeats: all tests/tools/chaos_proxy
	top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' $(srcdir)/tests/chaos/heartbeats.sh

.PHONY: chaos heartbeats
