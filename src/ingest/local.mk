# Ingest: files and trees become jobs.
libblobforge_a_SOURCES += \
	src/ingest/batch.c src/ingest/run.h \
	src/ingest/crew.c src/ingest/crew.h \
	src/ingest/describe.c src/ingest/describe.h \
	src/ingest/file.c src/ingest/file.h \
	src/ingest/follow.c src/ingest/follow.h \
	src/ingest/git.c src/ingest/git.h \
	src/ingest/hashcache.c src/ingest/hashcache.h \
	src/ingest/ingest.c src/ingest/ingest.h \
	src/ingest/known.c src/ingest/known.h \
	src/ingest/lfs.c src/ingest/lfs.h \
	src/ingest/lfs_pull.c src/ingest/lfs_pull.h \
	src/ingest/names.c src/ingest/names.h \
	src/ingest/seen.c src/ingest/seen.h \
	src/ingest/walk.c src/ingest/walk.h
