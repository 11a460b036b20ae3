/* blobforge config: settings with where they come from; setting and unsetting them, in the user's
 * file or, what holds for all daemons, in the bucket. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/quote.h"
#include "base/settings_edit.h"
#include "cli/cmd.h"
#include "cli/paths.h"
#include "cli/table.h"
#include "queue/fleet_edit.h"

/* ---- showing ---- */

struct show {
    struct cli *cli;
    char *const *names; /* wanted; count 0: all */
    size_t count;
    bool *found;         /* one per name */
    struct table *table; /* NULL: JSON */
    char **bucket_names, **bucket_values;
    size_t bucket_count;
};

static bool is_wanted(struct show *show, const char *name)
{
    bool wanted = show->count == 0;

    for (size_t i = 0; i < show->count; i++) {
        if (strcmp(show->names[i], name) == 0) {
            show->found[i] = true;
            wanted = true;
        }
    }
    return wanted;
}

static void print_setting(struct show *show, const char *name, const char *value,
                          enum setting_origin origin, bool reloadable)
{
    struct json_object *line;

    if (show->table != NULL) {
        table_add(show->table,
                  (const char *[]){name, value[0] != '\0' ? value : NULL,
                                   setting_origin_name(origin), reloadable ? "" : "restart"});
        return;
    }
    line = json_object_new_object();
    json_set_text(line, "name", name);
    json_set_text(line, "value", value);
    json_set_text(line, "origin", setting_origin_name(origin));
    json_set_bool(line, "reloadable", reloadable);
    cli_print_json(line);
}

static void keep_bucket_value(void *arg, const char *name, const char *value)
{
    struct show *show = arg;
    size_t count = show->bucket_count + 1;

    show->bucket_names = mem_resize(show->bucket_names, count, sizeof(*show->bucket_names));
    show->bucket_values = mem_resize(show->bucket_values, count, sizeof(*show->bucket_values));
    show->bucket_names[count - 1] = mem_strdup(name);
    show->bucket_values[count - 1] = mem_strdup(value);
    show->bucket_count = count;
}

static const char *bucket_value(const struct show *show, const char *name)
{
    for (size_t i = 0; i < show->bucket_count; i++)
        if (strcmp(show->bucket_names[i], name) == 0)
            return show->bucket_values[i];
    return NULL;
}

static bool is_local_name(const char *name)
{
    for (int id = 0; id < SETTING_COUNT; id++)
        if (strcmp(setting_name((enum setting_id)id), name) == 0)
            return true;
    return false;
}

static void show_local(struct show *show)
{
    const struct settings *settings = cli_settings(show->cli);

    for (int i = 0; i < SETTING_COUNT; i++) {
        enum setting_id id = (enum setting_id)i;
        const char *fleet = bucket_value(show, setting_name(id));
        struct buf value = BUF_INIT;

        if (!is_wanted(show, setting_name(id)))
            continue;
        setting_print(settings, id, &value);
        print_setting(show, setting_name(id), fleet != NULL ? fleet : buf_text(&value),
                      fleet != NULL ? SETTING_BUCKET : settings_origin(settings, id),
                      setting_reloadable(id) || fleet != NULL);
        buf_release(&value);
    }
    /* converter.TYPE is shown when asked for by name: it has no row in the table. */
    for (size_t i = 0; i < show->count; i++) {
        const char *command = strncmp(show->names[i], "converter.", 10) == 0
                                  ? settings_converter(settings, show->names[i] + 10)
                                  : NULL;
        if (command != NULL) {
            show->found[i] = true;
            print_setting(show, show->names[i], command, SETTING_FILE, true);
        }
    }
}

static void show_bucket(struct show *show)
{
    for (size_t i = 0; i < show->bucket_count; i++)
        if (!is_local_name(show->bucket_names[i]) && is_wanted(show, show->bucket_names[i]))
            print_setting(show, show->bucket_names[i], show->bucket_values[i], SETTING_BUCKET,
                          true);
}

static enum exitcode read_bucket(struct show *show)
{
    struct queue *queue;
    char *error = NULL;
    enum queue_result result;
    enum exitcode code = cli_open(show->cli, CLI_READ, &queue);

    if (code != EXITCODE_OK)
        return code;
    result = fleet_settings_each(queue, keep_bucket_value, show, &error);
    if (result != QUEUE_OK)
        return cli_queue_failed(show->cli, result, error == NULL ? "settings in the bucket" : NULL,
                                error);
    return EXITCODE_OK;
}

static enum exitcode say_not_found(struct show *show, bool bucket_known)
{
    enum exitcode code = EXITCODE_OK;

    for (size_t i = 0; i < show->count; i++) {
        char *quoted = quote_name(show->names[i]);

        if (show->found[i]) {
        } else if (fleet_setting_known(show->names[i])) {
            if (bucket_known)
                cli_note(show->cli, "%s: not set in the bucket, daemons take the default", quoted);
        } else {
            cli_error("%s: unknown setting; blobforge.conf(5) lists them", quoted);
            code = EXITCODE_PARTIAL;
        }
        free(quoted);
    }
    return code;
}

static enum exitcode show_settings(struct cli *cli, char *const *names, size_t count)
{
    static const struct table_column columns[] = {{"NAME", false, false, false},
                                                  {"VALUE", false, true, false},
                                                  {"ORIGIN", false, false, false},
                                                  {"CHANGE NEEDS", false, false, false}};
    struct show show = {.cli = cli, .names = names, .count = count};
    enum exitcode code = EXITCODE_OK, unknown;

    show.found = mem_alloc((count + 1) * sizeof(*show.found));
    if (!cli_flag(cli, "local"))
        code = read_bucket(&show);
    if (!cli_json(cli))
        show.table = table_create(columns, ARRAY_LEN(columns));
    show_local(&show);
    show_bucket(&show);
    if (show.table != NULL && table_rows(show.table) > 0)
        table_print(show.table);
    unknown = say_not_found(&show, code == EXITCODE_OK && !cli_flag(cli, "local"));
    table_destroy(show.table);
    for (size_t i = 0; i < show.bucket_count; i++) {
        free(show.bucket_names[i]);
        free(show.bucket_values[i]);
    }
    free(show.bucket_names);
    free(show.bucket_values);
    free(show.found);
    return cli_worse(code, unknown);
}

/* ---- changing ---- */

/* The file that is edited: -f, --system's, else the user's own. The caller frees; NULL: said. */
static char *file_to_edit(struct cli *cli)
{
    char *path;

    if (cli_value(cli, "config") != NULL)
        return mem_strdup(cli_value(cli, "config"));
    if (cli_flag(cli, "system"))
        return mem_strdup(BF_SYSCONFDIR "/blobforge/blobforge.conf");
    path = paths_user_config();
    if (path == NULL)
        cli_error("HOME is not set, so there is no file of your own; name one with -f FILE");
    return path;
}

static enum exitcode change_file(struct cli *cli, const char *name, const char *value)
{
    char *path = file_to_edit(cli), *error = NULL, *quoted;
    bool changed = false;
    enum exitcode code = EXITCODE_OK;

    if (path == NULL)
        return EXITCODE_CONFIG;
    quoted = quote_name(path);
    if (!settings_edit_file(path, name, value, &changed, &error)) {
        cli_error("%s", error);
        code = EXITCODE_CANTCREAT;
    } else if (!changed && value == NULL) {
        cli_error("%s: %s does not set it", name, quoted);
        code = EXITCODE_PARTIAL;
    } else if (value != NULL) {
        cli_note(cli, "%s = %s in %s", name, value, quoted);
    } else {
        cli_note(cli, "%s: taken out of %s", name, quoted);
    }
    free(error);
    free(quoted);
    free(path);
    return code;
}

static enum exitcode change_bucket(struct cli *cli, const char *name, const char *value)
{
    struct queue *queue;
    char *error = NULL;
    int64_t number;
    enum queue_result result;
    enum exitcode code;

    if (value != NULL && !fleet_setting_check(name, value, &number, &error)) {
        cli_error("%s", error);
        free(error);
        return EXITCODE_USAGE;
    }
    code = cli_open(cli, CLI_WRITE, &queue);
    if (code != EXITCODE_OK)
        return code;
    result = fleet_setting_change(queue, name, value, &error);
    if (result == QUEUE_NONE && value == NULL) {
        cli_error("%s: the bucket does not set it", name);
        return EXITCODE_PARTIAL;
    }
    if (result == QUEUE_OK || result == QUEUE_NONE) {
        free(error);
        cli_note(cli, "%s%s%s in the bucket (registry/%s), for all daemons", name,
                 value != NULL ? " = " : ": taken out", value != NULL ? value : "",
                 fleet_setting_object(name));
        return EXITCODE_OK;
    }
    return cli_queue_failed(cli, result, error == NULL ? name : NULL, error);
}

/* A value that the table of settings refuses is a usage error: nothing was written. */
static enum exitcode check_local(const char *name, const char *value)
{
    struct settings *settings = settings_create();
    const char *sample = value;
    char *error = NULL;
    bool ok;
    enum exitcode code = EXITCODE_OK;

    /* Without a value only the name is looked at: some value fits each of them. */
    if (value == NULL && is_local_name(name))
        ok = true;
    else
        ok = settings_set(settings, name, sample != NULL ? sample : "true {input} {output}",
                          SETTING_FILE, &error);
    if (!ok) {
        cli_error("%s", error);
        code = EXITCODE_USAGE;
    }
    free(error);
    settings_destroy(settings);
    return code;
}

static void say_what_wins(struct cli *cli, const char *name)
{
    const struct settings *settings = cli_settings(cli);

    for (int i = 0; i < SETTING_COUNT; i++) {
        enum setting_origin origin = settings_origin(settings, (enum setting_id)i);

        if (strcmp(setting_name((enum setting_id)i), name) == 0 &&
            (origin == SETTING_ENV || origin == SETTING_OPTION))
            cli_note(cli, "%s: %s is set too, and wins over files", name,
                     origin == SETTING_ENV ? "an environment variable" : "an option");
    }
}

static enum exitcode change(struct cli *cli, const char *name, const char *value)
{
    bool fleet = fleet_setting_known(name), local = is_local_name(name);
    bool wants_file =
        cli_flag(cli, "local") || cli_flag(cli, "system") || cli_value(cli, "config") != NULL;
    enum exitcode code;

    if (fleet && !(local && wants_file)) {
        if (wants_file)
            return cli_usage(cli, "%s: this one lives in the bucket, for all daemons", name);
        return change_bucket(cli, name, value);
    }
    code = check_local(name, value);
    if (code == EXITCODE_OK)
        code = change_file(cli, name, value);
    if (code == EXITCODE_OK)
        say_what_wins(cli, name);
    return code;
}

static enum exitcode set(struct cli *cli, char *const *words, size_t count)
{
    char *name, *equals, *value;
    enum exitcode code;

    if (count == 2)
        return change(cli, words[0], words[1]);
    equals = count == 1 ? strchr(words[0], '=') : NULL;
    if (equals == NULL)
        return cli_usage(cli, "write config set NAME VALUE, or NAME=VALUE");
    name = mem_strndup(words[0], (size_t)(equals - words[0]));
    value = mem_strdup(equals + 1);
    code = change(cli, name, value);
    free(name);
    free(value);
    return code;
}

static enum exitcode run(struct cli *cli)
{
    size_t count;
    char *const *words = cli_operands(cli, &count);

    if (count > 0 && strcmp(words[0], "set") == 0)
        return set(cli, words + 1, count - 1);
    if (count > 0 && strcmp(words[0], "unset") == 0) {
        if (count != 2)
            return cli_usage(cli, "write config unset NAME");
        return change(cli, words[1], NULL);
    }
    if (count > 0 && strcmp(words[0], "show") == 0)
        return show_settings(cli, words + 1, count - 1);
    return show_settings(cli, words, count);
}

static const struct cli_option options[] = {
    {0, "local", NULL, "show without asking the store; set or unset in your own file"},
    {0, "system", NULL, "set or unset in the system's file"},
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_config = {
    .name = "config",
    .operands = "[[show] [NAME ...] | set NAME VALUE | unset NAME]",
    .operands_min = 0,
    .operands_max = CLI_ANY_NUMBER,
    .summary = "show settings and where they come from; set them in a file or in the bucket",
    .help = "What holds for all daemons (max_retries, heartbeat_interval, stale_timeout, ...)\n"
            "lives in the bucket and is set there; everything else in your own settings\n"
            "file, or in the one of -f. A file keeps its comments and is replaced whole.\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_NOW,
    .resume = "the settings are as they were, or changed whole",
    .run = run,
};
