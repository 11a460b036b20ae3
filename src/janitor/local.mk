# What nobody looks after any more is found and put right.
libblobforge_a_SOURCES += \
	src/janitor/audit.c src/janitor/audit.h \
	src/janitor/janitor.c src/janitor/janitor.h
