/* The board: the bucket at a glance, the one model behind `dashboard` and `watch`.
 *
 * What a look costs is bounded whatever the library holds: of each folder of the queue and of the
 * results one listing page is read; of a folder that is longer three more pages, evenly spread over
 * the hash space, from which its size is reckoned (hashes are evenly spread, so that a few thousand
 * of them tell the number within some percent). Records are read of BOARD_JOBS running jobs,
 * BOARD_WAITING waiting ones, BOARD_FAILURES failures and BOARD_CARDS workers at most, and only of
 * those that changed since the last look.
 *
 * A board belongs to one thread, that of its queue. What it shows is in struct board_show, which
 * has fixed-size texts that are harmless on a screen, and is copied as a whole with
 * board_show_copy(): that is how a screen gets it from the thread that reads. */
#ifndef BF_CLI_BOARD_H
#define BF_CLI_BOARD_H

#include "cli/cards.h"

#define BOARD_JOBS 200
#define BOARD_WAITING 20
#define BOARD_FAILURES 12
#define BOARD_CARDS 200

struct board_job {
    char hash[65], etag[STORE_ETAG_SIZE];
    char name[160], worker[128], stage[48];
    enum job_state state; /* PROCESSING or TODO */
    enum tier tier;
    bool stale;
    int64_t size_bytes, retries, page, pages; /* -1: unknown */
    int64_t started_ms, heartbeat_ms;         /* server's clock; 0: unknown */
};

struct board_failure {
    char hash[65], etag[STORE_ETAG_SIZE];
    char name[160], cause[16], reason[32], error[240];
    enum job_state state; /* FAILED or DEAD */
    int64_t when_ms;
};

struct board_show {
    int64_t todo[TIER_COUNT], processing, failed, dead, done;
    bool about;             /* counts are reckoned, not counted */
    double jobs_per_hour;   /* -1: not known */
    double left_seconds;    /* until nothing waits; -1: not known */
    struct board_job *jobs; /* running ones, longest first, then waiting ones */
    size_t job_count;
    bool jobs_cut;                                 /* more run than are shown */
    struct board_failure failures[BOARD_FAILURES]; /* newest first */
    size_t failure_count;
    struct cards cards;
    char url[256];
    int64_t read_ms;      /* server's clock at the last good look; 0: none yet */
    int64_t read_boot_ms; /* ours */
    int64_t took_ms;
    uint64_t requests; /* of the last look */
};

struct board;

/* `queue` is borrowed. */
struct board *board_create(struct queue *queue) MUST_CHECK;
void board_destroy(struct board *board); /* NULL is fine */
/* Looks once; unless OK what was seen before stays. */
enum queue_result board_look(struct board *board, char **error_r) MUST_CHECK;
/* Borrowed until the next look. */
const struct board_show *board_shown(const struct board *board);

void board_show_copy(struct board_show *target,
                     const struct board_show *source); /* target: empty */
void board_show_release(struct board_show *show);

/* ---- a row as text, for both screens ---- */

int64_t board_todo(const struct board_show *show); /* all tiers */
/* Share of all jobs that are done, 0 to 1; of nothing: 0. */
double board_done_share(const struct board_show *show);
double board_elapsed(const struct board_job *job, int64_t now_ms); /* seconds; -1: unknown */
double board_left(const struct board_job *job, int64_t now_ms);    /* seconds; -1: unknown */
const char *board_job_state(const struct board_job *job); /* "processing", "stale", "todo" */
/* "3/20", "-" */
const char *board_page(const struct board_job *job, char text_r[static 48]);

#endif
