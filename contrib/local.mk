# Samples and scripts for users.
EXTRA_DIST += contrib/packages.txt contrib/install-packages.sh contrib/quickstart.sh
examplesdir = $(docdir)/examples
dist_examples_SCRIPTS = contrib/converters/pdftotext.sh
