# The index of what was ingested: the manifest in the bucket.
libblobforge_a_SOURCES += \
	src/index/manifest.c src/index/manifest.h \
	src/index/manifest_merge.c src/index/manifest_merge.h
