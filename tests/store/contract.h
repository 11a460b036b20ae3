/* The contract suite: what store.h promises, asked of every store.
 *
 * A subject is a kind of store. Each test runs in a process of its own on a fresh bucket, or in a
 * shared one below a prefix of its own (`base`), so that tests run in parallel and twice. */
#ifndef BF_TESTS_STORE_CONTRACT_H
#define BF_TESTS_STORE_CONTRACT_H

#include <check.h>

#include "store/store.h"

struct subject {
    const char *name;
    void (*begin)(void);         /* makes the bucket; NULL: nothing to do */
    struct store *(*open)(void); /* another store on it; any thread */
    void (*end)(void);           /* removes the bucket; NULL: nothing to do */
    const char *base;            /* prefix of all keys: "" or ends in '/' */
    bool remote; /* slow: fewer repetitions. Grants are URLs: transfer.h's tests cover them */
};

/* Adds all tests, once per subject. `subjects` must stay. */
void contract_add(Suite *suite, const struct subject *subjects, int count);

#endif
