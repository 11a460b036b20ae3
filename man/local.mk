# Manual pages.
dist_man_MANS += \
	man/blobforge.1 \
	man/blobforge-cancel.1 \
	man/blobforge-clear-dead.1 \
	man/blobforge-config.1 \
	man/blobforge-convert.1 \
	man/blobforge-copy.1 \
	man/blobforge-dashboard.1 \
	man/blobforge-ctl.1 \
	man/blobforge-doctor.1 \
	man/blobforge-download.1 \
	man/blobforge-hydrate.1 \
	man/blobforge-ingest.1 \
	man/blobforge-janitor.1 \
	man/blobforge-list.1 \
	man/blobforge-logs.1 \
	man/blobforge-lookup.1 \
	man/blobforge-manifest.1 \
	man/blobforge-preview.1 \
	man/blobforge-remove.1 \
	man/blobforge-repair-metadata.1 \
	man/blobforge-reprioritize.1 \
	man/blobforge-retry.1 \
	man/blobforge-retry-all.1 \
	man/blobforge-search-queue.1 \
	man/blobforge-search.1 \
	man/blobforge-status.1 \
	man/blobforge-watch.1 \
	man/blobforge-workers.1 \
	man/blobforge-converter.7 \
	man/blobforge-queue.7 \
	man/blobforge-troubleshooting.7 \
	man/blobforge-tutorial.7 \
	man/blobforged.8

if BUILD_PDF2MD
dist_man_MANS += man/pdf2md.1
endif

# blobforge.conf(5): its list of settings is printed by a program that includes the table itself. It
# is made in every build, from the compiler that is there anyway.
noinst_PROGRAMS += man/settings-mdoc
man_settings_mdoc_SOURCES = src/base/settings_mdoc.c
man_settings_mdoc_LDADD = libblobforge.a $(LIBBSD_LIBS)
nodist_man_MANS += man/blobforge.conf.5
EXTRA_DIST += man/blobforge.conf.5.in
CLEANFILES += man/blobforge.conf.5
man/blobforge.conf.5: $(srcdir)/man/blobforge.conf.5.in man/settings-mdoc$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) man && \
	{ sed -e '/^@SETTINGS@$$/,$$d' -e 's|@sysconfdir[@]|$(sysconfdir)|g' -e 's|@docdir[@]|$(docdir)|g' \
		$(srcdir)/man/blobforge.conf.5.in && \
	./man/settings-mdoc$(EXEEXT) && \
	sed -e '1,/^@SETTINGS@$$/d' -e 's|@sysconfdir[@]|$(sysconfdir)|g' -e 's|@docdir[@]|$(docdir)|g' \
		$(srcdir)/man/blobforge.conf.5.in; } >$@.tmp && mv $@.tmp $@

# A file to copy settings from, made in the same way.
nodist_doc_DATA += man/blobforge.conf.sample
CLEANFILES += man/blobforge.conf.sample
man/blobforge.conf.sample: man/settings-mdoc$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) man && ./man/settings-mdoc$(EXEEXT) sample >$@.tmp && mv $@.tmp $@
