/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Fuzz target (libFuzzer): the bytes are a page as text (see page_load), which goes through the
 * stages behind the one it stands after, the pipe, the roles and the writer; then the same bytes
 * are read as a record of the pipe.
 */
#include "converter/pagetext.h"
#include "converter/page.h"
#include "converter/roles.h"
#include "converter/stats.h"
#include "converter/worker.h"
#include "converter/writer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *no_image(void *arg, const struct page *page, const struct image *image)
{
    return "image.png";
}

static void write_out(struct page *page)
{
    struct options options = {.images = true};
    struct document doc = {.pages = 1, .title = NONE, .author = NONE, .language = NONE};
    struct anchors anchors = {0};
    struct stats stats;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    struct writer *writer;

    stats_init(&stats);
    stats_add_page(&stats, page);
    stats_finish(&stats);
    roles_assign(page, &doc, &stats);
    writer = writer_create(out, &options, &doc, &stats, &anchors, no_image, NULL);
    writer_page(writer, page);
    (void)writer_finish(writer);
    fclose(out);
    free(text);
    stats_release(&stats);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct page page, back;
    struct bytes bytes = {0};
    enum dump_stage stage;

    page_init(&page);
    page_init(&back);
    if (page_load(&page, (const char *)data, size, &stage) && page.fonts.n > 0) {
        while (stage < DUMP_BLOCKS) {
            worker_stage(&page, ++stage);
        }
        page_write(&page, &bytes);
        if (!page_read(&back, bytes.at, bytes.n)) {
            abort(); /* what we write we can read */
        }
        write_out(&back);
    }
    if (page_read(&back, (const char *)data, size)) {
        write_out(&back);
    }
    bytes_release(&bytes);
    page_release(&page);
    page_release(&back);
    return 0;
}
