/* sim: runs seeds, or one fault at every operation.
 *
 *   sim [--first N] [--count N] [--seed N [--trace]] [--exhaustive] [--planted N] [--hunt]
 *
 * A seed chooses the world (kind of DELETE, hosts, jobs, faults) and everything that happens in it.
 * A run that breaks a promise ends the program with status 1, a trace, and the command that repeats
 * it. --planted N switches a bug on; --hunt looks for each of them and fails when one survives. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "queue/planted.h"
#include "sim.h"

enum planted planted_bug;
static uint64_t total_steps;
static double total_hours;

/* The world of a seed. */
static struct sim_options world_of(uint64_t seed)
{
    struct rng_seeded rng;
    struct sim_options options;

    rng_seeded_init(&rng, seed * 2654435761u + 1);
    memset(&options, 0, sizeof(options));
    options.seed = seed;
    options.conditional = rng_below(&rng.rng, 2) == 0;
    options.jobs = 1 + (int)rng_below(&rng.rng, 4);
    options.hosts = 1 + (int)rng_below(&rng.rng, 3);
    options.slots = 1 + (int)rng_below(&rng.rng, 2);
    options.faults = (int)rng_below(&rng.rng, 3);
    options.crashes = rng_below(&rng.rng, 2) == 0;
    options.pauses = rng_below(&rng.rng, 2) == 0;
    options.jumps = rng_below(&rng.rng, 3) == 0;
    options.users = rng_below(&rng.rng, 3) == 0;
    options.removals = options.users && rng_below(&rng.rng, 3) == 0;
    options.v1 = options.hosts > 1 && rng_below(&rng.rng, 6) == 0;
    options.storm_ms = (int64_t)(1 + rng_below(&rng.rng, 4)) * 3600 * 1000;
    options.page_max = rng_below(&rng.rng, 2) == 0 ? 2 : 0;
    return options;
}

static bool quiet; /* a failure is what is looked for */
static char found[512];

static bool run(const struct sim_options *options, const char *how)
{
    struct sim *sim = malloc(sizeof(*sim));
    bool good = sim_run(sim, options);

    total_steps += sim->steps;
    total_hours += (double)(sim->now_ms - 1000000) / 3600000;
    if (!good && quiet)
        snprintf(found, sizeof(found), "%s", sim->failure);
    else if (!good) {
        sim_print_trace(sim);
        printf("seed %llu: %s\nrepeat: sim %s\n", (unsigned long long)options->seed, sim->failure,
               how);
    }
    sim_release(sim);
    free(sim);
    return good;
}

static bool run_seed(uint64_t seed, bool trace)
{
    struct sim_options options = world_of(seed);
    char how[64];

    options.trace = trace;
    snprintf(how, sizeof(how), "--seed %llu --trace", (unsigned long long)seed);
    return run(&options, how);
}

/* One job's life, and this one fault at each of its operations in turn. */
static bool run_exhaustive(bool conditional, enum store_fault_kind kind, enum sim_fate fate,
                           uint64_t *runs)
{
    for (uint64_t call = 1;; call++) {
        struct sim_options options = {.conditional = conditional,
                                      .jobs = 1,
                                      .hosts = 2,
                                      .slots = 1,
                                      .storm_ms = 2 * 3600 * 1000,
                                      .at_call = call,
                                      .at_kind = kind};
        char how[96];

        /* The first seed whose first job has this fate. */
        for (uint64_t seed = 1;; seed++) {
            struct rng_seeded rng;

            rng_seeded_init(&rng, seed);
            if (rng_below(&rng.rng, SIM_FATE_COUNT) == (uint64_t)fate) {
                options.seed = seed;
                break;
            }
        }
        snprintf(how, sizeof(how), "--exhaustive  (DELETE %s, %s at operation %llu)",
                 conditional ? "conditional" : "expires", store_fault_kind_name(kind),
                 (unsigned long long)call);
        (*runs)++;
        if (!run(&options, how))
            return false;
        if (call > 160) /* by then the job has long settled: idle polls */
            return true;
    }
}

static bool exhaustive(void)
{
    static const enum store_fault_kind kinds[] = {
        STORE_FAULT_CRASH_BEFORE, STORE_FAULT_CRASH_AFTER, STORE_FAULT_LOST_ANSWER,
        STORE_FAULT_LOST_REQUEST, STORE_FAULT_DELAYED,     STORE_FAULT_REFUSED};
    uint64_t runs = 0;

    for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
        for (int fate = 0; fate < SIM_FLAKY; fate++)
            for (int conditional = 0; conditional < 2; conditional++)
                if (!run_exhaustive(conditional != 0, kinds[k], (enum sim_fate)fate, &runs))
                    return false;
    printf("exhaustive: %llu runs\n", (unsigned long long)runs);
    return true;
}

#define PLANTED_SEEDS 2000 /* within so many seeds a planted bug is found, or it is not */

static const char *const planted_names[PLANTED_COUNT] = {
    "none",
    "renewal without condition",
    "lease never ending",
    "marker not read after the claim",
    "result not looked at",
    "lost lock made again blindly",
    "released while a DELETE is pending",
    "error read as absence",
    "plain DELETE",
    "unanswered write taken for done",
    "count not raised",
    "charged twice",
    "marker written without condition",
    "marker deleted before the dead record stands",
    "released before the marker is written",
    "marker deleted before the result stands",
    "refusal taken for a result",
    "janitor without takeover",
    "given-back attempt charged",
    "lock taken before it is stale",
    "shared worker id",
    "reconversion deletes the result first",
    "old marker deleted first",
    "dead record deleted first",
    "override of any result",
};

/* Every planted bug has to be found. */
static bool hunt(void)
{
    bool all = true;

    quiet = true;
    for (int bug = 1; bug < PLANTED_COUNT; bug++) {
        uint64_t seed = 1;

        planted_bug = (enum planted)bug;
        while (seed <= PLANTED_SEEDS && run_seed(seed, false))
            seed++;
        if (seed > PLANTED_SEEDS) {
            printf("planted: %-45s SURVIVES %d seeds\n", planted_names[bug], PLANTED_SEEDS);
            all = false;
        } else {
            printf("planted: %-45s seed %-5llu %s\n", planted_names[bug], (unsigned long long)seed,
                   found);
        }
        fflush(stdout);
    }
    planted_bug = PLANTED_NONE;
    return all;
}

int main(int argc, char **argv)
{
    uint64_t first = 1, count = 200;
    bool trace = false, single = false, all_calls = false, good = true;
    clock_t began = clock();

    for (int i = 1; i < argc; i++) {
        uint64_t number = i + 1 < argc ? strtoull(argv[i + 1], NULL, 10) : 0;

        if (strcmp(argv[i], "--first") == 0)
            first = number, i++;
        else if (strcmp(argv[i], "--count") == 0)
            count = number, i++;
        else if (strcmp(argv[i], "--seed") == 0)
            first = number, count = 1, single = true, i++;
        else if (strcmp(argv[i], "--trace") == 0)
            trace = true;
        else if (strcmp(argv[i], "--exhaustive") == 0)
            all_calls = true;
        else if (strcmp(argv[i], "--planted") == 0 && i + 1 < argc)
            planted_bug = (enum planted)number, i++;
        else if (strcmp(argv[i], "--hunt") == 0)
            return hunt() ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (all_calls)
        good = exhaustive();
    for (uint64_t seed = first; !all_calls && seed < first + count && good; seed++)
        good = run_seed(seed, trace && single);
    printf("%s: seeds %llu to %llu, %llu steps, %.0f virtual hours, %.1f s\n",
           good ? "all promises kept" : "BROKEN", (unsigned long long)first,
           (unsigned long long)(first + count - 1), (unsigned long long)total_steps, total_hours,
           (double)(clock() - began) / CLOCKS_PER_SEC);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
