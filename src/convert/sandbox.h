/* How far a converter is shut in.
 *
 *     L0   session, process group, subreaper, descriptors, environment, rlimits, umask,
 *          no_new_privs, never root: spawn.c and run.c, always
 *     L1   Landlock: reads the toolchain and its input, writes out/ and tmp/; TCP, signals and
 *          abstract sockets as the kernel's ABI knows them. seccomp: a list of refused system
 *          calls, no sockets but AF_UNIX. No capabilities
 *     L2   L1 (Landlock where there is one) in a cell: a root with nothing else in it, processes,
 *          network, System V objects and host name of its own; a control group where delegated
 *     command   L0 around the operator's wrapper, which does the rest
 *
 * Prepared in the parent (everything that allocates), entered in the child between fork and exec
 * (async-signal-safe calls only). A prepared sandbox serves every run of the same converter in the
 * same slot. Single-threaded callers, but for the levels' names and sandbox_best(). */
#ifndef BF_CONVERT_SANDBOX_H
#define BF_CONVERT_SANDBOX_H

#include <stdbool.h>

#include "base/compiler.h"
#include "convert/identity.h"

enum sandbox_level {
    SANDBOX_AUTO,
    SANDBOX_L0,
    SANDBOX_L1,
    SANDBOX_L2,
    SANDBOX_COMMAND
};
const char *sandbox_level_name(enum sandbox_level level); /* auto l0 l1 l2 command */
bool sandbox_level_parse(const char *text, enum sandbox_level *level_r);
/* The best level that this kernel and user allow. */
enum sandbox_level sandbox_best(void);
/* One line for people: the level that `level` comes to and what it stands on, or what keeps this
 * machine from a higher one. The caller frees. */
char *sandbox_describe(enum sandbox_level level) MUST_CHECK;

/* What a converter may have beyond a document's: see blobforged(8). */
enum sandbox_profile {
    SANDBOX_DOCUMENT,
    SANDBOX_PYTHON,
    SANDBOX_GPU,
    SANDBOX_NETWORK
};
const char *sandbox_profile_name(enum sandbox_profile profile);
bool sandbox_profile_parse(const char *text, enum sandbox_profile *profile_r);
/* Converters of this profile reserve far more address space than they use. */
bool sandbox_profile_reserves(enum sandbox_profile profile);

struct sandbox_spec {
    enum sandbox_level level; /* AUTO takes the best there is */
    enum sandbox_profile profile;
    const char *folder;             /* S */
    unsigned folder_serial;         /* changes when S/in, S/out or S/tmp is another folder */
    struct identity identity;       /* of the converter */
    const char *program;            /* absolute */
    char *const *argv, *const *env; /* NULL-terminated; env may be NULL */
};

struct sandbox;

/* NULL with *error_r (the caller frees): the level asked for cannot be had here. */
struct sandbox *sandbox_prepare(const struct sandbox_spec *spec, char **error_r) MUST_CHECK;
/* Was it prepared for just this? NULL: no. */
bool sandbox_fits(const struct sandbox *sandbox, const struct sandbox_spec *spec) MUST_CHECK;
void sandbox_release(struct sandbox *sandbox); /* NULL is fine */

enum sandbox_level sandbox_level(const struct sandbox *sandbox); /* as granted */
/* Must the converter be started by a first process of its own pid namespace? */
bool sandbox_is_cell(const struct sandbox *sandbox) MUST_CHECK;
/* Nobody else's processes have the converter's user id. */
bool sandbox_owns_user(const struct sandbox *sandbox) MUST_CHECK;

/* In the child, in this order; each 0 or an errno. After the first the current folder may be
 * another; the last needs no_new_privs. */
int sandbox_enter_room(const struct sandbox *sandbox) MUST_CHECK;
int sandbox_furnish(const struct sandbox *sandbox) MUST_CHECK; /* a cell's first process only */
int sandbox_drop(const struct sandbox *sandbox) MUST_CHECK;    /* user id and capabilities */
int sandbox_enter(const struct sandbox *sandbox) MUST_CHECK;   /* Landlock and seccomp */

#endif
