/* The gate's checks of DELETE: one of the two ways to bound it must hold (gate_parts.h). */
#include <stdio.h>
#include <string.h>

#include "queue/gate_parts.h"

#define NEED "a late DELETE hits nobody"

/* Tried as if the store honoured the condition: the S3 store sends it only then. */
void gate_check_conditional_delete(struct gate *gate)
{
    struct store_properties tried = gate->properties;
    struct gate_request wrong, right;
    struct gate_answer made;
    enum store_status status;
    bool kept, gone;

    tried.conditional_delete = true;
    store_set_properties(gate->queue->store, &tried);
    gate_prepare(gate, &wrong, STORE_DELETE, "delete");
    gate_prepare(gate, &right, STORE_DELETE, "delete");
    if (gate_put(gate, "delete", STORE_ALWAYS, NULL, "stays", &made)) {
        wrong.op.cond = right.op.cond = STORE_IF_MATCH;
        snprintf(wrong.op.etag, sizeof(wrong.op.etag), "00000000000000000000000000000000");
        memcpy(right.op.etag, made.etag, sizeof(right.op.etag));
        status = store_do(gate->queue->store, &wrong.op);
        kept = gate_holds(gate, "delete", "stays");
        status = store_do(gate->queue->store, &right.op);
        gone = !gate_holds(gate, "delete", "stays") && !gate->failed;
        gate->report->delete_if_match = kept && gone && status == STORE_OK;
        if (!gate->failed)
            gate_add_check(gate, "delete_if_match",
                           gate->report->delete_if_match ? GATE_PASS : GATE_NA, NEED, "%s",
                           !kept  ? "DELETE does not look at If-Match"
                           : gone ? "DELETE goes by If-Match"
                                  : "DELETE with the right If-Match is refused");
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
    struct store_properties tried = gate->properties;
    struct gate_request late, timely;
    struct gate_answer made;
    enum store_status status;
    bool kept, gone;

    tried.conditional_delete = false;
    store_set_properties(gate->queue->store, &tried);
    gate_prepare(gate, &late, STORE_DELETE, "expire");
    gate_prepare(gate, &timely, STORE_DELETE, "expire");
    if (gate_put(gate, "expire", STORE_ALWAYS, NULL, "stays", &made)) {
        int64_t server = store_server_ms(gate->queue->store, gate->queue->clock);

        late.op.expires_ms = server - 60 * 1000;
        timely.op.expires_ms = server + 60 * 1000;
        status = store_do(gate->queue->store, &late.op);
        kept = gate_holds(gate, "expire", "stays");
        status = store_do(gate->queue->store, &timely.op);
        gone = !gate_holds(gate, "expire", "stays") && !gate->failed;
        gate->report->delete_expires = kept && gone && status == STORE_OK;
        if (!gate->failed)
            gate_add_check(gate, "delete_expires",
                           gate->report->delete_expires ? GATE_PASS : GATE_NA, NEED, "%s",
                           !kept  ? "a DELETE that has expired is done"
                           : gone ? "a DELETE that has expired is refused"
                                  : "a DELETE that expires later is refused");
    }
    store_op_release(&late.op);
    store_op_release(&timely.op);
    store_set_properties(gate->queue->store, &gate->properties);
}
