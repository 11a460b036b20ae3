/* See select.h: choosing jobs. */
#include "cli/select.h"

#include <fnmatch.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/human.h"
#include "base/json.h"
#include "base/quote.h"
#include "cli/progress.h"
#include "cli/fetch.h"
#include "cli/gang.h"
#include "cli/result.h"
#include "index/manifest.h"

#define AT_ONCE 128 /* jobs whose records are read in one batch */
#define INFO_MAX (16u << 20)

/* ---- lists of hashes ---- */

static unsigned digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

static void selection_add(struct selection *selection, const char *hash, unsigned char state)
{
    struct picked *picked;

    if ((selection->count & (selection->count - 1)) == 0)
        selection->jobs =
            mem_resize(selection->jobs, selection->count > 0 ? selection->count * 2 : 1,
                       sizeof(*selection->jobs));
    picked = &selection->jobs[selection->count++];
    for (size_t i = 0; i < sizeof(picked->hash); i++)
        picked->hash[i] = (unsigned char)(digit(hash[2 * i]) << 4 | digit(hash[2 * i + 1]));
    picked->state = state;
}

void selection_release(struct selection *selection)
{
    free(selection->jobs);
    memset(selection, 0, sizeof(*selection));
}

void picked_hash(const struct picked *picked, char hash_r[static 65])
{
    hex_encode(picked->hash, sizeof(picked->hash), hash_r);
}

/* ---- the words ---- */

struct filter {
    unsigned states;
    enum cause cause;  /* CAUSE_NONE: any */
    const char *match; /* NULL: any */
    int64_t older_ms;  /* 0: any age */
};

bool select_asked(const struct cli *cli)
{
    return cli_value(cli, "state") != NULL || cli_value(cli, "cause") != NULL ||
           cli_value(cli, "match") != NULL || cli_value(cli, "older-than") != NULL;
}

static enum exitcode usage_value(struct cli *cli, const char *option, const char *value,
                                 const char *what)
{
    char *quoted = quote_name(value);

    cli_usage(cli, "--%s: %s %s", option, quoted, what);
    free(quoted);
    return EXITCODE_USAGE;
}

/* "todo, failed or dead" */
static char *states_text(unsigned states)
{
    struct buf text = BUF_INIT;
    unsigned left = states;

    for (int state = 0; state < JOB_STATE_COUNT; state++) {
        if ((states & JOB_STATE_BIT(state)) == 0)
            continue;
        left &= ~JOB_STATE_BIT(state);
        buf_printf(&text, "%s%s", job_state_name((enum job_state)state),
                   left == 0                  ? ""
                   : (left & (left - 1)) == 0 ? " or "
                                              : ", ");
    }
    return buf_steal(&text);
}

static enum exitcode read_states(struct cli *cli, unsigned allowed, unsigned usual,
                                 unsigned *states_r)
{
    size_t count;
    const char *const *values = cli_values(cli, "state", &count);

    *states_r = count > 0 ? 0 : usual;
    for (size_t i = 0; i < count; i++) {
        enum job_state state;
        char *text, *what;

        if (job_state_parse(values[i], &state) && (allowed & JOB_STATE_BIT(state)) != 0) {
            *states_r |= JOB_STATE_BIT(state);
            continue;
        }
        text = states_text(allowed);
        what = mem_printf("is no state for this; give %s", text);
        (void)usage_value(cli, "state", values[i], what);
        free(what);
        free(text);
        return EXITCODE_USAGE;
    }
    return EXITCODE_OK;
}

static enum exitcode read_filter(struct cli *cli, unsigned allowed, unsigned usual,
                                 struct filter *filter_r)
{
    const char *cause = cli_value(cli, "cause"), *age = cli_value(cli, "older-than");
    enum exitcode code;

    *filter_r = (struct filter){.match = cli_value(cli, "match")};
    code = read_states(cli, allowed, usual, &filter_r->states);
    if (code != EXITCODE_OK)
        return code;
    if (cause != NULL) {
        filter_r->cause = cause_parse(cause);
        if (filter_r->cause == CAUSE_NONE)
            return usage_value(cli, "cause", cause,
                               "is no cause; give document, converter, host, operator or store");
    }
    if (age != NULL && (!human_parse_duration(age, &filter_r->older_ms) || filter_r->older_ms <= 0))
        return usage_value(cli, "older-than", age, "is no time; give 90s, 15m, 6h or 2d");
    if (filter_r->match != NULL && filter_r->match[0] == '\0')
        return cli_usage(cli, "--match: an empty name matches all; leave it out");
    return EXITCODE_OK;
}

enum exitcode select_check(struct cli *cli, unsigned states)
{
    struct filter filter;
    size_t count;

    (void)cli_operands(cli, &count);
    if (count > 0 && select_asked(cli))
        return cli_usage(cli,
                         "name jobs by HASH, or choose them by --state and its like, not both");
    return read_filter(cli, states, states, &filter);
}

/* ---- by what they are ---- */

struct search {
    struct cli *cli;
    struct queue *queue;
    struct filter filter;
    struct selection *selection;
    struct manifest *manifest;
    struct progress_line line;
    int64_t looked, now_ms;
    /* those whose records are still to be read */
    char (*waiting)[65];
    struct view_line lines[AT_ONCE];
    size_t waiting_count;
    enum exitcode code;
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* A pattern where there is something of a pattern in it; else any part of the name. Case is
 * ignored. */
static bool name_matches(const char *pattern, const char *name)
{
    if (name == NULL)
        return false;
    if (strpbrk(pattern, "*?[") != NULL)
        return fnmatch(pattern, name, FNM_CASEFOLD) == 0;
    return strcasestr(name, pattern) != NULL;
}

/* By the raw object's name; by the manifest's paths where a copy has stripped that. */
static bool job_name_matches(struct search *search, const char *hash, const struct store_op *raw)
{
    char *name = record_meta_text(raw, "original-name");
    struct manifest_entry entry = {0};
    char *error = NULL;
    bool matches = false;

    if (name != NULL) {
        matches = name_matches(search->filter.match, name);
    } else if (manifest_lookup(search->manifest, hash, &entry, &error) == QUEUE_OK) {
        for (size_t i = 0; i < entry.path_count; i++)
            matches = matches || name_matches(search->filter.match, base_name(entry.paths[i]));
        manifest_entry_release(&entry);
    }
    free(error);
    free(name);
    return matches;
}

static bool cause_matches(enum cause wanted, enum job_state state, const struct store_op *op)
{
    enum cause cause = CAUSE_NONE;

    if (op->status != STORE_OK)
        return false;
    if (state == JOB_DEAD) {
        struct record_dead dead;
        if (record_dead_read(buf_text(&op->data), op->data.len, &dead) == RECORD_OK) {
            cause = dead.cause;
            record_dead_release(&dead);
        }
    } else {
        struct record_failed failed;
        if (record_failed_read(buf_text(&op->data), op->data.len, &failed) == RECORD_OK) {
            cause = failed.cause;
            record_failed_release(&failed);
        }
    }
    return cause == wanted;
}

static bool read_ok(struct search *search, const struct store_op *op)
{
    if (op->status == STORE_OK || op->status == STORE_NOT_FOUND)
        return true;
    search->code =
        cli_queue_failed(search->cli, op->status == STORE_FATAL ? QUEUE_FATAL : QUEUE_AGAIN,
                         "choosing jobs", op->error != NULL ? mem_strdup(op->error) : NULL);
    return false;
}

/* Reads what --cause and --match ask for of all that wait, at once. */
static bool settle(struct search *search)
{
    size_t count = search->waiting_count;
    struct store_op *ops = mem_alloc((2 * count + 1) * sizeof(*ops));
    char(*keys)[KEY_SIZE] = mem_alloc((2 * count + 1) * KEY_SIZE);
    bool by_cause = search->filter.cause != CAUSE_NONE, by_name = search->filter.match != NULL;
    size_t used = 0, at = 0;

    for (size_t i = 0; i < count; i++) {
        const char *hash = search->waiting[i];
        if (by_cause) {
            store_op_init(&ops[used], STORE_GET,
                          search->lines[i].state == JOB_DEAD
                              ? key_dead(&search->queue->keys, hash, keys[used])
                              : key_failed(&search->queue->keys, hash, keys[used]));
            used++;
        }
        if (by_name) {
            store_op_init(&ops[used], STORE_HEAD, key_raw(&search->queue->keys, hash, keys[used]));
            used++;
        }
    }
    store_run(search->queue->store, ops, used);
    for (size_t i = 0; i < count && search->code == EXITCODE_OK; i++) {
        bool take = true;
        if (by_cause && read_ok(search, &ops[at]))
            take = cause_matches(search->filter.cause, search->lines[i].state, &ops[at]);
        at += by_cause;
        if (by_name && take && read_ok(search, &ops[at]))
            take = job_name_matches(search, search->waiting[i], &ops[at]);
        at += by_name;
        if (take && search->code == EXITCODE_OK)
            selection_add(search->selection, search->waiting[i],
                          (unsigned char)search->lines[i].state);
    }
    for (size_t i = 0; i < used; i++)
        store_op_release(&ops[i]);
    free(keys);
    free(ops);
    search->waiting_count = 0;
    return search->code == EXITCODE_OK;
}

static bool look_at(void *arg, const struct view_line *line)
{
    struct search *search = arg;

    progress_step(&search->line, ++search->looked, 0, "jobs");
    if (cli_stopped())
        return false;
    if (search->filter.older_ms > 0 &&
        (line->since_ms == 0 || search->now_ms - line->since_ms < search->filter.older_ms))
        return true;
    if (search->filter.cause == CAUSE_NONE && search->filter.match == NULL) {
        selection_add(search->selection, line->hash, (unsigned char)line->state);
        return true;
    }
    /* Only jobs that did not succeed have a cause. */
    if (search->filter.cause != CAUSE_NONE && line->state != JOB_DEAD && line->state != JOB_FAILED)
        return true;
    memcpy(search->waiting[search->waiting_count], line->hash, 65);
    search->lines[search->waiting_count++] = *line;
    return search->waiting_count < AT_ONCE || settle(search);
}

static enum exitcode choose(struct cli *cli, struct queue *queue, const struct filter *filter,
                            struct selection *selection)
{
    struct search search = {.cli = cli, .queue = queue, .filter = *filter, .selection = selection};
    enum queue_result result;
    char *error = NULL;

    search.waiting = mem_alloc(AT_ONCE * sizeof(*search.waiting));
    search.manifest = manifest_create(queue);
    search.now_ms = store_server_ms(queue->store, queue->clock);
    progress_begin(&search.line, cli, "choosing jobs");
    result = view_select(queue, filter->states, look_at, &search, &error);
    if (result == QUEUE_OK && search.code == EXITCODE_OK && search.waiting_count > 0)
        (void)settle(&search); /* search.code tells */
    progress_end(&search.line);
    manifest_destroy(search.manifest);
    free(search.waiting);
    if (result != QUEUE_OK)
        return cli_queue_failed(cli, result, "choosing jobs", error);
    return search.code == EXITCODE_OK && cli_stopped() ? EXITCODE_INTERRUPTED : search.code;
}

/* ---- by name ---- */

static enum exitcode take_operands(struct cli *cli, struct selection *selection)
{
    size_t count;
    char *const *operands = cli_operands(cli, &count);
    enum exitcode code = EXITCODE_OK;

    for (size_t i = 0; i < count; i++) {
        char hash[65];
        enum exitcode one = EXITCODE_OK;

        if (cli_stopped())
            return EXITCODE_INTERRUPTED;
        if (hash_is_valid(operands[i])) /* whole: what is done to it tells whether it is there */
            memcpy(hash, operands[i], sizeof(hash));
        else
            one = cli_resolve(cli, operands[i], hash);
        if (one == EXITCODE_OK)
            selection_add(selection, hash, SELECT_UNKNOWN);
        else if (cli_json(cli) && one != EXITCODE_UNAVAILABLE && one != EXITCODE_NOPERM) {
            struct json_object *line = json_object_new_object();
            json_set_text(line, "hash", operands[i]);
            json_set_text(line, "action", "error");
            json_set_null(line, "from");
            json_set_null(line, "to");
            json_set_text(line, "error", "no such job, or not one");
            cli_print_json(line);
        }
        code = cli_worse(code, one);
        if (one == EXITCODE_UNAVAILABLE || one == EXITCODE_NOPERM)
            break; /* every further one would fail alike */
    }
    return code;
}

enum exitcode select_jobs(struct cli *cli, struct queue *queue, unsigned states, unsigned usual,
                          struct selection *selection_r)
{
    struct filter filter;
    enum exitcode code;
    size_t count;

    memset(selection_r, 0, sizeof(*selection_r));
    (void)cli_operands(cli, &count);
    if (count > 0)
        return take_operands(cli, selection_r);
    selection_r->chosen = true;
    code = read_filter(cli, states, usual, &filter);
    return code == EXITCODE_OK ? choose(cli, queue, &filter, selection_r) : code;
}

/* ---- by the converter that made the result ---- */

struct converters {
    struct cli *cli;
    struct selection *selection;
    const char *version;
    bool *keep;
    enum exitcode code;
};

struct verdict {
    bool older, failed;
    char *error;
};

/* libzip asks for the time zone, which is the whole process's; fetching is what takes time. */
static pthread_mutex_t zip_lock = PTHREAD_MUTEX_INITIALIZER;

/* info.json of a result, as bytes. NULL: *error_r says why. */
static char *read_info(struct queue *queue, const char *hash, struct buf *info, bool *gone,
                       char **error_r)
{
    struct result *result = NULL;
    struct store_op op;
    char key[KEY_SIZE];
    int fd = fetch_temporary();

    *error_r = NULL;
    *gone = false;
    if (fd < 0) {
        *error_r = mem_strdup("no temporary file");
        return NULL;
    }
    store_op_init(&op, STORE_GET, key_out(&queue->keys, hash, key));
    op.sink_fd = fd;
    store_run(queue->store, &op, 1);
    if (op.status == STORE_NOT_FOUND)
        *gone = true;
    else if (op.status != STORE_OK)
        *error_r = mem_strdup(op.error != NULL ? op.error : "the store does not answer");
    else {
        pthread_mutex_lock(&zip_lock);
        if ((result = result_open(fd, error_r)) != NULL)
            (void)!result_read(result, "info.json", INFO_MAX, info, error_r);
        result_close(result);
        pthread_mutex_unlock(&zip_lock);
    }
    store_op_release(&op);
    close(fd);
    return *error_r == NULL && !*gone ? info->data : NULL;
}

static void *look_at_converter(void *arg, struct queue *queue, size_t index)
{
    struct converters *converters = arg;
    struct verdict *verdict = mem_alloc(sizeof(*verdict));
    struct json_object *object = NULL, *converter;
    struct buf info = BUF_INIT;
    const char *version = NULL;
    char hash[65];
    bool gone;

    picked_hash(&converters->selection->jobs[index], hash);
    if (read_info(queue, hash, &info, &gone, &verdict->error) == NULL) {
        verdict->failed = !gone;
    } else {
        if (json_parse(info.data, info.len, INFO_MAX, &object) == JSON_OK) {
            converter = json_get_object(object, "converter");
            version = converter != NULL ? json_get_text(converter, "version") : NULL;
        }
        verdict->older = version == NULL || strverscmp(version, converters->version) < 0;
        json_object_put(object);
    }
    buf_release(&info);
    return verdict;
}

static bool take_verdict(void *arg, size_t index, void *found)
{
    struct converters *converters = arg;
    struct verdict *verdict = found;
    char hash[65];

    converters->keep[index] = verdict->older;
    if (verdict->failed) {
        picked_hash(&converters->selection->jobs[index], hash);
        cli_error("%s: result cannot be looked at: %s; `blobforge retry --reconvert %.12s` makes "
                  "it anew all the same",
                  hash, verdict->error != NULL ? verdict->error : "no reason", hash);
        converters->code = EXITCODE_PARTIAL;
    }
    free(verdict->error);
    free(verdict);
    return true;
}

enum exitcode select_older_converter(struct cli *cli, struct queue *queue, const char *version,
                                     struct selection *selection)
{
    struct converters converters = {.cli = cli, .selection = selection, .version = version};
    struct gang gang = {.count = selection->count,
                        .doing = "looking at results",
                        .work = look_at_converter,
                        .done = take_verdict,
                        .arg = &converters};
    enum exitcode code;
    size_t kept = 0;

    converters.keep = mem_alloc((selection->count + 1) * sizeof(*converters.keep));
    code = gang_run(cli, queue, &gang);
    for (size_t i = 0; i < selection->count; i++)
        if (converters.keep[i])
            selection->jobs[kept++] = selection->jobs[i];
    selection->count = kept;
    free(converters.keep);
    return cli_worse(code, converters.code);
}
