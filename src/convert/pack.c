/* See pack.h: the result zip through libzip.
 *
 * Members are read while the zip is written, one open at a time, a block at a time; libzip writes a
 * temporary file beside result.zip and renames it. Its MS-DOS times are set as numbers, since times
 * converted by it would depend on the time zone. */
#include "convert/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "convert/beneath.h"

#define PACK_DOS_DATE ((0 << 9) | (1 << 5) | 1) /* 1980-01-01 */
#define PACK_DEFLATE_LEVEL 6

int64_t pack_fixed_time(void)
{
    const char *text = getenv("SOURCE_DATE_EPOCH");
    char *end;
    long long seconds;

    if (text == NULL || text[0] < '0' || text[0] > '9')
        return -1;
    errno = 0;
    seconds = strtoll(text, &end, 10);
    return *end == '\0' && errno == 0 && seconds < 253402300800 ? seconds * 1000 : -1;
}

static struct json_object *info_run(const struct pack_info *info)
{
    struct json_object *run = json_object_new_object();

    json_set_double(run, "seconds", info->seconds);
    json_set_double(run, "cpu_seconds", info->cpu_seconds);
    json_set_int(run, "max_rss_bytes", info->max_rss_bytes);
    json_set_text(run, "sandbox", info->sandbox);
    return run;
}

struct json_object *pack_info_json(const struct pack_info *info, struct json_object *document)
{
    struct json_object *root = json_object_new_object(), *marker = json_object_new_object();
    struct json_object *converter = json_object_new_object();
    bool fixed = info->fixed_time_ms >= 0;
    char time[CLOCK_ISO_SIZE], size[24];

    clock_format_iso(fixed ? info->fixed_time_ms : info->converted_ms, time);
    snprintf(size, sizeof(size), "%lld", (long long)info->size_bytes);
    json_set_text(root, "hash", info->hash);
    json_set_text(root, "converted_at", time);
    json_set_text(root, "worker_id", info->worker_id);
    json_set_text(root, "original_filename", info->original_filename);
    json_set_object(root, "tags",
                    info->tags != NULL ? json_object_get(info->tags) : json_object_new_array());
    json_set_text(root, "size_bytes", size); /* a string, as v1 writes it */
    if (info->pages >= 0)
        json_set_int(marker, "page_count", info->pages);
    else
        json_set_null(marker, "page_count");
    json_set_object(root, "marker_meta", marker);
    if (document != NULL)
        json_set_object(root, "document", json_object_get(document));
    else
        json_set_null(root, "document");
    json_set_text(converter, "name", info->converter_name);
    json_set_text(converter, "version", info->converter_version);
    json_set_object(root, "converter", converter);
    if (!fixed) {
        json_set_text(root, "claim", info->claim);
        json_set_object(root, "run", info_run(info));
    }
    return root;
}

/* A file that libzip reads when its turn comes. */
struct member {
    int dir_fd; /* borrowed */
    const char *name;
    int64_t size;
    int fd; /* while it is being read */
    zip_error_t error;
};

static zip_int64_t member_fail(struct member *member)
{
    zip_error_set(&member->error, ZIP_ER_READ, errno);
    return -1;
}

static zip_int64_t member_stat(const struct member *member, zip_stat_t *stat)
{
    zip_stat_init(stat);
    stat->size = (zip_uint64_t)member->size;
    stat->valid |= ZIP_STAT_SIZE;
    return sizeof(*stat);
}

static zip_int64_t member_command(void *arg, void *data, zip_uint64_t len, zip_source_cmd_t command)
{
    struct member *member = arg;
    ssize_t n;

    switch ((int)command) {
    case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE,
                                              ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE,
                                              -1);
    case ZIP_SOURCE_OPEN:
        member->fd = beneath_open(member->dir_fd, member->name);
        return member->fd != -1 ? 0 : member_fail(member);
    case ZIP_SOURCE_READ:
        do
            n = read(member->fd, data, len);
        while (n == -1 && errno == EINTR);
        return n >= 0 ? n : member_fail(member);
    case ZIP_SOURCE_CLOSE:
        close(member->fd);
        member->fd = -1;
        return 0;
    case ZIP_SOURCE_STAT:
        return member_stat(member, data);
    case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&member->error, data, len);
    case ZIP_SOURCE_FREE:
        free(member);
        return 0;
    }
    zip_error_set(&member->error, ZIP_ER_OPNOTSUPP, 0);
    return -1;
}

/* Takes ownership of source. */
static bool zip_put(zip_t *zip, const char *name, zip_source_t *source)
{
    zip_int64_t index = source != NULL ? zip_file_add(zip, name, source, ZIP_FL_ENC_UTF_8) : -1;

    if (index == -1) {
        zip_source_free(source);
        return false;
    }
    return zip_set_file_compression(zip, (zip_uint64_t)index, ZIP_CM_DEFLATE, PACK_DEFLATE_LEVEL) ==
               0 &&
           zip_file_set_dostime(zip, (zip_uint64_t)index, 0, PACK_DOS_DATE, 0) == 0 &&
           zip_file_set_external_attributes(zip, (zip_uint64_t)index, 0, ZIP_OPSYS_UNIX,
                                            (zip_uint32_t)(S_IFREG | 0644) << 16) == 0;
}

static bool zip_put_file(zip_t *zip, const char *folder, int dir_fd, const char *name, int64_t size)
{
    struct member *member = mem_alloc(sizeof(*member));
    char *path = mem_printf("%s%s", folder, name);
    zip_source_t *source;
    bool ok;

    member->dir_fd = dir_fd;
    member->name = name;
    member->size = size;
    member->fd = -1;
    zip_error_init(&member->error);
    source = zip_source_function(zip, member_command, member);
    if (source == NULL)
        free(member);
    ok = zip_put(zip, path, source);
    free(path);
    return ok;
}

static bool zip_fill(zip_t *zip, const struct check_output *output, const struct buf *info)
{
    bool ok = zip_put_file(zip, "", output->out_fd, "content.md", output->content_size) &&
              zip_put(zip, "info.json", zip_source_buffer(zip, info->data, info->len, 0));

    for (size_t i = 0; i < output->asset_count && ok; i++)
        ok = zip_put_file(zip, "assets/", output->assets_fd, output->assets[i].name,
                          output->assets[i].size);
    return ok;
}

/* Length and MD5 of what has been written. */
static bool result_measure(const char *path, struct pack_result *result_r)
{
    struct stat st;

    result_r->fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (result_r->fd == -1 || fstat(result_r->fd, &st) == -1)
        return false;
    result_r->length = (int64_t)st.st_size;
    return digest_md5_fd(result_r->fd, result_r->length, result_r->md5);
}

bool pack_result_write(const char *slot_path, const struct check_output *output,
                       const struct pack_info *info, struct pack_result *result_r, char **error_r)
{
    char *path = mem_printf("%s/result.zip", slot_path);
    struct json_object *object = pack_info_json(info, output->info);
    struct buf text = BUF_INIT;
    int code = 0;
    zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code);
    bool ok = false;

    *error_r = NULL;
    *result_r = (struct pack_result){.fd = -1};
    json_append(&text, object);
    buf_putc(&text, '\n');
    json_object_put(object);
    if (zip == NULL) {
        zip_error_t error;
        zip_error_init_with_code(&error, code);
        *error_r = mem_printf("cannot make the result: %s", zip_error_strerror(&error));
        zip_error_fini(&error);
        goto out;
    }
    if (!zip_fill(zip, output, &text) || zip_close(zip) == -1) {
        *error_r = mem_printf("cannot write the result: %s%s", zip_strerror(zip),
                              zip_error_code_system(zip_get_error(zip)) == ENOSPC
                                  ? "; free some space below work_dir"
                                  : "");
        zip_discard(zip);
        goto out;
    }
    ok = result_measure(path, result_r);
    if (!ok) {
        *error_r = mem_printf("cannot read the result back: %s", strerror(errno));
        pack_result_release(result_r);
    }

out:
    buf_release(&text);
    free(path);
    return ok;
}

void pack_result_release(struct pack_result *result)
{
    if (result->fd != -1)
        close(result->fd);
    result->fd = -1;
}
