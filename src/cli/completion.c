/* See completion.h: completions from the table of commands.
 *
 * What may follow an option or a command is told by the word that stands for it in the table: HASH,
 * TIER, STATE, PATH and so on. A word that is not known here completes to nothing, or as the shell
 * does by itself. */
#include "cli/completion.h"

#include <string.h>

#include "cli/commands.h"
#include "queue/tier.h"

/* ---- what a word of the table stands for ---- */

enum value {
    VALUE_NONE, /* anything: nothing is offered */
    VALUE_FILE,
    VALUE_HASH,
    VALUE_SETTING,
    VALUE_WORDS /* of a fixed list */
};

struct meaning {
    const char *word; /* in the table */
    enum value value;
    const char *words; /* VALUE_WORDS: separated by blanks */
};

static const struct meaning meanings[] = {
    {"HASH", VALUE_HASH, NULL},
    {"TIER", VALUE_WORDS, "critical high normal low background"},
    {"STATE", VALUE_WORDS, "todo processing failed dead done raw"},
    {"CAUSE", VALUE_WORDS, "document converter host operator store"},
    {"FORMAT", VALUE_WORDS, "jsonl csv"},
    {"ORDER", VALUE_WORDS, "status drain pause resume slots reload kill-slot log-level metrics"},
    {"PATH", VALUE_FILE, NULL},
    {"FILE", VALUE_FILE, NULL},
    {"DIR", VALUE_FILE, NULL},
    {"INPUT", VALUE_FILE, NULL},
};

/* The meaning of an option's argument or of a command's operands: by the first word of capitals. */
static const struct meaning *meaning_of(const char *text)
{
    static const struct meaning none = {"", VALUE_NONE, NULL};
    size_t len;

    if (text == NULL)
        return &none;
    text += strspn(text, "[");
    len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
        if (strlen(meanings[i].word) == len && memcmp(meanings[i].word, text, len) == 0)
            return &meanings[i];
    return &none;
}

/* `config` is the one command with words of its own. */
static bool is_config(const struct cli_command *command)
{
    return strcmp(command->name, "config") == 0;
}

#define CONFIG_WORDS "show set unset"

/* `ctl log-level` is followed by a level. */
static bool is_ctl(const struct cli_command *command)
{
    return strcmp(command->name, "ctl") == 0;
}

#define LEVEL_WORDS "debug info warning error"

/* Text inside '...' of a shell; zsh also takes `:`, `[` and `]` for its own. */
static void append_quoted(struct buf *out, const char *text, const char *escaped)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            buf_puts(out, "'\\''");
            continue;
        }
        if (strchr(escaped, *text) != NULL)
            buf_putc(out, '\\');
        buf_putc(out, *text);
    }
}

static const struct cli_option *own_options(const struct cli_command *command)
{
    static const struct cli_option none = {0, NULL, NULL, NULL};

    return command->options != NULL ? command->options : &none;
}

/* ---- bash ---- */

static void bash_option_names(struct buf *out, const struct cli_option *options)
{
    for (; options->name != NULL; options++) {
        if (options->letter != '\0')
            buf_printf(out, "-%c ", options->letter);
        buf_printf(out, "--%s ", options->name);
    }
}

/* What comes after an option that takes a value. */
static void bash_option_values(struct buf *out, const struct cli_option *options,
                               const char *indent)
{
    for (; options->name != NULL; options++) {
        const struct meaning *meaning = meaning_of(options->argument);

        if (options->argument == NULL)
            continue;
        buf_puts(out, indent);
        if (options->letter != '\0')
            buf_printf(out, "-%c|", options->letter);
        switch (meaning->value) {
        case VALUE_NONE:
        case VALUE_SETTING:
            buf_printf(out, "--%s) return ;;\n", options->name);
            break;
        case VALUE_FILE:
            buf_printf(out, "--%s) _blobforge_files; return ;;\n", options->name);
            break;
        case VALUE_HASH:
            buf_printf(out, "--%s) _blobforge_ask hashes; return ;;\n", options->name);
            break;
        case VALUE_WORDS:
            buf_printf(out, "--%s) _blobforge_words '%s'; return ;;\n", options->name,
                       meaning->words);
            break;
        }
    }
}

static void bash_operands(struct buf *out, const struct cli_command *command)
{
    const struct meaning *meaning = meaning_of(command->operands);

    if (is_config(command)) {
        buf_puts(out, "            _blobforge_words '" CONFIG_WORDS "'\n"
                      "            _blobforge_ask settings\n");
        return;
    }
    if (is_ctl(command)) {
        buf_printf(out,
                   "            case $prev in\n"
                   "            log-level) _blobforge_words '" LEVEL_WORDS "' ;;\n"
                   "            *) _blobforge_words '%s' ;;\n"
                   "            esac\n",
                   meaning->words);
        return;
    }
    switch (meaning->value) {
    case VALUE_NONE:
    case VALUE_SETTING:
        break;
    case VALUE_FILE:
        buf_puts(out, "            _blobforge_files\n");
        break;
    case VALUE_HASH:
        buf_puts(out, "            _blobforge_ask hashes\n");
        break;
    case VALUE_WORDS:
        buf_printf(out, "            _blobforge_words '%s'\n", meaning->words);
        break;
    }
}

static void bash_command(struct buf *out, const struct cli_command *command)
{
    buf_printf(out, "    %s)\n        case $prev in\n", command->name);
    bash_option_values(out, own_options(command), "        ");
    bash_option_values(out, cli_global_options, "        ");
    buf_puts(out, "        esac\n        case $cur in\n        -*) _blobforge_words '");
    bash_option_names(out, own_options(command));
    bash_option_names(out, cli_global_options);
    buf_puts(out, "' ;;\n        *)\n");
    bash_operands(out, command);
    buf_puts(out, "            ;;\n        esac\n        ;;\n");
}

void completion_bash(struct buf *out)
{
    buf_puts(out, "# bash completion for blobforge; made from its table of commands.\n"
                  "\n"
                  "_blobforge_words() {\n"
                  "    local word\n"
                  "    for word in $1; do\n"
                  "        [[ $word == \"$cur\"* ]] && COMPREPLY+=(\"$word\")\n"
                  "    done\n"
                  "}\n"
                  "\n"
                  "_blobforge_files() {\n"
                  "    local file\n"
                  "    compopt -o filenames 2>/dev/null\n"
                  "    while IFS= read -r file; do\n"
                  "        COMPREPLY+=(\"$file\")\n"
                  "    done < <(compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\")\n"
                  "}\n"
                  "\n"
                  "# Hashes, names of settings: asked of the program, for the store that the line "
                  "names.\n"
                  "_blobforge_ask() {\n"
                  "    local line\n"
                  "    while IFS= read -r line; do\n"
                  "        COMPREPLY+=(\"${line%%$'\\t'*}\")\n"
                  "    done < <(\"${words[0]}\" \"${given[@]}\" complete \"$1\" \"$cur\" "
                  "2>/dev/null)\n"
                  "}\n"
                  "\n"
                  "_blobforge() {\n"
                  "    local cur prev command='' i\n"
                  "    local -a words given=()\n"
                  "    COMPREPLY=()\n"
                  "    # The line itself: COMP_WORDS are cut at the colons of a store's URL.\n"
                  "    read -ra words <<<\"${COMP_LINE:0:COMP_POINT}\"\n"
                  "    [[ ${COMP_LINE:0:COMP_POINT} == *[[:blank:]] ]] && words+=('')\n"
                  "    cur=${words[-1]}\n"
                  "    prev=${words[-2]-}\n"
                  "    for ((i = 1; i < ${#words[@]} - 1; i++)); do\n"
                  "        case ${words[i]} in\n"
                  "        -f|--config|--store|-o|--option)\n"
                  "            if ((i + 1 < ${#words[@]} - 1)); then\n"
                  "                given+=(\"${words[i]}\" \"${words[i + 1]}\")\n"
                  "            fi\n"
                  "            ((i++))\n"
                  "            ;;\n"
                  "        --config=*|--store=*|--option=*) given+=(\"${words[i]}\") ;;\n"
                  "        -*) ;;\n"
                  "        *) [[ -n $command ]] || command=${words[i]} ;;\n"
                  "        esac\n"
                  "    done\n"
                  "    case $command in\n"
                  "    ''|help)\n"
                  "        case $prev in\n");
    bash_option_values(out, cli_global_options, "        ");
    buf_puts(out, "        esac\n        case $cur in\n        -*) _blobforge_words '");
    bash_option_names(out, cli_global_options);
    buf_puts(out, "' ;;\n        *) _blobforge_words '");
    for (const struct cli_command *const *c = cli_commands; *c != NULL; c++)
        if (!(*c)->hidden)
            buf_printf(out, "%s ", (*c)->name);
    buf_puts(out, "help' ;;\n        esac\n        ;;\n");
    for (const struct cli_command *const *c = cli_commands; *c != NULL; c++)
        if (!(*c)->hidden)
            bash_command(out, *c);
    buf_puts(out, "    esac\n}\n\ncomplete -F _blobforge blobforge\n");
}

/* ---- zsh ---- */

static void zsh_action(struct buf *out, const struct meaning *meaning)
{
    switch (meaning->value) {
    case VALUE_NONE:
        break;
    case VALUE_FILE:
        buf_puts(out, "_files");
        break;
    case VALUE_HASH:
        buf_puts(out, "_blobforge_hashes");
        break;
    case VALUE_SETTING:
        buf_puts(out, "_blobforge_settings");
        break;
    case VALUE_WORDS:
        buf_printf(out, "(%s)", meaning->words);
        break;
    }
}

static void zsh_option(struct buf *out, const struct cli_option *option, const char *dashes,
                       const char *name, size_t name_len)
{
    buf_printf(out, "        '*%s%.*s[", dashes, (int)name_len, name);
    append_quoted(out, option->text, "[]:\\");
    buf_putc(out, ']');
    if (option->argument != NULL) {
        buf_putc(out, ':');
        append_quoted(out, option->argument, "[]:\\");
        buf_putc(out, ':');
        zsh_action(out, meaning_of(option->argument));
    }
    buf_puts(out, "' \\\n");
}

static void zsh_options(struct buf *out, const struct cli_option *options)
{
    for (; options->name != NULL; options++) {
        if (options->letter != '\0')
            zsh_option(out, options, "-", &options->letter, 1);
        zsh_option(out, options, "--", options->name, strlen(options->name));
    }
}

static void zsh_command(struct buf *out, const struct cli_command *command)
{
    const struct meaning settings = {"NAME", VALUE_SETTING, NULL};

    buf_printf(out, "    %s)\n        _arguments -s \\\n", command->name);
    zsh_options(out, own_options(command));
    zsh_options(out, cli_global_options);
    if (is_config(command)) {
        buf_puts(out, "        '1:what:_blobforge_config' \\\n        '*:name:");
        zsh_action(out, &settings);
        buf_puts(out, "'\n");
    } else if (is_ctl(command)) {
        buf_printf(
            out,
            "        '*:operand:{ case ${words[CURRENT-1]} in log-level) compadd " LEVEL_WORDS
            " ;; *) compadd %s ;; esac }'\n",
            meaning_of(command->operands)->words);
    } else if (command->operands[0] != '\0') {
        buf_puts(out, "        '*:operand:");
        zsh_action(out, meaning_of(command->operands));
        buf_puts(out, "'\n");
    } else {
        buf_puts(out, "        && return\n");
    }
    buf_puts(out, "        ;;\n");
}

void completion_zsh(struct buf *out)
{
    buf_puts(
        out,
        "#compdef blobforge\n"
        "# zsh completion for blobforge; made from its table of commands.\n"
        "\n"
        "# The store that the line names goes along.\n"
        "_blobforge_given() {\n"
        "    local i\n"
        "    given=()\n"
        "    for ((i = 1; i < ${#blobforge_line}; i++)); do\n"
        "        case ${blobforge_line[i]} in\n"
        "        -f|--config|--store|-o|--option)\n"
        "            given+=(\"${blobforge_line[i]}\" \"${(Q)blobforge_line[i+1]}\")\n"
        "            ((i++))\n"
        "            ;;\n"
        "        --config=*|--store=*|--option=*) given+=(\"${(Q)blobforge_line[i]}\") ;;\n"
        "        esac\n"
        "    done\n"
        "}\n"
        "\n"
        "_blobforge_hashes() {\n"
        "    local -a given hashes\n"
        "    local line\n"
        "    _blobforge_given\n"
        "    for line in \"${(@f)$(${(Q)blobforge_line[1]} $given complete hashes "
        "\"$PREFIX\" 2>/dev/null)}\"; do\n"
        "        [[ -n $line ]] && hashes+=(\"${line%%$'\\t'*}:${${line#*$'\\t'}//:/\\\\:}\")\n"
        "    done\n"
        "    _describe -V hash hashes\n"
        "}\n"
        "\n"
        "_blobforge_settings() {\n"
        "    local -a given names\n"
        "    _blobforge_given\n"
        "    names=(${(f)\"$(${(Q)blobforge_line[1]} $given complete settings 2>/dev/null)\"})\n"
        "    compadd -a names\n"
        "}\n"
        "\n"
        "_blobforge_config() {\n"
        "    compadd " CONFIG_WORDS "\n"
        "    _blobforge_settings\n"
        "}\n"
        "\n"
        "_blobforge() {\n"
        "    local context state state_descr line\n"
        "    typeset -A opt_args\n"
        "    local -a commands blobforge_line=(\"${words[@]}\")\n"
        "    commands=(\n");
    for (const struct cli_command *const *c = cli_commands; *c != NULL; c++) {
        if ((*c)->hidden)
            continue;
        buf_printf(out, "        '%s:", (*c)->name);
        append_quoted(out, (*c)->summary, ":\\");
        buf_puts(out, "'\n");
    }
    buf_puts(out, "    )\n    _arguments -C -s \\\n");
    zsh_options(out, cli_global_options);
    buf_puts(out, "        '1:command:->command' '*::operand:->operands' && return\n"
                  "    case $state in\n"
                  "    command) _describe command commands; return ;;\n"
                  "    esac\n"
                  "    case ${words[1]} in\n");
    for (const struct cli_command *const *c = cli_commands; *c != NULL; c++)
        if (!(*c)->hidden)
            zsh_command(out, *c);
    buf_puts(out, "    esac\n}\n\n_blobforge \"$@\"\n");
}

/* ---- fish ---- */

static void fish_value(struct buf *out, const struct meaning *meaning)
{
    switch (meaning->value) {
    case VALUE_NONE:
        break;
    case VALUE_FILE:
        buf_puts(out, " -F");
        break;
    case VALUE_HASH:
        buf_puts(out, " -a '(__blobforge_ask hashes)'");
        break;
    case VALUE_SETTING:
        buf_puts(out, " -a '(__blobforge_ask settings)'");
        break;
    case VALUE_WORDS:
        buf_printf(out, " -a '%s'", meaning->words);
        break;
    }
}

static void fish_options(struct buf *out, const struct cli_option *options, const char *condition)
{
    for (; options->name != NULL; options++) {
        buf_printf(out, "complete -c blobforge%s", condition);
        if (options->letter != '\0')
            buf_printf(out, " -s %c", options->letter);
        buf_printf(out, " -l %s -d '", options->name);
        append_quoted(out, options->text, "\\");
        buf_putc(out, '\'');
        if (options->argument != NULL) {
            const struct meaning *meaning = meaning_of(options->argument);

            buf_puts(out, meaning->value == VALUE_FILE ? " -r" : " -x"); /* -x: no files */
            fish_value(out, meaning);
        }
        buf_putc(out, '\n');
    }
}

static void fish_command(struct buf *out, const struct cli_command *command)
{
    const struct meaning *meaning = meaning_of(command->operands);
    struct buf condition = BUF_INIT;

    buf_printf(out, "complete -c blobforge -n __blobforge_no_command -a %s -d '", command->name);
    append_quoted(out, command->summary, "\\");
    buf_puts(out, "'\n");
    buf_printf(&condition, " -n '__blobforge_command_is %s'", command->name);
    fish_options(out, own_options(command), buf_text(&condition));
    if (is_config(command)) {
        buf_printf(out, "complete -c blobforge%s -a '" CONFIG_WORDS "'\n", buf_text(&condition));
        buf_printf(out, "complete -c blobforge%s -a '(__blobforge_ask settings)'\n",
                   buf_text(&condition));
    } else if (is_ctl(command)) {
        static const char before[] = "(commandline -opc)[-1]";

        buf_printf(
            out,
            "complete -c blobforge -n '__blobforge_command_is ctl; and test %s = log-level' "
            "-a '" LEVEL_WORDS "'\n"
            "complete -c blobforge -n '__blobforge_command_is ctl; and test %s != log-level' "
            "-a '%s'\n",
            before, before, meaning->words);
    } else if (meaning->value != VALUE_NONE) {
        buf_printf(out, "complete -c blobforge%s", buf_text(&condition));
        fish_value(out, meaning);
        buf_putc(out, '\n');
    }
    buf_release(&condition);
}

void completion_fish(struct buf *out)
{
    buf_puts(
        out,
        "# fish completion for blobforge; made from its table of commands.\n"
        "\n"
        "# The command on the line; nothing while there is none.\n"
        "function __blobforge_command\n"
        "    set -l skip 0\n"
        "    for word in (commandline -opc)[2..-1]\n"
        "        if test $skip = 1\n"
        "            set skip 0\n"
        "            continue\n"
        "        end\n"
        "        switch $word\n"
        "            case -f --config --store -o --option\n"
        "                set skip 1\n"
        "            case '-*'\n"
        "            case '*'\n"
        "                echo $word\n"
        "                return\n"
        "        end\n"
        "    end\n"
        "end\n"
        "\n"
        "function __blobforge_no_command\n"
        "    test -z (__blobforge_command | string collect -a)\n"
        "end\n"
        "\n"
        "function __blobforge_command_is\n"
        "    test (__blobforge_command | string collect -a) = $argv[1]\n"
        "end\n"
        "\n"
        "# Hashes, names of settings: asked of the program, for the store that the line names.\n"
        "function __blobforge_ask\n"
        "    set -l words (commandline -opc)\n"
        "    set -l given\n"
        "    set -l i 2\n"
        "    while test $i -le (count $words)\n"
        "        switch $words[$i]\n"
        "            case -f --config --store -o --option\n"
        "                set -l next (math $i + 1)\n"
        "                test $next -le (count $words); and set -a given $words[$i] "
        "$words[$next]\n"
        "                set i $next\n"
        "            case '--config=*' '--store=*' '--option=*'\n"
        "                set -a given $words[$i]\n"
        "        end\n"
        "        set i (math $i + 1)\n"
        "    end\n"
        "    $words[1] $given complete $argv[1] (commandline -ct) 2>/dev/null\n"
        "end\n"
        "\n"
        "complete -c blobforge -f\n");
    fish_options(out, cli_global_options, "");
    for (const struct cli_command *const *c = cli_commands; *c != NULL; c++)
        if (!(*c)->hidden)
            fish_command(out, *c);
}
