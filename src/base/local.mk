# What everybody uses and what uses nobody.
libblobforge_a_SOURCES += \
	src/base/alloc.c src/base/alloc.h \
	src/base/buf.c src/base/buf.h \
	src/base/clock.c src/base/clock.h \
	src/base/compiler.h \
	src/base/exitcode.h \
	src/base/rng.c src/base/rng.h
