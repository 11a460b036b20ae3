/* What the files of the contract suite share; nobody else includes this. */
#ifndef BF_TESTS_STORE_CONTRACT_PARTS_H
#define BF_TESTS_STORE_CONTRACT_PARTS_H

#include "contract.h"

extern const struct subject *subject; /* of the running test */
extern char base[256];                /* prefix of the running test's keys */
extern struct store *store;
extern char last_etag[STORE_ETAG_SIZE]; /* of the last put() that was OK */

#define ROUNDS(local, far) (subject->remote ? (far) : (local))
#define CHECK_STATUS(got, want)                                                                    \
    do {                                                                                           \
        enum store_status got_ = (got), want_ = (want);                                            \
        ck_assert_msg(got_ == want_, "%s: %s is %s, not %s", subject->name, #got,                  \
                      store_status_name(got_), store_status_name(want_));                          \
    } while (0)

/* The running test's store is opened; at its end all keys are removed. */
void begin(int i);
/* Remembers memory until the process, thus the test, ends. */
void *keep(void *memory);
/* A key below the running test's prefix; kept. */
char *full(const char *key);
void delete_all(void);
void end(void);
/* small steps; etag NULL: none */
enum store_status put_in(struct store *to, const char *key, const char *body, enum store_cond cond,
                         const char *etag, char etag_r[static STORE_ETAG_SIZE]);
enum store_status put(const char *key, const char *body, enum store_cond cond, const char *etag);
enum store_status delete_in(struct store *from, const char *key, enum store_cond cond,
                            const char *etag);
char *get_in(struct store *from, const char *key, char *etag_r);
char *get(const char *key);
bool is_refusal(enum store_status status);

/* contract_objects.c: conditions, bodies, metadata. */
void contract_add_objects(TCase *tcase, int count);
/* contract_lists.c */
void contract_add_lists(TCase *tcase, int count);
/* contract_shared.c: batches, grants, races of several stores. */
void contract_add_shared(TCase *tcase, int count);

#endif
