# Sources of src/daemon: the program blobforged, master and worker in one.
noinst_LIBRARIES += libblobforge-daemon.a
libblobforge_daemon_a_SOURCES = \
	src/daemon/breaker.c src/daemon/breaker.h \
	src/daemon/host_load.c src/daemon/host_load.h \
	src/daemon/control.c src/daemon/control.h \
	src/daemon/control_request.c src/daemon/control_request.h \
	src/daemon/figures.c src/daemon/figures.h \
	src/daemon/instance.c src/daemon/instance.h \
	src/daemon/ipc.c src/daemon/ipc.h \
	src/daemon/lease.c src/daemon/lease.h src/daemon/lease_private.h \
	src/daemon/handover.c src/daemon/handover.h src/daemon/lease_handover.c \
	src/daemon/master_upgrade.c src/daemon/slot_handover.c \
	src/daemon/lease_gate.c src/daemon/lease_gate.h \
	src/daemon/lease_keeper.c src/daemon/lease_open.c src/daemon/lease_slot.c \
	src/daemon/master.c src/daemon/master.h src/daemon/master_private.h \
	src/daemon/master_control.c src/daemon/master_open.c src/daemon/master_reload.c \
	src/daemon/metrics.c \
	src/daemon/master_notify.c src/daemon/notify.c src/daemon/notify.h \
	src/daemon/peer.c src/daemon/peer.h \
	src/daemon/patrol.c src/daemon/patrol.h \
	src/daemon/pid1.c src/daemon/pid1.h \
	src/daemon/post.c src/daemon/post.h \
	src/daemon/master_window.c \
	src/daemon/window.c src/daemon/window.h \
	src/daemon/slot.c src/daemon/slot.h src/daemon/slot_private.h \
	src/daemon/slot_job.c \
	src/daemon/children.c src/daemon/children.h \
	src/daemon/worker.c src/daemon/worker.h
sbin_PROGRAMS += blobforged
blobforged_SOURCES = src/daemon/main.c
blobforged_LDADD = libblobforge-daemon.a $(BF_LIBS)
