# Manual pages.
dist_man_MANS += man/blobforge-converter.7
dist_man_MANS += man/blobforge-ingest.1

if BUILD_PDF2MD
dist_man_MANS += man/pdf2md.1
endif
