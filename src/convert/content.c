/* See content.h. */
#include "convert/content.h"

#include <string.h>

#include "base/quote.h"

const char *content_fault_text(enum content_fault fault)
{
    switch (fault) {
    case CONTENT_FINE:
        return "fine";
    case CONTENT_NOT_UTF8:
        return "not UTF-8";
    case CONTENT_NUL:
        return "a NUL byte";
    case CONTENT_BLANK:
        return "nothing but white space";
    case CONTENT_PDF:
        return "a raw PDF, not Markdown";
    }
    return "";
}

static bool rune_is_blank(unsigned rune)
{
    return rune == ' ' || (rune >= '\t' && rune <= '\r') || rune == 0x85 || rune == 0xA0 ||
           rune == 0x1680 || (rune >= 0x2000 && rune <= 0x200B) || rune == 0x2028 ||
           rune == 0x2029 || rune == 0x202F || rune == 0x205F || rune == 0x3000 || rune == 0xFEFF;
}

static bool content_fail(struct content *content, enum content_fault fault)
{
    content->fault = fault;
    content->fault_at = content->offset;
    return false;
}

/* One whole sequence. */
static bool content_take(struct content *content, const unsigned char *p, size_t n, unsigned rune)
{
    if (rune == 0)
        return content_fail(content, CONTENT_NUL);
    if (content->head_len < sizeof(content->head) &&
        (content->head_len > 0 || !rune_is_blank(rune))) {
        size_t room = sizeof(content->head) - content->head_len;
        size_t part = n < room ? n : room;
        memcpy(content->head + content->head_len, p, part);
        content->head_len += part;
        if (content->head_len >= 5 && memcmp(content->head, "%PDF-", 5) == 0)
            return content_fail(content, CONTENT_PDF);
    }
    content->offset += (int64_t)n;
    return true;
}

/* Bytes that a sequence beginning with `lead` has; 0: none begins so. */
static size_t sequence_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4)
        return 0;
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

bool content_feed(struct content *content, const void *bytes, size_t len)
{
    const unsigned char *p = bytes, *end = p + len;

    if (content->fault != CONTENT_FINE)
        return false;
    while (p < end) {
        unsigned rune = 0;
        size_t n;
        if (content->carry_len > 0) { /* byte by byte until the cut sequence is whole */
            content->carry[content->carry_len++] = *p++;
            if (content->carry_len < sequence_length(content->carry[0]))
                continue;
            n = utf8_sequence(content->carry, content->carry_len, &rune);
            if (n == 0)
                return content_fail(content, CONTENT_NOT_UTF8);
            content->carry_len = 0;
            if (!content_take(content, content->carry, n, rune))
                return false;
            continue;
        }
        n = sequence_length(*p);
        if (n == 0)
            return content_fail(content, CONTENT_NOT_UTF8);
        if (n > (size_t)(end - p)) {
            content->carry_len = (size_t)(end - p);
            memcpy(content->carry, p, content->carry_len);
            return true;
        }
        n = utf8_sequence(p, (size_t)(end - p), &rune);
        if (n == 0)
            return content_fail(content, CONTENT_NOT_UTF8);
        if (!content_take(content, p, n, rune))
            return false;
        p += n;
    }
    return true;
}

enum content_fault content_end(struct content *content)
{
    if (content->fault == CONTENT_FINE && content->carry_len > 0)
        (void)content_fail(content, CONTENT_NOT_UTF8);
    if (content->fault == CONTENT_FINE && content->head_len == 0)
        (void)content_fail(content, CONTENT_BLANK);
    return content->fault;
}
