/* blobforge complete WHAT [PREFIX]: what the shells' completions ask while a person types: hashes
 * with their names, names of settings, a line each. Not in --help. It says nothing on standard
 * error, changes nothing, and gives up after a second. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/quote.h"
#include "cli/catalog.h"
#include "cli/cmd.h"
#include "queue/fleet_edit.h"

#define HASHES_MAX 40
#define PATIENCE_MS 1000

struct hashes {
    char told[2 * HASHES_MAX][65];
    size_t count;
};

static bool was_told(const struct hashes *hashes, const char *hash)
{
    for (size_t i = 0; i < hashes->count; i++)
        if (strcmp(hashes->told[i], hash) == 0)
            return true;
    return false;
}

/* `HASH TAB NAME`: a shell that shows descriptions has one. */
static void tell(struct hashes *hashes, const char *hash, const char *name)
{
    struct buf shown = BUF_INIT;

    if (hashes->count == ARRAY_LEN(hashes->told) || was_told(hashes, hash))
        return;
    memcpy(hashes->told[hashes->count++], hash, 65);
    quote_append(&shown, name != NULL ? name : "", name != NULL ? strnlen(name, 60) : 0);
    cli_printf("%s\t%s\n", hash, buf_text(&shown));
    buf_release(&shown);
}

static bool on_entry(void *arg, const struct manifest_entry *entry)
{
    tell(arg, entry->hash, catalog_name(entry));
    return true;
}

static void from_index(struct cli *cli, struct hashes *hashes, const char *digits)
{
    struct index *index = catalog_open_silently(cli);
    char *error = NULL;

    if (index == NULL)
        return;
    if (digits[0] == '\0')
        (void)!index_recent(index, NULL, HASHES_MAX, on_entry, hashes, &error);
    else
        (void)!index_lookup_hash(index, NULL, digits, HASHES_MAX, on_entry, hashes, &error);
    free(error);
    index_close(index);
}

/* One page of what the bucket has: what is younger than the index, or all, where there is none. */
static void from_store(struct cli *cli, struct hashes *hashes, const char *digits)
{
    struct queue *queue;
    char key[KEY_SIZE], hash[65];
    struct store_op op;

    if (cli_open(cli, CLI_READ, &queue) != EXITCODE_OK)
        return;
    store_op_init(&op, STORE_LIST,
                  key_folder(&queue->keys, KEY_FOLDER_RAW, TIER_DEFAULT, digits, key));
    op.max_keys = HASHES_MAX;
    op.deadline_ms = PATIENCE_MS;
    store_run(queue->store, &op, 1);
    for (size_t i = 0; op.status == STORE_OK && i < op.entry_count; i++)
        if (key_hash(op.entries[i].key, hash))
            tell(hashes, hash, NULL);
    store_op_release(&op);
}

static void complete_hashes(struct cli *cli, const char *digits)
{
    struct hashes hashes = {.count = 0};

    if (strlen(digits) > 64 || !hex_is_lower(digits, strlen(digits)))
        return;
    from_index(cli, &hashes, digits);
    if (hashes.count == 0 || (digits[0] != '\0' && !store_settings_is_remote(cli_settings(cli))))
        from_store(cli, &hashes, digits);
}

static void complete_settings(const char *prefix)
{
    for (int i = 0; i < SETTING_COUNT; i++)
        if (strncmp(setting_name((enum setting_id)i), prefix, strlen(prefix)) == 0)
            cli_printf("%s\n", setting_name((enum setting_id)i));
    for (size_t i = 0; fleet_setting_name(i) != NULL; i++)
        if (strncmp(fleet_setting_name(i), prefix, strlen(prefix)) == 0)
            cli_printf("%s\n", fleet_setting_name(i));
}

static enum exitcode run(struct cli *cli)
{
    size_t count;
    char *const *words = cli_operands(cli, &count);
    const char *prefix = count > 1 ? words[1] : "";

    if (strcmp(words[0], "hashes") == 0)
        complete_hashes(cli, prefix);
    else if (strcmp(words[0], "settings") == 0)
        complete_settings(prefix);
    else
        return EXITCODE_USAGE;
    return EXITCODE_OK;
}

const struct cli_command cmd_complete = {
    .name = "complete",
    .operands = "hashes|settings [PREFIX]",
    .operands_min = 1,
    .operands_max = 2,
    .summary = "what the shells' completions ask",
    .interrupt = CLI_INTERRUPT_NOW,
    .resume = "nothing was changed",
    .hidden = true,
    .run = run,
};
