# Samples and scripts for users.
EXTRA_DIST += contrib/packages.txt contrib/runtime-packages.txt contrib/install-packages.sh contrib/quickstart.sh \
	contrib/Containerfile contrib/Containerfile.dockerignore
examplesdir = $(docdir)/examples
ADAPTERS = docling marker mineru olmocr pandoc pymupdf4llm
dist_examples_SCRIPTS = contrib/converters/pdftotext.sh contrib/converters/resident.py \
	$(ADAPTERS:%=contrib/converters/%.sh)
# Settings of each adapter, and what they share.
dist_examples_DATA = contrib/converters/profile-python.conf contrib/converters/profile-gpu.conf \
	contrib/converters/profile-network.conf contrib/converters/adapter.sh contrib/converters/pandoc.lua $(ADAPTERS:%=contrib/converters/%.conf)

# For systemd and logrotate. With a prefix of its own the system's folders are the builder's to name:
# make install systemdsystemunitdir=... sysusersdir=... tmpfilesdir=... logrotatedir=...
systemdsystemunitdir = $(prefix)/lib/systemd/system
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
systemdexamplesdir = $(examplesdir)/systemd
logrotateexamplesdir = $(examplesdir)/logrotate
nodist_systemdsystemunit_DATA = contrib/systemd/blobforged.service contrib/systemd/blobforged@.service
nodist_sysusers_DATA = contrib/systemd/blobforge-sysusers/blobforge.conf
nodist_tmpfiles_DATA = contrib/systemd/blobforge-tmpfiles/blobforge.conf
dist_systemdexamples_DATA = contrib/systemd/notify-reload.conf
dist_logrotateexamples_DATA = contrib/logrotate/blobforge
SYSTEMD_MADE = $(nodist_systemdsystemunit_DATA) $(nodist_sysusers_DATA) $(nodist_tmpfiles_DATA)
SYSTEMD_INPUT = contrib/systemd/blobforged.service.in contrib/systemd/blobforged@.service.in \
	contrib/systemd/sysusers.conf contrib/systemd/tmpfiles.conf.in
EXTRA_DIST += $(SYSTEMD_INPUT)
CLEANFILES += $(SYSTEMD_MADE)
SUBSTITUTE = $(AM_V_GEN)$(MKDIR_P) $(@D) && \
	sed -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g'
contrib/systemd/blobforged.service: $(srcdir)/contrib/systemd/blobforged.service.in
	$(SUBSTITUTE) $(srcdir)/contrib/systemd/blobforged.service.in >$@
contrib/systemd/blobforged@.service: $(srcdir)/contrib/systemd/blobforged@.service.in
	$(SUBSTITUTE) '$(srcdir)/contrib/systemd/blobforged@.service.in' >$@
contrib/systemd/blobforge-sysusers/blobforge.conf: $(srcdir)/contrib/systemd/sysusers.conf
	$(SUBSTITUTE) $(srcdir)/contrib/systemd/sysusers.conf >$@
contrib/systemd/blobforge-tmpfiles/blobforge.conf: $(srcdir)/contrib/systemd/tmpfiles.conf.in
	$(SUBSTITUTE) $(srcdir)/contrib/systemd/tmpfiles.conf.in >$@
