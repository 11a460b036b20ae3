/* See sandbox.h. L0 is what run.c always does; it has nothing to prepare and nothing to enter. */
#include "convert/sandbox.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct sandbox {
    enum sandbox_level level;
};

static const char *const sandbox_names[] = {[SANDBOX_AUTO] = "auto",
                                            [SANDBOX_L0] = "l0",
                                            [SANDBOX_L1] = "l1",
                                            [SANDBOX_L2] = "l2",
                                            [SANDBOX_COMMAND] = "command"};

const char *sandbox_level_name(enum sandbox_level level)
{
    return sandbox_names[level];
}

bool sandbox_level_parse(const char *text, enum sandbox_level *level_r)
{
    for (size_t i = 0; i < ARRAY_LEN(sandbox_names); i++)
        if (strcmp(text, sandbox_names[i]) == 0) {
            *level_r = (enum sandbox_level)i;
            return true;
        }
    return false;
}

enum sandbox_level sandbox_best(void)
{
    return SANDBOX_L0;
}

struct sandbox *sandbox_prepare(enum sandbox_level level, const char *folder, char **error_r)
{
    struct sandbox *sandbox;

    *error_r = NULL;
    if (level == SANDBOX_AUTO)
        level = sandbox_best();
    if (level != SANDBOX_L0) {
        *error_r = mem_printf("sandbox level %s: not available here; set sandbox to auto",
                              sandbox_level_name(level));
        return NULL;
    }
    sandbox = mem_alloc(sizeof(*sandbox));
    sandbox->level = level;
    return sandbox;
}

enum sandbox_level sandbox_level(const struct sandbox *sandbox)
{
    return sandbox->level;
}

int sandbox_enter(const struct sandbox *sandbox)
{
    return 0;
}

void sandbox_release(struct sandbox *sandbox)
{
    free(sandbox);
}
