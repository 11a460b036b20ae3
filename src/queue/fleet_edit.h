/* The fleet's settings one by one: names, types, values, changes. What queue/fleet.h reads.
 *
 * registry/config.json holds v1's five, registry/blobforge.json ours; a change is written to
 * whichever of the two knows the name, by If-Match, and leaves everything else in it alone. */
#ifndef BF_QUEUE_FLEET_EDIT_H
#define BF_QUEUE_FLEET_EDIT_H

#include "queue/queue.h"

/* Is it a name of a fleet setting that can be set? */
bool fleet_setting_known(const char *name);
/* The i-th name; NULL: there are no more. */
const char *fleet_setting_name(size_t i);
/* The value as it is written down (`90` for `90s`); false: *error_r says what is wrong with it. */
bool fleet_setting_check(const char *name, const char *value, int64_t *number_r,
                         char **error_r) MUST_CHECK;

/* Calls `each` for every setting that the bucket has, with its value as a person writes it. */
enum queue_result fleet_settings_each(struct queue *queue,
                                      void (*each)(void *arg, const char *name, const char *value),
                                      void *arg, char **error_r) MUST_CHECK;
/* Sets it, or with `value` NULL takes it out. NONE: it was so already. DAMAGED: the object cannot
 * be read, or the settings would contradict each other: *error_r. */
enum queue_result fleet_setting_change(struct queue *queue, const char *name, const char *value,
                                       char **error_r) MUST_CHECK;
/* The object that knows the name: "config.json", "blobforge.json". */
const char *fleet_setting_object(const char *name);

#endif
