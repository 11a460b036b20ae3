# Tests of pdf2md: pages that they make themselves, robustness, the stages one by one.
if BUILD_PDF2MD
check_PROGRAMS += tests/converter/stages_test
tests_converter_stages_test_SOURCES = tests/converter/stages_test.c tests/converter/stages_test.h \
	tests/converter/blocks_tests.c $(PDF2MD_SOURCES)
tests_converter_stages_test_CPPFLAGS = -D_GNU_SOURCE -I$(top_srcdir)/src $(TESSERACT_CFLAGS)
tests_converter_stages_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_converter_stages_test_LDADD = $(PDF2MD_LIBS) -ldl $(CHECK_LIBS)
TESTS += tests/converter/stages_test tests/converter/pages.sh tests/converter/robust.sh tests/converter/options.sh \
	tests/converter/exits.sh
endif

# Figures against corpora given by path: make quality PAGES=DIR GOLD=DIR [HARD=DIR].
quality: src/converter/pdf2md
	top_builddir='$(abs_top_builddir)' $(srcdir)/tests/converter/quality.sh
.PHONY: quality

CONVERTER_PAGES = bidi code columns figure form headings heads hidden links lists notes papertable rotated ruled scripts spans tagged toc unruled vertical
CONVERTER_PAPERS = definitions paper
EXTRA_DIST += tests/converter/common.sh tests/converter/compare.py tests/converter/exits.sh tests/converter/fuzz.sh tests/converter/fuzz_stages.c \
	tests/converter/makepdf.py tests/converter/mutants.py tests/converter/options.sh tests/converter/pages.sh \
	tests/converter/quality.sh tests/converter/robust.sh \
	$(CONVERTER_PAGES:%=tests/converter/pages/%.page) $(CONVERTER_PAGES:%=tests/converter/pages/%.md) \
	$(CONVERTER_PAPERS:%=tests/converter/pages/%.ms) $(CONVERTER_PAPERS:%=tests/converter/pages/%.md)
