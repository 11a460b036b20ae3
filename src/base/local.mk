# What everybody uses and what uses nobody.
libblobforge_a_SOURCES += \
	src/base/alloc.c src/base/alloc.h \
	src/base/buf.c src/base/buf.h \
	src/base/clock.c src/base/clock.h \
	src/base/compiler.h \
	src/base/digest.c src/base/digest.h \
	src/base/exitcode.h \
	src/base/fiber.c src/base/fiber.h \
	src/base/histogram.c src/base/histogram.h \
	src/base/human.c src/base/human.h \
	src/base/json.c src/base/json.h \
	src/base/log.c src/base/log.h \
	src/base/mailbox.c src/base/mailbox.h \
	src/base/quote.c src/base/quote.h \
	src/base/rng.c src/base/rng.h \
	src/base/settings.c src/base/settings.def src/base/settings.h \
	src/base/settings_load.c \
	src/base/unix_socket.c src/base/unix_socket.h \
	src/base/settings_edit.c src/base/settings_edit.h
