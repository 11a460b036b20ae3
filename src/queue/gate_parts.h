/* What the gate's files share; nobody else includes this.
 *
 * Every check writes below its own name in the probe's folder, so that no two disturb each other,
 * and says in one line what was seen. A check that gets no answer makes the verdict "unreachable":
 * an error is never taken for an answer. */
#ifndef BF_QUEUE_GATE_PARTS_H
#define BF_QUEUE_GATE_PARTS_H

#include "queue/gate.h"

#define GATE_STORES 8 /* connection pools of their own */
#define GATE_CLOCK_SPREAD_MS 2000

struct gate {
    struct queue *queue;
    struct gate_report *report;
    char folder[600]; /* …/registry/probe/<32 hex>/ */
    /* Where the queue's own store shares its thread with fibers it cannot be raced: then these are
     * others. At least one. Store i is at address i modulo their count. */
    struct store *stores[GATE_STORES];
    size_t store_count;
    bool own_store; /* the queue's own is among them */
    struct store_properties properties;
    bool versioned;
    bool presigned_works;
    bool conditions_unsettled; /* neither kept nor refused: what needs them cannot be asked */
    bool failed;               /* no answer, or a refusal: the rest is not tried */
    bool useless;        /* ... an answer that nothing can be done with: a verdict after all */
    unsigned unanswered; /* requests of races that were answered 409 or 5xx */
};

struct gate_request {
    struct store_op op;
    char key[664];
};

struct gate_answer {
    enum store_status status;
    int http_status;
    char etag[STORE_ETAG_SIZE];
    int64_t date_ms;
};

/* gate_ask.c: one request after the other. */
void gate_add_check(struct gate *gate, const char *name, int result, const char *need,
                    const char *fmt, ...) PRINTF_LIKE(5, 6);
/* Pass or fail. */
void gate_say(struct gate *gate, const char *name, const char *need, bool good, const char *text);
void gate_give_up(struct gate *gate, const struct store_op *op);
void gate_prepare(struct gate *gate, struct gate_request *request, enum store_kind kind,
                  const char *name);
void gate_set_body(struct gate_request *request, const void *body, size_t len);
void gate_note(struct gate *gate, const struct store_op *op);
/* An answer that a check can judge by. A conditional write that goes unanswered is settled by
 * reading back and, while its body does not stand, sent again; when that never helps it ends as
 * UNKNOWN, or FATAL where the store says that it cannot do it: those are answers too. False: the
 * gate has given up. */
bool gate_ask_at(struct gate *gate, struct store *store, struct gate_request *request) MUST_CHECK;
bool gate_ask(struct gate *gate, struct gate_request *request) MUST_CHECK;
bool gate_put(struct gate *gate, const char *name, enum store_cond cond, const char *etag,
              const char *body, struct gate_answer *answer_r) MUST_CHECK;
/* What the key holds; NULL: nothing, or no answer (gate->failed). The caller frees. */
char *gate_get(struct gate *gate, const char *name, size_t *len_r) MUST_CHECK;
bool gate_holds(struct gate *gate, const char *name, const char *body) MUST_CHECK;
bool gate_refused(enum store_status status);
/* OK, or refused by its condition? */
bool gate_settled(enum store_status status);

/* gate_answers.c: in sequence. */
void gate_check_create(struct gate *gate);
void gate_check_match(struct gate *gate);
void gate_check_etags(struct gate *gate);
void gate_check_listing(struct gate *gate);
void gate_check_missing(struct gate *gate);
void gate_check_metadata(struct gate *gate);
void gate_check_clock(struct gate *gate);
void gate_check_presigned(struct gate *gate);
void gate_check_digest(struct gate *gate);
void gate_check_old(struct gate *gate);
void gate_check_half(struct gate *gate);
void gate_check_range(struct gate *gate);

/* gate_deletes.c */
void gate_check_conditional_delete(struct gate *gate);
void gate_check_expiring_delete(struct gate *gate);

/* gate_rules.c: the bucket's own. */
void gate_check_expiry(struct gate *gate);
void gate_check_lock(struct gate *gate);

/* gate_races.c: at once. */
void gate_check_races(struct gate *gate);
void gate_check_slow(struct gate *gate);

/* gate_memory.c: registry/gate.json. */
bool gate_recall(struct queue *queue, struct gate_report *report_r) MUST_CHECK;
void gate_remember(struct queue *queue, const struct gate_report *report);
void gate_set_properties(struct queue *queue, const struct gate_report *report);
const char *gate_etag_form(const struct store_properties *properties);

#endif
