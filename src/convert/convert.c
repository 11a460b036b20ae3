/* See convert.h: run, check, pack; each step that fails says who is to blame. */
#include "convert/convert.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/json.h"
#include "base/quote.h"
#include "convert/command.h"

void convert_limits_default(struct convert_limits *limits)
{
    *limits = (struct convert_limits){
        .time_limit_ms = 6 * 3600 * 1000,
        .time_base_ms = 5 * 60 * 1000,
        .time_per_page_ms = 20 * 1000,
        .time_per_mb_ms = 20 * 1000,
        .stall_ms = 10 * 60 * 1000,
        .memory_bytes = (int64_t)2 << 30,
        .cpu_ms = 6 * 3600 * 1000,
        .output_bytes = (int64_t)2 << 30,
        .output_files = 20000,
        .processes = 64,
    };
}

/* Base and size terms before pages are known; 0: only time_limit bounds it. */
static int64_t time_base(const struct convert_limits *limits, int64_t size_bytes)
{
    double megabytes = (double)(size_bytes > 0 ? size_bytes : 0) / (1 << 20);
    double sum = (double)limits->time_base_ms + megabytes * (double)limits->time_per_mb_ms;

    return sum > 0 ? (int64_t)(sum < 1e15 ? sum : 1e15) : 0;
}

int64_t convert_time_limit(const struct convert_limits *limits, int64_t size_bytes, int64_t pages,
                           int64_t *requested_ms_r)
{
    int64_t want = time_base(limits, size_bytes);

    if (want > 0 && pages > 0)
        want += (pages < PROGRESS_PAGES_MAX ? pages : PROGRESS_PAGES_MAX) *
                (limits->time_per_page_ms < 86400000 ? limits->time_per_page_ms : 86400000);
    if (want == 0)
        want = limits->time_limit_ms;
    if (requested_ms_r != NULL)
        *requested_ms_r = want;
    return limits->time_limit_ms > 0 && want > limits->time_limit_ms ? limits->time_limit_ms : want;
}

/* One document on its way; what convert_document() releases at the end. */
struct conversion {
    struct slot_folder *folder;
    const struct convert_job *job;
    struct convert_result *result;
    struct command argv, env;
    char *file;
    struct sandbox *sandbox; /* borrowed from job->kept, or our own */
    struct run_result run;
};

/* Fills the record's fields about blame; `error` passes to it. */
static void conversion_fail(struct conversion *conversion, enum outcome_kind kind, int value,
                            char *error)
{
    struct convert_result *result = conversion->result;

    result->outcome = outcome_of(kind, value);
    result->record.cause = result->outcome.cause;
    result->record.charged = result->outcome.charged;
    free(result->record.error);
    result->record.error = error;
}

static void conversion_phase(struct conversion *conversion, const char *phase)
{
    const struct convert_job *job = conversion->job;

    free(conversion->result->record.phase);
    conversion->result->record.phase = mem_strdup(phase);
    if (job->phase != NULL)
        job->phase(job->arg, phase);
}

/* The name under which the converter stands in records: its program without folders. */
static const char *converter_name(const struct command *argv)
{
    const char *slash = strrchr(argv->words[0], '/');

    return slash != NULL ? slash + 1 : argv->words[0];
}

/* A mistake in settings is the operator's, like a converter that cannot be found. */
static bool conversion_misconfigured(struct conversion *conversion, char *error)
{
    conversion_fail(conversion, OUTCOME_EXIT, 78, error);
    return false;
}

static bool conversion_environment(struct conversion *conversion)
{
    enum command_result parsed = command_env(conversion->job->env, &conversion->env);

    return parsed == COMMAND_OK ||
           conversion_misconfigured(
               conversion, mem_printf("setting converter_env: %s", command_result_text(parsed)));
}

static bool conversion_command(struct conversion *conversion)
{
    const struct convert_job *job = conversion->job;
    struct command words;
    enum command_result parsed = command_parse(job->command, &words);
    char *name, *input, *output;

    if (parsed != COMMAND_OK)
        return conversion_misconfigured(
            conversion, mem_printf("setting converter: %s", command_result_text(parsed)));
    name = mem_printf("in/document.%s", job->type);
    input = slot_folder_join(conversion->folder, name);
    output = slot_folder_join(conversion->folder, "out");
    command_fill(&words, input, output, job->type, &conversion->argv);
    conversion->result->record.converter = mem_strdup(converter_name(&conversion->argv));
    conversion->file = command_find(conversion->argv.words[0], getenv("PATH"));
    free(name);
    free(input);
    free(output);
    command_release(&words);
    if (conversion->file == NULL) {
        char *quoted = quote_name(conversion->argv.words[0]);
        conversion->result->record.exit_status = 127;
        conversion_fail(conversion, OUTCOME_EXIT, 127,
                        mem_printf("converter %s: not found; see the setting converter", quoted));
        free(quoted);
    }
    return conversion->file != NULL;
}

/* The operator's wrapper around it; the converter is named by its whole path then. */
static bool conversion_wrap(struct conversion *conversion)
{
    const struct convert_job *job = conversion->job;
    struct command inner = conversion->argv;
    enum command_result parsed;

    if (job->sandbox != SANDBOX_COMMAND)
        return true;
    free(inner.words[0]);
    inner.words[0] = conversion->file;
    conversion->file = NULL;
    parsed = command_wrap(job->sandbox_command != NULL ? job->sandbox_command : "", &inner,
                          slot_folder_path(conversion->folder), &conversion->argv);
    command_release(&inner);
    if (parsed != COMMAND_OK)
        return conversion_misconfigured(
            conversion, mem_printf("setting sandbox_command: %s", command_result_text(parsed)));
    conversion->file = command_find(conversion->argv.words[0], getenv("PATH"));
    if (conversion->file == NULL) {
        char *quoted = quote_name(conversion->argv.words[0]);
        conversion_fail(
            conversion, OUTCOME_EXIT, 127,
            mem_printf("sandbox_command %s: not found; install it or correct the setting", quoted));
        free(quoted);
    }
    return conversion->file != NULL;
}

static bool conversion_sandbox(struct conversion *conversion)
{
    const struct convert_job *job = conversion->job;
    struct sandbox_spec spec = {.level = job->sandbox,
                                .profile = job->profile,
                                .folder = slot_folder_path(conversion->folder),
                                .folder_serial = slot_folder_serial(conversion->folder),
                                .identity = slot_folder_identity(conversion->folder),
                                .program = conversion->file,
                                .argv = conversion->argv.words,
                                .env = conversion->env.words};
    char *error;

    if (job->kept != NULL && sandbox_fits(*job->kept, &spec)) {
        conversion->sandbox = *job->kept;
    } else {
        conversion->sandbox = sandbox_prepare(&spec, &error);
        if (job->kept != NULL) {
            sandbox_release(*job->kept);
            *job->kept = conversion->sandbox;
        }
    }
    if (conversion->sandbox == NULL)
        return conversion_misconfigured(conversion, error);
    conversion->result->record.sandbox =
        mem_strdup(sandbox_level_name(sandbox_level(conversion->sandbox)));
    return true;
}

static void record_run(struct record_attempt *record, const struct run_result *run)
{
    record->exit_status = run->exit_status;
    record->signal = run->signal;
    if (run->limit != RUN_LIMIT_NONE) {
        record->limit = mem_strdup(run_limit_name(run->limit));
        record->limit_requested = run->limit_requested;
        record->limit_granted = run->limit_granted;
    }
    record->oom = run->oom;
    record->stage = run->progress.stage[0] != '\0' ? mem_strdup(run->progress.stage) : NULL;
    record->page = run->progress.page;
    record->pages = run->progress.pages;
    record->cpu_seconds = run->cpu_seconds;
    record->max_rss_bytes = run->max_rss_bytes;
}

/* true: ended with 0, its output waits to be checked. */
static bool conversion_run(struct conversion *conversion)
{
    const struct convert_job *job = conversion->job;
    const struct convert_limits *limits = &job->limits;
    struct run_spec spec = {
        .argv = conversion->argv.words,
        .file = conversion->file,
        .folder = slot_folder_path(conversion->folder),
        .folder_fd = slot_folder_fd(conversion->folder),
        .hash = job->hash,
        .type = job->type,
        .attempt = job->attempt,
        .env = conversion->env.words,
        .limits = {.time_base_ms = time_base(limits, job->size_bytes),
                   .time_per_page_ms = limits->time_per_page_ms,
                   .time_max_ms = limits->time_limit_ms,
                   .stall_ms = limits->stall_ms,
                   .memory_bytes = limits->memory_bytes,
                   .cpu_ms = limits->cpu_ms,
                   .output_bytes = limits->output_bytes,
                   .output_files = limits->output_files,
                   .processes = limits->processes,
                   .address_space_free = limits->address_space_free || SANITIZED ||
                                         sandbox_profile_reserves(job->profile)},
        .sandbox = conversion->sandbox,
        .resident = job->resident,
        .clock = job->clock,
        .watch_fd = job->readable != NULL ? job->watch_fd : -1,
        .readable = job->readable,
        .progress = job->progress,
        .arg = job->arg,
    };
    struct run_result *run = &conversion->run;
    enum outcome_kind kind;
    int value;

    run_result_release(run);
    run_converter(&spec, run);
    conversion->result->seconds = run->seconds;
    record_run(&conversion->result->record, run);
    kind = outcome_of_run(run, &value);
    if (kind == OUTCOME_EXIT && value == 0)
        return true;
    conversion->result->stopped = run->end == RUN_STOPPED;
    conversion_fail(conversion, kind, value, outcome_text(run));
    return false;
}

/* Pages as the converter reported them, else as its info.json says; -1: neither. */
static int64_t document_pages(const struct run_result *run, struct json_object *document)
{
    int64_t pages = run->progress.pages;

    if (pages < 0 && (document == NULL || !json_get_int(document, "page_count", &pages)))
        return -1;
    return pages;
}

static void conversion_pack(struct conversion *conversion, const struct check_output *output)
{
    const struct convert_job *job = conversion->job;
    struct convert_result *result = conversion->result;
    const struct run_result *run = &conversion->run;
    struct pack_info info = {
        .hash = job->hash,
        .worker_id = job->worker_id,
        .original_filename = job->original_filename,
        .claim = job->claim,
        .tags = job->tags,
        .size_bytes = job->size_bytes,
        .converted_ms = clock_wall_ms(job->clock),
        .fixed_time_ms = pack_fixed_time(),
        .pages = document_pages(run, output->info),
        .converter_name = result->record.converter,
        .converter_version = output->info != NULL ? json_get_text(output->info, "version") : NULL,
        .seconds = run->seconds,
        .cpu_seconds = run->cpu_seconds,
        .max_rss_bytes = run->max_rss_bytes,
        .sandbox = result->record.sandbox,
    };
    char *error;

    result->packed = pack_result_write(slot_folder_path(conversion->folder), output, &info,
                                       &result->pack, &error);
    if (!result->packed)
        conversion_fail(conversion, OUTCOME_HOST, 0, error);
}

static void conversion_check_and_pack(struct conversion *conversion)
{
    const struct convert_limits *limits = &conversion->job->limits;
    struct check_output output;
    char *error;
    enum check_result checked =
        check_output(slot_folder_fd(conversion->folder), limits->output_bytes, limits->output_files,
                     &output, &error);

    switch (checked) {
    case CHECK_OK:
        conversion_phase(conversion, "pack");
        conversion->result->warning = mem_strdup(output.warning);
        conversion_pack(conversion, &output);
        break;
    case CHECK_REFUSED:
        conversion_fail(conversion, OUTCOME_REFUSED, 0, error);
        break;
    case CHECK_HOST:
        conversion_fail(conversion, OUTCOME_HOST, 0, error);
        break;
    }
    check_output_release(&output);
}

void convert_document(struct slot_folder *folder, const struct convert_job *job,
                      struct convert_result *result_r)
{
    struct conversion conversion = {.folder = folder, .job = job, .result = result_r};

    *result_r = (struct convert_result){.pack = {.fd = -1}};
    record_attempt_init(&result_r->record);
    conversion.run.stdout_tail = mem_strdup("");
    conversion.run.stderr_tail = mem_strdup("");
    conversion_phase(&conversion, "convert");
    if (conversion_environment(&conversion) && conversion_command(&conversion) &&
        conversion_wrap(&conversion) && conversion_sandbox(&conversion) &&
        conversion_run(&conversion))
        conversion_check_and_pack(&conversion);
    if (result_r->warning == NULL && conversion.run.progress.warning[0] != '\0')
        result_r->warning = mem_strdup(conversion.run.progress.warning);
    result_r->record.stdout_tail = conversion.run.stdout_tail;
    result_r->record.stderr_tail = conversion.run.stderr_tail;
    conversion.run.stdout_tail = conversion.run.stderr_tail = NULL;
    run_result_release(&conversion.run);
    if (job->kept == NULL)
        sandbox_release(conversion.sandbox);
    command_release(&conversion.argv);
    command_release(&conversion.env);
    free(conversion.file);
    /* A worker that idles for hours shall not keep what its largest document took. */
    malloc_trim(0);
}

void convert_result_release(struct convert_result *result)
{
    pack_result_release(&result->pack);
    record_attempt_release(&result->record);
    free(result->warning);
    result->warning = NULL;
}
