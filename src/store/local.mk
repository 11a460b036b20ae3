# Object stores: the interface and what implements it.
libblobforge_a_SOURCES += \
	src/store/store.c src/store/store.h \
	src/store/store_mem.c src/store/store_mem.h \
	src/store/transfer.h
