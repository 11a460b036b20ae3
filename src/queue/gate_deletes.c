/* The gate's checks of DELETE: one of the two ways to bound it must hold (gate_parts.h). */
#include <stdio.h>
#include <string.h>

#include "queue/gate_parts.h"

#define NEED "a late DELETE hits nobody"

/* What a check says: `wrong` came through, all is well, `right` was refused. */
struct verdicts {
    const char *ignored, *well, *refused;
};

/* Of the key `name`, which holds "stays": is the DELETE `wrong` refused and `right` done? Adds it
 * as a check. */
static bool told_apart(struct gate *gate, const char *name, const char *check,
                       struct gate_request *wrong, struct gate_request *right,
                       const struct verdicts *say)
{
    enum store_status status;
    bool kept, gone, well;

    status = store_do(gate->queue->store, &wrong->op); /* what stands afterwards tells */
    kept = gate_holds(gate, name, "stays");
    status = store_do(gate->queue->store, &right->op);
    gone = !gate_holds(gate, name, "stays") && !gate->failed;
    well = kept && gone && status == STORE_OK;
    if (!gate->failed)
        gate_add_check(gate, check, well ? GATE_PASS : GATE_NA, NEED, "%s",
                       !kept  ? say->ignored
                       : gone ? say->well
                              : say->refused);
    return well;
}

/* Tried as if the store honoured the condition: the S3 store sends it only then. */
void gate_check_conditional_delete(struct gate *gate)
{
    static const struct verdicts say = {"DELETE does not look at If-Match",
                                        "DELETE goes by If-Match",
                                        "DELETE with the right If-Match is refused"};
    struct store_properties tried = gate->properties;
    struct gate_request wrong, right;
    struct gate_answer made;

    tried.conditional_delete = true;
    store_set_properties(gate->queue->store, &tried);
    gate_prepare(gate, &wrong, STORE_DELETE, "delete");
    gate_prepare(gate, &right, STORE_DELETE, "delete");
    if (gate_put(gate, "delete", STORE_ALWAYS, NULL, "stays", &made)) {
        wrong.op.cond = right.op.cond = STORE_IF_MATCH;
        snprintf(wrong.op.etag, sizeof(wrong.op.etag), "00000000000000000000000000000000");
        memcpy(right.op.etag, made.etag, sizeof(right.op.etag));
        gate->report->delete_if_match =
            told_apart(gate, "delete", "delete_if_match", &wrong, &right, &say);
    }
    store_op_release(&wrong.op);
    store_op_release(&right.op);
    gate->properties.conditional_delete = gate->report->delete_if_match;
    store_set_properties(gate->queue->store, &gate->properties);
    for (size_t i = 0; i < gate->store_count; i++)
        store_set_properties(gate->stores[i], &gate->properties);
}

void gate_check_expiring_delete(struct gate *gate)
{
    static const struct verdicts say = {"a DELETE that has expired is done",
                                        "a DELETE that has expired is refused",
                                        "a DELETE that expires later is refused"};
    struct store_properties tried = gate->properties;
    struct gate_request late, timely;
    struct gate_answer made;

    tried.conditional_delete = false;
    store_set_properties(gate->queue->store, &tried);
    gate_prepare(gate, &late, STORE_DELETE, "expire");
    gate_prepare(gate, &timely, STORE_DELETE, "expire");
    if (gate_put(gate, "expire", STORE_ALWAYS, NULL, "stays", &made)) {
        int64_t server = store_server_ms(gate->queue->store, gate->queue->clock);

        late.op.expires_ms = server - 60 * 1000;
        timely.op.expires_ms = server + 60 * 1000;
        gate->report->delete_expires =
            told_apart(gate, "expire", "delete_expires", &late, &timely, &say);
    }
    store_op_release(&late.op);
    store_op_release(&timely.op);
    store_set_properties(gate->queue->store, &gate->properties);
}
