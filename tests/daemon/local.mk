# Tests of the daemon: each script starts real daemons on stores of its own; lib.sh is what they share.
DAEMON_TESTS = tests/daemon/many_jobs.sh tests/daemon/pid_lock.sh tests/daemon/converter_crash.sh \
	tests/daemon/hard_timeout.sh tests/daemon/worker_killed.sh tests/daemon/master_killed.sh \
	tests/daemon/drain.sh tests/daemon/reload.sh tests/daemon/breaker.sh \
	tests/daemon/bad_records.sh tests/daemon/full_disk.sh tests/daemon/memory.sh tests/daemon/user.sh \
	tests/daemon/two_masters.sh tests/daemon/lock_lost.sh tests/daemon/chaos.sh tests/daemon/bad_input.sh \
	tests/daemon/small_things.sh tests/daemon/control.sh tests/daemon/window.sh tests/daemon/notify.sh tests/daemon/units.sh \
	tests/daemon/pid1.sh tests/daemon/signals.sh tests/daemon/resident.sh tests/daemon/memory_retry.sh \
	tests/daemon/worker_stopped.sh tests/daemon/worker_garbage.sh tests/daemon/fleet.sh \
	tests/daemon/cancel_running.sh \
	tests/daemon/upgrade.sh tests/daemon/limits.sh tests/daemon/outputs.sh
check_PROGRAMS += tests/daemon/test_daemon tests/daemon/fuzz_control
tests_daemon_fuzz_control_SOURCES = tests/daemon/fuzz_control.c
tests_daemon_fuzz_control_LDADD = libblobforge-daemon.a $(BF_LIBS)
tests_daemon_test_daemon_SOURCES = tests/daemon/test_daemon.c
tests_daemon_test_daemon_LDADD = libblobforge-daemon.a $(BF_LIBS) $(CHECK_LIBS)
TESTS += tests/daemon/test_daemon tests/daemon/fuzz_control $(DAEMON_TESTS)
THREAD_TESTS += tests/daemon/test_daemon $(DAEMON_TESTS)
EXTRA_DIST += tests/daemon/lib.sh tests/daemon/fuzz.sh $(DAEMON_TESTS)
