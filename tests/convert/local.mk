# Tests of convert. `hostile` is a converter that misbehaves; it is built without sanitizers, whose
# shadow memory no memory limit allows.
check_PROGRAMS += tests/convert/test_parts tests/convert/test_files tests/convert/test_run tests/convert/hostile \
	tests/convert/test_resident tests/convert/resident_fake
TESTS += tests/convert/test_parts tests/convert/test_files tests/convert/test_run tests/convert/test_resident tests/convert/test_user.sh tests/convert/example.sh \
	tests/convert/adapters.sh tests/convert/profiles.sh tests/convert/ocr.sh tests/convert/wrapper.sh
EXTRA_DIST += tests/convert/test_user.sh tests/convert/example.sh tests/convert/adapters.sh tests/convert/profiles.sh tests/convert/ocr.sh tests/convert/wrapper.sh
tests_convert_test_parts_SOURCES = tests/convert/test_parts.c tests/convert/root.h
tests_convert_test_parts_LDADD = $(BF_LIBS) $(CHECK_LIBS)
tests_convert_test_files_SOURCES = tests/convert/test_files.c tests/convert/root.h
tests_convert_test_files_LDADD = $(BF_LIBS) $(CHECK_LIBS)
tests_convert_test_run_SOURCES = tests/convert/test_run.c
tests_convert_test_run_LDADD = $(BF_LIBS) $(CHECK_LIBS)
tests_convert_hostile_SOURCES = tests/convert/hostile.c
tests_convert_hostile_CFLAGS = $(WARN_CFLAGS)
tests_convert_hostile_LDFLAGS =
tests_convert_test_resident_SOURCES = tests/convert/test_resident.c
tests_convert_test_resident_LDADD = $(BF_LIBS) $(CHECK_LIBS)
tests_convert_resident_fake_SOURCES = tests/convert/resident_fake.c
tests_convert_resident_fake_CFLAGS = $(WARN_CFLAGS)
tests_convert_resident_fake_LDFLAGS =
