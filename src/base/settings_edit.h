/* Changing one setting in a file that a person wrote: every other line stays byte for byte,
 * comments included, and the file is replaced whole or not at all. Which names and values make
 * sense is for base/settings.h to say, before. Any thread. */
#ifndef BF_BASE_SETTINGS_EDIT_H
#define BF_BASE_SETTINGS_EDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/compiler.h"

/* Appends the text with `name = value` in it to `out`: in the place of its last line, else below a
 * commented line of it (as the sample file has them), else at the end. `value` NULL: every line of
 * it goes. true: something changed. */
bool settings_edit_text(const char *text, size_t len, const char *name, const char *value,
                        struct buf *out);
/* The same to a file; made, with its folders, when it is not there and there is a value. It keeps
 * its mode and, where that is allowed, its owner; a symbolic link stays one. Two at once come one
 * after the other. false: *error_r is one line, the file is as it was. *changed_r: it was changed.
 */
bool settings_edit_file(const char *path, const char *name, const char *value, bool *changed_r,
                        char **error_r) MUST_CHECK;

#endif
