# What to do with a document: slot folder, converter run, distrust of outputs, packing.
libblobforge_a_SOURCES += \
	src/convert/check.h \
	src/convert/command.h \
	src/convert/convert.h \
	src/convert/outcome.h \
	src/convert/pack.h \
	src/convert/progress.h \
	src/convert/run.h \
	src/convert/sandbox.h \
	src/convert/slot.h
