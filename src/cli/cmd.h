/* Every command of the table in commands.c; each is defined in cmd_NAME.c. */
#ifndef BF_CLI_CMD_H
#define BF_CLI_CMD_H

#include "cli/cli.h"

extern const struct cli_command cmd_cancel;
extern const struct cli_command cmd_clear_dead;
extern const struct cli_command cmd_complete;
extern const struct cli_command cmd_config;
extern const struct cli_command cmd_convert;
extern const struct cli_command cmd_dashboard;
extern const struct cli_command cmd_copy;
extern const struct cli_command cmd_ctl;
extern const struct cli_command cmd_doctor;
extern const struct cli_command cmd_download;
extern const struct cli_command cmd_hydrate;
extern const struct cli_command cmd_ingest;
extern const struct cli_command cmd_janitor;
extern const struct cli_command cmd_list;
extern const struct cli_command cmd_logs;
extern const struct cli_command cmd_lookup;
extern const struct cli_command cmd_manifest;
extern const struct cli_command cmd_preview;
extern const struct cli_command cmd_remove;
extern const struct cli_command cmd_repair_metadata;
extern const struct cli_command cmd_reprioritize;
extern const struct cli_command cmd_retry;
extern const struct cli_command cmd_retry_all;
extern const struct cli_command cmd_search;
extern const struct cli_command cmd_search_queue;
extern const struct cli_command cmd_status;
extern const struct cli_command cmd_watch;
extern const struct cli_command cmd_workers;

#endif
