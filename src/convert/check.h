/* Distrust of outputs: what a converter left in out/, looked at before a byte of it is packed.
 *
 * Everything is opened beneath out/ without following links; names, kinds, counts and sizes are
 * checked before contents are read (a sparse file of a terabyte is refused by its size). The
 * converter's processes must be gone: nobody changes anything between check and pack. */
#ifndef BF_CONVERT_CHECK_H
#define BF_CONVERT_CHECK_H

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define CHECK_ASSET_NAME_MAX 200
#define CHECK_INFO_MAX (16 << 20) /* bytes of info.json */

enum check_result {
    CHECK_OK,
    CHECK_REFUSED, /* the converter's fault: error says what */
    CHECK_HOST     /* this host's: cannot be read; errno's text in error */
};

struct check_asset {
    char *name;
    int64_t size;
};

struct check_output {
    int out_fd;    /* of out/, owned */
    int assets_fd; /* of out/assets, owned; -1: there is none */
    int64_t content_size;
    struct json_object *info;   /* info.json, owned; NULL: none */
    struct check_asset *assets; /* by name in byte order */
    size_t asset_count;
    int64_t ignored; /* other regular files */
    char *warning;   /* NULL, or one line about what was ignored */
};

/* Looks at S/out. max_bytes, max_files: 0: none. *output_r needs check_output_release() in every
 * case. *error_r (unless OK): one line, names escaped; the caller frees. */
enum check_result check_output(int slot_fd, int64_t max_bytes, int64_t max_files,
                               struct check_output *output_r, char **error_r) MUST_CHECK;
void check_output_release(struct check_output *output);

#endif
