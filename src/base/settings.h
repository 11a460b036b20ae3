/* Settings: one table of names, types, bounds and texts; values with their origin.
 *
 * The table is settings.def: one row each, from which the loader, `-T`, `blobforge config`, shell
 * completion and the man page blobforge.conf(5) are made. Order, later wins: default, system file,
 * user's file (command line only), environment (BLOBFORGE_<NAME>, and v1's names), options (-o
 * NAME=VALUE).
 *
 * A struct settings is filled once and then only read; a reload fills another one and compares.
 * Durations are held in milliseconds, sizes in bytes. Not for secrets: keys never pass through
 * here. */
#ifndef BF_BASE_SETTINGS_H
#define BF_BASE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"

enum setting_id {
#define SETTING(id, name, type, def, min, max, reload, meaning) SETTING_##id,
#include "base/settings.def"
#undef SETTING
    SETTING_COUNT
};

enum setting_type {
    SETTING_TYPE_TEXT,
    SETTING_TYPE_INT,
    SETTING_TYPE_BOOL,
    SETTING_TYPE_DURATION, /* ms */
    SETTING_TYPE_SIZE,     /* bytes */
    SETTING_TYPE_WORD      /* one of a fixed list: `meaning` begins with it as "a|b|c: " */
};

enum setting_origin {
    SETTING_DEFAULT,
    SETTING_FILE,
    SETTING_ENV,
    SETTING_OPTION,
    SETTING_BUCKET
};

struct settings;

struct settings *settings_create(void) MUST_CHECK;                          /* all defaults */
struct settings *settings_copy(const struct settings *settings) MUST_CHECK; /* for another thread */
void settings_destroy(struct settings *settings);
/* Each returns false with *error_r (one line; the caller frees) and leaves the setting as it was.
 */
bool settings_set(struct settings *settings, const char *name, const char *value,
                  enum setting_origin origin, char **error_r) MUST_CHECK;
/* Reads on after a fault: *error_r has a line for each, of the file as a whole. */
bool settings_load_file(struct settings *settings, const char *path, bool must_exist,
                        char **error_r) MUST_CHECK;
bool settings_load_env(struct settings *settings, char **error_r) MUST_CHECK;
/* "NAME=VALUE" of -o. */
bool settings_set_option(struct settings *settings, const char *name_value,
                         char **error_r) MUST_CHECK;

const char *settings_text(const struct settings *settings,
                          enum setting_id id); /* never NULL; borrowed */
int64_t settings_number(const struct settings *settings,
                        enum setting_id id); /* INT, DURATION (ms), SIZE (bytes) */
bool settings_bool(const struct settings *settings, enum setting_id id);
enum setting_origin settings_origin(const struct settings *settings, enum setting_id id);

const char *setting_name(enum setting_id id);
bool setting_reloadable(enum setting_id id);
/* false: this version knows the name and does nothing with it, as its meaning says. */
bool setting_has_effect(enum setting_id id);
const char *setting_meaning(enum setting_id id);
enum setting_type setting_type(enum setting_id id);
const char *setting_default(enum setting_id id);
const char *setting_origin_name(enum setting_origin origin); /* default file env option bucket */
/* "10ms to 1d", appended; nothing for texts, words and yes or no. */
void setting_bounds(enum setting_id id, struct buf *out);
/* The value as it would be written in a file. */
void setting_print(const struct settings *settings, enum setting_id id, struct buf *out);
/* converter.TYPE: the command for another document type; NULL: none set. */
const char *settings_converter(const struct settings *settings, const char *type);

#endif
