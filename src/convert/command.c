/* See command.h: words of the converter's command line. */
#include "convert/command.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"

#define COMMAND_PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

const char *command_result_text(enum command_result result)
{
    switch (result) {
    case COMMAND_OK:
        return "fine";
    case COMMAND_EMPTY:
        return "no command";
    case COMMAND_TOO_LONG:
        return "longer than 4096 bytes";
    case COMMAND_TOO_MANY:
        return "more than 128 words";
    case COMMAND_UNCLOSED:
        return "a quote is not closed";
    case COMMAND_PLACEHOLDER:
        return "{input} or {output} is missing";
    case COMMAND_WRAPPER:
        return "{command} is missing as a word of its own behind the wrapper's";
    case COMMAND_PAIR:
        return "a word is not NAME=VALUE";
    }
    return "";
}

static void command_add(struct command *command, const char *word)
{
    command->words = mem_resize(command->words, command->count + 2, sizeof(*command->words));
    command->words[command->count++] = mem_strdup(word);
    command->words[command->count] = NULL;
}

void command_release(struct command *command)
{
    for (size_t i = 0; i < command->count; i++)
        free(command->words[i]);
    free(command->words);
    *command = (struct command){NULL, 0};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Takes one word at *at_r into `word`. false: its quote does not end. */
static bool word_take(const char *text, size_t len, size_t *at_r, struct buf *word)
{
    size_t i = *at_r;
    char quote = '\0';

    for (; i < len && (quote != '\0' || !is_blank(text[i])); i++) {
        char c = text[i];
        if (c == quote && quote != '\0') {
            quote = '\0';
        } else if (quote == '\0' && (c == '\'' || c == '"')) {
            quote = c;
        } else if (c == '\\' && quote != '\'') {
            if (++i == len)
                return false;
            /* Inside "…" sh keeps the backslash before anything but these. */
            if (quote == '"' && strchr("\"\\$`\n", text[i]) == NULL)
                buf_putc(word, '\\');
            if (text[i] != '\n')
                buf_putc(word, text[i]);
        } else {
            buf_putc(word, c);
        }
    }
    *at_r = i;
    return quote == '\0';
}

enum command_result command_split(const char *text, size_t len, struct command *command_r)
{
    enum command_result result = COMMAND_OK;
    struct buf word = BUF_INIT;
    size_t at = 0;

    *command_r = (struct command){NULL, 0};
    if (len > COMMAND_TEXT_MAX || memchr(text, '\0', len) != NULL)
        return COMMAND_TOO_LONG;
    for (;;) {
        while (at < len && is_blank(text[at]))
            at++;
        if (at == len)
            break;
        buf_clear(&word);
        if (!word_take(text, len, &at, &word))
            result = COMMAND_UNCLOSED;
        else if (command_r->count == COMMAND_WORDS_MAX)
            result = COMMAND_TOO_MANY;
        if (result != COMMAND_OK)
            break;
        command_add(command_r, buf_text(&word));
    }
    if (result == COMMAND_OK && command_r->count == 0)
        result = COMMAND_EMPTY;
    if (result != COMMAND_OK)
        command_release(command_r);
    buf_release(&word);
    return result;
}

static bool command_names(const struct command *command, const char *placeholder)
{
    for (size_t i = 0; i < command->count; i++)
        if (strstr(command->words[i], placeholder) != NULL)
            return true;
    return false;
}

enum command_result command_parse(const char *text, struct command *command_r)
{
    enum command_result result = command_split(text, strlen(text), command_r);

    if (result == COMMAND_OK &&
        (!command_names(command_r, "{input}") || !command_names(command_r, "{output}"))) {
        command_release(command_r);
        result = COMMAND_PLACEHOLDER;
    }
    return result;
}

enum command_result command_env(const char *text, struct command *env_r)
{
    size_t len = text == NULL ? 0 : strlen(text);
    enum command_result result = command_split(text == NULL ? "" : text, len, env_r);

    for (size_t i = 0; result == COMMAND_OK && i < env_r->count; i++)
        if (strcspn(env_r->words[i], "=") == 0 || strchr(env_r->words[i], '=') == NULL)
            result = COMMAND_PAIR;
    if (result != COMMAND_OK)
        command_release(env_r);
    return result == COMMAND_EMPTY ? COMMAND_OK : result;
}

struct fill {
    const char *name, *value;
};

static void word_fill(const char *word, const struct fill *fills, size_t count, struct buf *filled)
{
    for (const char *p = word; *p != '\0';) {
        size_t k = 0;
        while (k < count && strncmp(p, fills[k].name, strlen(fills[k].name)) != 0)
            k++;
        if (k < count) {
            buf_puts(filled, fills[k].value);
            p += strlen(fills[k].name);
        } else {
            buf_putc(filled, *p++);
        }
    }
}

static void command_add_filled(struct command *command, const char *word, const struct fill *fills,
                               size_t count)
{
    struct buf filled = BUF_INIT;

    word_fill(word, fills, count, &filled);
    command_add(command, buf_text(&filled));
    buf_release(&filled);
}

void command_fill(const struct command *command, const char *input, const char *output,
                  const char *type, struct command *filled_r)
{
    const struct fill fills[] = {{"{input}", input}, {"{output}", output}, {"{type}", type}};

    *filled_r = (struct command){NULL, 0};
    for (size_t i = 0; i < command->count; i++)
        command_add_filled(filled_r, command->words[i], fills, ARRAY_LEN(fills));
}

enum command_result command_wrap(const char *wrapper, const struct command *inner,
                                 const char *folder, struct command *wrapped_r)
{
    const struct fill fills[] = {{"{folder}", folder}};
    struct command words;
    enum command_result result = command_split(wrapper, strlen(wrapper), &words);
    bool named = false;

    *wrapped_r = (struct command){NULL, 0};
    if (result != COMMAND_OK)
        return result;
    for (size_t i = 0; i < words.count; i++) {
        if (strcmp(words.words[i], "{command}") != 0) {
            command_add_filled(wrapped_r, words.words[i], fills, ARRAY_LEN(fills));
            continue;
        }
        named = i > 0; /* it cannot be its own wrapper */
        for (size_t k = 0; k < inner->count; k++)
            command_add(wrapped_r, inner->words[k]);
    }
    command_release(&words);
    if (named)
        return COMMAND_OK;
    command_release(wrapped_r);
    return COMMAND_WRAPPER;
}

static bool is_program(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* FOLDER/WORD when that can be executed; NULL otherwise. Relative folders are not looked into: a
 * converter must not depend on where its daemon was started. */
static char *find_in(const char *folder, size_t folder_len, const char *word)
{
    char *path;

    if (folder_len == 0 || folder[0] != '/')
        return NULL;
    path = mem_printf("%.*s/%s", (int)folder_len, folder, word);
    if (!is_program(path)) {
        free(path);
        path = NULL;
    }
    return path;
}

/* The run changes its folder before it executes; links stay as named (busybox goes by its name). */
static char *command_absolute(const char *word)
{
    char *here, *path;

    if (word[0] == '/')
        return mem_strdup(word);
    here = getcwd(NULL, 0);
    path = here != NULL ? mem_printf("%s/%s", here, word) : NULL;
    free(here);
    return path;
}

char *command_find(const char *word, const char *path)
{
    const char *own = getenv("BLOBFORGE_LIBEXECDIR");
    char *found = NULL;

    if (strchr(word, '/') != NULL)
        return is_program(word) ? command_absolute(word) : NULL;
    if (word[0] == '\0')
        return NULL;
    if (own != NULL)
        found = find_in(own, strlen(own), word);
    if (found == NULL)
        found = find_in(BF_LIBEXECDIR "/blobforge", strlen(BF_LIBEXECDIR "/blobforge"), word);
    for (const char *p = path != NULL ? path : COMMAND_PATH_DEFAULT; found == NULL;) {
        size_t len = strcspn(p, ":");
        found = find_in(p, len, word);
        if (p[len] == '\0')
            break;
        p += len + 1;
    }
    return found;
}
