/* Runs the contract suite over the stores that need no server, or, with BLOBFORGE_TEST_STORE=URL,
 * over that directory alone (of any file system): below a prefix of its own, which is emptied. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "contract.h"
#include "store/store_fault.h"
#include "store/store_mem.h"
#include "store/store_open.h"

/* Check runs each test in a process of its own: this is that process's bucket. */
static struct store_mem *mem;

static void mem_begin_plain(void)
{
    mem = store_mem_create(NULL);
}

static void mem_begin_strict(void)
{
    mem = store_mem_create(&(struct store_mem_options){.conditional_delete = true,
                                                       .expiring_delete = true,
                                                       .page_max = 13,
                                                       .missing_is_precondition = true});
}

static struct store *mem_open(void)
{
    return store_mem_open(mem);
}

/* The fault wrapper without faults. A net belongs to one thread, so each store has its own; the
 * bucket is everybody's. */
static struct {
    struct store *inner;
    struct store_fault_net *net;
} nets[32];
static int net_count;

static struct store *fault_open(void)
{
    int i = __atomic_fetch_add(&net_count, 1, __ATOMIC_SEQ_CST);

    ck_assert_int_lt(i, (int)ARRAY_LEN(nets));
    nets[i].inner = store_mem_open(mem);
    nets[i].net = store_fault_net_create(nets[i].inner, clock_system(), NULL);
    return store_fault_open(nets[i].net, i);
}

static void mem_end(void)
{
    store_mem_destroy(mem);
}

static void fault_end(void)
{
    for (int i = 0; i < net_count; i++) {
        store_fault_net_destroy(nets[i].net);
        store_close(nets[i].inner);
    }
    mem_end();
}

static char *directory; /* of this process's directory store */

static void fs_begin(void)
{
    const char *tmp = getenv("TMPDIR");

    directory = mem_printf("%s/blobforge-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static struct store *fs_open(void)
{
    char *url = mem_printf("file://%s", directory);
    struct store *store;
    char *error = NULL;

    ck_assert_msg(store_open(url, NULL, &store, &error) == STORE_OPEN_OK, "%s", error);
    free(url);
    return store;
}

static void fs_end(void)
{
    char *command = mem_printf("rm -rf '%s'", directory);

    ck_assert_int_eq(system(command), 0);
    free(command);
    free(directory);
}

static struct store *named_open(void)
{
    struct store_options options = {.allow_network_fs = true};
    struct store *store;
    char *error = NULL;

    ck_assert_msg(store_open(getenv("BLOBFORGE_TEST_STORE"), &options, &store, &error) ==
                      STORE_OPEN_OK,
                  "%s", error);
    return store;
}

static const struct subject named = {"named", NULL, named_open, NULL, "pdf/", false};

static const struct subject all[] = {
    {"memory", mem_begin_plain, mem_open, mem_end, "", false},
    {"memory-strict", mem_begin_strict, mem_open, mem_end, "pdf/", false},
    {"memory-fault", mem_begin_plain, fault_open, fault_end, "", false},
    {"directory", fs_begin, fs_open, fs_end, "pdf/", false},
};

int main(void)
{
    Suite *suite = suite_create("store");
    SRunner *runner = srunner_create(suite);
    int failed;

    if (getenv("BLOBFORGE_TEST_STORE") != NULL)
        contract_add(suite, &named, 1);
    else
        contract_add(suite, all, ARRAY_LEN(all));
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
