# The protocol: what a bucket's jobs may go through.
libblobforge_a_SOURCES += \
	src/queue/attempt.h \
	src/queue/candidates.h \
	src/queue/claim.c \
	src/queue/fleet.h \
	src/queue/gate.h \
	src/queue/history.c src/queue/history.h \
	src/queue/identity.c src/queue/identity.h \
	src/queue/keys.c src/queue/keys.h \
	src/queue/queue.c src/queue/queue.h \
	src/queue/record.c src/queue/record.h \
	src/queue/record_attempt.c \
	src/queue/scan.c src/queue/scan.h \
	src/queue/step.c src/queue/step.h \
	src/queue/tier.c src/queue/tier.h \
	src/queue/view.c src/queue/view.h
