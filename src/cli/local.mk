# Sources of src/cli: the program blobforge, one file per command.
noinst_LIBRARIES += libblobforge-cli.a
libblobforge_cli_a_SOURCES = \
	src/cli/args.c src/cli/args.h \
	src/cli/cli.h src/cli/cli_private.h \
	src/cli/cmd.h src/cli/cmd_ingest.c src/cli/cmd_list.c src/cli/cmd_status.c \
	src/cli/commands.c src/cli/commands.h \
	src/cli/connect.c \
	src/cli/help.c src/cli/help.h \
	src/cli/interrupt.c src/cli/interrupt.h \
	src/cli/jobs.c src/cli/jobs.h \
	src/cli/main.c \
	src/cli/say.c \
	src/cli/table.c src/cli/table.h
