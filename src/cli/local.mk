# Sources of src/cli: the program blobforge, one file per command.
bin_PROGRAMS += blobforge
blobforge_SOURCES = src/cli/main.c
blobforge_LDADD = libblobforge-cli.a $(BF_LIBS) $(NCURSES_LIBS)

# All of it but main(), for tests too.
noinst_LIBRARIES += libblobforge-cli.a
libblobforge_cli_a_SOURCES = \
	src/cli/args.c src/cli/args.h \
	src/cli/ask.c \
	src/cli/board.c src/cli/board.h src/cli/board_pages.c src/cli/board_pages.h \
	src/cli/cards.c src/cli/cards.h \
	src/cli/cli.h src/cli/cli_private.h \
	src/cli/catalog.c src/cli/catalog.h \
	src/cli/cmd.h \
	src/cli/cmd_cancel.c \
	src/cli/cmd_clear_dead.c \
	src/cli/cmd_convert.c \
	src/cli/cmd_dashboard.c \
	src/cli/cmd_copy.c \
	src/cli/cmd_ctl.c \
	src/cli/cmd_doctor.c \
	src/cli/cmd_download.c \
	src/cli/cmd_hydrate.c \
	src/cli/cmd_ingest.c \
	src/cli/cmd_janitor.c \
	src/cli/cmd_list.c \
	src/cli/cmd_logs.c \
	src/cli/cmd_lookup.c \
	src/cli/cmd_manifest.c \
	src/cli/cmd_repair_metadata.c \
	src/cli/cmd_complete.c \
	src/cli/cmd_config.c \
	src/cli/cmd_preview.c \
	src/cli/cmd_remove.c \
	src/cli/cmd_reprioritize.c \
	src/cli/cmd_search.c \
	src/cli/cmd_search_queue.c \
	src/cli/cmd_retry.c \
	src/cli/cmd_status.c \
	src/cli/cmd_watch.c \
	src/cli/cmd_workers.c \
	src/cli/commands.c src/cli/commands.h \
	src/cli/completion.c src/cli/completion.h \
	src/cli/connect.c \
	src/cli/control.c src/cli/control.h \
	src/cli/fetch.c src/cli/fetch.h \
	src/cli/copy.c src/cli/copy.h \
	src/cli/gang.c src/cli/gang.h \
	src/cli/hydrate.c src/cli/hydrate.h \
	src/cli/help.c src/cli/help.h \
	src/cli/interrupt.c src/cli/interrupt.h \
	src/cli/jobs.c src/cli/jobs.h \
	src/cli/machine.c src/cli/machine.h \
	src/cli/markdown.c src/cli/markdown.h src/cli/markdown_parts.h \
	src/cli/markdown_inline.c src/cli/markdown_table.c \
	src/cli/moves.c src/cli/moves.h \
	src/cli/pager.c src/cli/pager.h \
	src/cli/paths.c src/cli/paths.h \
	src/cli/progress.c src/cli/progress.h \
	src/cli/result.c src/cli/result.h \
	src/cli/say.c \
	src/cli/select.c src/cli/select.h \
	src/cli/table.c src/cli/table.h \
	src/cli/watch.h src/cli/watch_draw.c src/cli/watch_hands.c src/cli/watch_keys.c \
	src/cli/watch_screen.c src/cli/watch_screen.h \
	src/cli/width.c src/cli/width.h

# Completions, printed by a program that includes the table of commands.
noinst_PROGRAMS += src/cli/table
src_cli_table_SOURCES = src/cli/completion_main.c
src_cli_table_LDADD = libblobforge-cli.a $(BF_LIBS) $(NCURSES_LIBS)
bashcompletiondir = $(datadir)/bash-completion/completions
zshcompletiondir = $(datadir)/zsh/site-functions
fishcompletiondir = $(datadir)/fish/vendor_completions.d
nodist_bashcompletion_DATA = src/cli/blobforge
nodist_zshcompletion_DATA = src/cli/_blobforge
nodist_fishcompletion_DATA = src/cli/blobforge.fish
CLEANFILES += src/cli/blobforge src/cli/_blobforge src/cli/blobforge.fish
src/cli/blobforge: src/cli/table$(EXEEXT)
	$(AM_V_GEN)./src/cli/table$(EXEEXT) bash >$@.tmp && mv $@.tmp $@
src/cli/_blobforge: src/cli/table$(EXEEXT)
	$(AM_V_GEN)./src/cli/table$(EXEEXT) zsh >$@.tmp && mv $@.tmp $@
src/cli/blobforge.fish: src/cli/table$(EXEEXT)
	$(AM_V_GEN)./src/cli/table$(EXEEXT) fish >$@.tmp && mv $@.tmp $@
