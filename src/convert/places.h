/* What a shut-in converter may see: the list that Landlock's rules, a cell's mounts and a veil are
 * made of.
 *
 * The toolchain (where programs, libraries, fonts and language data are installed, a few files of
 * /etc), what the profile adds, what the command line and converter_env name by an absolute path,
 * and the slot's own folders. /proc can be read: Landlock refuses what belongs to processes
 * outside, such as their environment and memory. Pure but for looking at the files. */
#ifndef BF_CONVERT_PLACES_H
#define BF_CONVERT_PLACES_H

#include <stdbool.h>
#include <stddef.h>

#include "convert/landlock.h"
#include "convert/sandbox.h"

struct place {
    char *path;
    enum landlock_access access;
    bool named; /* by the operator or the slot: a veil must make it reachable */
};

struct places {
    struct place *all;
    size_t count;
};

void places_collect(const struct sandbox_spec *spec, struct places *places_r);
void places_release(struct places *places);

#endif
