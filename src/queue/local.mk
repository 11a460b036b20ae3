# Sources of src/queue.
libblobforge_a_SOURCES += \
	src/queue/identity.c src/queue/identity.h
