/* The contract suite: batches, grants, races of several stores, big bodies (contract_parts.h). */
#include "contract_parts.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"

/* ---- batches ---- */

START_TEST(batches)
{
    enum {
        N = 50
    };
    struct store_op ops[2][N];
    struct store_batch batch[2] = {{.ops = ops[0], .count = N}, {.ops = ops[1], .count = N}};
    struct store_batch none = {.count = 0};
    struct store_batch *ended;
    int seen = 0;

    begin(_i);
    for (int b = 0; b < 2; b++)
        for (int i = 0; i < N; i++) {
            store_op_init(&ops[b][i], STORE_PUT, full(keep(mem_printf("k%d-%d", b, i))));
            ops[b][i].body = "body";
            ops[b][i].body_len = 4;
            ops[b][i].cond = STORE_IF_ABSENT;
        }
    ck_assert_ptr_null(store_wait(store, 0, -1));
    store_submit(store, &batch[0]);
    store_submit(store, &batch[1]);
    store_submit(store, &none);
    while (seen < 3) {
        ended = store_wait(store, 60000, -1);
        ck_assert_ptr_nonnull(ended);
        ck_assert_uint_eq(ended->pending, 0);
        seen++;
    }
    ck_assert_ptr_null(store_wait(store, 0, -1));
    for (int b = 0; b < 2; b++)
        for (int i = 0; i < N; i++) {
            CHECK_STATUS(ops[b][i].status, STORE_OK);
            store_op_release(&ops[b][i]);
            store_op_init(&ops[b][i], i % 2 ? STORE_GET : STORE_DELETE,
                          full(keep(mem_printf("k%d-%d", b, i))));
        }
    store_run(store, ops[0], N); /* kinds mixed, some missing */
    store_run(store, ops[0], N);
    for (int i = 0; i < N; i++) {
        CHECK_STATUS(ops[0][i].status, STORE_OK);
        store_op_release(&ops[0][i]);
    }
    end();
}
END_TEST

/* ---- grants ---- */

static void terms_for(struct store_put_terms *terms, const char *body, enum store_cond cond,
                      const char *etag)
{
    memset(terms, 0, sizeof(*terms));
    terms->cond = cond;
    terms->etag = etag;
    terms->length = (int64_t)strlen(body);
    digest_md5(body, strlen(body), terms->md5);
}

static enum store_status commit(const char *key, const char *body, const char *written,
                                enum store_cond cond, const char *etag)
{
    struct store_meta meta = {"claim", "feed"};
    struct store_put_terms terms;
    struct store_grant grant;
    enum store_status status;
    char *error = NULL;

    terms_for(&terms, body, cond, etag);
    terms.meta = &meta;
    terms.meta_count = 1;
    CHECK_STATUS(store_grant_write(store, full(key), &terms, 60, &grant, &error), STORE_OK);
    ck_assert(store_write_at(grant.fd, written, strlen(written), 0));
    status = store_grant_commit(store, full(key), &terms, &grant, last_etag, &error);
    ck_assert((status == STORE_FATAL) <= (error != NULL));
    free(error);
    store_grant_release(&grant);
    return status;
}

START_TEST(grants)
{
    struct store_grant grant;
    struct store_op op;
    char *error = NULL;
    char text[16] = "";

    begin(_i);
    if (store_properties(store)->presigns) {
        end(); /* URLs: transfer.h's tests */
        return;
    }
    CHECK_STATUS(store_grant_read(store, full("k"), 60, &grant, &error), STORE_NOT_FOUND);
    free(error);
    store_grant_release(&grant);
    CHECK_STATUS(commit("k", "result", "result", STORE_IF_ABSENT, NULL), STORE_OK);
    store_op_init(&op, STORE_HEAD, full("k"));
    CHECK_STATUS(store_do(store, &op), STORE_OK);
    ck_assert_str_eq(op.etag_r, last_etag);
    ck_assert_str_eq(store_op_meta(&op, "claim"), "feed");
    store_op_release(&op);
    CHECK_STATUS(commit("k", "second", "second", STORE_IF_ABSENT, NULL), STORE_PRECONDITION);
    ck_assert(is_refusal(commit("k", "second", "second", STORE_IF_MATCH, "0000")));
    CHECK_STATUS(commit("j", "length", "lengt", STORE_IF_ABSENT, NULL), STORE_FATAL);
    CHECK_STATUS(commit("j", "length", "lengthy", STORE_IF_ABSENT, NULL), STORE_FATAL);
    CHECK_STATUS(commit("j", "length", "LENGTH", STORE_IF_ABSENT, NULL), STORE_FATAL);
    ck_assert_ptr_null(get("j"));
    CHECK_STATUS(store_grant_read(store, full("k"), 60, &grant, &error), STORE_OK);
    ck_assert_int_eq(fcntl(grant.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    ck_assert_int_ne(fcntl(grant.fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_eq(pread(grant.fd, text, sizeof(text), 0), 6);
    ck_assert_str_eq(text, "result");
    ck_assert_uint_eq(grant.meta_count, 1);
    ck_assert_str_eq(grant.meta[0].value, "feed");
    store_op_init(&op, STORE_HEAD, full("k"));
    CHECK_STATUS(store_do(store, &op), STORE_OK);
    CHECK_STATUS(commit("k", "second", "second", STORE_IF_MATCH, op.etag_r), STORE_OK);
    store_op_release(&op);
    ck_assert_str_eq(get("k"), "second");
    memset(text, 0, sizeof(text)); /* the old body stays readable to who holds it */
    ck_assert_int_eq(pread(grant.fd, text, sizeof(text), 0), 6);
    ck_assert_str_eq(text, "result");
    store_grant_release(&grant);
    store_op_init(&op, STORE_LIST, base); /* nothing staged is ever seen */
    CHECK_STATUS(store_do(store, &op), STORE_OK);
    ck_assert_uint_eq(op.entry_count, 1);
    store_op_release(&op);
    end();
}
END_TEST

/* ---- races: a store per thread on one bucket ---- */

enum {
    RACERS = 6
};

struct racer {
    pthread_t thread;
    pthread_barrier_t *barrier;
    int id, rounds;
    int wins, unknown; /* outcomes */
    int *won_by;       /* create race: winner per round, shared; -1 none */
};

static void race(void *(*run)(void *), struct racer *racers, int rounds, int *won_by)
{
    pthread_barrier_t barrier;

    pthread_barrier_init(&barrier, NULL, RACERS);
    for (int i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){.barrier = &barrier, .id = i, .rounds = rounds};
        racers[i].won_by = won_by;
        ck_assert_int_eq(pthread_create(&racers[i].thread, NULL, run, &racers[i]), 0);
    }
    for (int i = 0; i < RACERS; i++)
        pthread_join(racers[i].thread, NULL);
    pthread_barrier_destroy(&barrier);
}

static void *create_racer(void *arg)
{
    struct racer *racer = arg;
    struct store *mine = subject->open();

    for (int round = 0; round < racer->rounds; round++) {
        char key[32], body[32], etag[STORE_ETAG_SIZE];
        enum store_status status;

        snprintf(key, sizeof(key), "race-%d", round);
        snprintf(body, sizeof(body), "racer %d", racer->id);
        pthread_barrier_wait(racer->barrier);
        status = put_in(mine, key, body, STORE_IF_ABSENT, NULL, etag);
        if (status == STORE_OK) {
            racer->wins++;
            __atomic_store_n(&racer->won_by[round], racer->id, __ATOMIC_SEQ_CST);
        } else if (status != STORE_PRECONDITION) {
            racer->unknown++;
        }
    }
    store_close(mine);
    return NULL;
}

START_TEST(one_creator_wins)
{
    struct racer racers[RACERS];
    int won_by[200];
    int wins = 0, unknown = 0, rounds;

    begin(_i);
    rounds = ROUNDS(200, 15);
    memset(won_by, 0xff, sizeof(won_by));
    race(create_racer, racers, rounds, won_by);
    for (int i = 0; i < RACERS; i++) {
        wins += racers[i].wins;
        unknown += racers[i].unknown;
    }
    if (subject->remote) /* 409 and 5xx leave some unknown */
        ck_assert_msg(wins <= rounds && wins + unknown >= rounds, "%d wins in %d", wins, rounds);
    else
        ck_assert_int_eq(wins, rounds);
    for (int round = 0; round < rounds; round++) {
        char key[32], body[32];

        snprintf(key, sizeof(key), "race-%d", round);
        snprintf(body, sizeof(body), "racer %d", won_by[round]);
        if (won_by[round] >= 0)
            ck_assert_str_eq(get(key), body); /* the winner's, whole */
    }
    end();
}
END_TEST

static void *counter_racer(void *arg)
{
    struct racer *racer = arg;
    struct store *mine = subject->open();

    while (racer->wins + racer->unknown < racer->rounds) {
        char etag[STORE_ETAG_SIZE], body[64];
        char *text = get_in(mine, "counter", etag);
        enum store_status status;

        ck_assert_ptr_nonnull(text);
        snprintf(body, sizeof(body), "%d by %d", atoi(text) + 1, racer->id); /* unique bodies */
        free(text);
        status = put_in(mine, "counter", body, STORE_IF_MATCH, etag, etag);
        if (status == STORE_OK)
            racer->wins++;
        else if (status != STORE_PRECONDITION && status != STORE_NOT_FOUND)
            racer->unknown++;
    }
    store_close(mine);
    return NULL;
}

START_TEST(counter_loses_nothing)
{
    struct racer racers[RACERS];
    int wins = 0, unknown = 0, value;

    begin(_i);
    CHECK_STATUS(put("counter", "0", STORE_IF_ABSENT, NULL), STORE_OK);
    race(counter_racer, racers, ROUNDS(60, 5), NULL);
    for (int i = 0; i < RACERS; i++) {
        wins += racers[i].wins;
        unknown += racers[i].unknown;
    }
    value = atoi(get("counter"));
    ck_assert_msg(value >= wins && value <= wins + unknown,
                  "%s: counter %d after %d wins, %d unknown", subject->name, value, wins, unknown);
    end();
}
END_TEST

static void *life_racer(void *arg) /* create, then delete exactly what one sees */
{
    struct racer *racer = arg;
    struct store *mine = subject->open();

    for (int i = 0; i < racer->rounds; i++) {
        char etag[STORE_ETAG_SIZE], body[32];
        char *seen;

        snprintf(body, sizeof(body), "%d/%d", racer->id, i);
        if (put_in(mine, "life", body, STORE_IF_ABSENT, NULL, etag) == STORE_OK)
            racer->wins++;
        seen = get_in(mine, "life", etag);
        if (seen != NULL && delete_in(mine, "life", STORE_IF_MATCH, etag) == STORE_OK)
            racer->wins--;
        free(seen);
    }
    store_close(mine);
    return NULL;
}

START_TEST(creates_and_deletes_balance)
{
    struct racer racers[RACERS];
    int alive = 0;

    begin(_i);
    if (!store_properties(store)->conditional_delete || subject->remote) {
        end(); /* not promised; a remote one may leave outcomes unknown */
        return;
    }
    race(life_racer, racers, 150, NULL);
    for (int i = 0; i < RACERS; i++)
        alive += racers[i].wins;
    ck_assert_int_eq(alive, get("life") != NULL ? 1 : 0);
    end();
}
END_TEST

static void *overwrite_racer(void *arg)
{
    struct racer *racer = arg;
    struct store *mine = subject->open();
    char etag[STORE_ETAG_SIZE];
    char *body = mem_alloc(100001);

    memset(body, 'a' + racer->id, 100000);
    for (int i = 0; i < racer->rounds; i++) {
        char *seen;

        CHECK_STATUS(put_in(mine, "whole", body, STORE_ALWAYS, NULL, etag), STORE_OK);
        seen = get_in(mine, "whole", NULL);
        ck_assert_ptr_nonnull(seen);
        ck_assert_uint_eq(strlen(seen), 100000);
        ck_assert_uint_eq(strspn(seen, (char[]){seen[0], 0}), 100000); /* one writer's bytes only */
        free(seen);
    }
    free(body);
    store_close(mine);
    return NULL;
}

START_TEST(bodies_are_whole)
{
    struct racer racers[RACERS];

    begin(_i);
    race(overwrite_racer, racers, ROUNDS(40, 4), NULL);
    end();
}
END_TEST

/* ---- big bodies ---- */

START_TEST(big_body_bounded_memory)
{
    const int64_t size = 96 << 20;
    unsigned char want[MD5_BYTES], got[MD5_BYTES];
    char path[] = "/tmp/blobforge-test-XXXXXX";
    struct rusage before, after;
    struct store_op op;
    int file = mkstemp(path), sink;
    char *chunk = mem_alloc(1 << 20);

    unlink(path);
    begin(_i);
    if (strncmp(subject->name, "memory", 6) == 0) {
        free(chunk);
        close(file);
        end(); /* keeps bodies in memory by its nature */
        return;
    }
    for (int64_t at = 0; at < size; at += 1 << 20) {
        memset(chunk, (int)(at >> 20), 1 << 20);
        ck_assert(store_write_at(file, chunk, 1 << 20, at));
    }
    free(chunk);
    ck_assert(digest_md5_fd(file, size, want));
    getrusage(RUSAGE_SELF, &before);
    store_op_init(&op, STORE_PUT, full("big"));
    op.body_fd = file;
    op.body_size = size;
    CHECK_STATUS(store_do(store, &op), STORE_OK);
    store_op_release(&op);
    ck_assert_int_eq(ftruncate(file, 0), 0);
    sink = file;
    store_op_init(&op, STORE_GET, full("big"));
    op.sink_fd = sink;
    CHECK_STATUS(store_do(store, &op), STORE_OK);
    ck_assert_int_eq(op.size_r, size);
    store_op_release(&op);
    getrusage(RUSAGE_SELF, &after);
    ck_assert_msg(after.ru_maxrss - before.ru_maxrss < 32 * 1024, "%s: %ld kB more", subject->name,
                  after.ru_maxrss - before.ru_maxrss);
    ck_assert(digest_md5_fd(sink, size, got));
    ck_assert_mem_eq(got, want, sizeof(want));
    store_op_init(&op, STORE_GET, full("big")); /* into memory: more than its maximum */
    CHECK_STATUS(store_do(store, &op), STORE_FATAL);
    store_op_release(&op);
    end();
}
END_TEST

void contract_add_shared(TCase *tcase, int count)
{
    tcase_add_loop_test(tcase, batches, 0, count);
    tcase_add_loop_test(tcase, grants, 0, count);
    tcase_add_loop_test(tcase, one_creator_wins, 0, count);
    tcase_add_loop_test(tcase, counter_loses_nothing, 0, count);
    tcase_add_loop_test(tcase, creates_and_deletes_balance, 0, count);
    tcase_add_loop_test(tcase, bodies_are_whole, 0, count);
    tcase_add_loop_test(tcase, big_body_bounded_memory, 0, count);
}
