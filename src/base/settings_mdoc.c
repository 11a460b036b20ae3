/* Prints the settings as an mdoc list or, with the argument `sample`, as a file to copy from:
 * neither can differ from the table in the code. Runs during the build. */
#include <stdio.h>
#include <string.h>

#include "base/settings.h"

/* Text that is no macro: no line begins with a dot or quote, backslashes are printed as such. */
static void print_text(const char *text)
{
    size_t column = 0;
    bool sentence_ended = false;

    while (*text != '\0') {
        size_t word = strcspn(text, " ");

        /* mandoc wants a sentence to begin a line */
        if (column > 0 && (column + word > 76 || sentence_ended)) {
            putchar('\n');
            column = 0;
        } else if (column > 0) {
            putchar(' ');
        }
        if (column == 0 && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        for (size_t i = 0; i < word; i++) {
            if (text[i] == '\\')
                fputs("\\e", stdout);
            else
                putchar(text[i]);
        }
        sentence_ended = word > 0 && strchr(".!?", text[word - 1]) != NULL;
        column += word + 1;
        text += word;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_words(const char *meaning)
{
    size_t left = strcspn(meaning, ":");

    printf("One of\n");
    while (left > 0) {
        size_t word = strcspn(meaning, "|:");
        printf(".Ql %.*s%s\n", (int)word, meaning, word < left ? " ," : " ;");
        left -= word < left ? word + 1 : word;
        meaning += word + 1;
    }
}

static void print_type(enum setting_id id)
{
    struct buf bounds = BUF_INIT;

    setting_bounds(id, &bounds);
    switch (setting_type(id)) {
    case SETTING_TYPE_TEXT:
        break;
    case SETTING_TYPE_INT:
        printf("A number, %s;\n", buf_text(&bounds));
        break;
    case SETTING_TYPE_BOOL:
        printf("Yes or no;\n");
        break;
    case SETTING_TYPE_DURATION:
        printf("A duration, %s;\n", buf_text(&bounds));
        break;
    case SETTING_TYPE_SIZE:
        printf("A size, %s;\n", buf_text(&bounds));
        break;
    case SETTING_TYPE_WORD:
        print_words(setting_meaning(id));
        break;
    }
    buf_release(&bounds);
}

static void print_setting(enum setting_id id)
{
    const char *def = setting_default(id), *meaning = setting_meaning(id);

    printf(".It Ic %s\n", setting_name(id));
    print_type(id);
    printf("%s", setting_type(id) == SETTING_TYPE_TEXT ? "Default:" : "default:");
    if (*def == '\0')
        printf(" empty");
    else
        printf("\n.Ql %s", def);
    if (setting_reloadable(id))
        printf("\n(R).\n");
    else
        printf("%s\n", *def == '\0' ? "." : " .");
    printf(".Pp\n");
    if (setting_type(id) == SETTING_TYPE_WORD) {
        meaning += strcspn(meaning, ":") + 1;
        meaning += strspn(meaning, " ");
    }
    print_text(meaning);
}

/* "# text" lines of at most 78 columns. */
static void print_comment(const char *text)
{
    size_t column = 0;

    while (*text != '\0') {
        size_t word = strcspn(text, " ");

        if (column == 0 || column + 1 + word > 78) {
            printf("%s# ", column > 0 ? "\n" : "");
            column = 2;
        } else {
            putchar(' ');
            column++;
        }
        printf("%.*s", (int)word, text);
        column += word;
        text += word;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_sample(void)
{
    printf("# Settings of BlobForge: every one with its default. Take the # away from what you\n"
           "# change. See blobforge.conf(5).\n");
    for (int i = 0; i < SETTING_COUNT; i++) {
        const char *def = setting_default((enum setting_id)i);

        putchar('\n');
        print_comment(setting_meaning((enum setting_id)i));
        printf("#%s =%s%s\n", setting_name((enum setting_id)i), *def != '\0' ? " " : "", def);
    }
}

static void print_list(void)
{
    printf(".Bl -tag -width Ds\n");
    for (int i = 0; i < SETTING_COUNT; i++)
        print_setting((enum setting_id)i);
    printf(".El\n");
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "sample") == 0)
        print_sample();
    else
        print_list();
    return ferror(stdout) || fflush(stdout) != 0;
}
