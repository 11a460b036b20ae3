/* blobforge preview HASH: the Markdown of a result, on a pager when there is a terminal. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/human.h"
#include "base/json.h"
#include "base/quote.h"
#include "cli/cmd.h"
#include "cli/fetch.h"
#include "cli/markdown.h"
#include "cli/pager.h"
#include "cli/result.h"
#include "cli/table.h"

#define TEXT_BYTES_MAX (256u << 20)
#define INFO_BYTES_MAX (16u << 20)

/* Control characters of a document must not reach a terminal; Markdown's backslashes must. */
static void write_harmless(const struct buf *text)
{
    struct buf out = BUF_INIT;

    for (size_t i = 0; i < text->len;) {
        const unsigned char *p = (const unsigned char *)text->data + i;
        size_t n = utf8_sequence(p, text->len - i, NULL);

        if (n == 0)
            n = 1;
        if (*p == '\n' || *p == '\t' || *p == '\\')
            buf_putc(&out, (char)*p);
        else
            quote_append(&out, p, n);
        i += n;
    }
    cli_write(buf_text(&out), out.len);
    if (out.len > 0 && out.data[out.len - 1] != '\n')
        cli_write("\n", 1);
    buf_release(&out);
}

static void write_rendered(void *arg, const void *bytes, size_t len)
{
    (void)arg;
    cli_write(bytes, len);
}

static void print_json(const char *hash, struct result *result, const struct buf *text)
{
    struct json_object *object = json_object_new_object(), *members = json_object_new_array();
    struct json_object *info = NULL;
    struct buf bytes = BUF_INIT;
    char *error = NULL;

    for (size_t i = 0; i < result_count(result); i++) {
        struct json_object *member = json_object_new_object();
        json_set_text(member, "name", result_name(result, i));
        json_set_int(member, "bytes", result_bytes(result, i));
        json_object_array_add(members, member);
    }
    json_set_text(object, "hash", hash);
    json_set_object(object, "members", members);
    if (result_read(result, "info.json", INFO_BYTES_MAX, &bytes, &error) &&
        json_parse(buf_text(&bytes), bytes.len, INFO_BYTES_MAX, &info) == JSON_OK)
        json_set_object(object, "info", info);
    else
        json_set_null(object, "info");
    json_set_object(object, "text", json_new_text(buf_text(text), text->len));
    cli_print_json(object);
    buf_release(&bytes);
    free(error);
}

static void print_members(struct result *result)
{
    char size[HUMAN_SIZE];

    cli_printf("\n");
    for (size_t i = 0; i < result_count(result); i++)
        cli_printf("%10s  %s\n", human_show_size(result_bytes(result, i), size),
                   result_name(result, i));
}

static void print_text(const struct cli *cli, struct result *result, const struct buf *text)
{
    /* Asked before the pager stands between us and the terminal. */
    bool terminal = cli_terminal_out();
    struct markdown_look look = {
        .columns = (size_t)cli_columns(), .styled = color_wanted(), .write = write_rendered};

    pager_begin();
    if (!terminal) {
        cli_write(buf_text(text), text->len);
        if (text->len > 0 && text->data[text->len - 1] != '\n')
            cli_write("\n", 1);
    } else if (cli_flag(cli, "plain")) {
        write_harmless(text);
    } else {
        markdown_render(buf_text(text), text->len, &look);
    }
    if (terminal && result_count(result) > 2)
        print_members(result);
    pager_end();
}

static enum exitcode run(struct cli *cli)
{
    struct queue *queue;
    size_t count;
    char *const *operands = cli_operands(cli, &count);
    char hash[65], *name = NULL, *error = NULL;
    struct result *result = NULL;
    struct buf text = BUF_INIT;
    int64_t bytes;
    int fd = -1;
    enum exitcode code = cli_open(cli, CLI_READ, &queue);

    if (code == EXITCODE_OK)
        code = fetch_find(cli, queue, operands[0], hash, &name);
    if (code != EXITCODE_OK)
        goto out;
    fd = fetch_temporary();
    code = fd < 0 ? EXITCODE_CANTCREAT : fetch_result(cli, queue, hash, fd, &bytes);
    if (code != EXITCODE_OK)
        goto out;
    result = result_open(fd, &error);
    if (result == NULL || !result_read(result, "content.md", TEXT_BYTES_MAX, &text, &error)) {
        code = fetch_say_damaged(hash, error);
        error = NULL;
    } else if (cli_json(cli)) {
        print_json(hash, result, &text);
    } else {
        print_text(cli, result, &text);
    }
out:
    result_close(result);
    if (fd >= 0)
        close(fd);
    buf_release(&text);
    free(error);
    free(name);
    return code;
}

static const struct cli_option options[] = {
    {0, "plain", NULL, "on a terminal, too, the Markdown as it is written"},
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_preview = {
    .name = "preview",
    .operands = "HASH",
    .operands_min = 1,
    .operands_max = 1,
    .summary = "show the Markdown of a result",
    .help = "On a terminal laid out for reading, through $PAGER; elsewhere the bytes of\n"
            "content.md as they are. What could steer a terminal is made harmless.\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_NOW,
    .resume = "nothing was changed",
    .run = run,
};
