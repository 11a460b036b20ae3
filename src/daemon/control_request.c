/* See control_request.h. */
#include "daemon/control_request.h"

#include <stdbool.h>
#include <string.h>

#include "base/json.h"

static const char *const names[] = {"status", "metrics", "drain",     "pause",    "resume",
                                    "reload", "slots",   "kill-slot", "log-level"};

const char *control_command_name(enum control_command command)
{
    return names[command];
}

static bool find_command(const char *name, enum control_command *command_r)
{
    for (size_t i = 0; name != NULL && i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *command_r = (enum control_command)i;
            return true;
        }
    }
    return false;
}

static const char *take_argument(struct json_object *object, struct control_request *request)
{
    const char *level;

    switch (request->command) {
    case CONTROL_SLOTS:
        if (!json_get_int(object, "slots", &request->number) || request->number < 0 ||
            request->number > CONTROL_SLOTS_MAX)
            return "slots: give a number from 0 to 4096";
        return NULL;
    case CONTROL_KILL_SLOT:
        if (!json_get_int(object, "slot", &request->number) || request->number < 0 ||
            request->number >= CONTROL_SLOTS_MAX)
            return "slot: give the number of a slot, from 0 on";
        return NULL;
    case CONTROL_LOG_LEVEL:
        level = json_get_text(object, "level");
        if (level == NULL || !log_level_parse(level, &request->level))
            return "level: give debug, info, warning or error";
        return NULL;
    case CONTROL_STATUS:
    case CONTROL_METRICS:
    case CONTROL_DRAIN:
    case CONTROL_PAUSE:
    case CONTROL_RESUME:
    case CONTROL_RELOAD:
        break;
    }
    return NULL;
}

const char *control_request_parse(const void *line, size_t len, struct control_request *request_r)
{
    struct json_object *object = NULL;
    const char *wrong;

    memset(request_r, 0, sizeof(*request_r));
    if (json_parse(line, len, CONTROL_LINE_MAX, &object) != JSON_OK)
        return "not one JSON object on one line";
    if (!find_command(json_get_text(object, "cmd"), &request_r->command))
        wrong = "cmd: none that this version knows";
    else
        wrong = take_argument(object, request_r);
    json_object_put(object);
    return wrong;
}
