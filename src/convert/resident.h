/* A converter that stays and takes job after job: what a model costs to load is paid once.
 *
 * The program gets a line `job` on descriptor 4 for each document that lies in S/in, and answers
 * `done STATUS` on descriptor 3. It is held to the same limits as one that runs once, and is killed
 * whole, with all it has started, when it reaches one. Between an answer and the next job its whole
 * tree is stopped (SIGSTOP): nothing of it runs while nobody watches, and nobody changes its
 * outputs while they are checked and packed. A program that ends instead of answering has done one
 * job and its exit status is the answer: converters of both kinds do under `resident`.
 *
 * Jobs of one resident are not shielded from each other: a document that takes it over owns it
 * until it ends. It is started anew after so many jobs, for a job whose command or limits differ,
 * after an answer that says it is unwell, and after any kill.
 *
 * A worker, or `blobforge convert`, has at most one, which is then its only child. Single-threaded
 * callers. */
#ifndef BF_CONVERT_RESIDENT_H
#define BF_CONVERT_RESIDENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "convert/slot.h"

struct convert_job;
struct run_spec;
struct spawn;

struct resident;

/* jobs_max: started anew after so many, 1 or more. Starts nothing yet. */
struct resident *resident_create(int64_t jobs_max) MUST_CHECK;
/* Ends what runs and frees; NULL is fine. */
void resident_destroy(struct resident *resident);

/* Before each document, instead of slot_folder_prepare(): ends one that cannot take this job, and
 * empties the folder around one that can. false with *error_r: as slot_folder_prepare(). A new one
 * that is to get one document only needs none of this. */
bool resident_prepare(struct resident *resident, struct slot_folder *folder,
                      const struct convert_job *job, char **error_r) MUST_CHECK;
/* After each document, instead of slot_folder_empty(). */
bool resident_clear(struct resident *resident, struct slot_folder *folder,
                    char **error_r) MUST_CHECK;

/* ---- for run.c and convert.c alone ---- */

/* Starts one, or wakes the one that is there, and gives it a job. spawn_r: the resident's own
 * descriptors until resident_keep() or resident_over(). *cpu_base_r: CPU seconds that its earlier
 * jobs took. false: as spawn_converter(). */
bool resident_begin(struct resident *resident, const struct run_spec *spec, struct spawn *spawn_r,
                    double *cpu_base_r, char **error_r) MUST_CHECK;
/* It has answered `status`: stops its tree. false: it could not be stopped, or is not trusted with
 * another job; the caller kills it, as after any other end, and calls resident_over(). */
bool resident_stop(struct resident *resident, int status) MUST_CHECK;
/* Keeps the stopped one, whose pipes were read empty, for the next job. false: as above. */
bool resident_keep(struct resident *resident, const struct spawn *spawn) MUST_CHECK;
/* Its tree is gone, and the caller has closed the descriptors of its spawn. */
void resident_over(struct resident *resident);

#endif
