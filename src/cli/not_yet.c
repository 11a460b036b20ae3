/* Stands in for functions of queue/ and janitor/ that are not written yet, so that the program
 * links and what is there can be used. Each says so. Goes as soon as they are there. */
#include <string.h>

#include "base/alloc.h"
#include "janitor/janitor.h"
#include "queue/fleet.h"
#include "queue/gate.h"

#define NOT_YET __attribute__((weak))

static enum queue_result not_yet(char **error_r)
{
    *error_r = mem_strdup("not built in yet");
    return QUEUE_FATAL;
}

NOT_YET enum queue_result fleet_refresh(struct queue *queue, struct fleet *fleet,
                                        struct queue_limits *limits, char **error_r)
{
    *error_r = NULL;
    return QUEUE_OK;
}

NOT_YET void gate_probe(struct queue *queue, const struct gate_opener *opener,
                        struct gate_report *report_r)
{
    memset(report_r, 0, sizeof(*report_r));
}

NOT_YET void gate_check(struct queue *queue, const struct gate_opener *opener,
                        struct gate_report *report_r)
{
    memset(report_r, 0, sizeof(*report_r));
}

NOT_YET void gate_report_release(struct gate_report *report)
{
}

NOT_YET enum queue_result queue_retry(struct queue *queue, const char *hash,
                                      const struct retry_options *options, const char **from_r,
                                      const char **to_r, char **error_r)
{
    return not_yet(error_r);
}

NOT_YET enum queue_result queue_cancel(struct queue *queue, const char *hash, enum cancel_to to,
                                       const char *by, const char **from_r, const char **to_r,
                                       char **error_r)
{
    return not_yet(error_r);
}

NOT_YET enum queue_result janitor_once(struct queue *queue, bool dry_run,
                                       struct janitor_report *report, char **error_r)
{
    return not_yet(error_r);
}
