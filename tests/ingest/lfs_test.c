/* Git LFS content: fetched from a real remote into the working tree, uploaded, and back. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ingest/lfs_pull.h"
#include "support.h"

/* dir/work is a clone without content of dir/remote.git, a file:// remote that holds it. */
static const char setup[] =
    "exec >/dev/null 2>&1; set -e; cd \"$TREE\"; export HOME=$PWD GIT_CONFIG_NOSYSTEM=1; "
    "git config --global user.email a@b; git config --global user.name a; "
    "git config --global init.defaultBranch main; git lfs install; "
    "git init --bare remote.git; git init first; cd first; "
    "echo '*.pdf* filter=lfs diff=lfs merge=lfs -text' >.gitattributes; mkdir -p sub 'd[1]*'; "
    "i=0; for name in a.pdf sub/a.pdf x,y.pdf x-y.pdf 'st*r.pdf' star.pdf '[ab].pdf' 'b\\s.pdf' "
    "\"$(printf 'n\\nl.pdf')\" \"$(printf 'bad\\377.pdf')\" ./-x.pdf 'd[1]*/!#.pdf' ' lead.pdf' "
    "'trail.pdf ' '#h.pdf' '{a,b}.pdf' '\"q\".pdf'; do "
    "i=$((i + 1)); printf '%%PDF-1.4\\n%s of content\\n' $i >\"$name\"; done; "
    "git add -A; git commit -m x; git remote add origin \"file://$TREE/remote.git\"; "
    "git push origin main; cd ..; "
    "GIT_LFS_SKIP_SMUDGE=1 git clone \"file://$TREE/remote.git\" work";
#define FILES 16 /* that end in .pdf */

static bool have_lfs(void)
{
    if (system("git lfs version >/dev/null 2>&1") == 0)
        return true;
    printf("skipped: no git-lfs; it is in tests/packages.txt\n");
    return false;
}

static int shell(const char *text)
{
    char *command = mem_printf("export HOME=\"$TREE\" GIT_CONFIG_NOSYSTEM=1; cd \"$TREE/work\" && "
                               "{ %s; }",
                               text);
    int status = system(command);

    free(command);
    return status;
}

/* Nothing staged, changed or left; every PDF is a pointer. */
static void expect_clean(void)
{
    ck_assert_int_eq(shell("test -z \"$(git status --porcelain --untracked-files=all)\""), 0);
    ck_assert_int_eq(shell("test -z \"$(find . -path ./.git -prune -o -type f -name '*.pdf*' -exec "
                           "grep -L '^version https://git-lfs' {} +)\""),
                     0);
}

/* The trees are made once, where every test copies them from. */
static char model[] = "/tmp/blobforge-lfs.XXXXXX";

static bool model_make(void)
{
    return mkdtemp(model) != NULL && setenv("TREE", model, 1) == 0 &&
           setenv("HOME", model, 1) == 0 && setenv("GIT_CONFIG_NOSYSTEM", "1", 1) == 0 &&
           system(setup) == 0;
}

static void model_remove(void)
{
    char *command = mem_printf("rm -rf %s", model);

    (void)!system(command);
    free(command);
}

static bool tree_begin(void)
{
    if (!have_lfs())
        return false;
    ck_assert_int_eq(setenv("TREE", dir, 1), 0);
    ck_assert_int_eq(setenv("HOME", dir, 1), 0);
    ck_assert_int_eq(setenv("GIT_CONFIG_NOSYSTEM", "1", 1), 0);
    ck_assert_int_eq(setenv("MODEL", model, 1), 0);
    ck_assert_int_eq(system("cp -a \"$MODEL/.\" \"$TREE/\" && sed -i \"s|$MODEL/|$TREE/|\" "
                            "\"$TREE\"/*/.git/config"),
                     0);
    expect_clean();
    return true;
}

static enum queue_result ingest_work(const struct ingest_options *options, struct store *store,
                                     struct ingest_summary *summary_r)
{
    struct ingest_options mine = *options;
    char *path = dir_path("work");
    enum queue_result result;

    mine.paths = &path;
    mine.path_count = 1;
    result = run(&mine, store, summary_r);
    free(path);
    return result;
}

START_TEST(content_comes_and_the_tree_is_as_before)
{
    struct ingest_options options = {0};
    struct ingest_summary summary;
    char hash[65], *key, *text;

    if (!tree_begin())
        return;
    options.dry_run = true;
    ck_assert_int_eq(ingest_work(&options, NULL, &summary), QUEUE_OK);
    ck_assert_int_eq(summary.queued, FILES);
    ck_assert_int_ne(shell("test -d .git/lfs/objects && find .git/lfs/objects -type f | grep -q ."),
                     0);
    options.dry_run = false;
    ck_assert_int_eq(ingest_work(&options, NULL, &summary), QUEUE_OK);
    ck_assert_int_eq(summary.queued, FILES);
    ck_assert_int_eq(summary.uploaded, FILES);
    ck_assert_int_eq(summary.errors, 0);
    expect_clean();
    hash_of("first/d[1]*/!#.pdf", hash);
    key = mem_printf("store/raw/%s.pdf", hash);
    text = bucket_text(key);
    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(strncmp(text, "%PDF-1.4\n", 9), 0);
    free(text);
    free(key);

    /* What is known needs no content: nothing is fetched again. */
    ck_assert_int_eq(shell("rm -rf .git/lfs/objects ../remote.git/lfs"), 0);
    ck_assert_int_eq(ingest_work(&options, NULL, &summary), QUEUE_OK);
    ck_assert_int_eq(summary.skipped_by[INGEST_TODO], FILES);
    ck_assert_int_eq(summary.errors, 0);
}
END_TEST

START_TEST(only_the_one_file_is_fetched)
{
    struct ingest_options options = {0};
    char *paths[] = {dir_path("work/x,y.pdf"), dir_path("work/st*r.pdf"), dir_path("work/a.pdf")};

    if (tree_begin()) {
        options.paths = paths;
        options.path_count = 2;
        ck_assert_int_eq(run(&options, NULL, NULL), QUEUE_OK);
        ck_assert_uint_eq(bucket_count("store/raw/"), 2);
        expect_clean();
        /* x-y.pdf may have come with x,y.pdf; star.pdf and the others did not. */
        ck_assert_int_eq(shell("test $(find .git/lfs/objects -type f | wc -l) -le 3"), 0);
        options.paths = paths + 2;
        options.path_count = 1;
        ck_assert_int_eq(run(&options, NULL, NULL), QUEUE_OK);
        ck_assert_uint_eq(bucket_count("store/raw/"), 3);
        ck_assert_int_eq(shell("test $(find .git/lfs/objects -type f | wc -l) -le 4"), 0);
        expect_clean();
    }
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        free(paths[i]);
}
END_TEST

START_TEST(a_pull_that_fails_costs_one_file)
{
    struct ingest_options options = {0};
    struct ingest_summary summary;
    char hash[65], *command;

    if (!tree_begin())
        return;
    hash_of("first/a.pdf", hash);
    command = mem_printf("rm ../remote.git/lfs/objects/%.2s/%.2s/%s", hash, hash + 2, hash);
    ck_assert_int_eq(shell(command), 0);
    free(command);
    /* Not in the commit that is checked out. */
    ck_assert_int_eq(shell("sed 's/sha256:....../sha256:000000/' x-y.pdf >new.pdf"), 0);
    ck_assert_int_eq(shell("cp new.pdf new-twin.pdf"), 0);
    ck_assert_int_eq(ingest_work(&options, NULL, &summary), QUEUE_OK);
    ck_assert_int_eq(summary.queued, FILES - 1);
    ck_assert_int_eq(summary.errors, 3);
    ck_assert_int_eq(summary.by_reason[INGEST_LFS_MISSING], 3);
    ck_assert_ptr_nonnull(strstr(outcome_of("work/a.pdf")->error, "git lfs pull"));
    /* Of twins one is tried. */
    ck_assert_int_eq((strstr(outcome_of("work/new.pdf")->error, "commit it") != NULL) +
                         (strstr(outcome_of("work/new-twin.pdf")->error, "commit it") != NULL),
                     1);
    ck_assert_int_eq(shell("rm new.pdf new-twin.pdf"), 0);
    expect_clean();
}
END_TEST

START_TEST(without_git_or_repository)
{
    struct ingest_options options = {0};
    char *bin;

    if (!tree_begin())
        return;
    ck_assert_int_eq(shell("cp -r . ../copy && rm -rf ../copy/.git && mkdir ../bin && ln -s "
                           "\"$(command -v git)\" ../bin/git"),
                     0);
    bin = dir_path("copy");
    options.paths = &bin;
    options.path_count = 1;
    /* The test's own folder may lie in a repository. */
    ck_assert_int_eq(setenv("GIT_CEILING_DIRECTORIES", dir, 1), 0);
    ck_assert_int_eq(run(&options, NULL, NULL), QUEUE_OK);
    ck_assert_int_eq(outcome_of("copy/a.pdf")->reason, INGEST_LFS_MISSING);
    ck_assert_ptr_nonnull(strstr(outcome_of("copy/a.pdf")->error, "no working tree"));
    free(bin);

    bin = dir_path("bin");
    ck_assert_int_eq(setenv("PATH", bin, 1), 0);
    ck_assert_int_eq(ingest_work(&options, NULL, NULL), QUEUE_OK);
    ck_assert_ptr_nonnull(strstr(outcome_of("work/a.pdf")->error, "lfs"));
    ck_assert_int_eq(setenv("PATH", dir, 1), 0);
    ck_assert_int_eq(ingest_work(&options, NULL, NULL), QUEUE_OK);
    ck_assert_ptr_nonnull(strstr(outcome_of("work/a.pdf")->error, "install the packages"));
    ck_assert_uint_eq(bucket_count("store/raw/"), 0);
    ck_assert_int_eq(setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1), 0);
    expect_clean();
    free(bin);
}
END_TEST

/* A transfer that never ends: killed with everything it started, at the deadline or by a stop. */
static const char slow_agent[] =
    "printf '#!/bin/sh\\nsleep 1000 & echo $! >\"%s/agent.pid\"; wait\\n' \"$TREE\" >../agent && "
    "chmod +x ../agent && git config lfs.standalonetransferagent slow && "
    "git config lfs.customtransfer.slow.path \"$TREE/agent\"";

static volatile sig_atomic_t stop;

static void stop_once_it_runs(void *arg, const struct ingest_progress *progress)
{
    char *path = dir_path("agent.pid");

    if (access(path, F_OK) == 0)
        stop = 1;
    free(path);
}

START_TEST(a_pull_that_hangs)
{
    char *path = dir_path("work/a.pdf");
    struct ingest_options options = {.paths = &path, .path_count = 1, .lfs_limit_ms = 3000};
    struct ingest_summary summary;

    if (tree_begin()) {
        ck_assert_int_eq(shell(slow_agent), 0);
        ck_assert_int_eq(run(&options, NULL, &summary), QUEUE_OK);
        ck_assert_int_eq(outcome_of("a.pdf")->reason, INGEST_LFS_MISSING);
        ck_assert_ptr_nonnull(strstr(outcome_of("a.pdf")->error, "not done within 3 s"));
        expect_clean();
        ck_assert_int_eq(shell("rm -f ../agent.pid"), 0);

        options.lfs_limit_ms = 0;
        options.stop = &stop;
        options.progress = stop_once_it_runs;
        ck_assert_int_eq(run(&options, NULL, &summary), QUEUE_OK);
        ck_assert(summary.stopped);
        ck_assert_int_eq(summary.errors, 0);
        ck_assert_int_eq(shell("i=0; while kill -0 $(cat ../agent.pid) 2>/dev/null; do i=$((i+1)); "
                               "test $i -lt 600 || exit 1; sleep 0.05; done"),
                         0);
        expect_clean();
    }
    free(path);
}
END_TEST

/* Between pull and upload. */
static bool stood_there;

static void look_and_stop(void)
{
    stood_there = shell("test -n \"$(find . -path ./.git -prune -o -name '*.pdf*' -exec grep -l "
                        "'^%PDF' {} +)\"") == 0;
    stop = 1;
}

START_TEST(stopped_before_the_upload)
{
    struct fault fault = {.kind = STORE_PUT, .part = "store/raw/", .before = look_and_stop};
    struct ingest_options options = {.stop = &stop};
    struct ingest_summary summary;

    if (!tree_begin())
        return;
    ck_assert_int_eq(ingest_work(&options, fault_open(&fault), &summary), QUEUE_OK);
    ck_assert(summary.stopped);
    ck_assert(stood_there);
    ck_assert_int_lt(summary.queued, FILES);
    expect_clean();
    stop = 0;
    ck_assert_int_eq(ingest_work(&options, NULL, &summary), QUEUE_OK);
    ck_assert_uint_eq(bucket_count("queue/todo/"), FILES);
    expect_clean();
}
END_TEST

/* The store refuses the upload: the pointer is back all the same. And a file that somebody changed
 * while it stood there is left alone. */
START_TEST(refused_upload)
{
    struct fault fault = {
        .kind = STORE_PUT, .part = "store/raw/", .count = -1, .how = STORE_FAULT_FATAL};
    struct ingest_options options = {0};

    if (!tree_begin())
        return;
    ck_assert_int_ne(ingest_work(&options, fault_open(&fault), NULL), QUEUE_OK);
    expect_clean();
}
END_TEST

static void change_a(void)
{
    ck_assert_int_eq(shell("echo mine >>a.pdf"), 0);
}

START_TEST(changed_by_its_user)
{
    struct fault fault = {.kind = STORE_PUT, .part = "store/raw/", .before = change_a};
    char *path = dir_path("work/a.pdf");
    struct ingest_options options = {.paths = &path, .path_count = 1};

    if (tree_begin()) {
        ck_assert_int_eq(run(&options, fault_open(&fault), NULL), QUEUE_OK);
        ck_assert_int_eq(outcome_of("a.pdf")->reason, INGEST_CHANGED);
        ck_assert_int_eq(shell("tail -n 1 a.pdf | grep -q mine"), 0);
        ck_assert_uint_eq(bucket_count("queue/todo/"), 0);
    }
    free(path);
}
END_TEST

/* A run that is killed outright leaves files that git calls clean, and the next run is complete. */
START_TEST(killed_in_between)
{
    struct ingest_options options = {0};
    struct ingest_summary summary;

    if (!tree_begin())
        return;
    /* What a kill between pull and upload leaves. */
    ck_assert_int_eq(shell("git lfs pull --include=/a.pdf >/dev/null"), 0);
    ck_assert_int_eq(shell("test -z \"$(git status --porcelain)\""), 0);
    ck_assert_int_eq(ingest_work(&options, NULL, &summary), QUEUE_OK);
    ck_assert_int_eq(summary.queued, FILES);
    ck_assert_int_eq(shell("test -z \"$(git status --porcelain)\""), 0);
}
END_TEST

START_TEST(patterns)
{
    static const struct {
        const char *path, *pattern;
        bool exact;
    } rows[] = {
        {"a.pdf", "/a.pdf", true},
        {"-x.pdf", "/-x.pdf", true},
        {"a b/*?[]\\!#.pdf", "/a b/\\*\\?\\[\\]\\\\\\!\\#.pdf", true},
        {"{a,b}.pdf", "/{a[+--]b}.pdf", false},
        {"x.pdf ", "/x.pdf[ ]", true},
        {"bad\xff\n.pdf", "/bad\xff\n.pdf", true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool exact;
        char *pattern = lfs_pattern(rows[i].path, &exact);

        ck_assert_str_eq(pattern, rows[i].pattern);
        ck_assert_int_eq(exact, rows[i].exact);
        free(pattern);
    }
}
END_TEST

int main(void)
{
    SRunner *runner;
    int failed;
    Suite *suite = suite_create("lfs");
    TCase *tcase = tcase_create("lfs");

    tcase_add_checked_fixture(tcase, bucket_begin, bucket_end);
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, patterns);
    tcase_add_test(tcase, content_comes_and_the_tree_is_as_before);
    tcase_add_test(tcase, only_the_one_file_is_fetched);
    tcase_add_test(tcase, a_pull_that_fails_costs_one_file);
    tcase_add_test(tcase, without_git_or_repository);
    tcase_add_test(tcase, a_pull_that_hangs);
    tcase_add_test(tcase, stopped_before_the_upload);
    tcase_add_test(tcase, refused_upload);
    tcase_add_test(tcase, changed_by_its_user);
    tcase_add_test(tcase, killed_in_between);
    suite_add_tcase(suite, tcase);
    if (have_lfs() && !model_make())
        return EXIT_FAILURE;
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    model_remove();
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
