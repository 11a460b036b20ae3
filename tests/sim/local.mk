# The simulator of the queue.
check_PROGRAMS += tests/sim/sim
check_SCRIPTS += tests/sim/sim.sh
TESTS += tests/sim/sim.sh
EXTRA_DIST += tests/sim/sim.sh
tests_sim_sim_SOURCES = tests/sim/main.c tests/sim/sim.c tests/sim/sim.h tests/sim/actors.c \
	tests/sim/check.c tests/sim/v1.c $(queue_sources) $(janitor_sources)
tests_sim_sim_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests/sim -DBF_PLANTED
tests_sim_sim_LDADD = $(BF_LIBS)

# The long one: seeds of your choice.
SIM_FIRST = 1
SIM_COUNT = 10000
.PHONY: sim
sim: tests/sim/sim
	tests/sim/sim --exhaustive
	tests/sim/sim --first $(SIM_FIRST) --count $(SIM_COUNT)
