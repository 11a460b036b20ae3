# `make soak`: hostile jobs among signals, and the master's memory over many good ones; CI runs a tenth of each:
# make soak SOAK_JOBS=1000 FLAT_JOBS=10000.
EXTRA_DIST += tests/soak/soak.sh tests/soak/flat.sh tests/soak/verdict.py
SOAK_JOBS = 10000
FLAT_JOBS = 100000

soak: all tests/convert/hostile$(EXEEXT) tests/bench/null_converter$(EXEEXT)
	top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' $(srcdir)/tests/soak/soak.sh $(SOAK_JOBS)
	top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' $(srcdir)/tests/soak/flat.sh $(FLAT_JOBS)

.PHONY: soak
