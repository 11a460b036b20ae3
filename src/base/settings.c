/* See settings.h: one table of settings, values with their origin.
 *
 * A value lives twice: as text (what was written, without blanks at its ends, words in lower case)
 * and as a number. Whatever reaches a struct settings has passed setting_check(), so readers check
 * nothing again. */
#include "base/settings.h"

#include <ctype.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/human.h"
#include "base/quote.h"

#define SEC 1000LL
#define MIN (60 * SEC)
#define HOUR (60 * MIN)
#define DAY (24 * HOUR)
#define KIB 1024LL
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)
#define TEXT_MAX 4096
#define TYPE_MAX 16       /* of converter.TYPE */
#define CONVERTERS_MAX 64 /* types with a command of their own */

#define CORES "number of cores" /* also in settings.def */

struct row {
    const char *name;
    enum setting_type type;
    const char *def;
    int64_t min, max;
    bool reloadable;
    const char *meaning;
};

static const struct row rows[SETTING_COUNT] = {
#define SETTING(id, name, type, def, min, max, reload, meaning)                                    \
    [SETTING_##id] = {name, SETTING_TYPE_##type, def, min, max, reload, meaning},
#include "base/settings.def"
#undef SETTING
};

struct value {
    char *text;
    int64_t number;
    enum setting_origin origin;
};

struct converter {
    char type[TYPE_MAX + 1];
    char *command;
};

struct settings {
    struct value values[SETTING_COUNT];
    struct converter *converters;
    size_t converter_count;
};

/* ---- checks of values whose type alone says too little ---- */

static const char *check_store(const char *text)
{
    if (strncmp(text, "file:///", 8) == 0)
        return text[8] == '\0' ? "names no directory; write file:///DIR" : NULL;
    if (strncmp(text, "s3://", 5) != 0)
        return "is neither file:///DIR nor s3://BUCKET";
    if (text[5] == '\0' || text[5] == '/')
        return "names no bucket; write s3://BUCKET";
    return NULL;
}

/* Names become parts of file names and keys. */
static const char *check_name(const char *text)
{
    if (text[0] == '.')
        return "begins with a dot";
    for (; *text != '\0'; text++) {
        if (!isalnum((unsigned char)*text) && strchr("._-", *text) == NULL)
            return "may hold letters, digits and . _ - only";
    }
    return NULL;
}

static const char *check_absolute(const char *text)
{
    return text[0] == '/' ? NULL : "is no absolute path";
}

static const char *check_log_file(const char *text)
{
    return strcmp(text, "stderr") == 0 ? NULL : check_absolute(text);
}

static const char *check_endpoint(const char *text)
{
    if (*text == '\0' || strncasecmp(text, "http://", 7) == 0 ||
        strncasecmp(text, "https://", 8) == 0)
        return NULL;
    return "begins neither with http:// nor with https://";
}

static const char *check_converter(const char *text)
{
    if (strstr(text, "{input}") == NULL || strstr(text, "{output}") == NULL)
        return "lacks {input} or {output}";
    return NULL;
}

static const char *check_octal(const char *text)
{
    return strspn(text, "01234567") == strlen(text) ? NULL : "is no octal number such as 0660";
}

/* NULL: fine; else what is wrong with it, after "'VALUE' ". */
static const char *setting_check(enum setting_id id, const char *text)
{
    switch ((int)id) {
    case SETTING_STORE:
        return check_store(text);
    case SETTING_INSTANCE:
    case SETTING_WORKER_ID:
        return check_name(text);
    case SETTING_WORK_DIR:
    case SETTING_RUN_DIR:
        return check_absolute(text);
    case SETTING_LOG_FILE:
        return check_log_file(text);
    case SETTING_S3_ENDPOINT_URL:
        return check_endpoint(text);
    case SETTING_CONVERTER:
        return check_converter(text);
    case SETTING_CONTROL_MODE:
        return check_octal(text);
    case SETTING_SANDBOX_COMMAND:
        return *text == '\0' || strstr(text, "{command}") != NULL ? NULL : "lacks {command}";
    default:
        return NULL;
    }
}

/* ---- defaults that depend on the machine and the user ---- */

static int64_t core_count(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        return CPU_COUNT(&set);
    return 1;
}

/* The system's folder for whoever may write there (root, the service's user), `own` for others. */
static char *folder_default(const char *system_dir, char *own)
{
    if (own == NULL || geteuid() == 0 || access(system_dir, W_OK | X_OK) == 0) {
        free(own);
        return mem_strdup(system_dir);
    }
    return own;
}

static char *own_work_dir(void)
{
    const char *dir = getenv("XDG_CACHE_HOME");

    if (dir != NULL && dir[0] == '/')
        return mem_printf("%s/blobforge", dir);
    dir = getenv("HOME");
    return dir != NULL && dir[0] == '/' ? mem_printf("%s/.cache/blobforge", dir) : NULL;
}

static char *own_run_dir(void)
{
    const char *dir = getenv("XDG_RUNTIME_DIR");

    if (dir != NULL && dir[0] == '/')
        return mem_printf("%s/blobforge", dir);
    return mem_printf("/tmp/blobforge-%u", (unsigned)geteuid());
}

static char *default_text(enum setting_id id)
{
    switch ((int)id) {
    case SETTING_SLOTS:
        return mem_printf("%lld", (long long)core_count());
    case SETTING_WORK_DIR:
        return folder_default(rows[id].def, own_work_dir());
    case SETTING_RUN_DIR:
        return folder_default(rows[id].def, own_run_dir());
    default:
        return mem_strdup(rows[id].def);
    }
}

/* ---- one value ---- */

/* The words of a WORD row, "a|b|c" without what follows. */
static size_t words_len(const struct row *row)
{
    return strcspn(row->meaning, ":");
}

static bool is_one_of(const struct row *row, const char *text)
{
    const char *word = row->meaning, *end = row->meaning + words_len(row);
    size_t len = strlen(text);

    while (word < end) {
        size_t n = strcspn(word, "|:");
        if (n == len && strncasecmp(word, text, n) == 0)
            return true;
        word += n + 1;
    }
    return false;
}

void setting_bounds(enum setting_id id, struct buf *out)
{
    const struct row *row = &rows[id];

    switch (row->type) {
    case SETTING_TYPE_INT:
        buf_printf(out, "%lld to %lld", (long long)row->min, (long long)row->max);
        return;
    case SETTING_TYPE_DURATION:
        human_write_duration(out, row->min);
        buf_puts(out, " to ");
        human_write_duration(out, row->max);
        return;
    case SETTING_TYPE_SIZE:
        human_write_size(out, row->min);
        buf_puts(out, " to ");
        human_write_size(out, row->max);
        return;
    case SETTING_TYPE_TEXT:
    case SETTING_TYPE_BOOL:
    case SETTING_TYPE_WORD:
        return;
    }
}

/* Appends "; give …": what would be taken. */
static void append_remedy(struct buf *out, enum setting_id id)
{
    const struct row *row = &rows[id];
    struct buf bounds = BUF_INIT;

    setting_bounds(id, &bounds);
    switch (row->type) {
    case SETTING_TYPE_TEXT:
        buf_printf(out, "; give %lld to %lld bytes", (long long)row->min, (long long)row->max);
        break;
    case SETTING_TYPE_INT:
        buf_printf(out, "; give a whole number from %s", buf_text(&bounds));
        break;
    case SETTING_TYPE_BOOL:
        buf_puts(out, "; give yes or no");
        break;
    case SETTING_TYPE_DURATION:
        buf_printf(out, "; give a duration from %s, such as 90s, 15m, 6h or 2d", buf_text(&bounds));
        break;
    case SETTING_TYPE_SIZE:
        buf_printf(out, "; give a size from %s, such as 64K, 128M or 2G", buf_text(&bounds));
        break;
    case SETTING_TYPE_WORD:
        buf_printf(out, "; give one of %.*s", (int)words_len(row), row->meaning);
        break;
    }
    buf_release(&bounds);
}

/* NULL: taken, and *number_r is set; else why not, after "'VALUE' ". */
static const char *value_parse(enum setting_id id, const char *text, int64_t *number_r)
{
    const struct row *row = &rows[id];
    bool yes = false;

    switch (row->type) {
    case SETTING_TYPE_TEXT:
        *number_r = (int64_t)strlen(text);
        break;
    case SETTING_TYPE_INT:
        if (id == SETTING_SLOTS && strcmp(text, CORES) == 0)
            *number_r = core_count();
        else if (!human_parse_int(text, number_r))
            return "is no whole number";
        break;
    case SETTING_TYPE_BOOL:
        if (!human_parse_bool(text, &yes))
            return "is neither yes nor no";
        *number_r = yes;
        break;
    case SETTING_TYPE_DURATION:
        if (!human_parse_duration(text, number_r))
            return "is no duration";
        break;
    case SETTING_TYPE_SIZE:
        if (!human_parse_size(text, number_r))
            return "is no size";
        break;
    case SETTING_TYPE_WORD:
        *number_r = 0;
        return is_one_of(row, text) ? NULL : "is none of the words known";
    }
    if (*number_r < row->min)
        return row->type == SETTING_TYPE_TEXT && *text == '\0' ? "is empty" : "is too small";
    if (*number_r > row->max)
        return row->type == SETTING_TYPE_TEXT ? "is too long" : "is too large";
    return NULL;
}

/* One line without control characters, in UTF-8: what may be printed, logged, and put in a file. */
static bool is_clean_text(const char *text)
{
    if (!utf8_is_valid(text, strlen(text)))
        return false;
    for (; *text != '\0'; text++) {
        if (iscntrl((unsigned char)*text) && *text != '\t')
            return false;
    }
    return true;
}

static bool say_bad_value(const char *name, const char *value, const char *why, char **error_r)
{
    struct buf text = BUF_INIT;

    buf_printf(&text, "%s: ", name);
    quote_append_name(&text, value, strnlen(value, 100));
    buf_printf(&text, " %s", why);
    *error_r = buf_steal(&text);
    return false;
}

static bool value_set(struct settings *settings, enum setting_id id, const char *value,
                      enum setting_origin origin, char **error_r)
{
    struct value *slot = &settings->values[id];
    int64_t number = 0;
    const char *why;

    if (!is_clean_text(value))
        return say_bad_value(rows[id].name, value, "is not one line of UTF-8", error_r);
    why = value_parse(id, value, &number);
    if (why != NULL) {
        struct buf text = BUF_INIT;
        buf_puts(&text, why);
        append_remedy(&text, id);
        (void)say_bad_value(rows[id].name, value, buf_text(&text), error_r);
        buf_release(&text);
        return false;
    }
    why = setting_check(id, value);
    if (why != NULL)
        return say_bad_value(rows[id].name, value, why, error_r);
    free(slot->text);
    slot->text = mem_strdup(value);
    if (rows[id].type == SETTING_TYPE_WORD) {
        for (char *c = slot->text; *c != '\0'; c++)
            *c = (char)tolower((unsigned char)*c);
    }
    slot->number = number;
    slot->origin = origin;
    return true;
}

static bool type_is_valid(const char *type)
{
    size_t len = strlen(type);

    return len > 0 && len <= TYPE_MAX &&
           strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789") == len;
}

static bool converter_set(struct settings *settings, const char *name, const char *value,
                          char **error_r)
{
    const char *type = strchr(name, '.') + 1;
    const char *why = is_clean_text(value) ? check_converter(value) : "is not one line of UTF-8";
    struct converter *slot = NULL;

    if (!type_is_valid(type))
        return say_bad_value("converter.TYPE", type, "is no type; give letters and digits",
                             error_r);
    if (why == NULL && strlen(value) > TEXT_MAX)
        why = "is too long";
    for (size_t i = 0; i < settings->converter_count; i++) {
        if (strcmp(settings->converters[i].type, type) == 0)
            slot = &settings->converters[i];
    }
    if (why == NULL && slot == NULL && settings->converter_count == CONVERTERS_MAX)
        why = "is one type too many";
    if (why != NULL)
        return say_bad_value(name, value, why, error_r);
    if (slot == NULL) {
        settings->converters = mem_resize(settings->converters, settings->converter_count + 1,
                                          sizeof(*settings->converters));
        slot = &settings->converters[settings->converter_count++];
        memset(slot, 0, sizeof(*slot));
        memcpy(slot->type, type, strlen(type));
    }
    free(slot->command);
    slot->command = mem_strdup(value);
    return true;
}

static bool find_setting(const char *name, enum setting_id *id_r)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            *id_r = (enum setting_id)i;
            return true;
        }
    }
    return false;
}

static bool say_unknown(const char *name, char **error_r)
{
    char *quoted = quote_name(name);
    const char *near = NULL;
    int best = INT_MAX;

    for (int i = 0; i < SETTING_COUNT; i++) {
        int distance = human_distance(name, rows[i].name);
        if (distance < best) {
            best = distance;
            near = rows[i].name;
        }
    }
    if (strstr(name, "access_key") != NULL)
        *error_r = mem_printf("%s: keys are no settings; put them in the environment "
                              "(BLOBFORGE_S3_ACCESS_KEY_ID, ...) or in ~/.aws/credentials",
                              quoted);
    else if (strcmp(name, "s3_bucket") == 0)
        *error_r = mem_printf("%s: unknown setting; write store = s3://BUCKET", quoted);
    else if (human_is_near(name, best))
        *error_r = mem_printf("%s: unknown setting; did you mean '%s'?", quoted, near);
    else
        *error_r = mem_printf("%s: unknown setting; blobforge.conf(5) lists them", quoted);
    free(quoted);
    return false;
}

/* ---- the interface ---- */

struct settings *settings_create(void)
{
    struct settings *settings = mem_alloc(sizeof(*settings));

    for (int i = 0; i < SETTING_COUNT; i++) {
        struct value *slot = &settings->values[i];

        slot->text = default_text((enum setting_id)i);
        slot->origin = SETTING_DEFAULT;
        /* A default that its own row refuses would be our bug; tests/base/settings_test.c looks. */
        (void)!value_parse((enum setting_id)i, slot->text, &slot->number);
    }
    return settings;
}

struct settings *settings_copy(const struct settings *settings)
{
    struct settings *copy = mem_alloc(sizeof(*copy));

    *copy = *settings;
    for (int i = 0; i < SETTING_COUNT; i++)
        copy->values[i].text = mem_strdup(settings->values[i].text);
    copy->converters = mem_resize(NULL, copy->converter_count + 1, sizeof(*copy->converters));
    for (size_t i = 0; i < copy->converter_count; i++) {
        copy->converters[i] = settings->converters[i];
        copy->converters[i].command = mem_strdup(settings->converters[i].command);
    }
    return copy;
}

void settings_destroy(struct settings *settings)
{
    if (settings == NULL)
        return;
    for (int i = 0; i < SETTING_COUNT; i++)
        free(settings->values[i].text);
    for (size_t i = 0; i < settings->converter_count; i++)
        free(settings->converters[i].command);
    free(settings->converters);
    free(settings);
}

bool settings_set(struct settings *settings, const char *name, const char *value,
                  enum setting_origin origin, char **error_r)
{
    enum setting_id id;

    *error_r = NULL;
    if (strncmp(name, "converter.", 10) == 0)
        return converter_set(settings, name, value, error_r);
    if (!find_setting(name, &id))
        return say_unknown(name, error_r);
    return value_set(settings, id, value, origin, error_r);
}

const char *settings_text(const struct settings *settings, enum setting_id id)
{
    return settings->values[id].text;
}

int64_t settings_number(const struct settings *settings, enum setting_id id)
{
    return settings->values[id].number;
}

bool settings_bool(const struct settings *settings, enum setting_id id)
{
    return settings->values[id].number != 0;
}

enum setting_origin settings_origin(const struct settings *settings, enum setting_id id)
{
    return settings->values[id].origin;
}

const char *setting_name(enum setting_id id)
{
    return rows[id].name;
}

bool setting_reloadable(enum setting_id id)
{
    return rows[id].reloadable;
}

bool setting_has_effect(enum setting_id id)
{
    return strstr(rows[id].meaning, "Not in effect in this version.") == NULL;
}

const char *setting_meaning(enum setting_id id)
{
    return rows[id].meaning;
}

enum setting_type setting_type(enum setting_id id)
{
    return rows[id].type;
}

const char *setting_default(enum setting_id id)
{
    return rows[id].def;
}

const char *setting_origin_name(enum setting_origin origin)
{
    static const char *const names[] = {"default", "file", "env", "option", "bucket"};

    return names[origin];
}

void setting_print(const struct settings *settings, enum setting_id id, struct buf *out)
{
    const struct value *value = &settings->values[id];

    switch (rows[id].type) {
    case SETTING_TYPE_TEXT:
    case SETTING_TYPE_WORD:
        buf_puts(out, value->text);
        return;
    case SETTING_TYPE_INT:
        buf_printf(out, "%lld", (long long)value->number);
        return;
    case SETTING_TYPE_BOOL:
        buf_puts(out, value->number != 0 ? "yes" : "no");
        return;
    case SETTING_TYPE_DURATION:
        human_write_duration(out, value->number);
        return;
    case SETTING_TYPE_SIZE:
        human_write_size(out, value->number);
        return;
    }
}

const char *settings_converter(const struct settings *settings, const char *type)
{
    for (size_t i = 0; i < settings->converter_count; i++) {
        if (strcmp(settings->converters[i].type, type) == 0)
            return settings->converters[i].command;
    }
    return NULL;
}
