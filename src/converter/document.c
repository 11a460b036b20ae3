/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Memory of struct document and its way through a pipe.
 */
#include "document.h"
#include "exits.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void document_release(struct document *doc)
{
    free(doc->outline.at);
    free(doc->labels.at);
    free(doc->text.at);
    memset(doc, 0, sizeof *doc);
}

uint32_t document_text_add(struct document *doc, const char *text)
{
    size_t len = strlen(text);
    uint32_t at = doc->text.n;

    if (len > 4000) {
        len = 4000;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) {
            len--;
        }
    }
    if (at + len + 1 > doc->text.cap) {
        doc->text.at = array_grow(doc->text.at, &doc->text.cap, at + (uint32_t)len + 1, 1);
    }
    for (size_t i = 0; i < len; i++) {
        doc->text.at[at + i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i];
    }
    doc->text.at[at + len] = 0;
    doc->text.n = at + (uint32_t)len + 1;
    return at;
}

struct head {
    uint32_t pages, title, author, language;
    uint8_t encrypted, repaired, tagged, form;
    uint32_t outline, labels, text;
};

void document_write(const struct document *doc, struct bytes *out)
{
    struct head head = {doc->pages,     doc->title,    doc->author, doc->language,
                        doc->encrypted, doc->repaired, doc->tagged, doc->form,
                        doc->outline.n, doc->labels.n, doc->text.n};

    bytes_add(out, &head, sizeof head);
    bytes_add(out, doc->outline.at, doc->outline.n * sizeof *doc->outline.at);
    bytes_add(out, doc->labels.at, doc->labels.n);
    bytes_add(out, doc->text.at, doc->text.n);
}

static bool offset_sound(const struct document *doc, uint32_t at)
{
    return at == NONE || at < doc->text.n;
}

bool document_read(struct document *doc, const char *bytes, size_t len)
{
    struct head head;
    size_t need;

    memset(doc, 0, sizeof *doc);
    if (len < sizeof head) {
        return false;
    }
    memcpy(&head, bytes, sizeof head);
    bytes += sizeof head;
    need = (size_t)head.outline * sizeof *doc->outline.at + (size_t)head.labels + head.text;
    if (head.outline > OUTLINE_MAX_ITEMS || len - sizeof head != need) {
        return false;
    }
    doc->pages = head.pages;
    doc->title = head.title;
    doc->author = head.author;
    doc->language = head.language;
    doc->encrypted = head.encrypted != 0;
    doc->repaired = head.repaired != 0;
    doc->tagged = head.tagged != 0;
    doc->form = head.form != 0;
    if (head.outline > 0) {
        doc->outline.at =
            array_grow(NULL, &doc->outline.cap, head.outline, sizeof *doc->outline.at);
        memcpy(doc->outline.at, bytes, head.outline * sizeof *doc->outline.at);
        doc->outline.n = head.outline;
        bytes += head.outline * sizeof *doc->outline.at;
    }
    if (head.labels > 0) {
        doc->labels.at = array_grow(NULL, &doc->labels.cap, head.labels, 1);
        memcpy(doc->labels.at, bytes, head.labels);
        doc->labels.n = head.labels;
        for (uint32_t i = LABEL_SIZE; i <= head.labels; i += LABEL_SIZE) {
            doc->labels.at[i - 1] = 0;
        }
        bytes += head.labels;
    }
    if (head.text > 0) {
        doc->text.at = array_grow(NULL, &doc->text.cap, head.text, 1);
        memcpy(doc->text.at, bytes, head.text);
        doc->text.n = head.text;
        doc->text.at[head.text - 1] = 0;
    }
    for (uint32_t i = 0; i < doc->outline.n; i++) {
        if (doc->outline.at[i].title >= doc->text.n || doc->outline.at[i].match >= doc->text.n) {
            return false;
        }
    }
    return offset_sound(doc, doc->title) && offset_sound(doc, doc->author) &&
           offset_sound(doc, doc->language);
}

const char *document_label(const struct document *doc, uint32_t page)
{
    if (((uint64_t)page + 1) * LABEL_SIZE > doc->labels.n) {
        return NULL;
    }
    return doc->labels.at + (size_t)page * LABEL_SIZE;
}

size_t match_key(char *out, size_t size, const char *text, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len && n + 5 < size;) {
        size_t took;
        uint32_t c = utf8_get(text + i, len - i, &took);
        i += took;
        if (c >= 'A' && c <= 'Z') {
            out[n++] = (char)(c + 32);
        } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
            out[n++] = (char)c;
        } else if (c >= 0xc0 && c != 0xfffd && !(c >= 0x2000 && c < 0x2c00)) {
            if ((c >= 0xc0 && c <= 0xde) || (c >= 0x410 && c <= 0x42f) ||
                (c >= 0x391 && c <= 0x3a9)) {
                c += 32;
            }
            n += utf8_put(out + n, c);
        }
    }
    out[n] = 0;
    return n;
}
