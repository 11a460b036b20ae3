/* From settings to an open bucket: the one place where daemon and command line agree on what
 * `store`, `prefix` and the s3_ settings mean. */
#ifndef BF_STORE_STORE_SETTINGS_H
#define BF_STORE_STORE_SETTINGS_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/rng.h"
#include "base/settings.h"
#include "store/store_open.h"

struct s3_creds_source;

/* Opens the bucket of setting `store`. `must_exist`: a directory that is not there is
 * STORE_OPEN_MISSING, else it is made. `settings`, clock and rng are borrowed until the store is
 * closed. Unless OK *error_r is one line `WHAT: WHY; REMEDY`, the caller frees it. Nothing is asked
 * of a server yet. */
enum store_open_status store_settings_open(const struct settings *settings, struct clock *clock,
                                           struct rng *rng, bool must_exist, struct store **store_r,
                                           char **error_r) MUST_CHECK;
/* The same bucket once more, by this one of the addresses of its server; NULL: by any. For the
 * gate; NULL when it cannot be opened. */
struct store *store_settings_open_pinned(const struct settings *settings,
                                         const char *address) MUST_CHECK;
/* For a thread that opens stores later, when the secrets have left the environment: takes its part
 * of where keys come from now. NULL: no S3 bucket. For one thread at a time. */
struct s3_creds_source *store_settings_keep_keys(const struct settings *settings);
void store_settings_drop_keys(struct s3_creds_source *keys); /* NULL is fine */
/* Opens the bucket with those keys, by this one of its addresses or (NULL) by any. `keys` is
 * borrowed until the store is closed. NULL: *error_r says why, the caller frees it. */
struct store *store_settings_open_kept(const struct settings *settings,
                                       struct s3_creds_source *keys, const char *address,
                                       char **error_r) MUST_CHECK;
/* What a configuration names for the store outside of itself: can the certificates to trust be
 * used? Only where they would be. Reads the file; asks no server. false: *error_r as above. */
bool store_settings_check(const struct settings *settings, char **error_r) MUST_CHECK;
/* store_tune() by settings: all that a reload may change. By the store's own thread. */
bool store_settings_tune(struct store *store, const struct settings *settings,
                         char **error_r) MUST_CHECK;
/* Keys lie in our memory: no core file of this process or of those it starts, and no tracing by
 * others of our user. */
void store_settings_guard_memory(void);
/* Names of the environment's variables that hold secrets, NULL at the end. */
const char *const *store_settings_secrets(void);
/* The prefix of all keys: the one that the store's URL names, else setting `prefix`; with a slash
 * at its end unless empty. The caller frees. NULL with *error_r: no URL of a store. */
char *store_settings_prefix(const struct settings *settings, char **error_r) MUST_CHECK;
/* Is it an S3 bucket: something that the gate must have looked at? */
bool store_settings_is_remote(const struct settings *settings);
/* Does s3_conditional_writes say `soft`, and is the store one that it is meant for? */
bool store_settings_is_soft(const struct settings *settings);
/* The exit status that an unsuccessful open stands for (base/exitcode.h). */
int store_open_exitcode(enum store_open_status status);

#endif
