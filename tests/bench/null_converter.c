/* The converter that does nothing: what is left of a job's time is ours. Arguments: INPUT OUTDIR
 * [DIGIT]; documents whose hash begins with that digit fail, which is a sixteenth of all.
 * Where it is given jobs by descriptor 4 it stays (converter_mode = resident). */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool convert(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    return fd >= 0 && write(fd, "# Nothing\n", 10) == 10 && close(fd) == 0;
}

int main(int argc, char **argv)
{
    const char *hash = getenv("BLOBFORGE_HASH");
    char name[4096], order[16];

    if (argc < 3 || snprintf(name, sizeof(name), "%s/content.md", argv[2]) >= (int)sizeof(name))
        return 64;
    if (argc > 3 && hash != NULL && hash[0] == argv[3][0])
        return 1;
    if (fcntl(4, F_GETFD) == -1)
        return convert(name) ? 0 : 73;
    while (read(4, order, sizeof(order)) > 0)
        if (!convert(name) || write(3, "done 0\n", 7) != 7)
            return 73;
    return 0;
}
