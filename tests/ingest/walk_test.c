/* The walk: names, links, loops, depth, what cannot be read. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ingest/walk.h"
#include "support.h"

struct seen {
    int files, errors;
    char *names; /* relative paths, each after a newline */
    int64_t links;
    size_t roots;
};

static struct seen walk_all(char *const *paths, size_t count, bool follow)
{
    struct walk_options options = {.follow_symlinks = follow, .sizes = true};
    struct walk *walk = walk_create(paths, count, &options);
    struct seen seen = {0};
    struct buf names = BUF_INIT;
    struct walk_entry entry;
    enum walk_result result;

    buf_putc(&names, '\n');
    while ((result = walk_next(walk, &entry)) != WALK_END) {
        if (result == WALK_FILE) {
            int fd = walk_open(walk);
            seen.files++;
            buf_printf(&names, "%s\n", entry.relative);
            if (fd >= 0)
                close(fd);
        } else {
            seen.errors++;
            ck_assert_int_ne(entry.error_number, 0);
        }
    }
    seen.names = buf_steal(&names);
    seen.links = walk_links_passed(walk);
    seen.roots = walk_roots_opened(walk);
    walk_destroy(walk);
    return seen;
}

START_TEST(suffix_in_any_case)
{
    struct seen seen;

    write_pdf("a.pdf", "a");
    write_pdf("B.PDF", "b");
    write_pdf("sub/deep/c.PdF", "c");
    write_pdf("notes.txt", "d");
    write_pdf(".pdf", "e");
    write_pdf("folder.pdf/in.pdf", "f");
    seen = walk_all(&dir, 1, false);
    ck_assert_int_eq(seen.files, 4);
    ck_assert_int_eq(seen.errors, 0);
    ck_assert_ptr_nonnull(strstr(seen.names, "\nsub/deep/c.PdF\n"));
    ck_assert_ptr_nonnull(strstr(seen.names, "\nB.PDF\n"));
    ck_assert_ptr_nonnull(strstr(seen.names, "\nfolder.pdf/in.pdf\n"));
    ck_assert_uint_eq(seen.roots, 1);
    free(seen.names);
}
END_TEST

START_TEST(named_files_of_any_name)
{
    char *paths[3];
    struct seen seen;

    write_pdf("report", "a");
    write_pdf("sub/x.pdf", "b");
    paths[0] = dir_path("report");
    paths[1] = dir_path("sub/x.pdf");
    paths[2] = dir_path("missing.pdf");
    seen = walk_all(paths, 3, false);
    ck_assert_str_eq(seen.names, "\nreport\nx.pdf\n");
    ck_assert_int_eq(seen.errors, 1);
    ck_assert_uint_eq(seen.roots, 2);
    for (int i = 0; i < 3; i++)
        free(paths[i]);
    free(seen.names);
}
END_TEST

START_TEST(source_is_the_given_folder)
{
    struct walk_options options = {0};
    char *path = dir_path("library/sub/");
    struct walk_entry entry;
    struct walk *walk;

    write_pdf("library/sub/y/x.pdf", "a");
    walk = walk_create(&path, 1, &options);
    ck_assert_int_eq(walk_next(walk, &entry), WALK_FILE);
    ck_assert_str_eq(entry.source, "sub");
    ck_assert_str_eq(entry.relative, "y/x.pdf");
    ck_assert(!entry.named);
    ck_assert_int_eq(walk_next(walk, &entry), WALK_END);
    walk_destroy(walk);
    free(path);
    path = dir_path("library/sub/y/x.pdf");
    walk = walk_create(&path, 1, &options);
    ck_assert_int_eq(walk_next(walk, &entry), WALK_FILE);
    ck_assert_str_eq(entry.source, "y");
    ck_assert_str_eq(entry.relative, "x.pdf");
    ck_assert(entry.named);
    walk_destroy(walk);
    free(path);
}
END_TEST

START_TEST(links_and_loops)
{
    char *here = dir_path("a/b/loop"), *out = dir_path("a/out"), *file = dir_path("a/link.pdf");
    char *broken = dir_path("a/broken.pdf");
    char *tree = dir_path("a");
    struct seen seen;

    write_pdf("a/b/x.pdf", "x");
    write_pdf("other/y.pdf", "y");
    ck_assert_int_eq(symlink("..", here), 0);
    ck_assert_int_eq(symlink("../other", out), 0);
    ck_assert_int_eq(symlink("b/x.pdf", file), 0);
    ck_assert_int_eq(symlink("nowhere", broken), 0);
    seen = walk_all(&tree, 1, false);
    ck_assert_str_eq(seen.names, "\nb/x.pdf\n");
    ck_assert_int_eq(seen.links, 4);
    free(seen.names);
    seen = walk_all(&tree, 1, true);
    ck_assert_int_eq(seen.files, 3);
    ck_assert_int_eq(seen.errors, 1);
    ck_assert_ptr_nonnull(strstr(seen.names, "\nout/y.pdf\n"));
    ck_assert_ptr_nonnull(strstr(seen.names, "\nlink.pdf\n"));
    free(seen.names);
    /* A PATH that is a link is taken: it was named. */
    seen = walk_all(&out, 1, false);
    ck_assert_str_eq(seen.names, "\ny.pdf\n");
    free(seen.names);
    free(here);
    free(out);
    free(file);
    free(broken);
    free(tree);
}
END_TEST

START_TEST(names_of_any_bytes)
{
    struct seen seen;

    write_pdf("caf\xe9.pdf", "a");
    write_pdf("new\nline.pdf", "b");
    write_pdf("sp ace/\xff\xfe/\x01.pdf", "c");
    write_pdf("-rf.pdf", "d");
    seen = walk_all(&dir, 1, false);
    ck_assert_int_eq(seen.files, 4);
    ck_assert_ptr_nonnull(strstr(seen.names, "\ncaf\xe9.pdf\n"));
    ck_assert_ptr_nonnull(strstr(seen.names, "sp ace/\xff\xfe/\x01.pdf"));
    free(seen.names);
}
END_TEST

START_TEST(unreadable_folder_is_said)
{
    char *shut = dir_path("shut");
    struct seen seen;

    write_pdf("shut/a.pdf", "a");
    write_pdf("open/b.pdf", "b");
    ck_assert_int_eq(chmod(shut, 0), 0);
    seen = walk_all(&dir, 1, false);
    if (access(shut, R_OK) == 0) /* root reads everything */
        ck_assert_int_eq(seen.files, 2);
    else
        ck_assert(seen.files == 1 && seen.errors == 1);
    free(seen.names);
    free(shut);
}
END_TEST

START_TEST(deeper_than_we_go)
{
    char *top = mem_strdup(dir);
    struct seen seen;

    /* Made step by step: the whole path is longer than PATH_MAX. */
    write_pdf("top.pdf", "t");
    ck_assert_int_eq(chdir(dir), 0);
    for (int i = 0; i < WALK_DEPTH_MAX + 3; i++) {
        ck_assert_int_eq(mkdir("ddddddddd", 0755), 0);
        ck_assert_int_eq(chdir("ddddddddd"), 0);
    }
    ck_assert_int_eq(chdir("/"), 0);
    seen = walk_all(&top, 1, false);
    ck_assert_int_eq(seen.files, 1);
    ck_assert_int_eq(seen.errors, 1);
    free(seen.names);
    free(top);
}
END_TEST

Suite *walk_suite(void)
{
    Suite *suite = suite_create("walk");
    TCase *tcase = tcase_create("walk");

    tcase_add_checked_fixture(tcase, dir_begin, dir_end);
    tcase_add_test(tcase, suffix_in_any_case);
    tcase_add_test(tcase, named_files_of_any_name);
    tcase_add_test(tcase, source_is_the_given_folder);
    tcase_add_test(tcase, links_and_loops);
    tcase_add_test(tcase, names_of_any_bytes);
    tcase_add_test(tcase, unreadable_folder_is_said);
    tcase_add_test(tcase, deeper_than_we_go);
    suite_add_tcase(suite, tcase);
    return suite;
}
