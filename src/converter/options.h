/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Command line of pdf2md.
 */
#ifndef CONVERTER_OPTIONS_H
#define CONVERTER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum flavour {
    FLAVOUR_DEFAULT,
    FLAVOUR_PLAIN
};
enum ocr_mode {
    OCR_AUTO,
    OCR_NEVER,
    OCR_ALWAYS
};
enum dump_stage {
    DUMP_NONE,
    DUMP_PASS,
    DUMP_LINES,
    DUMP_RULINGS,
    DUMP_TABLES,
    DUMP_COLUMNS,
    DUMP_BLOCKS,
    DUMP_ROLES,
    DUMP_WRITER, /* Markdown itself */
    DUMP_STAGES
};

/* As in --dump-stage. */
extern const char *const dump_stage_names[DUMP_STAGES];

enum {
    RANGES_MAX = 64
};

struct page_range {
    uint32_t first, last; /* 1 = first page; last may lie beyond the end */
};

struct options {
    const char *input, *outdir;
    enum flavour flavour;
    enum ocr_mode ocr;
    const char *ocr_lang;
    bool images, page_markers, keep_heads;
    float image_min; /* points */
    uint32_t jobs;
    struct page_range ranges[RANGES_MAX];
    uint32_t ranges_n; /* 0: all pages */
    const char *password_file;
    double page_seconds;  /* wall time a page may take */
    double total_seconds; /* for the whole document; 0: no limit */
    uint64_t memory;      /* bytes of address space of one worker */
    enum dump_stage dump;
    bool from_dump;     /* input is the text of an earlier --dump-stage */
    uint32_t draw_page; /* 1 = first; 0: do not draw */
    const char *draw_file;
};

/* Fills `options` from argv. Ends the program for --help, --version (status 0) and for mistakes
 * (64, with a message). */
void options_parse(struct options *options, int argc, char **argv);

bool options_page_wanted(const struct options *options, uint32_t page);

#endif
