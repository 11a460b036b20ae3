# pdf2md, the default converter: a program of its own under the AGPL, which links MuPDF and nothing
# of ours but what lies in this folder.
if BUILD_PDF2MD
converterdir = $(libexecdir)/blobforge
converter_PROGRAMS = src/converter/pdf2md
src_converter_pdf2md_SOURCES = src/converter/main.c $(PDF2MD_SOURCES)
src_converter_pdf2md_CPPFLAGS = -D_GNU_SOURCE -I$(top_srcdir)/src $(TESSERACT_CFLAGS)
src_converter_pdf2md_LDADD = $(PDF2MD_LIBS) -ldl

INSTALL_EXEC_HOOKS += install-pdf2md-link
UNINSTALL_HOOKS += uninstall-pdf2md-link
endif

# The stages, without main: the tests link them too.
PDF2MD_SOURCES = \
	src/converter/anchors.c src/converter/anchors.h \
	src/converter/blocks.c src/converter/blocks.h \
	src/converter/columns.c src/converter/columns.h \
	src/converter/document.c src/converter/document.h \
	src/converter/draw.c src/converter/draw.h \
	src/converter/dump.c src/converter/dump.h \
	src/converter/escape.c src/converter/escape.h \
	src/converter/exits.c src/converter/exits.h \
	src/converter/figures.c src/converter/figures.h \
	src/converter/grid.c src/converter/grid.h \
	src/converter/images.c src/converter/images.h \
	src/converter/info.c src/converter/info.h \
	src/converter/labels.c src/converter/labels.h \
	src/converter/lines.c src/converter/lines.h \
	src/converter/marker.c src/converter/marker.h \
	src/converter/notes.c src/converter/notes.h \
	src/converter/ocr.c src/converter/ocr.h \
	src/converter/open.c src/converter/open.h \
	src/converter/options.c src/converter/options.h \
	src/converter/outline.c src/converter/outline.h \
	src/converter/page.c src/converter/page.h \
	src/converter/pagetext.c src/converter/pagetext.h \
	src/converter/pass.c src/converter/pass.h \
	src/converter/progress.c src/converter/progress.h \
	src/converter/prose.c src/converter/prose.h \
	src/converter/roles.c src/converter/roles.h \
	src/converter/rulings.c src/converter/rulings.h \
	src/converter/runs.c src/converter/runs.h \
	src/converter/spool.c src/converter/spool.h \
	src/converter/stats.c src/converter/stats.h \
	src/converter/supervisor.c src/converter/supervisor.h \
	src/converter/tables.h src/converter/tables_ruled.c src/converter/tables_aligned.c \
	src/converter/textrows.c src/converter/textrows.h \
	src/converter/upright.c src/converter/upright.h \
	src/converter/utf8.h \
	src/converter/worker.c src/converter/worker.h \
	src/converter/writer.c src/converter/writer.h

install-pdf2md-link:
	$(MKDIR_P) "$(DESTDIR)$(bindir)"
	rm -f "$(DESTDIR)$(bindir)/pdf2md"
	$(LN_S) "$(libexecdir)/blobforge/pdf2md" "$(DESTDIR)$(bindir)/pdf2md"

uninstall-pdf2md-link:
	rm -f "$(DESTDIR)$(bindir)/pdf2md"

.PHONY: install-pdf2md-link uninstall-pdf2md-link

dist_doc_DATA += DESIGN-converter.md
