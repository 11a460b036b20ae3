/* blobforge workers: which daemons there are, how they do, and what they add up to. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/human.h"
#include "cli/cards.h"
#include "cli/cmd.h"
#include "cli/table.h"

static const char *show_int(int64_t value, char text_r[static HUMAN_SIZE])
{
    if (value < 0)
        return NULL;
    snprintf(text_r, HUMAN_SIZE, "%" PRId64, value);
    return text_r;
}

static const char *show_number(double value, const char *unit, char text_r[static HUMAN_SIZE])
{
    if (value < 0)
        return NULL;
    snprintf(text_r, HUMAN_SIZE, value < 10 ? "%.1f%s" : "%.0f%s", value, unit);
    return text_r;
}

static void add_row(struct table *table, const struct card *card, int64_t now_ms)
{
    char jobs[2 * HUMAN_SIZE], beat[HUMAN_SIZE], done[HUMAN_SIZE], bad[HUMAN_SIZE];
    char rate[HUMAN_SIZE], average[HUMAN_SIZE], cpu[HUMAN_SIZE], memory[HUMAN_SIZE];
    char disk[HUMAN_SIZE], *name;

    if (card->slots >= 0)
        snprintf(jobs, sizeof(jobs), "%" PRId64 "/%" PRId64,
                 card->current_jobs < 0 ? 0 : card->current_jobs, card->slots);
    else
        snprintf(jobs, sizeof(jobs), "%" PRId64, card->current_jobs < 0 ? 0 : card->current_jobs);
    name = mem_printf("%s%s%s", card->host[0] != '\0' ? card->host : card->worker,
                      card->instance[0] != '\0' ? " " : "", card->instance);
    table_add_harmless(
        table,
        (const char *[]){
            card->worker, name, card_health(card), jobs,
            card->heartbeat_ms > 0 ? human_show_duration(now_ms - card->heartbeat_ms, beat) : NULL,
            show_int(card->jobs_completed, done), show_int(card->jobs_failed, bad),
            show_number(card->jobs_per_hour, "", rate),
            card->avg_seconds >= 0
                ? human_show_duration((int64_t)(card->avg_seconds * 1000), average)
                : NULL,
            show_number(card->cpu_percent, "%", cpu),
            show_number(card->memory_percent, "%", memory),
            card->disk_free_bytes >= 0 ? human_show_size(card->disk_free_bytes, disk) : NULL,
            card->v1 ? "1" : card->version});
    free(name);
}

static void print_totals(const struct cards *cards)
{
    int64_t slots = 0, jobs = 0, completed = 0, failed = 0;
    double rate = 0;
    size_t alive = 0;

    for (size_t i = 0; i < cards->count; i++) {
        const struct card *card = &cards->list[i];

        completed += card->jobs_completed > 0 ? card->jobs_completed : 0;
        failed += card->jobs_failed > 0 ? card->jobs_failed : 0;
        if (!card_alive(card))
            continue;
        alive++;
        slots += card->slots > 0 ? card->slots : card->v1;
        jobs += card->current_jobs > 0 ? card->current_jobs : 0;
        rate += card->jobs_per_hour > 0 ? card->jobs_per_hour : 0;
    }
    cli_printf("\n%zu alive of %zu, %" PRId64 "/%" PRId64
               " slots busy, %.0f jobs/h; since their start %" PRId64 " done, %" PRId64 " failed\n",
               alive, cards->count, jobs, slots, rate, completed, failed);
}

static void print_table(const struct cards *cards, bool active, int64_t now_ms)
{
    static const struct table_column columns[] = {
        {"WORKER", false, true, false},  {"HOST", false, true, false},
        {"HEALTH", false, false, true},  {"JOBS", true, false, false},
        {"BEAT", true, false, false},    {"DONE", true, false, false},
        {"FAILED", true, false, false},  {"JOBS/H", true, false, false},
        {"AVERAGE", true, false, false}, {"CPU", true, false, false},
        {"MEM", true, false, false},     {"DISK FREE", true, false, false},
        {"VERSION", false, false, false}};
    struct table *table = table_create(columns, ARRAY_LEN(columns));

    table_drop_columns(table);
    for (size_t i = 0; i < cards->count; i++)
        if (!active || card_alive(&cards->list[i]))
            add_row(table, &cards->list[i], now_ms);
    if (table_rows(table) > 0)
        table_print(table);
    table_destroy(table);
}

/* A card is a note that its worker writes anew each minute: dropping one costs nothing. */
static enum exitcode prune(struct cli *cli, struct queue *queue, const struct cards *cards)
{
    enum exitcode code = EXITCODE_OK;
    size_t count = 0;

    for (size_t i = 0; i < cards->count && code == EXITCODE_OK; i++) {
        const struct card *card = &cards->list[i];
        struct store_op op;
        char key[KEY_SIZE];

        if (card_alive(card))
            continue;
        store_op_init(&op, STORE_DELETE, key_worker(&queue->keys, card->worker, key));
        if (store_properties(queue->store)->conditional_delete) {
            op.cond = STORE_IF_MATCH;
            memcpy(op.etag, card->etag, sizeof(op.etag));
        }
        store_run(queue->store, &op, 1);
        if (op.status == STORE_OK || op.status == STORE_NOT_FOUND) {
            count++;
            if (cli_json(cli))
                cli_print_json(card_json(card));
            else if (!cli_quiet(cli))
                cli_printf("%s  pruned  %s\n", card->worker, card_health(card));
        } else if (op.status != STORE_PRECONDITION) { /* else it has come back to life */
            code = cli_queue_failed(cli, op.status == STORE_FATAL ? QUEUE_FATAL : QUEUE_AGAIN,
                                    card->worker, op.error != NULL ? mem_strdup(op.error) : NULL);
        }
        store_op_release(&op);
    }
    cli_note(cli, "%zu of %zu cards pruned", count, cards->count);
    return code;
}

static enum exitcode run(struct cli *cli)
{
    bool active = cli_flag(cli, "active");
    struct cards cards = {0};
    struct queue *queue;
    char *error = NULL;
    enum queue_result result;
    enum exitcode code =
        cli_open(cli, CLI_FLEET | (cli_flag(cli, "prune") ? CLI_WRITE : CLI_READ), &queue);

    if (code != EXITCODE_OK)
        return code;
    result = cards_read(queue, SIZE_MAX, &cards, &error);
    if (result != QUEUE_OK)
        return cli_queue_failed(cli, result, "worker cards", error);
    if (cli_flag(cli, "prune")) {
        code = prune(cli, queue, &cards);
    } else if (cli_json(cli)) {
        for (size_t i = 0; i < cards.count; i++)
            if (!active || card_alive(&cards.list[i]))
                cli_print_json(card_json(&cards.list[i]));
    } else if (cards.count == 0) {
        cli_note(cli, "no worker has ever been here; `blobforged -n 4` on any machine starts one");
    } else {
        print_table(&cards, active, store_server_ms(queue->store, queue->clock));
        if (!cli_quiet(cli))
            print_totals(&cards);
    }
    cards_release(&cards);
    return code;
}

static const struct cli_option options[] = {
    {'a', "active", NULL, "only those that are alive"},
    {0, "prune", NULL, "drop the cards of workers that stopped or fell silent"},
    {0, NULL, NULL, NULL},
};

const struct cli_command cmd_workers = {
    .name = "workers",
    .operands = "",
    .operands_min = 0,
    .operands_max = 0,
    .summary = "which workers there are, how they do, and what they add up to",
    .help = "Each blobforged leaves a card in the bucket and renews it about once a minute.\n"
            "A worker is silent when it has not done so for the stale timeout.\n",
    .options = options,
    .interrupt = CLI_INTERRUPT_NOW,
    .resume = "run it again",
    .run = run,
};
