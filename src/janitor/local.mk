# What nobody looks after any more is found and put right.
janitor_sources = \
	src/janitor/audit.c src/janitor/audit.h \
	src/janitor/janitor.c src/janitor/janitor.h \
	src/janitor/prune.c src/janitor/prune.h
libblobforge_a_SOURCES += $(janitor_sources)
