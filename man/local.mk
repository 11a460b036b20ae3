# Manual pages.

if BUILD_PDF2MD
dist_man_MANS += man/pdf2md.1
endif
