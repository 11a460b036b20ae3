/* libcurl, loaded when the first bucket is opened.
 *
 * libcurl brings some thirty libraries along, and to map and relocate them costs more than most
 * commands on a directory store take. So no program of ours is linked with it: the functions that
 * s3_http.c uses are looked up at run time, in the very library that the headers of the build
 * belong to. Any thread; s3_http.c alone includes this. */
#ifndef BF_S3_CURL_H
#define BF_S3_CURL_H

#include <curl/curl.h>
#include <stdbool.h>

#include "base/compiler.h"

#define S3_CURL_FUNCTIONS(FUNCTION)                                                                \
    FUNCTION(global_init)                                                                          \
    FUNCTION(easy_init)                                                                            \
    FUNCTION(easy_cleanup)                                                                         \
    FUNCTION(easy_setopt)                                                                          \
    FUNCTION(easy_getinfo)                                                                         \
    FUNCTION(easy_pause)                                                                           \
    FUNCTION(easy_strerror)                                                                        \
    FUNCTION(multi_init)                                                                           \
    FUNCTION(multi_cleanup)                                                                        \
    FUNCTION(multi_setopt)                                                                         \
    FUNCTION(multi_add_handle)                                                                     \
    FUNCTION(multi_remove_handle)                                                                  \
    FUNCTION(multi_perform)                                                                        \
    FUNCTION(multi_poll)                                                                           \
    FUNCTION(multi_info_read)                                                                      \
    FUNCTION(slist_append)                                                                         \
    FUNCTION(slist_free_all)

/* curl_easy_init() is s3_curl.easy_init(), and so on; set by s3_curl_load(). */
struct s3_curl {
#define FUNCTION(name) __typeof__(&curl_##name) name;
    S3_CURL_FUNCTIONS(FUNCTION)
#undef FUNCTION
};
extern struct s3_curl s3_curl;

/* Loads and starts libcurl, once; what it said then it says again. False: *why_r tells which
 * library or function is missing (fixed text, never freed). */
bool s3_curl_load(const char **why_r) MUST_CHECK;

#endif
