# The simulator (tests/sim/README.md). It compiles the queue once more, with the planted bugs that a
# program never has.
check_PROGRAMS += tests/sim/sim
check_SCRIPTS += tests/sim/sim.sh
TESTS += tests/sim/sim.sh
EXTRA_DIST += tests/sim/sim.sh tests/sim/README.md
tests_sim_sim_SOURCES = tests/sim/main.c tests/sim/sim.h tests/sim/world.c tests/sim/truth.h tests/sim/truth.c \
	tests/sim/check.c tests/sim/check_send.c tests/sim/check_jobs.c tests/sim/master.c tests/sim/people.c tests/sim/v1.c tests/sim/director.c tests/sim/planted.c \
	$(queue_sources) $(janitor_sources)
tests_sim_sim_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests/sim -DBF_PLANTED
tests_sim_sim_LDADD = $(BF_LIBS)

# The long one, within six minutes on two cores; each part says how long it took.
SIM_SEEDS = 12000
SIM_FRESH = 2000
SIM_JOBS = 2
.PHONY: sim
sim: tests/sim/sim
	tests/sim/sim --exhaustive --jobs $(SIM_JOBS)
	tests/sim/sim --moves --jobs $(SIM_JOBS)
	tests/sim/sim --seeds $(SIM_SEEDS) --jobs $(SIM_JOBS)
	tests/sim/sim --seeds $(SIM_FRESH) --fresh --jobs $(SIM_JOBS)
	tests/sim/sim --planted --jobs $(SIM_JOBS)
