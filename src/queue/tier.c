/* See tier.h: priority levels and their names. */
#include "queue/tier.h"

#include <stddef.h>
#include <string.h>

#include "base/compiler.h"

static const char *const names[TIER_COUNT] = {"1_critical", "2_high", "3_normal", "4_low",
                                              "5_background"};

const char *tier_name(enum tier tier)
{
    return names[tier];
}

bool tier_parse(const char *text, enum tier *tier_r)
{
    if (text == NULL)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *name = names[i];
        bool digit = text[0] == name[0] && text[1] == '\0';

        if (digit || strcmp(text, name) == 0 || strcmp(text, name + 2) == 0) {
            *tier_r = (enum tier)i;
            return true;
        }
    }
    return false;
}
