/* What the rooms of index.h share:
 *
 *   index.c          opening, statistics
 *   index_refresh.c  the manifest's changed parts go into the file
 *   index_search.c   questions
 *   index_db.c       the file */
#ifndef BF_INDEX_INDEX_PRIVATE_H
#define BF_INDEX_INDEX_PRIVATE_H

#include "index/index.h"
#include "index/index_db.h"

#define PART_V1 256 /* manifest.json; the shards are 0 to 255 */
#define PART_COUNT 257

struct index {
    struct index_db db;
};

/* "SQLite says: ..." as an error text, unless there is one. Returns DAMAGED. */
enum queue_result index_say(struct index *index, char **error_r);

#endif
