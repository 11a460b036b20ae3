/* blobforge convert INPUT [OUTPUT]: one file to Markdown, without a bucket or a daemon, in the same
 * way and under the same limits as a worker does it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/human.h"
#include "base/json.h"
#include "base/quote.h"
#include "cli/cmd.h"
#include "cli/result.h"
#include "convert/convert.h"

#define CHUNK 65536
#define TAIL_LINES 5      /* of each output of the converter, shown when it fails */
#define TAIL_LINE_MAX 400 /* bytes of each */

struct conversion {
    struct cli *cli;
    const char *input;
    char *output; /* folder */
    char *type;
    char hash[65];
    int64_t size;
    struct convert_result result;
    bool ran;
    int64_t last_page;
    char *error; /* what was said */
};

/* "PDF" of x.PDF becomes pdf; a name without extension is taken for a PDF. */
static char *type_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash != NULL ? slash : path, '.');
    char *type;

    if (dot == NULL || dot[1] == '\0' || strlen(dot + 1) > 16)
        return mem_strdup("pdf");
    type = mem_strdup(dot + 1);
    for (char *c = type; *c != '\0'; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
        if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9'))) {
            free(type);
            return mem_strdup("pdf");
        }
    }
    return type;
}

static enum exitcode say(struct conversion *c, const char *path, const char *why,
                         enum exitcode code)
{
    char *quoted = quote_name(path);

    cli_error("%s: %s", quoted, why);
    free(quoted);
    free(c->error);
    c->error = mem_strdup(why);
    return code;
}

/* Copies the document into the slot's folder, hashing it on the way. */
static enum exitcode copy_input(struct conversion *c, int from, int to)
{
    struct digest *digest = digest_begin();
    unsigned char sha256[SHA256_BYTES];
    char *chunk = mem_alloc(CHUNK);
    enum exitcode code = EXITCODE_OK;
    ssize_t n;

    while ((n = read(from, chunk, CHUNK)) > 0 && code == EXITCODE_OK) {
        digest_update(digest, chunk, (size_t)n);
        c->size += n;
        errno = ENOSPC;
        if (write(to, chunk, (size_t)n) != n)
            code = say(c, "work_dir", strerror(errno), EXITCODE_IOERR);
    }
    if (n < 0)
        code = say(c, c->input, strerror(errno), EXITCODE_IOERR);
    digest_end(digest, sha256);
    hex_encode(sha256, SHA256_BYTES, c->hash);
    free(chunk);
    return code;
}

static enum exitcode fill_folder(struct conversion *c, struct slot_folder *folder)
{
    int from = open(c->input, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int to = -1;
    struct stat st;
    char *error = NULL;
    enum exitcode code;

    if (from < 0)
        return say(c, c->input, strerror(errno), EXITCODE_NOINPUT);
    if (fstat(from, &st) != 0 || S_ISDIR(st.st_mode))
        code = say(c, c->input, "is a folder; give a file", EXITCODE_NOINPUT);
    else if (!slot_folder_prepare(folder, &error) ||
             (to = slot_folder_create_input(folder, c->type, &error)) < 0)
        code = say(c, "work_dir", error, EXITCODE_CANTCREAT);
    else
        code = copy_input(c, from, to);
    free(error);
    if (to >= 0 && close(to) != 0 && code == EXITCODE_OK)
        code = say(c, "work_dir", strerror(errno), EXITCODE_IOERR);
    close(from);
    return code;
}

/* A progress line on the terminal; nothing elsewhere. */
static void on_progress(void *arg, const struct progress *progress, double cpu_seconds,
                        int64_t rss_bytes)
{
    struct conversion *c = arg;
    char memory[HUMAN_SIZE], line[160];
    ssize_t n;

    (void)cpu_seconds;
    if (progress->page == c->last_page || progress->page < 0)
        return;
    c->last_page = progress->page;
    snprintf(line, sizeof(line), "\r\033[Kpage %lld of %lld, %s", (long long)progress->page,
             (long long)progress->pages, human_show_size(rss_bytes, memory));
    n = write(STDERR_FILENO, line, strlen(line));
    (void)n;
}

static bool on_stop(void *arg)
{
    (void)arg;
    return !cli_stopped();
}

static void limits_from_settings(const struct settings *s, struct convert_limits *limits)
{
    convert_limits_default(limits);
    limits->time_limit_ms = settings_number(s, SETTING_TIME_LIMIT);
    limits->time_base_ms = settings_number(s, SETTING_TIME_BASE);
    limits->time_per_page_ms = settings_number(s, SETTING_TIME_PER_PAGE);
    limits->time_per_mb_ms = settings_number(s, SETTING_TIME_PER_MB);
    limits->stall_ms = settings_number(s, SETTING_STALL_LIMIT);
    limits->memory_bytes = settings_number(s, SETTING_MEMORY_LIMIT);
    limits->cpu_ms = settings_number(s, SETTING_CPU_LIMIT);
    limits->output_bytes = settings_number(s, SETTING_OUTPUT_LIMIT);
    limits->output_files = settings_number(s, SETTING_OUTPUT_FILES);
    limits->processes = settings_number(s, SETTING_PROCESS_LIMIT);
}

static enum exitcode run_converter_on(struct conversion *c, struct slot_folder *folder)
{
    const struct settings *settings = cli_settings(c->cli);
    const char *command = settings_converter(settings, c->type), *slash = strrchr(c->input, '/');
    bool bar = cli_terminal_err() && !cli_quiet(c->cli);
    struct convert_job job = {
        .command = command,
        .env = settings_text(settings, SETTING_CONVERTER_ENV),
        .type = c->type,
        .hash = c->hash,
        .worker_id = "local",
        .original_filename = slash != NULL ? slash + 1 : c->input,
        .size_bytes = c->size,
        .attempt = 1,
        .clock = clock_system(),
        .watch_fd = cli_stop_fd(),
        .readable = on_stop,
        .progress = bar ? on_progress : NULL,
        .arg = c,
    };

    if (command == NULL && strcmp(c->type, "pdf") != 0) {
        char *why = mem_printf("no converter for this type; set converter.%s in blobforge.conf(5)",
                               c->type);
        enum exitcode code = say(c, c->input, why, EXITCODE_CONFIG);
        free(why);
        return code;
    }
    if (command == NULL)
        job.command = settings_text(settings, SETTING_CONVERTER);
    if (!sandbox_level_parse(settings_text(settings, SETTING_SANDBOX), &job.sandbox))
        job.sandbox = SANDBOX_AUTO;
    if (strcmp(settings_text(settings, SETTING_CONVERTER_MODE), "resident") == 0)
        job.resident = resident_create(1); /* it may speak nothing but the resident's way */
    if (!sandbox_profile_parse(settings_text(settings, SETTING_SANDBOX_PROFILE), &job.profile))
        job.profile = SANDBOX_DOCUMENT;
    job.sandbox_command = settings_text(settings, SETTING_SANDBOX_COMMAND);
    limits_from_settings(settings, &job.limits);
    c->last_page = -1;
    convert_document(folder, &job, &c->result);
    resident_destroy(job.resident);
    c->ran = true;
    if (bar && c->last_page >= 0)
        (void)!write(STDERR_FILENO, "\r\033[K", 4);
    return EXITCODE_OK;
}

static enum exitcode save_output(struct conversion *c)
{
    char *error = NULL;
    struct result *zip;
    enum exitcode code;

    if (c->result.stopped)
        return EXITCODE_INTERRUPTED;
    if (!c->result.packed)
        return say(c, c->input, c->result.record.error != NULL ? c->result.record.error : "failed",
                   EXITCODE_PARTIAL);
    if (c->result.warning != NULL)
        cli_note(c->cli, "%s", c->result.warning);
    zip = result_open(c->result.pack.fd, &error);
    code = zip == NULL ? EXITCODE_DATAERR
                       : result_extract(zip, c->output, cli_flag(c->cli, "force"), &error);
    if (error != NULL)
        cli_error("%s", error);
    c->error = error;
    result_close(zip);
    return code;
}

/* What the converter said there before it failed: its last lines, with -v all that was kept. */
static void show_tail(const struct conversion *c, const char *where, const char *text)
{
    const char *from, *end;
    int lines = cli_verbose(c->cli) > 0 ? INT_MAX : TAIL_LINES;

    if (text == NULL)
        return;
    for (end = text + strlen(text); end > text && (end[-1] == '\n' || end[-1] == '\r');)
        end--;
    for (from = end; from > text && (from[-1] != '\n' || --lines > 0);)
        from--;
    while (from < end) {
        size_t len = strcspn(from, "\n");
        struct buf line = BUF_INIT;
        len = len < (size_t)(end - from) ? len : (size_t)(end - from);
        quote_append(&line, from,
                     len < TAIL_LINE_MAX || cli_verbose(c->cli) > 0 ? len : TAIL_LINE_MAX);
        cli_note(c->cli, "%s: %s", where, buf_text(&line));
        buf_release(&line);
        from += len < (size_t)(end - from) ? len + 1 : len;
    }
}

static void set_known(struct json_object *object, const char *name, int64_t value)
{
    if (value >= 0)
        json_set_int(object, name, value);
    else
        json_set_null(object, name);
}

static void print_json(const struct conversion *c, enum exitcode code)
{
    struct json_object *line = json_object_new_object();
    const struct record_attempt *record = &c->result.record;

    json_set_text(line, "input", c->input);
    json_set_text(line, "output", code == EXITCODE_OK ? c->output : NULL);
    set_known(line, "exit_status", c->ran ? record->exit_status : -1);
    json_set_text(line, "cause", c->ran && !c->result.packed ? cause_name(record->cause) : NULL);
    set_known(line, "pages", c->ran ? record->pages : -1);
    if (c->ran)
        json_set_double(line, "seconds", c->result.seconds);
    else
        json_set_null(line, "seconds");
    set_known(line, "max_rss_bytes", c->ran ? record->max_rss_bytes : -1);
    json_set_text(line, "error",
                  code == EXITCODE_OK ? NULL
                  : c->error != NULL  ? c->error
                                      : "interrupted");
    cli_print_json(line);
}

static void print_text(const struct conversion *c)
{
    char took[HUMAN_SIZE];
    struct buf quoted = BUF_INIT;

    quote_append(&quoted, c->output, strlen(c->output));
    cli_printf("%s/content.md  %s\n", buf_text(&quoted),
               human_show_duration((int64_t)(c->result.seconds * 1000), took));
    buf_release(&quoted);
}

static enum exitcode run(struct cli *cli)
{
    size_t count;
    char *const *operands = cli_operands(cli, &count);
    struct conversion c = {.cli = cli, .input = operands[0]};
    struct slot_folder *folder;
    const char *work_dir;
    char *error = NULL;
    enum exitcode code;

    c.output = count > 1 ? mem_strdup(operands[1]) : result_stem(c.input, "document");
    c.type = type_of(c.input);
    if (access(c.output, F_OK) == 0 && !cli_flag(cli, "force")) {
        code = say(&c, c.output, "exists already; name another folder, or give --force",
                   EXITCODE_CANTCREAT);
        goto out;
    }
    work_dir = settings_text(cli_settings(cli), SETTING_WORK_DIR);
    (void)slot_folders_sweep(work_dir, "convert."); /* of runs that were killed */
    folder = slot_folder_open_temporary(work_dir, "convert", &error);
    if (folder == NULL) {
        cli_error("%s", error);
        code = EXITCODE_CANTCREAT;
        goto out;
    }
    code = fill_folder(&c, folder);
    if (code == EXITCODE_OK)
        code = run_converter_on(&c, folder);
    if (code == EXITCODE_OK)
        code = save_output(&c);
    if (cli_json(cli))
        print_json(&c, code);
    else if (code == EXITCODE_OK && !cli_quiet(cli))
        print_text(&c);
    if (c.ran && !c.result.packed && !c.result.stopped) {
        show_tail(&c, "converter", c.result.record.stderr_tail);
        show_tail(&c, "converter, standard output", c.result.record.stdout_tail);
    }
    if (c.ran)
        convert_result_release(&c.result);
    slot_folder_close(folder);
out:
    free(error);
    free(c.error);
    free(c.output);
    free(c.type);
    return code;
}

static const struct cli_option options[] = {
    {0, "force", NULL, "write into a folder that is there"},
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_convert = {
    .name = "convert",
    .operands = "INPUT [OUTPUT]",
    .operands_min = 1,
    .operands_max = 2,
    .summary = "convert one file to Markdown here, without a bucket",
    .help = "Runs the configured converter under the same limits as a worker and writes\n"
            "content.md, info.json and assets/ to the folder OUTPUT (default: the name of\n"
            "INPUT without its extension, in the current folder).\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_BETWEEN,
    .resume = "the converter was stopped and nothing was written; run it again",
    .run = run,
};
