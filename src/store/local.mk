# Object stores: the interface and what implements it.
libblobforge_a_SOURCES += \
	src/store/store.c src/store/store.h \
	src/store/store_fs.c src/store/store_fs.h src/store/store_fs_private.h \
	src/store/store_fs_file.c src/store/store_fs_home.c \
	src/store/store_fs_list.c src/store/store_fs_path.c \
	src/store/store_open.c src/store/store_open.h \
	src/store/store_fiber.c src/store/store_fiber.h \
	src/store/store_fault.c src/store/store_fault.h \
	src/store/store_mem.c src/store/store_mem.h \
	src/store/store_settings.c src/store/store_settings.h \
	src/store/store_s3.c src/store/store_s3.h src/store/store_s3_parts.h \
	src/store/store_s3_answer.c src/store/store_s3_grant.c \
	src/store/store_s3_map.c src/store/store_s3_map.h \
	src/store/store_s3_pin.c src/store/store_s3_probe.c src/store/store_s3_request.c src/store/store_s3_tune.c src/store/store_s3_upload.c \
	src/store/transfer.c src/store/transfer.h
