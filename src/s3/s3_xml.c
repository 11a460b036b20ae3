/* See s3_xml.h.
 *
 * One small reader under all documents: it keeps the path of the open elements as text and hands
 * each element without children ("leaf"), and each end of an element, to the document's function.
 *
 * EncodingType may stand before the keys or after them, so it is looked for in the bytes
 * beforehand: a `<` within a key is escaped, so nobody's key can pass for the element. */
#include "s3/s3_xml.h"

#include <stdlib.h>
#include <string.h>

#include <expat.h>

#include "base/clock.h"
#include "s3/s3_creds.h"
#include "s3/s3_url.h"

enum {
    DEPTH_MAX = 8,
    PATH_SIZE = 256,
    LEAF_SIZE = S3_TOKEN_SIZE, /* more than a key of which every byte is encoded */
};

struct reader {
    XML_Parser parser;
    int depth;
    size_t path_len;
    char path[PATH_SIZE]; /* "/ListBucketResult/Contents/Key" */
    bool leaf;            /* the innermost element has no child so far */
    size_t text_len;
    char text[LEAF_SIZE];
    const char *why;
    /* The document's: called at each end tag; text is "" for an element with children. */
    void (*ended)(struct reader *reader, const char *path, const char *text, size_t len);
    void *doc;
};

static void refuse(struct reader *r, const char *why)
{
    if (r->why == NULL)
        r->why = why;
    XML_StopParser(r->parser, XML_FALSE);
}

static void XMLCALL on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *r = arg;
    size_t len = strlen(name);
    (void)attributes;
    if (++r->depth > DEPTH_MAX || r->path_len + len + 2 > sizeof(r->path)) {
        refuse(r, "its elements are nested too deep");
        return;
    }
    r->path[r->path_len] = '/';
    memcpy(r->path + r->path_len + 1, name, len + 1);
    r->path_len += len + 1;
    r->text_len = 0;
    r->leaf = true;
}

static void XMLCALL on_end(void *arg, const XML_Char *name)
{
    struct reader *r = arg;
    if (!r->leaf)
        r->text_len = 0;
    r->text[r->text_len] = '\0';
    r->ended(r, r->path, r->text, r->text_len);
    r->depth--;
    r->path_len -= strlen(name) + 1;
    r->path[r->path_len] = '\0';
    r->text_len = 0;
    r->leaf = false;
}

static void XMLCALL on_text(void *arg, const XML_Char *text, int len)
{
    struct reader *r = arg;
    if (!r->leaf)
        return; /* line breaks between elements */
    if ((size_t)len >= sizeof(r->text) - r->text_len) {
        refuse(r, "one of its texts is too long");
        return;
    }
    memcpy(r->text + r->text_len, text, (size_t)len);
    r->text_len += (size_t)len;
}

static void XMLCALL on_doctype(void *arg, const XML_Char *name, const XML_Char *sysid,
                               const XML_Char *pubid, int internal)
{
    (void)name, (void)sysid, (void)pubid, (void)internal;
    refuse(arg, "it declares a document type, which no S3 server does");
}

static bool read_document(struct reader *r, const char *text, size_t len)
{
    r->path[0] = '\0';
    if (len > INT32_MAX) {
        r->why = "it is too long";
        return false;
    }
    r->parser = XML_ParserCreate(NULL);
    if (r->parser == NULL)
        abort(); /* no memory for a parser of a few KB */
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, on_start, on_end);
    XML_SetCharacterDataHandler(r->parser, on_text);
    XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
    bool ok = XML_Parse(r->parser, text, (int)len, XML_TRUE) == XML_STATUS_OK && r->why == NULL;
    if (!ok && r->why == NULL)
        r->why = "it is not well-formed, or cut short";
    XML_ParserFree(r->parser);
    return ok;
}

/* ETags come as "x", &quot;x&quot; (expat resolves that) or bare. */
static bool copy_etag(const char *text, size_t len, char etag_r[static S3_XML_ETAG_SIZE])
{
    if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
        text++;
        len -= 2;
    }
    if (len >= S3_XML_ETAG_SIZE)
        return false;
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~' || text[i] == '"')
            return false; /* it goes into headers */
    memcpy(etag_r, text, len);
    etag_r[len] = '\0';
    return true;
}

static void copy_cut(const char *text, size_t len, char *out, size_t size)
{
    if (len >= size)
        len = size - 1;
    memcpy(out, text, len);
    out[len] = '\0';
}

/* ---- ListBucketResult ---- */

struct list_doc {
    bool url_encoded, truncated, truncated_seen;
    char key[LEAF_SIZE], etag[S3_XML_ETAG_SIZE];
    bool has_key;
    int64_t size, modified_ms;
    void (*entry)(void *arg, const struct s3_xml_entry *entry);
    void *arg;
};

static bool decode_key(struct list_doc *doc, const char *text, size_t len)
{
    memcpy(doc->key, text, len);
    if (doc->url_encoded) {
        for (size_t i = 0; i < len; i++)
            if (doc->key[i] == '+')
                doc->key[i] = ' ';
        if (!s3_url_decode(doc->key, len, doc->key, &len))
            return false;
    }
    doc->key[len] = '\0';
    doc->has_key = len > 0 && len <= S3_KEY_MAX && memchr(doc->key, '\0', len) == NULL;
    return doc->has_key;
}

static bool parse_size(const char *text, int64_t *size_r)
{
    char *end;
    if (text[0] < '0' || text[0] > '9' || strlen(text) > 15)
        return false;
    *size_r = strtoll(text, &end, 10);
    return *end == '\0';
}

static void emit(struct reader *r, struct list_doc *doc, bool folder)
{
    if (!doc->has_key) {
        refuse(r, "a line of the listing has no key");
        return;
    }
    struct s3_xml_entry entry = {.key = doc->key,
                                 .etag = folder ? "" : doc->etag,
                                 .size = folder ? 0 : doc->size,
                                 .modified_ms = folder ? 0 : doc->modified_ms,
                                 .folder = folder};
    doc->entry(doc->arg, &entry);
    doc->has_key = false;
    doc->etag[0] = '\0';
    doc->size = doc->modified_ms = 0;
}

static void list_ended(struct reader *r, const char *path, const char *text, size_t len)
{
    static const char contents[] = "/ListBucketResult/Contents";
    struct list_doc *doc = r->doc;
    if (strcmp(path, "/ListBucketResult/IsTruncated") == 0) {
        doc->truncated = strcmp(text, "true") == 0;
        doc->truncated_seen = doc->truncated || strcmp(text, "false") == 0;
    }
    if (strncmp(path, contents, sizeof(contents) - 1) == 0) {
        const char *field = path + sizeof(contents) - 1;
        if (field[0] == '\0')
            emit(r, doc, false);
        else if (strcmp(field, "/Key") == 0 && !decode_key(doc, text, len))
            refuse(r, "a key in it cannot be decoded");
        else if (strcmp(field, "/ETag") == 0 && !copy_etag(text, len, doc->etag))
            refuse(r, "an ETag in it is no ETag");
        else if (strcmp(field, "/Size") == 0 && !parse_size(text, &doc->size))
            refuse(r, "a size in it is no number");
        else if (strcmp(field, "/LastModified") == 0 &&
                 !clock_parse_iso(text, len, &doc->modified_ms))
            refuse(r, "a time in it is no time");
    } else if (strcmp(path, "/ListBucketResult/CommonPrefixes/Prefix") == 0) {
        if (!decode_key(doc, text, len))
            refuse(r, "a folder in it cannot be decoded");
        else
            emit(r, doc, true);
    }
}

bool s3_xml_parse_list(const char *text, size_t len,
                       void (*entry)(void *arg, const struct s3_xml_entry *entry), void *arg,
                       bool *truncated_r, const char **why_r)
{
    static const char encoded[] = "<EncodingType>url</EncodingType>";
    struct list_doc doc = {.entry = entry, .arg = arg};
    struct reader reader = {.ended = list_ended, .doc = &doc};
    doc.url_encoded = memmem(text, len, encoded, sizeof(encoded) - 1) != NULL;
    if (!read_document(&reader, text, len)) {
        *why_r = reader.why;
        return false;
    }
    if (!doc.truncated_seen) {
        *why_r = "it is not a ListBucketResult";
        return false;
    }
    *truncated_r = doc.truncated;
    return true;
}

/* ---- the small ones ---- */

static void error_ended(struct reader *r, const char *path, const char *text, size_t len)
{
    struct s3_xml_error *error = r->doc;
    if (strcmp(path, "/Error/Code") == 0)
        copy_cut(text, len, error->code, sizeof(error->code));
    else if (strcmp(path, "/Error/Message") == 0)
        copy_cut(text, len, error->message, sizeof(error->message));
    else if (strcmp(path, "/Error/Region") == 0)
        copy_cut(text, len, error->region, sizeof(error->region));
    else if (strcmp(path, "/Error/Endpoint") == 0)
        copy_cut(text, len, error->endpoint, sizeof(error->endpoint));
}

bool s3_xml_parse_error(const char *text, size_t len, struct s3_xml_error *error_r)
{
    struct reader reader = {.ended = error_ended, .doc = error_r};
    memset(error_r, 0, sizeof(*error_r));
    return read_document(&reader, text, len) && error_r->code[0] != '\0';
}

static void upload_ended(struct reader *r, const char *path, const char *text, size_t len)
{
    if (strcmp(path, "/InitiateMultipartUploadResult/UploadId") == 0 && len < S3_UPLOAD_ID_SIZE)
        copy_cut(text, len, r->doc, S3_UPLOAD_ID_SIZE);
}

bool s3_xml_parse_upload_id(const char *text, size_t len, char id_r[static S3_UPLOAD_ID_SIZE])
{
    struct reader reader = {.ended = upload_ended, .doc = id_r};
    id_r[0] = '\0';
    return read_document(&reader, text, len) && id_r[0] != '\0';
}

struct completed_doc {
    bool root_seen;
    char *etag_r;
};

static void completed_ended(struct reader *r, const char *path, const char *text, size_t len)
{
    struct completed_doc *doc = r->doc;
    if (strcmp(path, "/CompleteMultipartUploadResult") == 0)
        doc->root_seen = true;
    else if (strcmp(path, "/CompleteMultipartUploadResult/ETag") == 0 &&
             !copy_etag(text, len, doc->etag_r))
        refuse(r, "its ETag is no ETag");
}

bool s3_xml_parse_completed(const char *text, size_t len, char etag_r[static S3_XML_ETAG_SIZE])
{
    struct completed_doc doc = {.etag_r = etag_r};
    struct reader reader = {.ended = completed_ended, .doc = &doc};
    etag_r[0] = '\0';
    return read_document(&reader, text, len) && doc.root_seen;
}

static bool copy_text(const char *text, size_t len, char *out, size_t size)
{
    if (len >= size)
        return false;
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

static void session_ended(struct reader *r, const char *path, const char *text, size_t len)
{
    static const char folder[] =
        "/AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult/Credentials/";
    struct s3_creds *creds = r->doc;
    bool good = true;
    if (strncmp(path, folder, sizeof(folder) - 1) != 0)
        return;
    path += sizeof(folder) - 1;
    if (strcmp(path, "AccessKeyId") == 0)
        good = copy_text(text, len, creds->access, sizeof(creds->access));
    else if (strcmp(path, "SecretAccessKey") == 0)
        good = copy_text(text, len, creds->secret, sizeof(creds->secret));
    else if (strcmp(path, "SessionToken") == 0)
        good = copy_text(text, len, creds->token, sizeof(creds->token));
    else if (strcmp(path, "Expiration") == 0)
        good = clock_parse_iso(text, len, &creds->expires_ms);
    if (!good)
        refuse(r, "its credentials are none");
}

bool s3_xml_parse_session(const char *text, size_t len, struct s3_creds *creds_r)
{
    struct reader reader = {.ended = session_ended, .doc = creds_r};
    memset(creds_r, 0, sizeof(*creds_r));
    bool good = read_document(&reader, text, len) && creds_r->access[0] != '\0' &&
                creds_r->secret[0] != '\0' && creds_r->token[0] != '\0';
    explicit_bzero(reader.text, sizeof(reader.text));
    return good;
}

/* ---- the bucket's rules ---- */

struct expiry_doc {
    bool found;                    /* the root is what it should be */
    bool enabled, expires, tagged; /* of the rule being read */
    char prefix[S3_KEY_MAX + 1];   /* "": all keys */
    void (*rule)(void *arg, const char *prefix);
    void *arg;
};

static void end_rule(struct expiry_doc *doc)
{
    if (doc->enabled && doc->expires && !doc->tagged)
        doc->rule(doc->arg, doc->prefix);
    doc->enabled = doc->expires = doc->tagged = false;
    doc->prefix[0] = '\0';
}

static void expiry_ended(struct reader *r, const char *path, const char *text, size_t len)
{
    static const char root[] = "/LifecycleConfiguration", rule[] = "/Rule";
    struct expiry_doc *doc = r->doc;
    const char *field = path + sizeof(root) - 1;

    if (strncmp(path, root, sizeof(root) - 1) != 0)
        return;
    doc->found |= field[0] == '\0';
    if (strncmp(field, rule, sizeof(rule) - 1) != 0)
        return;
    field += sizeof(rule) - 1;
    if (field[0] == '\0')
        end_rule(doc);
    else if (strcmp(field, "/Status") == 0)
        doc->enabled = strcmp(text, "Enabled") == 0;
    else if (strcmp(field, "/Expiration/Days") == 0 || strcmp(field, "/Expiration/Date") == 0)
        doc->expires = true;
    else if (strcmp(field, "/Filter/Tag") == 0 || strcmp(field, "/Filter/And/Tag") == 0)
        doc->tagged = true;
    else if (strcmp(field, "/Prefix") == 0 || strcmp(field, "/Filter/Prefix") == 0 ||
             strcmp(field, "/Filter/And/Prefix") == 0)
        copy_cut(text, len, doc->prefix, sizeof(doc->prefix));
}

bool s3_xml_parse_expiry(const char *text, size_t len, void (*rule)(void *arg, const char *prefix),
                         void *arg)
{
    struct expiry_doc doc = {.rule = rule, .arg = arg};
    struct reader reader = {.ended = expiry_ended, .doc = &doc};
    return read_document(&reader, text, len) && doc.found;
}

struct lock_doc {
    bool found, enabled;
};

static void lock_ended(struct reader *r, const char *path, const char *text, size_t len)
{
    struct lock_doc *doc = r->doc;
    (void)len;
    if (strcmp(path, "/ObjectLockConfiguration") == 0)
        doc->found = true;
    else if (strcmp(path, "/ObjectLockConfiguration/ObjectLockEnabled") == 0)
        doc->enabled = strcmp(text, "Enabled") == 0;
}

bool s3_xml_parse_lock(const char *text, size_t len, bool *enabled_r)
{
    struct lock_doc doc = {.found = false};
    struct reader reader = {.ended = lock_ended, .doc = &doc};
    bool good = read_document(&reader, text, len) && doc.found;
    *enabled_r = good && doc.enabled;
    return good;
}
