/* A claim as JSON: what a master hands to the program that takes its place (same process, same
 * machine, same boot: times of CLOCK_BOOTTIME stay valid). Nothing of it is kept anywhere. */
#ifndef BF_QUEUE_CLAIM_STATE_H
#define BF_QUEUE_CLAIM_STATE_H

#include <json-c/json.h>
#include <stdbool.h>

#include "queue/queue.h"

struct json_object *claim_state_write(const struct claim *claim) MUST_CHECK;
/* false: it is not one. Else release it with claim_release_memory(). */
bool claim_state_read(struct json_object *object, struct claim *claim_r) MUST_CHECK;

#endif
