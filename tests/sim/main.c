/* sim: runs seeds of the simulator (sim.h).
 *
 *   sim [--seeds N] [--from SEED] [--jobs N] [--fresh]   seeds in both kinds of store
 *   sim --seed N                                        one run again, with its trace
 *   sim --exhaustive                                    one fault at the n-th call, for every n
 *   sim --moves                                         one fault at each call of each kind of move
 *   sim --planted [NAME]                                each planted bug must be found
 *   with --conditional or --expiring, --v1 or --no-v1: only such runs; --planted NAME --seed N:
 * that run with that bug
 *
 * Runs are done in children, so that one that crashes is a seed that failed. */
#include "sim.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 50 /* runs of a child: what killed actors leave behind goes with it */
#define FAILED_MAX 5

/* Killed actors cannot free what they had; fibers move the stack. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0:detect_stack_use_after_return=0";
}

struct totals { /* shared with the children */
    uint64_t seeds, calls, virtual_ms;
    uint64_t failed;
    uint64_t running[64]; /* what child i is at, for those who crash */
    uint64_t stats[STAT_COUNT];
    struct sim_config first;
    char first_text[512];
};

static struct totals *totals;

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_replay(const struct sim_config *config)
{
    printf("  again: tests/sim/sim --seed %llu", (unsigned long long)config->seed);
    if (config->conditional_delete >= 0)
        printf(" %s", config->conditional_delete ? "--conditional" : "--expiring");
    if (config->v1 >= 0)
        printf(" %s", config->v1 ? "--v1" : "--no-v1");
    if (config->planted != 0)
        printf(" --planted %s", planted_name(config->planted));
    if (config->once != ONCE_NOTHING)
        printf(" --once %d --call %llu", (int)config->once, (unsigned long long)config->once_call);
    if (config->script != SCRIPT_NONE)
        printf(" --script %d%s", (int)config->script, config->all_calls ? " --all-calls" : "");
    putchar('\n');
}

static void note(const struct sim_config *config, const struct sim_result *result)
{
    __atomic_fetch_add(&totals->seeds, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&totals->calls, result->calls, __ATOMIC_RELAXED);
    __atomic_fetch_add(&totals->virtual_ms, (uint64_t)result->virtual_ms, __ATOMIC_RELAXED);
    for (int i = 0; i < STAT_COUNT; i++)
        __atomic_fetch_add(&totals->stats[i], result->stats[i], __ATOMIC_RELAXED);
    if (result->violation[0] == '\0')
        return;
    if (__atomic_fetch_add(&totals->failed, 1, __ATOMIC_RELAXED) < FAILED_MAX &&
        config->planted == 0) {
        printf("seed %llu fails: %s\n", (unsigned long long)config->seed, result->violation);
        print_replay(config);
        fflush(stdout);
    }
    if (totals->first_text[0] == '\0') {
        totals->first = *config;
        memcpy(totals->first_text, result->violation, sizeof(totals->first_text));
    }
}

/* One child's part: seeds from..from+count; ends early when something was found. */
static void run_chunk(const struct sim_config *wish, uint64_t from, uint64_t count, int child)
{
    struct sim_config config = *wish;
    struct sim_result result;

    for (uint64_t i = 0; i < count; i++) {
        config.seed = from + i;
        totals->running[child] = config.seed;
        sim_run(&config, &result);
        note(&config, &result);
        if (wish->planted != 0 && totals->failed > 0)
            break;
    }
    fflush(stdout);
    _exit(0);
}

static void note_crash(const struct sim_config *wish, int child, int status)
{
    struct sim_config config = *wish;
    struct sim_result result = {0};

    config.seed = totals->running[child];
    snprintf(result.violation, sizeof(result.violation), "the run crashed (%s %d)",
             WIFSIGNALED(status) ? "signal" : "status",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    note(&config, &result);
}

/* Runs seeds in `jobs` children. Stops soon after FAILED_MAX failures, or the first of a planted
 * bug. */
static void run_seeds(const struct sim_config *wish, uint64_t from, uint64_t count, int jobs)
{
    pid_t pids[64] = {0};
    uint64_t next = 0;
    int running = 0;
    uint64_t enough = wish->planted != 0 ? 1 : FAILED_MAX;

    while (running > 0 || (next < count && totals->failed < enough)) {
        int status, child = -1;
        pid_t pid;

        for (int i = 0; i < jobs && next < count && totals->failed < enough; i++) {
            uint64_t part = count - next < CHUNK ? count - next : CHUNK;

            if (pids[i] != 0)
                continue;
            fflush(stdout);
            pids[i] = fork();
            if (pids[i] == 0)
                run_chunk(wish, from + next, part, i);
            if (pids[i] < 0) {
                perror("sim: fork");
                exit(71);
            }
            next += part;
            running++;
        }
        pid = wait(&status);
        for (int i = 0; i < jobs; i++)
            if (pids[i] == pid)
                child = i;
        if (child < 0)
            continue;
        pids[child] = 0;
        running--;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            note_crash(wish, child, status);
    }
}

static void reset_totals(void)
{
    memset(totals, 0, sizeof(*totals));
}

static void print_totals(double began)
{
    printf("%llu seeds, %llu store calls, %.0f virtual hours, %.1f real seconds, %llu failed\n",
           (unsigned long long)totals->seeds, (unsigned long long)totals->calls,
           (double)totals->virtual_ms / 3600e3, seconds() - began,
           (unsigned long long)totals->failed);
}

static const char *const stat_names[STAT_COUNT] = {"requests lost",
                                                   "answers lost",
                                                   "delayed",
                                                   "landed late",
                                                   "409",
                                                   "500",
                                                   "503",
                                                   "not sent",
                                                   "storms",
                                                   "pauses",
                                                   "beyond the lease",
                                                   "kills",
                                                   "clock jumps",
                                                   "drains",
                                                   "pages cut",
                                                   "locks taken over",
                                                   "cancel marks",
                                                   "moves carried on",
                                                   "retry",
                                                   "retry",
                                                   "retry",
                                                   "cancel",
                                                   "reprioritize",
                                                   "clear-dead",
                                                   "remove",
                                                   "ingest",
                                                   "janitor",
                                                   "bulk",
                                                   "?",
                                                   "good",
                                                   "fails once",
                                                   "poison",
                                                   "refused",
                                                   "slow",
                                                   "killer",
                                                   "hangs",
                                                   "trouble",
                                                   "done",
                                                   "failed",
                                                   "buried",
                                                   "given back",
                                                   "cancelled",
                                                   "lost"};

static void print_some(const char *what, int from, int to)
{
    printf("  %s:", what);
    for (int i = from; i < to; i++) {
        uint64_t count = totals->stats[i];

        while (i + 1 < to && strcmp(stat_names[i + 1], stat_names[i]) == 0)
            count += totals->stats[++i];
        if (stat_names[i][0] != '?')
            printf(" %s %llu%s", stat_names[i], (unsigned long long)count, i + 1 < to ? "," : "");
    }
    putchar('\n');
}

/* What the runs met. A kind that was never met is a hole in the simulator: false. */
static bool print_stats(void)
{
    bool all = true;

    print_some("faults", 0, STAT_TAKEOVER);
    print_some("what came of them", STAT_TAKEOVER, STAT_COMMAND);
    print_some("commands", STAT_COMMAND, STAT_COMMAND_END - 1);
    print_some("documents", STAT_PROFILE, STAT_PROFILE_END);
    print_some("attempts", STAT_END, STAT_COUNT);
    for (int i = 0; i < STAT_COUNT; i++)
        if (totals->stats[i] == 0 && stat_names[i][0] != '?' && totals->seeds >= 500) {
            printf("  never met: %s\n", stat_names[i]);
            all = false;
        }
    return all;
}

/* ---- exhaustive ---- */

/* Every kind of fault at every call, in both kinds of store, until a run ends without meeting it.
 */
static bool run_exhaustive(const struct sim_config *wish, int scenarios)
{
    struct sim_config config = *wish;
    struct sim_result result;

    for (int scenario = 0; scenario < scenarios; scenario++)
        for (int once = ONCE_CRASH_BEFORE; once < ONCE_COUNT; once++) {
            config.seed = wish->seed + (uint64_t)scenario;
            config.once = (enum sim_once)once;
            for (config.once_call = 1;; config.once_call++) {
                sim_run(&config, &result);
                note(&config, &result);
                if (!result.once_happened || totals->failed >= FAILED_MAX)
                    break;
            }
        }
    return totals->failed == 0;
}

static int exhaustive(const struct sim_config *wish, int scenarios, int jobs)
{
    double began = seconds();

    reset_totals();
    for (int i = 0; i < jobs; i++) {
        struct sim_config config = *wish;

        config.seed += (uint64_t)(i * scenarios / jobs);
        config.v1 = 0;
        fflush(stdout);
        if (fork() == 0) {
            run_exhaustive(&config, scenarios / jobs);
            fflush(stdout);
            _exit(0);
        }
    }
    for (int i = 0; i < jobs; i++) {
        int status;

        if (wait(&status) > 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
            printf("a child of the exhaustive runs crashed (status %d)\n", status);
            totals->failed++;
        }
    }
    printf("exhaustive: ");
    print_totals(began);
    return totals->failed == 0 ? 0 : 1;
}

/* ---- moves ---- */

static const char *const script_names[SCRIPT_COUNT] = {"none",
                                                       "retry of a dead job",
                                                       "retry --reset of a waiting job",
                                                       "retry of a failed job",
                                                       "retry --reconvert",
                                                       "cancel of a queued job",
                                                       "cancel of a running job",
                                                       "cancel of a waiting reconversion",
                                                       "reprioritize",
                                                       "clear-dead",
                                                       "remove"};

/* Each fault at each call of one move, in one kind of store; with `all`, of everybody, from the
 * job's beginning to its end. */
static void run_move(const struct sim_config *wish, enum sim_script script, bool conditional,
                     bool all)
{
    struct sim_config config = *wish;

    config.script = script;
    config.all_calls = all;
    config.conditional_delete = conditional;
    config.v1 = 0;
    for (int once = ONCE_CRASH_BEFORE; once < ONCE_COUNT; once++) {
        config.once = (enum sim_once)once;
        for (config.once_call = 1;; config.once_call++) {
            struct sim_result result;

            sim_run(&config, &result);
            note(&config, &result);
            if (!result.once_happened || totals->failed >= FAILED_MAX)
                break;
        }
    }
}

/* true: no child crashed. */
static bool run_moves(const struct sim_config *wish, int jobs)
{
    int running = 0, status;
    bool good = true;

    for (int work = 2; work < 2 * SCRIPT_COUNT; work++) {
        if (running == jobs) {
            good = wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 && good;
            running--;
        }
        fflush(stdout);
        if (fork() == 0) {
            enum sim_script script = (enum sim_script)(work / 2);

            run_move(wish, script, work % 2 != 0, false);
            if (script == SCRIPT_RETRY_DEAD || script == SCRIPT_RECONVERT ||
                script == SCRIPT_CANCEL_RUNNING)
                run_move(wish, script, work % 2 != 0, true);
            fflush(stdout);
            _exit(0);
        }
        running++;
    }
    for (; running > 0; running--)
        good = wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 && good;
    return good;
}

static int moves(const struct sim_config *wish, int jobs)
{
    double began = seconds();
    bool good;

    reset_totals();
    good = run_moves(wish, jobs);
    printf("moves, one fault at each of their calls:");
    for (int script = 1; script < SCRIPT_COUNT; script++)
        printf("%s %s", script > 1 ? "," : "", script_names[script]);
    printf("\nmoves: ");
    print_totals(began);
    printf("  %llu moves carried on, %llu cancel marks\n",
           (unsigned long long)totals->stats[STAT_CARRIED_ON],
           (unsigned long long)totals->stats[STAT_CANCEL_MARK]);
    return good && totals->failed == 0 && totals->stats[STAT_CARRIED_ON] > 0 ? 0 : 1;
}

/* ---- planted ---- */

static bool find_planted(const struct sim_config *wish, int bug, uint64_t count, int jobs)
{
    struct sim_config config = *wish;

    reset_totals();
    config.planted = bug;
    config.v1 = wish->v1 == 1 || planted_needs_v1(bug);
    run_seeds(&config, wish->seed, count, jobs);
    if (totals->failed == 0) { /* some need a certain fault at a certain call */
        config.seed = wish->seed;
        run_moves(&config, jobs);
    }
    printf("%-34s ", planted_name(bug));
    if (totals->failed == 0) {
        printf("SURVIVES %llu seeds\n", (unsigned long long)totals->seeds);
        return false;
    }
    printf("%s %llu (of %llu): %s\n", totals->first.script != SCRIPT_NONE ? "move, seed" : "seed",
           (unsigned long long)totals->first.seed, (unsigned long long)totals->seeds,
           totals->first_text);
    return true;
}

static int run_planted(const struct sim_config *wish, uint64_t count, int jobs)
{
    int survivors = 0;

    for (int bug = 1; bug <= planted_count(); bug++)
        if (wish->planted == 0 || wish->planted == bug)
            survivors += !find_planted(wish, bug, count, jobs);
    printf("%d planted bugs, %d survive\n", wish->planted != 0 ? 1 : planted_count(), survivors);
    return survivors == 0 ? 0 : 1;
}

/* ---- options ---- */

static int bug_of(const char *name)
{
    for (int bug = 1; bug <= planted_count(); bug++)
        if (strcmp(planted_name(bug), name) == 0)
            return bug;
    fprintf(stderr, "sim: no planted bug is called %s\n", name);
    exit(64);
}

static int replay(struct sim_config *config)
{
    struct sim_result result;

    config->trace = true;
    sim_run(config, &result);
    printf("%s\n", result.violation[0] != '\0' ? result.violation : "no promise was broken");
    return result.violation[0] != '\0' ? 1 : 0;
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text) {
        fprintf(stderr, "sim: not a number: %s\n", text);
        exit(64);
    }
    return value;
}

enum choice {
    OPTION_SEED = 1000,
    OPTION_SEEDS,
    OPTION_FROM,
    OPTION_JOBS,
    OPTION_FRESH,
    OPTION_EXHAUSTIVE,
    OPTION_MOVES,
    OPTION_SCRIPT,
    OPTION_ALL_CALLS,
    OPTION_SCENARIOS,
    OPTION_PLANTED,
    OPTION_ONCE,
    OPTION_CALL,
    OPTION_CONDITIONAL,
    OPTION_EXPIRING,
    OPTION_V1,
    OPTION_NO_V1
};

static const struct option options[] = {{"seed", required_argument, NULL, OPTION_SEED},
                                        {"seeds", required_argument, NULL, OPTION_SEEDS},
                                        {"from", required_argument, NULL, OPTION_FROM},
                                        {"jobs", required_argument, NULL, OPTION_JOBS},
                                        {"fresh", no_argument, NULL, OPTION_FRESH},
                                        {"exhaustive", no_argument, NULL, OPTION_EXHAUSTIVE},
                                        {"moves", no_argument, NULL, OPTION_MOVES},
                                        {"script", required_argument, NULL, OPTION_SCRIPT},
                                        {"all-calls", no_argument, NULL, OPTION_ALL_CALLS},
                                        {"scenarios", required_argument, NULL, OPTION_SCENARIOS},
                                        {"planted", optional_argument, NULL, OPTION_PLANTED},
                                        {"once", required_argument, NULL, OPTION_ONCE},
                                        {"call", required_argument, NULL, OPTION_CALL},
                                        {"conditional", no_argument, NULL, OPTION_CONDITIONAL},
                                        {"expiring", no_argument, NULL, OPTION_EXPIRING},
                                        {"v1", no_argument, NULL, OPTION_V1},
                                        {"no-v1", no_argument, NULL, OPTION_NO_V1},
                                        {NULL, 0, NULL, 0}};

struct wishes {
    struct sim_config config;
    uint64_t seeds, from, scenarios;
    int jobs;
    bool one, fresh, exhaustive, moves, planted;
};

static void read_options(struct wishes *w, int argc, char **argv)
{
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (option) {
        case OPTION_SEED:
            w->config.seed = number(optarg);
            w->one = true;
            break;
        case OPTION_SEEDS:
            w->seeds = number(optarg);
            break;
        case OPTION_FROM:
            w->from = number(optarg);
            break;
        case OPTION_JOBS:
            w->jobs = (int)number(optarg);
            break;
        case OPTION_FRESH:
            w->fresh = true;
            break;
        case OPTION_EXHAUSTIVE:
            w->exhaustive = true;
            break;
        case OPTION_MOVES:
            w->moves = true;
            break;
        case OPTION_ALL_CALLS:
            w->config.all_calls = true;
            break;
        case OPTION_SCRIPT:
            w->config.script = (enum sim_script)number(optarg);
            break;
        case OPTION_SCENARIOS:
            w->scenarios = number(optarg);
            break;
        case OPTION_PLANTED:
            w->planted = true;
            if (optarg == NULL && optind < argc && argv[optind][0] != '-')
                optarg = argv[optind++];
            if (optarg != NULL)
                w->config.planted = bug_of(optarg);
            break;
        case OPTION_ONCE:
            w->config.once = (enum sim_once)number(optarg);
            break;
        case OPTION_CALL:
            w->config.once_call = number(optarg);
            break;
        case OPTION_CONDITIONAL:
        case OPTION_EXPIRING:
            w->config.conditional_delete = option == OPTION_CONDITIONAL;
            break;
        case OPTION_V1:
        case OPTION_NO_V1:
            w->config.v1 = option == OPTION_V1;
            break;
        default:
            exit(64);
        }
    if (w->jobs < 1 || w->jobs > 64)
        w->jobs = 2;
}

int main(int argc, char **argv)
{
    struct wishes w = {.config = {.conditional_delete = -1, .v1 = -1},
                       .seeds = 10000,
                       .from = 1,
                       .scenarios = 6,
                       .jobs = 2};
    double began = seconds();

    totals = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (totals == MAP_FAILED)
        return 71;
    read_options(&w, argc, argv);
    if (w.one)
        return replay(&w.config);
    if (w.fresh) {
        w.from = (uint64_t)time(NULL) * 1000 + (uint64_t)getpid() % 1000;
        printf("fresh seeds from %llu on\n", (unsigned long long)w.from);
    }
    w.config.seed = w.from;
    if (w.planted)
        return run_planted(&w.config, w.seeds, w.jobs);
    if (w.moves)
        return moves(&w.config, w.jobs);
    if (w.exhaustive)
        return exhaustive(&w.config, (int)w.scenarios, w.jobs);
    run_seeds(&w.config, w.from, w.seeds, w.jobs);
    printf("%s seeds from %llu on: ", w.fresh ? "fresh" : "fixed", (unsigned long long)w.from);
    print_totals(began);
    return print_stats() && totals->failed == 0 ? 0 : 1;
}
