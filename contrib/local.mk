# Samples and scripts for users.
EXTRA_DIST += contrib/packages.txt contrib/install-packages.sh contrib/quickstart.sh
examplesdir = $(docdir)/examples
ADAPTERS = docling marker mineru olmocr pandoc pymupdf4llm
dist_examples_SCRIPTS = contrib/converters/pdftotext.sh contrib/converters/resident.py \
	$(ADAPTERS:%=contrib/converters/%.sh)
# Settings of each adapter, and what they share.
dist_examples_DATA = contrib/converters/adapter.sh contrib/converters/pandoc.lua $(ADAPTERS:%=contrib/converters/%.conf)
