/* Stand-ins for parts that are not built yet: gate, fleet settings, janitor. Goes as they come. */
#include <string.h>

#include "janitor/janitor.h"
#include "queue/fleet.h"
#include "queue/gate.h"

void gate_check(struct queue *queue, const struct gate_opener *opener, struct gate_report *report_r)
{
    memset(report_r, 0, sizeof(*report_r));
    report_r->verdict = GATE_FIT;
}

void gate_report_release(struct gate_report *report)
{
}

enum queue_result fleet_refresh(struct queue *queue, struct fleet *fleet,
                                struct queue_limits *limits, char **error_r)
{
    return QUEUE_OK;
}

struct janitor *janitor_create(struct queue *queue)
{
    return NULL;
}

void janitor_destroy(struct janitor *janitor)
{
}

enum queue_result janitor_pass(struct janitor *janitor, struct janitor_report *report,
                               char **error_r)
{
    return QUEUE_OK;
}

enum queue_result janitor_recover_own(struct queue *queue, const char *const *incarnations,
                                      size_t count, struct janitor_report *report, char **error_r)
{
    return QUEUE_OK;
}

enum queue_result queue_watch_orphans(struct queue *queue, const struct claim *const *held,
                                      size_t held_count, char **error_r)
{
    return QUEUE_OK;
}
