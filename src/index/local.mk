# The index of what was ingested: the manifest in the bucket, and its copy to search in.
libblobforge_a_SOURCES += \
	src/index/entries.c src/index/entries.h \
	src/index/index.c src/index/index.h src/index/index_private.h \
	src/index/index_db.c src/index/index_db.h \
	src/index/index_refresh.c src/index/index_search.c \
	src/index/manifest.c src/index/manifest.h \
	src/index/manifest_merge.c src/index/manifest_merge.h \
	src/index/manifest_upgrade.c src/index/manifest_upgrade.h \
	src/index/reconcile.c src/index/reconcile.h
