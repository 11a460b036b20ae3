/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * JPEG data is passed through as it is; everything else becomes PNG. Masks of an image are part of
 * the PNG (alpha); a JPEG with a mask is decoded for that reason.
 */
#include "images.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* An image wider or higher than this is not decoded: 100 million samples are 400 MB. */
enum {
    MAX_SAMPLES = 40 * 1000 * 1000
};

static bool file_write(struct image_sink *sink, const char *name, const unsigned char *data,
                       size_t len)
{
    int fd;

    if (len > sink->budget) {
        return false;
    }
    fd = openat(sink->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd == -1) {
        return errno == EEXIST; /* the same content is there already */
    }
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, data + done, len - done);
        if (n == -1 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            close(fd);
            unlinkat(sink->dir, name, 0);
            return false;
        }
        done += (size_t)n;
    }
    sink->budget -= len;
    close(fd);
    return true;
}

static void name_by_content(struct image *place, const unsigned char *data, size_t len,
                            const char *ending)
{
    static const char hex[] = "0123456789abcdef";
    fz_md5 md5;
    size_t n = 0;

    fz_md5_init(&md5);
    fz_md5_update(&md5, data, len);
    fz_md5_final(&md5, place->key);
    place->file[n++] = 'x';
    place->file[n++] = '-';
    for (int i = 0; i < 16; i++) {
        place->file[n++] = hex[place->key[i] >> 4];
        place->file[n++] = hex[place->key[i] & 15];
    }
    memcpy(place->file + n, ending, strlen(ending) + 1);
}

static void save(fz_context *ctx, struct image_sink *sink, fz_image *image, struct image *place)
{
    fz_compressed_buffer *packed = fz_compressed_image_buffer(ctx, image);
    fz_buffer *png = NULL;
    unsigned char *data = NULL;
    size_t len = 0;

    if (packed != NULL && packed->params.type == FZ_IMAGE_JPEG && image->mask == NULL &&
        image->n != 4) {
        len = fz_buffer_storage(ctx, packed->buffer, &data);
        name_by_content(place, data, len, ".jpg");
        if (!file_write(sink, place->file, data, len)) {
            place->file[0] = 0;
        }
        return;
    }
    if ((uint64_t)image->w * (uint64_t)image->h > MAX_SAMPLES) {
        return;
    }
    fz_var(png);
    fz_try(ctx)
    {
        png = fz_new_buffer_from_image_as_png(ctx, image, fz_default_color_params);
        if (png != NULL) { /* NULL: no samples */
            len = fz_buffer_storage(ctx, png, &data);
            name_by_content(place, data, len, ".png");
            if (!file_write(sink, place->file, data, len)) {
                place->file[0] = 0;
            }
        }
    }
    fz_always(ctx) fz_drop_buffer(ctx, png);
    fz_catch(ctx) place->file[0] = 0;
}

void images_take(fz_context *ctx, struct image_sink *sink, struct page *page, fz_image *image,
                 fz_matrix ctm, struct box seen)
{
    struct image place = {0};
    (void)ctm;

    if (page->images.n >= PAGE_MAX_IMAGES) {
        return;
    }
    place.box = seen;
    place.width = (uint32_t)image->w;
    place.height = (uint32_t)image->h;
    if (sink != NULL && box_width(seen) >= sink->min_size && box_height(seen) >= sink->min_size &&
        image->w > 3 && image->h > 3) {
        save(ctx, sink, image, &place);
    }
    *ARRAY_ADD(page->images) = place;
}

bool image_render(fz_context *ctx, struct image_sink *sink, fz_document *doc, uint32_t page,
                  fz_cookie *cookie, float scale, struct image *place)
{
    fz_page *fzpage = NULL;
    fz_pixmap *pix = NULL;
    fz_device *dev = NULL;
    fz_buffer *png = NULL;
    unsigned char *data;
    size_t len;
    bool done = false;

    fz_var(fzpage);
    fz_var(pix);
    fz_var(dev);
    fz_var(png);
    fz_var(done);
    fz_try(ctx)
    {
        fz_rect bounds, area;
        fz_matrix ctm;
        fzpage = fz_load_page(ctx, doc, (int)page);
        bounds = fz_bound_page(ctx, fzpage);
        ctm = fz_concat(fz_translate(-bounds.x0, -bounds.y0), fz_scale(scale, scale));
        area = fz_make_rect(place->box.x0 * scale, place->box.y0 * scale, place->box.x1 * scale,
                            place->box.y1 * scale);
        pix = fz_new_pixmap_with_bbox(ctx, fz_device_rgb(ctx), fz_round_rect(area), NULL, 0);
        fz_clear_pixmap_with_value(ctx, pix, 255);
        dev = fz_new_draw_device(ctx, fz_identity, pix);
        fz_run_page(ctx, fzpage, dev, ctm, cookie);
        fz_close_device(ctx, dev);
        place->width = (uint32_t)pix->w;
        place->height = (uint32_t)pix->h;
        png = fz_new_buffer_from_pixmap_as_png(ctx, pix, fz_default_color_params);
        if (png != NULL && (cookie == NULL || !cookie->abort)) {
            len = fz_buffer_storage(ctx, png, &data);
            name_by_content(place, data, len, ".png");
            done = file_write(sink, place->file, data, len);
        }
    }
    fz_always(ctx)
    {
        fz_drop_buffer(ctx, png);
        fz_drop_device(ctx, dev);
        fz_drop_pixmap(ctx, pix);
        fz_drop_page(ctx, fzpage);
    }
    fz_catch(ctx) done = false;
    if (!done) {
        place->file[0] = 0;
    }
    return done;
}
