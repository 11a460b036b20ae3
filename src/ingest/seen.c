/* See seen.h. */
#include "ingest/seen.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static uint64_t fingerprint(const char *hash)
{
    char digits[17];
    uint64_t value;

    memcpy(digits, hash, 16);
    digits[16] = '\0';
    value = strtoull(digits, NULL, 16);
    return value != 0 ? value : 1;
}

static uint64_t *find(uint64_t *slots, size_t room, uint64_t value)
{
    size_t at = value & (room - 1);

    while (slots[at] != 0 && slots[at] != value)
        at = (at + 1) & (room - 1);
    return &slots[at];
}

bool seen_has(const struct seen *seen, const char *hash)
{
    return seen->count > 0 && *find(seen->slots, seen->room, fingerprint(hash)) != 0;
}

static void grow(struct seen *seen)
{
    size_t room = seen->room > 0 ? seen->room * 2 : 1024;
    uint64_t *slots = mem_alloc(room * sizeof(*slots));

    for (size_t i = 0; i < seen->room; i++)
        if (seen->slots[i] != 0)
            *find(slots, room, seen->slots[i]) = seen->slots[i];
    free(seen->slots);
    seen->slots = slots;
    seen->room = room;
}

void seen_add(struct seen *seen, const char *hash)
{
    uint64_t value = fingerprint(hash), *slot;

    if (seen->count >= SEEN_MAX)
        seen_release(seen);
    if (seen->count * 2 >= seen->room)
        grow(seen);
    slot = find(seen->slots, seen->room, value);
    seen->count += *slot == 0;
    *slot = value;
}

void seen_release(struct seen *seen)
{
    free(seen->slots);
    *seen = (struct seen){NULL, 0, 0};
}
