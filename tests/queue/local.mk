# Tests of queue.
check_PROGRAMS += tests/queue/test_steps
TESTS += tests/queue/test_steps
tests_queue_test_steps_SOURCES = tests/queue/test_steps.c tests/queue/world.c tests/queue/world.h
tests_queue_test_steps_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests/queue $(CHECK_CFLAGS)
tests_queue_test_steps_LDADD = $(BF_LIBS) $(CHECK_LIBS)
