/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * getopt_long, and nothing that could not be said in the manual.
 */
#include "options.h"
#include "exits.h"

#include <config.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: pdf2md [option...] INPUT OUTDIR\n"
    "Converts the PDF file INPUT to OUTDIR/content.md, OUTDIR/assets/ and OUTDIR/info.json.\n"
    "\n"
    "  -p, --pages LIST          only these pages: 3,5-9,20-\n"
    "  -j, --jobs N              convert pages on N cores (same result)\n"
    "      --flavour NAME        default, or plain (no emphasis, links and images)\n"
    "      --images on|off       extract images (on)\n"
    "      --image-min POINTS    leave out images smaller than this (24)\n"
    "      --page-markers        mark page starts with HTML comments\n"
    "      --headers keep|drop   repeated headers and footers, page numbers (drop)\n"
    "      --ocr MODE            never, auto (pages without text) or always (auto)\n"
    "      --ocr-lang LANG       languages for OCR, as eng+deu (eng)\n"
    "      --password-file FILE  password of an encrypted document, first line\n"
    "      --page-time SECONDS   time one page may take (10)\n"
    "      --time SECONDS        time the document may take\n"
    "      --memory MIB          memory one worker may take (1024)\n"
    "      --dump-stage STAGE    print what a stage made: pass, lines, rulings, tables, columns,\n"
    "                            blocks, roles, writer\n"
    "      --draw PAGE FILE.png  draw a page with its boxes, of one stage with --dump-stage\n"
    "      --from-dump           INPUT is what --dump-stage printed: go on from there\n"
    "      --version, --help\n"
    "\n"
    "See pdf2md(1).\n";

static _Noreturn void misuse(const char *what, const char *why)
{
    say(what, why, "see pdf2md --help");
    exit(EXIT_USAGE);
}

static double number(const char *name, const char *text, double low, double high)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != 0 || !isfinite(value) || value < low || value > high) {
        misuse(name, "not a number in its bounds");
    }
    return value;
}

/* 3,5-9,20- */
static void ranges_parse(struct options *o, const char *text)
{
    const char *p = text;

    while (*p != 0) {
        struct page_range r;
        char *end;
        unsigned long first = strtoul(p, &end, 10), last = first;
        if (end == p || first == 0 || first > 1000000000 || *p == '-' || *p == '+') {
            misuse("--pages", "not a list of pages as 3,5-9,20-");
        }
        p = end;
        if (*p == '-') {
            p++;
            last = strtoul(p, &end, 10);
            if (end == p) {
                last = UINT32_MAX;
            }
            p = end;
        }
        if (last < first || (*p != 0 && *p != ',') || (*p == ',' && p[1] == 0)) {
            misuse("--pages", "not a list of pages as 3,5-9,20-");
        }
        if (o->ranges_n == RANGES_MAX) {
            misuse("--pages", "too many ranges");
        }
        r.first = (uint32_t)first;
        r.last = last > UINT32_MAX ? UINT32_MAX : (uint32_t)last;
        o->ranges[o->ranges_n++] = r;
        p += *p == ',';
    }
}

static uint32_t choice(const char *name, const char *text, const char *const *words, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(words[i], text) == 0) {
            return i;
        }
    }
    misuse(name, "no such choice");
}

bool options_page_wanted(const struct options *options, uint32_t page)
{
    for (uint32_t i = 0; i < options->ranges_n; i++) {
        if (page + 1 >= options->ranges[i].first && page + 1 <= options->ranges[i].last) {
            return true;
        }
    }
    return options->ranges_n == 0;
}

/* The limits that our caller will enforce: stay a little below, to end with a result. */
static void environment_take(struct options *o)
{
    const char *time = getenv("BLOBFORGE_TIME_LIMIT"), *memory = getenv("BLOBFORGE_MEMORY_LIMIT");

    if (time != NULL && atof(time) > 1) {
        o->total_seconds = atof(time) * 0.9;
    }
    if (memory != NULL && atof(memory) >= 64.0 * 1024 * 1024) {
        uint64_t limit = (uint64_t)(atof(memory) * 0.8);
        o->memory = limit < o->memory ? limit : o->memory;
    }
}

enum {
    OPT_FLAVOUR = 256,
    OPT_IMAGES,
    OPT_IMAGE_MIN,
    OPT_MARKERS,
    OPT_HEADERS,
    OPT_OCR,
    OPT_OCR_LANG,
    OPT_PASSWORD,
    OPT_PAGE_TIME,
    OPT_TIME,
    OPT_MEMORY,
    OPT_DUMP,
    OPT_DRAW,
    OPT_FROM_DUMP,
    OPT_VERSION,
    OPT_HELP,
};

static const struct option table[] = {{"pages", required_argument, NULL, 'p'},
                                      {"jobs", required_argument, NULL, 'j'},
                                      {"flavour", required_argument, NULL, OPT_FLAVOUR},
                                      {"images", required_argument, NULL, OPT_IMAGES},
                                      {"image-min", required_argument, NULL, OPT_IMAGE_MIN},
                                      {"page-markers", no_argument, NULL, OPT_MARKERS},
                                      {"headers", required_argument, NULL, OPT_HEADERS},
                                      {"ocr", required_argument, NULL, OPT_OCR},
                                      {"ocr-lang", required_argument, NULL, OPT_OCR_LANG},
                                      {"password-file", required_argument, NULL, OPT_PASSWORD},
                                      {"page-time", required_argument, NULL, OPT_PAGE_TIME},
                                      {"time", required_argument, NULL, OPT_TIME},
                                      {"memory", required_argument, NULL, OPT_MEMORY},
                                      {"dump-stage", required_argument, NULL, OPT_DUMP},
                                      {"draw", required_argument, NULL, OPT_DRAW},
                                      {"from-dump", no_argument, NULL, OPT_FROM_DUMP},
                                      {"version", no_argument, NULL, OPT_VERSION},
                                      {"help", no_argument, NULL, OPT_HELP},
                                      {NULL, 0, NULL, 0}};

static const char *const flavours[] = {"default", "plain"};
static const char *const on_off[] = {"off", "on"};
static const char *const keep_drop[] = {"drop", "keep"};
static const char *const ocr_modes[] = {"auto", "never", "always"};
const char *const dump_stage_names[DUMP_STAGES] = {
    "none", "pass", "lines", "rulings", "tables", "columns", "blocks", "roles", "writer"};

static void option_take(struct options *o, int c)
{
    switch (c) {
    case 'p':
        ranges_parse(o, optarg);
        break;
    case 'j':
        o->jobs = (uint32_t)number("--jobs", optarg, 1, 64);
        break;
    case OPT_FLAVOUR:
        o->flavour = (enum flavour)choice("--flavour", optarg, flavours, 2);
        break;
    case OPT_IMAGES:
        o->images = choice("--images", optarg, on_off, 2) == 1;
        break;
    case OPT_IMAGE_MIN:
        o->image_min = (float)number("--image-min", optarg, 0, 10000);
        break;
    case OPT_MARKERS:
        o->page_markers = true;
        break;
    case OPT_HEADERS:
        o->keep_heads = choice("--headers", optarg, keep_drop, 2) == 1;
        break;
    case OPT_OCR:
        o->ocr = (enum ocr_mode)choice("--ocr", optarg, ocr_modes, 3);
        break;
    case OPT_OCR_LANG:
        o->ocr_lang = optarg;
        break;
    case OPT_PASSWORD:
        o->password_file = optarg;
        break;
    case OPT_PAGE_TIME:
        o->page_seconds = number("--page-time", optarg, 0.1, 86400);
        break;
    case OPT_TIME:
        o->total_seconds = number("--time", optarg, 0.1, 1e7);
        break;
    case OPT_MEMORY:
        o->memory = (uint64_t)number("--memory", optarg, 64, 1 << 20) << 20;
        break;
    case OPT_DUMP:
        o->dump = (enum dump_stage)choice("--dump-stage", optarg, dump_stage_names, DUMP_STAGES);
        break;
    case OPT_DRAW:
        o->draw_page = (uint32_t)number("--draw", optarg, 1, 1e9);
        break;
    case OPT_FROM_DUMP:
        o->from_dump = true;
        break;
    case OPT_VERSION:
        printf("pdf2md %s\n", PACKAGE_VERSION);
        exit(EXIT_OK);
    case OPT_HELP:
        fputs(usage, stdout);
        exit(EXIT_OK);
    default:
        exit(EXIT_USAGE);
    }
}

void options_parse(struct options *o, int argc, char **argv)
{
    int c;

    memset(o, 0, sizeof *o);
    o->images = true;
    o->image_min = 24;
    o->jobs = 1;
    o->ocr = OCR_AUTO;
    o->ocr_lang = "eng";
    o->page_seconds = 10;
    o->memory = (uint64_t)1 << 30;
    environment_take(o);
    while ((c = getopt_long(argc, argv, "p:j:", table, NULL)) != -1) {
        option_take(o, c);
    }
    if (o->flavour == FLAVOUR_PLAIN) {
        o->images = false;
    }
    if (o->from_dump && o->dump == DUMP_NONE && o->draw_page == 0) {
        misuse("--from-dump", "nothing to do with the dump without --dump-stage or --draw");
    }
    if (o->draw_page > 0 && argc - optind == 2) {
        o->draw_file = argv[optind];
        o->input = argv[optind + 1];
        return;
    }
    if (o->dump != DUMP_NONE && argc - optind == 1) {
        o->input = argv[optind];
        return;
    }
    if (argc - optind != 2) {
        fputs(usage, stderr);
        exit(EXIT_USAGE);
    }
    o->input = argv[optind];
    o->outdir = argv[optind + 1];
}
