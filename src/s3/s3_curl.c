/* See s3_curl.h. */
#include "s3/s3_curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* The name that holds the promise of the binary interface: it has been this one since 2006. */
#define LIBRARY "libcurl.so.4"

struct s3_curl s3_curl;

static char trouble[256]; /* "": loaded */

static bool find(void *library, const char *name, void *function, size_t size)
{
    void *found = dlsym(library, name);

    if (found == NULL) {
        snprintf(trouble, sizeof(trouble), "%s has no %s", LIBRARY, name);
        return false;
    }
    memcpy(function, &found, size); /* C has no cast from an object to a function */
    return true;
}

static void load(void)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    bool complete = library != NULL;

    if (library == NULL)
        snprintf(trouble, sizeof(trouble), "%s", dlerror());
#define FUNCTION(name)                                                                             \
    complete = complete && find(library, "curl_" #name, &s3_curl.name, sizeof(s3_curl.name));
    S3_CURL_FUNCTIONS(FUNCTION)
#undef FUNCTION
    if (complete && s3_curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        snprintf(trouble, sizeof(trouble), "%s does not start", LIBRARY);
}

bool s3_curl_load(const char **why_r)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load);
    *why_r = trouble;
    return trouble[0] == '\0';
}
