# Tools that several folders' tests use.
check_PROGRAMS += tests/tools/chaos_proxy
tests_tools_chaos_proxy_SOURCES = tests/tools/chaos_proxy.c
tests_tools_chaos_proxy_LDADD = $(BF_LIBS)
