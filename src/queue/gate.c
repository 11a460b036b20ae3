/* See gate.h: the order of the checks, the verdict, the cleaning up. */
#include "queue/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "queue/gate_parts.h"

#define STORES_MIN 4 /* connection pools that race, however few the addresses */

static void clean_up(struct gate *gate)
{
    struct gate_request list;
    size_t count;

    do {
        gate_prepare(gate, &list, STORE_LIST, "");
        if (store_do(gate->queue->store, &list.op) != STORE_OK) {
            store_op_release(&list.op);
            return;
        }
        count = 0;
        for (size_t i = 0; i < list.op.entry_count; i++) {
            struct store_op op;

            store_op_init(&op, STORE_DELETE, list.op.entries[i].key);
            op.expires_ms = list.op.date_ms_r + 60 * 1000;
            if (store_do(gate->queue->store, &op) == STORE_OK)
                count++;
            store_op_release(&op);
        }
        store_op_release(&list.op);
    } while (count > 0);
}

static void check_versioning(struct gate *gate)
{
    gate->report->versioned = gate->versioned;
    gate_say(gate, "versioning", "conditions look at what is there now", !gate->versioned,
             gate->versioned ? "the bucket is or was versioned: conditions do not hold there on "
                               "every server, and suspending does not undo it; use a new bucket"
                             : "the bucket is not versioned");
}

static void judge(struct gate *gate)
{
    struct gate_report *report = gate->report;

    if (gate->failed && !gate->useless) {
        report->verdict = GATE_UNREACHABLE;
        return;
    }
    report->verdict = GATE_FIT;
    for (size_t i = 0; i < report->check_count; i++) {
        if (report->checks[i].result != GATE_FAIL)
            continue;
        report->verdict = GATE_UNFIT;
        if (report->reason == NULL)
            report->reason =
                mem_printf("%s: %s%s", report->checks[i].name, report->checks[i].text,
                           strchr(report->checks[i].text, ';') != NULL
                               ? "" /* it has its own remedy */
                               : "; use a store that keeps conditions, or a directory");
    }
    if (report->verdict == GATE_FIT && !report->delete_if_match && !report->delete_expires) {
        report->verdict = GATE_UNFIT;
        report->reason = mem_strdup("the store neither conditions a DELETE nor lets it expire; use "
                                    "another one, or a directory");
    }
}

/* One for each address, and some more where there are few. */
static void open_stores(struct gate *gate, const struct gate_opener *opener)
{
    struct gate_report *report = gate->report;
    size_t wanted;

    report->address_count = store_addresses(gate->queue->store, report->addresses, GATE_ADDRESSES);
    wanted = report->address_count > STORES_MIN ? report->address_count : STORES_MIN;
    while (opener != NULL && gate->store_count < wanted && gate->store_count < GATE_STORES) {
        const char *address = report->address_count > 1
                                  ? report->addresses[gate->store_count % report->address_count]
                                  : NULL;
        struct store *store = opener->open(opener->arg, address);

        if (store == NULL)
            break;
        gate->stores[gate->store_count++] = store;
    }
    gate->own_store = gate->store_count == 0;
    if (gate->own_store)
        gate->stores[gate->store_count++] = gate->queue->store;
}

static void close_stores(struct gate *gate)
{
    for (size_t i = 0; i < gate->store_count && !gate->own_store; i++)
        store_close(gate->stores[i]);
}

/* How the races went, where something is worth a word. */
static void say_path(struct gate *gate)
{
    struct gate_report *report = gate->report;
    struct buf text = BUF_INIT;

    for (size_t i = 0; i < report->address_count; i++)
        buf_printf(&text, "%s%s", i > 0 ? ", " : "asked at ", report->addresses[i]);
    if (report->address_count == 0)
        buf_puts(&text, "asked by its name alone");
    if (gate->unanswered > 0)
        buf_printf(&text, "; %u raced writes were answered 409 or 5xx", gate->unanswered);
    gate_add_check(gate, "addresses", GATE_PASS, "every server of the name was looked at", "%s",
                   buf_text(&text));
    buf_release(&text);
}

static void probe(struct queue *queue, const struct gate_opener *opener,
                  struct gate_report *report_r)
{
    static void (*const checks[])(struct gate * gate) = {gate_check_missing,
                                                         gate_check_expiry,
                                                         gate_check_lock,
                                                         gate_check_create,
                                                         gate_check_match,
                                                         gate_check_etags,
                                                         gate_check_listing,
                                                         gate_check_metadata,
                                                         gate_check_clock,
                                                         gate_check_presigned,
                                                         gate_check_digest,
                                                         gate_check_old,
                                                         gate_check_half,
                                                         gate_check_range,
                                                         gate_check_conditional_delete,
                                                         gate_check_expiring_delete,
                                                         gate_check_races,
                                                         gate_check_slow,
                                                         check_versioning};
    struct gate gate = {.queue = queue, .report = report_r};
    char id[33], name[64], key[KEY_SIZE];

    gate.properties = *store_properties(queue->store);
    rng_hex(queue->rng, 16, id);
    snprintf(name, sizeof(name), "probe/%s/", id);
    snprintf(gate.folder, sizeof(gate.folder), "%s", key_registry(&queue->keys, name, key));
    checks[0](&gate); /* knows the server's address, if no proxy is between */
    if (!gate.failed)
        open_stores(&gate, opener);
    for (size_t i = 1; i < ARRAY_LEN(checks) && !gate.failed; i++) {
        if (opener != NULL && opener->stop != NULL && opener->stop(opener->arg)) {
            gate.failed = true;
            report_r->unreachable = STORE_AGAIN;
            report_r->reason = mem_strdup("the probe was ended early");
            break;
        }
        checks[i](&gate);
    }
    if (!gate.failed && gate.properties.trials)
        say_path(&gate);
    report_r->etag_form = gate_etag_form(store_properties(queue->store));
    judge(&gate);
    if (report_r->verdict == GATE_FIT)
        gate_set_properties(queue, report_r);
    clean_up(&gate);
    close_stores(&gate);
}

void gate_check(struct queue *queue, const struct gate_opener *opener, bool anew,
                struct gate_report *report_r)
{
    memset(report_r, 0, sizeof(*report_r));
    if (!anew && gate_recall(queue, report_r))
        return;
    probe(queue, opener, report_r);
    report_r->checked_ms = store_server_ms(queue->store, queue->clock);
    if (report_r->verdict != GATE_UNREACHABLE)
        gate_remember(queue, report_r);
}

void gate_report_release(struct gate_report *report)
{
    for (size_t i = 0; i < report->check_count; i++)
        free(report->checks[i].text);
    free(report->checks);
    free(report->reason);
    memset(report, 0, sizeof(*report));
}
