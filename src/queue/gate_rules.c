/* The gate's look at what the bucket's owner has ordered (gate_parts.h): rules that remove objects
 * by themselves, and locks that keep them from being removed.
 *
 * A rule that lets a marker or a document expire loses a job without a word, so it makes the bucket
 * unfit. To read such rules takes a right on the bucket that a worker need not have, and some
 * servers do not know them: then nothing is known, and that is said, no more. */
#include <stdlib.h>
#include <string.h>

#include "base/quote.h"
#include "queue/gate_parts.h"

#define RULES_MS 10000 /* nobody waits longer for what is not needed */

static bool begins_with(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Does a rule for keys that begin with `prefix` reach a key of ours? What it removes below the
 * probe's own folder is welcome. */
static bool reaches_us(const struct keys *keys, const char *prefix)
{
    char probe[KEY_SIZE];

    if (begins_with(prefix, key_registry(keys, "probe/", probe)))
        return false;
    return begins_with(prefix, keys->prefix) || begins_with(keys->prefix, prefix);
}

/* Asks for the bucket's rules; false: they are not known, which has been said. */
static bool ask(struct gate *gate, const char *name, const char *need, enum store_trial trial,
                const char *none_code, const char *none, struct store_op *op)
{
    enum store_status status;

    store_op_init(op, STORE_LIST, "");
    op->trial = trial;
    op->deadline_ms = RULES_MS;
    if (!gate->properties.trials) {
        gate_add_check(gate, name, GATE_NA, need, "not a question to this kind of store");
        return false;
    }
    status = store_do(gate->queue->store, op);
    gate_note(gate, op);
    if (status == STORE_OK)
        return true;
    if (op->http_status_r == 404 && op->error != NULL && strstr(op->error, none_code) != NULL)
        gate_add_check(gate, name, GATE_PASS, need, "%s", none);
    else if (op->http_status_r == 403)
        gate_add_check(gate, name, GATE_NA, need, "not known: this key may not read it");
    else if (op->http_status_r >= 300)
        gate_add_check(gate, name, GATE_NA, need, "not known: the server answers %d",
                       op->http_status_r);
    else
        gate_add_check(gate, name, GATE_NA, need, "not known: no answer that can be read");
    return false;
}

void gate_check_expiry(struct gate *gate)
{
    static const char name[] = "expiry", need[] = "nothing vanishes by itself";
    const struct keys *keys = &gate->queue->keys;
    const struct store_entry *found = NULL;
    struct store_op op;
    char *shown;

    if (ask(gate, name, need, STORE_TRIAL_EXPIRY, "NoSuchLifecycleConfiguration",
            "the bucket has no rules that remove objects", &op)) {
        for (size_t i = 0; i < op.entry_count && found == NULL; i++)
            if (reaches_us(keys, op.entries[i].key))
                found = &op.entries[i];
        shown = found != NULL ? quote_name(found->key) : NULL;
        if (found == NULL)
            gate_add_check(gate, name, GATE_PASS, need,
                           "no rule of the bucket removes our objects");
        else
            gate_add_check(gate, name, GATE_FAIL, need,
                           "a lifecycle rule of the bucket lets %s%s expire; remove the rule, or "
                           "narrow it to %sregistry/probe/",
                           found->key[0] == '\0' ? "every object" : "objects below ",
                           found->key[0] == '\0' ? "" : shown, keys->prefix);
        free(shown);
    }
    store_op_release(&op);
}

void gate_check_lock(struct gate *gate)
{
    static const char name[] = "object_lock", need[] = "a lock or marker can be removed";
    struct store_op op;

    if (ask(gate, name, need, STORE_TRIAL_LOCK, "ObjectLockConfigurationNotFoundError",
            "the bucket has no object lock", &op)) {
        if (op.entry_count == 0)
            gate_add_check(gate, name, GATE_PASS, need, "the bucket has no object lock");
        else
            gate_add_check(gate, name, GATE_FAIL, need,
                           "the bucket has an object lock, which keeps versions of all; use "
                           "a bucket without");
    }
    store_op_release(&op);
}
