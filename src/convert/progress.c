/* See progress.h: lines from descriptor 3. */
#include "convert/progress.h"

#include <string.h>

#include "base/quote.h"

void progress_init(struct progress *progress)
{
    memset(progress, 0, sizeof(*progress));
    progress->page = progress->pages = -1;
    progress->done_status = -1;
}

/* 1 to 9 digits and nothing else. */
static bool number_take(const char *text, size_t len, int64_t max, int64_t *value_r)
{
    int64_t value = 0;

    if (len == 0 || len > 9)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (text[i] - '0');
    }
    if (value > max)
        return false;
    *value_r = value;
    return true;
}

static bool stage_is_word(const char *text, size_t len)
{
    if (len == 0 || len >= PROGRESS_STAGE_SIZE)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') ||
              text[i] == '-'))
            return false;
    return true;
}

static bool starts(const char *line, size_t len, const char *word)
{
    size_t n = strlen(word);

    return len > n && memcmp(line, word, n) == 0 && line[n] == ' ';
}

static bool line_take(struct progress *progress)
{
    const char *line = progress->line;
    size_t len = progress->line_len;
    int64_t status;

    if (starts(line, len, "pages"))
        return number_take(line + 6, len - 6, PROGRESS_PAGES_MAX, &progress->pages);
    if (starts(line, len, "page"))
        return number_take(line + 5, len - 5, PROGRESS_PAGES_MAX, &progress->page);
    if (starts(line, len, "stage")) {
        if (!stage_is_word(line + 6, len - 6))
            return false;
        memcpy(progress->stage, line + 6, len - 6);
        progress->stage[len - 6] = '\0';
        return true;
    }
    if (starts(line, len, "warn")) {
        if (memchr(line, '\0', len) != NULL || !utf8_is_valid(line + 5, len - 5))
            return false;
        memcpy(progress->warning, line + 5, len - 5);
        progress->warning[len - 5] = '\0';
        progress->warnings++;
        return true;
    }
    if (starts(line, len, "done") && number_take(line + 5, len - 5, 255, &status)) {
        progress->done_status = (int)status;
        progress->answers++;
        return true;
    }
    return false;
}

bool progress_feed(struct progress *progress, const void *bytes, size_t len)
{
    const char *p = bytes, *end = p + len;
    bool valid = false;

    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t part = (size_t)((newline != NULL ? newline : end) - p);
        if (part > PROGRESS_LINE_MAX - progress->line_len)
            progress->line_skipped = true;
        if (!progress->line_skipped) {
            memcpy(progress->line + progress->line_len, p, part);
            progress->line_len += part;
        }
        if (newline == NULL)
            break;
        if (!progress->line_skipped && line_take(progress)) {
            progress->lines++;
            valid = true;
        }
        progress->line_len = 0;
        progress->line_skipped = false;
        p = newline + 1;
    }
    return valid;
}
