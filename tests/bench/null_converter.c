/* The converter that does nothing: what is left of a job's time is ours. Arguments: INPUT OUTDIR.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char name[4096];
    int fd;

    if (argc != 3 || snprintf(name, sizeof(name), "%s/content.md", argv[2]) >= (int)sizeof(name))
        return 64;
    fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "# Nothing\n", 10) != 10 || close(fd) != 0)
        return 73;
    return 0;
}
