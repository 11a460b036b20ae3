# Tests of queue.
queue_world = tests/queue/world.c tests/queue/world.h
queue_cppflags = $(AM_CPPFLAGS) -I$(srcdir)/tests/queue $(CHECK_CFLAGS)
check_PROGRAMS += tests/queue/test_record tests/queue/test_steps tests/queue/test_moves tests/queue/test_v1 tests/queue/test_gate \
	tests/queue/test_upkeep
TESTS += tests/queue/test_record tests/queue/test_steps tests/queue/test_moves tests/queue/test_v1 tests/queue/test_gate \
	tests/queue/test_upkeep
tests_queue_test_v1_SOURCES = tests/queue/test_v1.c $(queue_world)
tests_queue_test_v1_CPPFLAGS = $(queue_cppflags)
tests_queue_test_v1_LDADD = $(BF_LIBS) $(CHECK_LIBS)
tests_queue_test_moves_SOURCES = tests/queue/test_moves.c $(queue_world)
tests_queue_test_moves_CPPFLAGS = $(queue_cppflags)
tests_queue_test_moves_LDADD = $(BF_LIBS) $(CHECK_LIBS)
tests_queue_test_steps_SOURCES = tests/queue/test_steps.c $(queue_world)
tests_queue_test_steps_CPPFLAGS = $(queue_cppflags)
tests_queue_test_steps_LDADD = $(BF_LIBS) $(CHECK_LIBS)
tests_queue_test_upkeep_SOURCES = tests/queue/test_upkeep.c $(queue_world)
tests_queue_test_upkeep_CPPFLAGS = $(queue_cppflags)
tests_queue_test_upkeep_LDADD = $(BF_LIBS) $(CHECK_LIBS)
tests_queue_test_gate_SOURCES = tests/queue/test_gate.c $(queue_world)
tests_queue_test_gate_CPPFLAGS = $(queue_cppflags)
tests_queue_test_gate_LDADD = $(BF_LIBS) $(CHECK_LIBS)
tests_queue_test_record_SOURCES = tests/queue/test_record.c
tests_queue_test_record_CPPFLAGS = $(queue_cppflags)
tests_queue_test_record_LDADD = $(BF_LIBS) $(CHECK_LIBS)
