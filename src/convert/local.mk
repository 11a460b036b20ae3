# What to do with a document: slot folder, converter run, distrust of outputs, packing.
libblobforge_a_SOURCES += \
	src/convert/beneath.c src/convert/beneath.h \
	src/convert/cgroup.c src/convert/cgroup.h \
	src/convert/check.c src/convert/check.h \
	src/convert/command.c src/convert/command.h \
	src/convert/content.c src/convert/content.h \
	src/convert/convert.c src/convert/convert.h \
	src/convert/filter.c src/convert/filter.h \
	src/convert/identity.c src/convert/identity.h \
	src/convert/landlock.c src/convert/landlock.h \
	src/convert/measure.c src/convert/measure.h \
	src/convert/outcome.c src/convert/outcome.h \
	src/convert/pack.c src/convert/pack.h \
	src/convert/places.c src/convert/places.h \
	src/convert/progress.c src/convert/progress.h \
	src/convert/resident.c src/convert/resident.h \
	src/convert/room.c src/convert/room.h \
	src/convert/run.c src/convert/run.h \
	src/convert/sandbox.c src/convert/sandbox.h \
	src/convert/slot.c src/convert/slot.h \
	src/convert/spawn.c src/convert/spawn.h \
	src/convert/tail.c src/convert/tail.h \
	src/convert/tree.c src/convert/tree.h
