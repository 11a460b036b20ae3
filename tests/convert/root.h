/* The folder that each of convert's tests with files has to itself. */
#ifndef BF_TESTS_CONVERT_ROOT_H
#define BF_TESTS_CONVERT_ROOT_H

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "convert/slot.h"

static char *root; /* full path */

/* A checked fixture: with these around it, `root` is there in a test, and gone behind it. */
static void root_make(void)
{
    const char *tmp = getenv("TMPDIR");

    root = mem_printf("%s/bf-convert.XXXXXX", tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void root_remove(void)
{
    ck_assert(tree_remove(AT_FDCWD, root));
    free(root);
}

#endif
