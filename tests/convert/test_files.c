/* Tests of what convert does with files: slot folder, output check, packing. */
#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zip.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/rng.h"
#include "convert/check.h"
#include "convert/measure.h"
#include "convert/pack.h"
#include "convert/slot.h"
#include "root.h"

/* --- slot folder ------------------------------------------------------------------------------ */

static struct slot_folder *slot_make(const char *name)
{
    char *error = NULL;
    struct slot_folder *folder = slot_folder_open(root, name, &error);

    ck_assert_msg(folder != NULL, "%s", error);
    ck_assert_msg(slot_folder_prepare(folder, &error), "%s", error);
    return folder;
}

START_TEST(slot_prepares)
{
    struct slot_folder *folder = slot_make("main.slot0");
    const char *const subs[] = {"in", "out", "tmp"};
    struct stat st;
    char *error, *path = mem_strdup(slot_folder_path(folder));
    unsigned serial;
    int fd;

    ck_assert_int_eq(path[0], '/');
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(fstatat(slot_folder_fd(folder), subs[i], &st, 0), 0);
        if (slot_folder_identity(folder).change) { /* in/ is only read, the others are its own */
            ck_assert_uint_eq(st.st_mode, S_IFDIR | (i == 0 ? 0750 : 0700));
            ck_assert_uint_eq(st.st_uid, i == 0 ? 0 : slot_folder_identity(folder).uid);
        } else {
            ck_assert_uint_eq(st.st_mode, S_IFDIR | 0700);
        }
    }
    serial = slot_folder_serial(folder);
    fd = slot_folder_create_input(folder, "pdf", &error);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(write(fd, "x", 1), 1);
    close(fd);
    ck_assert_int_eq(fstatat(slot_folder_fd(folder), "in/document.pdf", &st, 0), 0);
    ck_assert_int_eq(slot_folder_create_input(folder, "../x", &error), -1);
    free(error);
    ck_assert(slot_folder_prepare(folder, &error));
    ck_assert_int_eq(fstatat(slot_folder_fd(folder), "in/document.pdf", &st, 0), -1);
    ck_assert_uint_eq(slot_folder_serial(folder), serial); /* they stayed the same folders */
    ck_assert_int_eq(unlinkat(slot_folder_fd(folder), "out", AT_REMOVEDIR), 0);
    ck_assert_int_eq(symlinkat("/etc", slot_folder_fd(folder), "out"), 0);
    ck_assert(slot_folder_prepare(folder, &error));
    ck_assert_int_eq(fstatat(slot_folder_fd(folder), "out", &st, AT_SYMLINK_NOFOLLOW), 0);
    ck_assert(S_ISDIR(st.st_mode));
    ck_assert_uint_ne(slot_folder_serial(folder), serial);
    slot_folder_close(folder);
    ck_assert_int_eq(stat(path, &st), -1);
    free(path);
}
END_TEST

START_TEST(slot_is_locked)
{
    struct slot_folder *folder = slot_make("main.slot0"), *other;
    char *error;

    ck_assert_ptr_null(slot_folder_open(root, "main.slot0", &error));
    ck_assert_ptr_nonnull(strstr(error, "another process works in it"));
    free(error);
    ck_assert_int_eq(slot_folders_sweep(root, "main."), 0);
    other = slot_folder_open_temporary(root, "convert", &error);
    ck_assert_ptr_nonnull(other);
    slot_folder_close(other);
    slot_folder_close(folder);
}
END_TEST

/* What a killed process leaves is swept; what has another prefix or is no folder stays. */
START_TEST(slot_sweeps)
{
    char *link = mem_printf("%s/main.link", root), *other = mem_printf("%s/other", root);
    struct stat st;
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        struct slot_folder *folder = slot_make("main.slot1");
        ck_assert_int_eq(mkdirat(slot_folder_fd(folder), "tmp/x", 0), 0);
        raise(SIGKILL);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(symlink("/etc", link), 0);
    ck_assert_int_eq(mkdir(other, 0700), 0);
    ck_assert_int_eq(slot_folders_sweep(root, "main."), 1);
    ck_assert_int_eq(slot_folders_sweep(root, "main."), 0);
    ck_assert_int_eq(lstat(link, &st), 0);
    ck_assert_int_eq(stat(other, &st), 0);
    ck_assert_int_eq(slot_folders_sweep("/nonexistent/place", "main."), 0);
    free(link);
    free(other);
}
END_TEST

START_TEST(tree_remove_deep)
{
    char *outside = mem_printf("%s/outside", root), *name = mem_printf("%s/deep", root);
    struct stat st;
    int fd, at;

    fd = open(outside, O_WRONLY | O_CREAT, 0600);
    close(fd);
    ck_assert_int_eq(mkdir(name, 0700), 0);
    at = open(name, O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 3000; i++) {
        int next;
        ck_assert_int_eq(mkdirat(at, "folder-that-makes-the-path-too-long", 0700), 0);
        ck_assert_int_eq(mkdirat(at, ".gone-1", 0700), 0); /* as our own names are */
        ck_assert_int_eq(symlinkat(outside, at, "link"), 0);
        ck_assert_int_eq(linkat(AT_FDCWD, outside, at, "hard", 0), 0);
        next = openat(at, "folder-that-makes-the-path-too-long", O_RDONLY | O_DIRECTORY);
        ck_assert_int_eq(fchmod(at, i % 2 == 0 ? 0 : 0500), 0);
        close(at);
        at = next;
    }
    close(at);
    ck_assert(tree_remove(AT_FDCWD, name));
    ck_assert_int_eq(lstat(name, &st), -1);
    ck_assert_int_eq(stat(outside, &st), 0);
    ck_assert_uint_eq(st.st_nlink, 1);
    ck_assert(tree_remove(AT_FDCWD, name));
    ck_assert_int_eq(symlink(outside, name), 0);
    ck_assert(tree_remove(AT_FDCWD, name));
    ck_assert_int_eq(stat(outside, &st), 0);
    free(outside);
    free(name);
}
END_TEST

START_TEST(free_space)
{
    int64_t bytes = -1;
    char *path = mem_printf("%s/not/there/yet", root);

    ck_assert(slot_free_bytes(path, &bytes));
    ck_assert_int_ge(bytes, 0);
    ck_assert(slot_free_bytes("/nonexistent", &bytes));
    free(path);
}
END_TEST

/* --- output check ----------------------------------------------------------------------------- */

static void file_put(struct slot_folder *folder, const char *name, const char *text)
{
    int fd = openat(slot_folder_fd(folder), name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static enum check_result check_now(struct slot_folder *folder, int64_t bytes, int64_t files,
                                   char **error_r)
{
    struct check_output output;
    enum check_result result = check_output(slot_folder_fd(folder), bytes, files, &output, error_r);

    check_output_release(&output);
    return result;
}

static void check_refuses(struct slot_folder *folder, int64_t bytes, int64_t files, const char *why)
{
    char *error;

    ck_assert_int_eq(check_now(folder, bytes, files, &error), CHECK_REFUSED);
    ck_assert_msg(strstr(error, why) != NULL, "%s", error);
    free(error);
}

START_TEST(check_limits)
{
    struct slot_folder *folder = slot_make("s");
    struct measure measure;
    char *error;
    int fd;

    file_put(folder, "out/content.md", "# x\n");
    ck_assert_int_eq(mkdirat(slot_folder_fd(folder), "out/assets", 0700), 0);
    file_put(folder, "out/assets/a", "12345");
    ck_assert_int_eq(check_now(folder, 9, 2, &error), CHECK_OK);
    check_refuses(folder, 8, 2, "larger than output_limit");
    check_refuses(folder, 9, 1, "more files than output_files");
    /* A file of a terabyte that takes no place on disk: refused without being read. */
    fd = openat(slot_folder_fd(folder), "out/content.md", O_WRONLY);
    ck_assert_int_eq(ftruncate(fd, (off_t)1 << 40), 0);
    close(fd);
    check_refuses(folder, (int64_t)2 << 30, 100, "larger than output_limit");
    measure_slot(slot_folder_fd(folder), 0, 0, &measure);
    ck_assert_int_ge(measure.bytes, (int64_t)1 << 40);
    ck_assert_int_eq(measure.files, 3);
    slot_folder_close(folder);
}
END_TEST

/* Only root makes devices; its converters do not run as root. */
START_TEST(check_device)
{
    struct slot_folder *folder = slot_make("s");
    dev_t null = makedev(1, 3);

    if (mknodat(slot_folder_fd(folder), "out/content.md", S_IFCHR | 0644, null) == 0)
        check_refuses(folder, 0, 0, "'content.md': a device");
    else
        ck_assert_int_ne(geteuid(), 0);
    slot_folder_close(folder);
}
END_TEST

START_TEST(check_info)
{
    struct slot_folder *folder = slot_make("s");
    struct check_output output;
    char *error;
    int fd;

    file_put(folder, "out/content.md", "# x\n");
    file_put(folder, "out/extra.txt", "");
    file_put(folder, "out/info.json", " {\"a\": {\"b\": [1]}} \n");
    ck_assert_int_eq(check_output(slot_folder_fd(folder), 0, 0, &output, &error), CHECK_OK);
    ck_assert_ptr_nonnull(output.info);
    ck_assert_int_eq(output.ignored, 1);
    ck_assert_ptr_nonnull(strstr(output.warning, "'extra.txt'"));
    check_output_release(&output);
    file_put(folder, "out/info.json", "[1]");
    check_refuses(folder, 0, 0, "'info.json': not one whole JSON object");
    file_put(folder, "out/info.json", "{\"a\": ");
    check_refuses(folder, 0, 0, "'info.json': not one whole JSON object");
    file_put(folder, "out/info.json", "{\"a\": \"\xff\"}");
    check_refuses(folder, 0, 0, "'info.json': not UTF-8");
    fd = openat(slot_folder_fd(folder), "out/info.json", O_WRONLY);
    ck_assert_int_eq(ftruncate(fd, CHECK_INFO_MAX + 1), 0);
    close(fd);
    check_refuses(folder, 0, 0, "'info.json': larger than 16 MiB");
    slot_folder_close(folder);
}
END_TEST

/* --- packing ---------------------------------------------------------------------------------- */

static void pack_once(struct slot_folder *folder, const struct pack_info *info,
                      struct pack_result *result_r)
{
    struct check_output output;
    char *error;

    ck_assert_int_eq(check_output(slot_folder_fd(folder), 0, 0, &output, &error), CHECK_OK);
    ck_assert_msg(pack_result_write(slot_folder_path(folder), &output, info, result_r, &error),
                  "%s", error);
    check_output_release(&output);
}

static struct pack_info pack_info_sample(void)
{
    return (struct pack_info){.hash = "abc",
                              .worker_id = "w",
                              .original_filename = "a \"b\".pdf",
                              .claim = "c1",
                              .size_bytes = 12,
                              .converted_ms = 1700000000123,
                              .fixed_time_ms = -1,
                              .pages = 3,
                              .converter_name = "pdf2md",
                              .seconds = 1.5,
                              .sandbox = "l0"};
}

START_TEST(pack_is_as_stated)
{
    static const char *const names[] = {"content.md", "info.json", "assets/B.png", "assets/a.png",
                                        "assets/b-1.jpg"};
    struct slot_folder *folder = slot_make("s");
    struct pack_info info = pack_info_sample();
    struct pack_result result;
    struct json_object *object;
    char *path, text[4096];
    zip_t *zip;
    zip_file_t *file;
    zip_int64_t len;
    int code;

    file_put(folder, "out/content.md", "# x\n");
    file_put(folder, "out/info.json", "{\"title\": \"T\"}");
    ck_assert_int_eq(mkdirat(slot_folder_fd(folder), "out/assets", 0700), 0);
    file_put(folder, "out/assets/b-1.jpg", "3");
    file_put(folder, "out/assets/a.png", "2");
    file_put(folder, "out/assets/B.png", "1");
    pack_once(folder, &info, &result);
    ck_assert_int_gt(result.length, 100);
    path = slot_folder_join(folder, "result.zip");
    zip = zip_open(path, ZIP_RDONLY | ZIP_CHECKCONS, &code);
    ck_assert_ptr_nonnull(zip);
    ck_assert_int_eq(zip_get_num_entries(zip, 0), 5);
    for (size_t i = 0; i < 5; i++) {
        zip_uint8_t system;
        zip_uint32_t attributes;
        zip_stat_t st;
        struct tm tm = {.tm_year = 80, .tm_mday = 1, .tm_isdst = -1};
        ck_assert_str_eq(zip_get_name(zip, i, 0), names[i]);
        ck_assert_int_eq(zip_stat_index(zip, i, 0, &st), 0);
        ck_assert_int_eq(st.comp_method, ZIP_CM_DEFLATE);
        ck_assert_int_eq(st.mtime, mktime(&tm));
        zip_file_get_external_attributes(zip, i, 0, &system, &attributes);
        ck_assert_int_eq(system, ZIP_OPSYS_UNIX);
        ck_assert_uint_eq(attributes >> 16, S_IFREG | 0644);
    }
    file = zip_fopen(zip, "info.json", 0);
    len = zip_fread(file, text, sizeof(text));
    zip_fclose(file);
    ck_assert_int_eq(json_parse(text, (size_t)len, sizeof(text), &object), JSON_OK);
    ck_assert_str_eq(json_get_text(object, "converted_at"), "2023-11-14T22:13:20.123Z");
    ck_assert_str_eq(json_get_text(object, "original_filename"), "a \"b\".pdf");
    ck_assert_str_eq(json_get_text(object, "size_bytes"), "12");
    ck_assert_str_eq(json_get_text(object, "claim"), "c1");
    ck_assert_str_eq(json_get_text(json_get_object(object, "document"), "title"), "T");
    ck_assert_str_eq(json_get_text(json_get_object(object, "converter"), "name"), "pdf2md");
    ck_assert_str_eq(json_get_text(json_get_object(object, "run"), "sandbox"), "l0");
    json_object_put(object);
    zip_discard(zip);
    free(path);
    pack_result_release(&result);
    slot_folder_close(folder);
}
END_TEST

START_TEST(pack_is_reproducible)
{
    struct slot_folder *folder = slot_make("s");
    struct pack_info info = pack_info_sample();
    struct pack_result first, second;

    file_put(folder, "out/content.md", "# x\n");
    info.fixed_time_ms = 86400000;
    pack_once(folder, &info, &first);
    setenv("TZ", "Pacific/Auckland", 1);
    info.claim = "c2";
    info.seconds = 9;
    info.converted_ms++;
    pack_once(folder, &info, &second);
    ck_assert_int_eq(first.length, second.length);
    ck_assert_mem_eq(first.md5, second.md5, MD5_BYTES);
    pack_result_release(&second);
    info.fixed_time_ms = -1;
    pack_once(folder, &info, &second);
    ck_assert_mem_ne(first.md5, second.md5, MD5_BYTES);
    pack_result_release(&first);
    pack_result_release(&second);
    slot_folder_close(folder);
}
END_TEST

START_TEST(pack_fails_aloud)
{
    struct slot_folder *folder = slot_make("s");
    struct pack_info info = pack_info_sample();
    struct pack_result result;
    struct check_output output;
    char *error;

    file_put(folder, "out/content.md", "# x\n");
    ck_assert_int_eq(check_output(slot_folder_fd(folder), 0, 0, &output, &error), CHECK_OK);
    ck_assert(!pack_result_write("/dev/null/nowhere", &output, &info, &result, &error));
    ck_assert_ptr_nonnull(strstr(error, "cannot "));
    free(error);
    ck_assert_int_eq(unlinkat(slot_folder_fd(folder), "out/content.md", 0), 0);
    ck_assert(!pack_result_write(slot_folder_path(folder), &output, &info, &result, &error));
    ck_assert_ptr_nonnull(strstr(error, "cannot write the result"));
    free(error);
    check_output_release(&output);
    slot_folder_close(folder);
}
END_TEST

/* The disk is full while the result is written: this host's fault, said with its remedy. A small
 * file system takes root and a mount namespace; elsewhere nothing is shown. */
START_TEST(pack_disk_full)
{
    struct slot_folder *folder;
    struct pack_info info = pack_info_sample();
    struct pack_result result;
    struct check_output output;
    struct rng_seeded seeded;
    char *error, *noise = mem_alloc(700 * 1024);

    rng_seeded_init(&seeded, 1); /* any bytes that do not deflate by half will do */
    if (unshare(CLONE_NEWNS) == -1 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
        mount("small", root, "tmpfs", 0, "size=1m") == -1) {
        free(noise);
        return;
    }
    folder = slot_make("s");
    for (size_t i = 0; i < 700 * 1024 - 1; i++)
        noise[i] = (char)('!' + rng_below(&seeded.rng, 90));
    file_put(folder, "out/content.md", noise);
    ck_assert_int_eq(check_output(slot_folder_fd(folder), 0, 0, &output, &error), CHECK_OK);
    ck_assert(!pack_result_write(slot_folder_path(folder), &output, &info, &result, &error));
    ck_assert_ptr_nonnull(strstr(error, "No space left on device; free some space"));
    free(error);
    check_output_release(&output);
    slot_folder_close(folder);
    free(noise);
    ck_assert_int_eq(umount(root), 0);
}
END_TEST

START_TEST(fixed_time)
{
    unsetenv("SOURCE_DATE_EPOCH");
    ck_assert_int_eq(pack_fixed_time(), -1);
    setenv("SOURCE_DATE_EPOCH", "12", 1);
    ck_assert_int_eq(pack_fixed_time(), 12000);
    setenv("SOURCE_DATE_EPOCH", "12x", 1);
    ck_assert_int_eq(pack_fixed_time(), -1);
    setenv("SOURCE_DATE_EPOCH", "99999999999999999999", 1);
    ck_assert_int_eq(pack_fixed_time(), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("convert files");
    TCase *files = tcase_create("files");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(files, root_make, root_remove);
    tcase_set_timeout(files, 60);
    tcase_add_test(files, slot_prepares);
    tcase_add_test(files, slot_is_locked);
    tcase_add_test(files, slot_sweeps);
    tcase_add_test(files, tree_remove_deep);
    tcase_add_test(files, free_space);
    tcase_add_test(files, check_limits);
    tcase_add_test(files, check_device);
    tcase_add_test(files, check_info);
    tcase_add_test(files, pack_is_as_stated);
    tcase_add_test(files, pack_is_reproducible);
    tcase_add_test(files, pack_fails_aloud);
    tcase_add_test(files, pack_disk_full);
    tcase_add_test(files, fixed_time);
    suite_add_tcase(suite, files);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
