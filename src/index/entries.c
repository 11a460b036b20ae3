/* See entries.h: the frame of a manifest object. */
#include "index/entries.h"

#include <string.h>

#include "base/digest.h"
#include "base/json.h"

struct reader {
    const char *at, *end;
    bool bad;
};

static void skip_blanks(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
        r->at++;
}

/* Takes the byte, blanks before it skipped; false: another one is there. */
static bool take(struct reader *r, char wanted)
{
    skip_blanks(r);
    if (r->at == r->end || *r->at != wanted)
        return false;
    r->at++;
    return true;
}

static void need(struct reader *r, char wanted)
{
    if (!take(r, wanted))
        r->bad = true;
}

/* A string's bytes between its quotes, escapes as they stand. */
static size_t read_string(struct reader *r, const char **text_r)
{
    need(r, '"');
    *text_r = r->at;
    while (!r->bad && r->at < r->end && *r->at != '"') {
        if (*r->at == '\\')
            r->at++;
        if (r->at < r->end)
            r->at++;
    }
    if (r->bad || r->at >= r->end) {
        r->bad = true;
        return 0;
    }
    return (size_t)(r->at++ - *text_r);
}

static bool is_scalar_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
           c == '-' || c == '.';
}

/* One value of any kind: brackets balance and nest within the maximum. */
static void skip_value(struct reader *r)
{
    char closers[JSON_DEPTH_MAX];
    const char *text;
    size_t depth = 0;

    do {
        skip_blanks(r);
        if (r->at == r->end) {
            r->bad = true;
        } else if (*r->at == '{' || *r->at == '[') {
            if (depth == sizeof(closers))
                r->bad = true;
            else
                closers[depth++] = *r->at++ == '{' ? '}' : ']';
        } else if (*r->at == '}' || *r->at == ']') {
            if (depth == 0 || closers[--depth] != *r->at)
                r->bad = true;
            r->at++;
        } else if (*r->at == '"') {
            (void)read_string(r, &text);
        } else if (depth > 0 && (*r->at == ',' || *r->at == ':')) {
            r->at++;
        } else if (is_scalar_byte(*r->at)) {
            while (r->at < r->end && is_scalar_byte(*r->at))
                r->at++;
        } else {
            r->bad = true;
        }
    } while (depth > 0 && !r->bad);
}

/* The members of `entries`. false: `each` wants no more. */
static bool read_entries(struct reader *r,
                         bool (*each)(void *arg, const char hash[static 65], const char *json,
                                      size_t json_len),
                         void *arg)
{
    need(r, '{');
    if (r->bad || take(r, '}'))
        return true;
    do {
        const char *name, *value;
        char hash[65] = {0};
        size_t len = read_string(r, &name);

        need(r, ':');
        skip_blanks(r);
        value = r->at;
        if (r->bad || value == r->end || *value != '{') {
            r->bad = true;
            return true;
        }
        skip_value(r);
        if (r->bad)
            return true;
        if (len == 64 && hex_is_lower(name, 64)) {
            memcpy(hash, name, 64);
            if (!each(arg, hash, value, (size_t)(r->at - value)))
                return false;
        }
    } while (take(r, ','));
    need(r, '}');
    return true;
}

enum entries_result entries_scan(const char *bytes, size_t len,
                                 bool (*each)(void *arg, const char hash[static 65],
                                              const char *json, size_t json_len),
                                 void *arg)
{
    struct reader r = {bytes, bytes + len, len == 0 || memchr(bytes, '\0', len) != NULL};
    bool found = false;

    if (!r.bad)
        need(&r, '{');
    if (!r.bad && !take(&r, '}')) {
        do {
            const char *name;
            size_t name_len = read_string(&r, &name);

            need(&r, ':');
            if (r.bad)
                return ENTRIES_BAD;
            if (name_len == strlen("entries") && memcmp(name, "entries", name_len) == 0) {
                found = true;
                if (!read_entries(&r, each, arg))
                    return ENTRIES_OK;
            } else {
                skip_value(&r);
            }
        } while (!r.bad && take(&r, ','));
        need(&r, '}');
    }
    skip_blanks(&r);
    if (r.bad || r.at != r.end)
        return ENTRIES_BAD;
    return found ? ENTRIES_OK : ENTRIES_NONE;
}
