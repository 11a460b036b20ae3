#!/usr/bin/env python3
"""A small S3 server in memory whose buckets are honest, or lie in one named way: for the gate's tests.

    liar.py FOLDER [SECONDS]     writes its port to FOLDER/port; names of lies in FOLDER/turned hold for all buckets

It also gives out keys, as STS, a container's agent and an instance's metadata do: sessions that end
after SECONDS (60); FOLDER/sessions counts them, FOLDER/expired the requests refused for their end, and
while FOLDER/broken exists no keys are given out. A bucket `session` takes nothing else. It is an HTTP
proxy to itself as well: FOLDER/proxied counts such requests.

With FOLDER/tls.pem (key and certificate) it speaks TLS. When that file is replaced new connections get the
new certificate, and older ones are closed with their next answer. FOLDER/written has a line for each PUT:
its key, the first line of tls.pem as it was for that connection, storage class, encryption; "-" for none.

A bucket's name says how it lies: names of LIES joined by dots, or `honest`.

It believes every signature, but looks at what a signature covers: age, expiry, signed headers. So a
lie is one rule left out or turned round, and everything else is as S3 has it. LIES below says which
there are. It listens on 127.0.0.1 and, where there is such a thing, on ::1.
"""
import base64
import calendar
import email.utils
import hashlib
import http.server
import json
import os
import re
import socket
import ssl
import sys
import threading
import time
import urllib.parse

LIES = {
    "ignore-absent": "If-None-Match is not looked at",
    "ignore-match": "If-Match is not looked at",
    "any-match": "If-Match is kept, but for keys that are not there",
    "invert": "conditions count the wrong way round",
    "race": "the condition is looked at before the body's end, the write done after it",
    "race-create": "the same, of If-None-Match alone",
    "race-large": "the same, of bodies above 1 MB alone",
    "race-presigned": "the same, of presigned requests alone",
    "delete-forgets": "of two creates around a DELETE, at once, both win",
    "done-though-refused": "a refused write is done",
    "conflict": "conditional PUTs are answered 409",
    "error": "conditional PUTs are answered 500",
    "not-implemented": "conditional PUTs are answered 501",
    "bad-request": "conditional PUTs are answered 400",
    "busy": "everything is answered 503",
    "busy-fleet": "the same, of registry/blobforge.json alone",
    "ignore-expiry": "a presigned request past its end is done",
    "ignore-age": "a request signed 20 minutes ago is done",
    "ignore-signed-headers": "a presigned request without its headers is done",
    "no-presigned": "presigned requests are refused",
    "no-digest": "Content-MD5 is not looked at",
    "half": "half a body makes an object",
    "no-metadata": "user metadata is dropped",
    "constant-etag": "the ETag does not change with the body",
    "no-etag": "answers carry no ETag",
    "stale-list": "a listing shows an overwrite a second later",
    "ghost-list": "a listing shows what was deleted",
    "ghost-get": "a missing key is answered 200",
    "slow-clock": "LastModified is an hour behind Date",
    "versioned": "answers carry a version id",
    "versioned-queue": "answers about the queue carry a version id, no others",
    "suspended": "answers carry the version id null",
    "expires": "a rule of the bucket removes all objects some day",
    "expires-todo": "the same, of those below pdf/queue/todo/",
    "object-lock": "the bucket has an object lock",
    "split": "each address has objects of its own",
    # not lies: what servers differ in, and the gate has to cope with
    "quoted": "If-Match wants quotes",
    "bare": "If-Match wants no quotes",
    "sometimes-conflict": "every third conditional PUT is answered 409, and done or not",
    "conditional-delete": "DELETE goes by If-Match",
    "no-range": "a range is ignored",
    "expires-elsewhere": "rules remove what is not ours: other keys, tagged ones, old versions, probes",
    "no-rights": "the bucket's rules may not be read",
    "no-such-rules": "the bucket has none",
    "session": "only sessions given out here, and not ended, are let in",
}

class World:
    def __init__(self):
        self.lock = threading.Lock()
        self.objects = {}  # key: (body, etag, meta, modified)
        self.listed = {}  # what a stale listing shows: key: (time, etag)
        self.deleted_at = {}
        self.count = 0


worlds = {}
sessions = {}  # token: its end
lifetime = float(sys.argv[2]) if len(sys.argv) > 2 else 60
lines = threading.Lock()


def note(name, text):
    with lines, open(os.path.join(sys.argv[1], name), "a", encoding="utf-8") as file:
        file.write(text + "\n")


def turned():
    """Lies that begin and end while the server runs: the names in FOLDER/turned."""
    try:
        with open(os.path.join(sys.argv[1], "turned"), encoding="ascii") as file:
            return set(file.read().split())
    except FileNotFoundError:
        return set()


def new_session(by):
    token = "session-%s-%d" % (by, len(sessions))
    sessions[token] = time.time() + lifetime
    note("sessions", by)
    return {"AccessKeyId": "ASIA" + by.upper(), "SecretAccessKey": "secret-of-" + by, "Token": token,
            "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(sessions[token]))}


def stamp(text):
    return calendar.timegm(time.strptime(text, "%Y%m%dT%H%M%SZ"))


def tls_file():
    """The key and certificate of now; b"": plain HTTP."""
    try:
        with open(os.path.join(sys.argv[1], "tls.pem"), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


class Refused(Exception):
    def __init__(self, status, code):
        super().__init__(code)
        self.status, self.code = status, code


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Liar", "1.0"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *args):
        pass

    def handle_expect_100(self):
        good = super().handle_expect_100()
        self.wfile.flush()
        return good

    # ---- what a signature covers ----

    def check_signature(self):
        query = self.query
        if "X-Amz-Signature" in query:
            if "no-presigned" in self.lies:
                raise Refused(403, "AccessDenied")
            end = stamp(query["X-Amz-Date"]) + int(query["X-Amz-Expires"])
            if time.time() > end and "ignore-expiry" not in self.lies:
                raise Refused(403, "AccessDenied")
            for name in query["X-Amz-SignedHeaders"].split(";"):
                if self.headers.get(name) is None and "ignore-signed-headers" not in self.lies:
                    raise Refused(403, "SignatureDoesNotMatch")
        elif abs(time.time() - stamp(self.headers["x-amz-date"])) > 900 and "ignore-age" not in self.lies:
            raise Refused(403, "RequestTimeTooSkewed")
        if "session" in self.lies:
            given = self.headers.get("x-amz-security-token") or query.get("X-Amz-Security-Token")
            if given not in sessions:
                raise Refused(403, "InvalidAccessKeyId")
            if time.time() > sessions[given]:
                note("expired", self.path)
                raise Refused(400, "ExpiredToken")

    # ---- conditions ----

    def matches(self, held):
        given = self.headers["if-match"]
        if "quoted" in self.lies and not given.startswith('"'):
            return False
        if "bare" in self.lies and given.startswith('"'):
            return False
        return held is not None and given.strip('"') == held[1]

    def check_condition(self):
        held = self.world.objects.get(self.key)
        absent, match = self.headers.get("if-none-match"), self.headers.get("if-match")
        if absent is None and match is None:
            return
        good = True
        if absent is not None and "ignore-absent" not in self.lies:
            good = held is None
        if match is not None and "ignore-match" not in self.lies:
            good = self.matches(held) or (held is None and "any-match" in self.lies)
        if "delete-forgets" in self.lies and absent is not None:
            good = good or time.time() - self.world.deleted_at.get(self.key, 0) < 1
        if "invert" in self.lies:
            good = not good
        if not good:
            raise Refused(412, "PreconditionFailed")

    def refuse_conditional(self):
        if self.headers.get("if-none-match") is None and self.headers.get("if-match") is None:
            return
        for lie, status, code in (("conflict", 409, "ConditionalRequestConflict"), ("error", 500, "InternalError"),
                                  ("not-implemented", 501, "NotImplemented"), ("bad-request", 400, "InvalidArgument")):
            if lie in self.lies:
                raise Refused(status, code)
        if "sometimes-conflict" in self.lies:
            self.world.count += 1
            if self.world.count % 3 == 0:
                if self.world.count % 2 == 0:
                    self.check_condition()
                    self.store()
                raise Refused(409, "ConditionalRequestConflict")

    def looks_early(self, size):
        return ("race" in self.lies or ("race-create" in self.lies and self.headers.get("if-none-match") is not None)
                or ("race-large" in self.lies and size > 1 << 20)
                or ("race-presigned" in self.lies and "X-Amz-Signature" in self.query))

    # ---- requests ----

    def store(self):
        note("written", " ".join([self.key, getattr(self.request, "name", "-"), self.headers.get("x-amz-storage-class", "-"),
                                  self.headers.get("x-amz-server-side-encryption", "-")]))
        etag = hashlib.md5(b"" if "constant-etag" in self.lies else self.body).hexdigest()
        meta = {} if "no-metadata" in self.lies else {
            name.lower(): value for name, value in self.headers.items() if name.lower().startswith("x-amz-meta-")}
        before = self.world.objects.get(self.key)
        self.world.objects[self.key] = (self.body, etag, meta, time.time())
        if before is not None:
            self.world.listed[self.key] = (time.time(), before[1])
        return etag

    def do_PUT(self):
        size = int(self.headers.get("content-length", "0"))
        early = self.looks_early(size)
        try:
            self.begin()
            if early:
                with self.world.lock:
                    self.check_condition()
        except Refused as refused:
            self.rfile.read(size)
            return self.refuse(refused)
        self.body = bytearray()
        while len(self.body) < size:
            piece = self.rfile.read1(min(65536, size - len(self.body)))
            if not piece:
                break
            self.body += piece
        self.body = bytes(self.body)
        if len(self.body) < size:
            self.close_connection = True
            if "half" in self.lies:
                with self.world.lock:
                    self.store()
            return None
        digest = self.headers.get("content-md5")
        wrong = digest is not None and base64.b64decode(digest) != hashlib.md5(self.body).digest()
        if wrong and "no-digest" not in self.lies:
            return self.refuse(Refused(400, "BadDigest"))
        with self.world.lock:
            try:
                self.refuse_conditional()
                if not early:
                    self.check_condition()
            except Refused as refused:
                if "done-though-refused" in self.lies:
                    self.store()
                return self.refuse(refused)
            etag = self.store()
        return self.answer(200, {"ETag": '"%s"' % etag})

    def do_DELETE(self):
        try:
            self.begin()
            with self.world.lock:
                if "conditional-delete" in self.lies:
                    self.check_condition()
                if self.world.objects.pop(self.key, None) is not None:
                    self.world.deleted_at[self.key] = time.time()
        except Refused as refused:
            return self.refuse(refused)
        return self.answer(204, {})

    def do_GET(self):
        try:
            self.begin()
            if "list-type" in self.query:
                return self.list()
            if self.key == "" and ("lifecycle" in self.query or "object-lock" in self.query):
                return self.rules()
            with self.world.lock:
                held = self.world.objects.get(self.key)
            if held is None and "ghost-get" in self.lies:
                held = (b"ghost", "g", {}, time.time())
            if held is None:
                raise Refused(404, "NoSuchKey")
        except Refused as refused:
            return self.refuse(refused)
        body, etag, meta, modified = held
        if "slow-clock" in self.lies:
            modified -= 3600
        headers = {"ETag": '"%s"' % etag, "Last-Modified": email.utils.formatdate(modified, usegmt=True), **meta}
        part = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))
        if part and "no-range" not in self.lies:
            return self.answer(206, headers, body[int(part[1]):int(part[2]) + 1])
        return self.answer(200, headers, body)

    do_HEAD = do_GET

    def list(self):
        prefix, after = self.query.get("prefix", ""), self.query.get("start-after", "")
        with self.world.lock:
            keys = {key: (*value[1:], len(value[0])) for key, value in self.world.objects.items()}
            listed, deleted = dict(self.world.listed), dict(self.world.deleted_at)
        if "ghost-list" in self.lies:
            for key, at in deleted.items():
                if time.time() - at < 3:
                    keys.setdefault(key, ("ghost", {}, at, 1))
        lines = []
        for key in sorted(keys):
            if not key.startswith(prefix) or key <= after:
                continue
            etag = keys[key][0]
            if "stale-list" in self.lies and key in listed and time.time() - listed[key][0] < 1:
                etag = listed[key][1]
            lines.append("<Contents><Key>%s</Key><LastModified>%s</LastModified><ETag>%s</ETag><Size>%d</Size></Contents>" % (
                urllib.parse.quote(key, safe=""), time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(keys[key][2])),
                "" if "no-etag" in self.lies else "&quot;%s&quot;" % etag, keys[key][3]))
        body = "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>%s</ListBucketResult>"
        return self.answer(200, {"Content-Type": "application/xml"}, (body % "".join(lines)).encode())

    def rules(self):
        """The bucket's own rules; an honest server does not know such a thing."""
        def rule(inside, status="Enabled"):
            return "<Rule><ID>x</ID><Status>%s</Status>%s</Rule>" % (status, inside)
        kind = "lifecycle" if "lifecycle" in self.query else "object-lock"
        soon = "<Expiration><Days>30</Days></Expiration>"
        documents = {
            "expires": ("lifecycle", rule("<Filter/>" + soon)),
            "expires-todo": ("lifecycle", rule("<Prefix>pdf/queue/todo/</Prefix>" + soon)),
            "expires-elsewhere": ("lifecycle", rule("<Filter><Prefix>other/</Prefix></Filter>" + soon)
                                  + rule("<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>" + soon)
                                  + rule("<Filter/>" + soon, "Disabled")
                                  + rule("<Prefix>pdf/registry/probe/</Prefix>" + soon)
                                  + rule("<Filter/><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>"
                                         "</NoncurrentVersionExpiration><Expiration><ExpiredObjectDeleteMarker>true"
                                         "</ExpiredObjectDeleteMarker></Expiration>")),
            "object-lock": ("object-lock", "<ObjectLockEnabled>Enabled</ObjectLockEnabled>"),
        }
        for lie, (asked, inside) in documents.items():
            if lie in self.lies and asked == kind:
                root = "LifecycleConfiguration" if kind == "lifecycle" else "ObjectLockConfiguration"
                return self.answer(200, {"Content-Type": "application/xml"},
                                   ('<%s xmlns="http://s3.amazonaws.com/doc/2006-03-01/">%s</%s>' % (root, inside, root)).encode())
        if "no-rights" in self.lies:
            raise Refused(403, "AccessDenied")
        if "no-such-rules" in self.lies:
            raise Refused(404, "NoSuchLifecycleConfiguration" if kind == "lifecycle" else "ObjectLockConfigurationNotFoundError")
        raise Refused(501, "NotImplemented")

    # ---- what all share ----

    def begin(self):
        address = self.request.getsockname()[0] if "split" in self.lies else ""
        self.world = worlds.setdefault((self.bucket, address), World())
        if "busy" in self.lies:
            raise Refused(503, "SlowDown")
        if "busy-fleet" in self.lies and self.key.endswith("registry/blobforge.json"):
            raise Refused(503, "SlowDown")
        self.check_signature()

    def refuse(self, refused):
        body = "<Error><Code>%s</Code></Error>" % refused.code
        return self.answer(refused.status, {}, b"" if refused.status == 304 else body.encode())

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers.items():
            if not (name == "ETag" and "no-etag" in self.lies):
                self.send_header(name, value)
        if "versioned" in self.lies and self.command == "PUT":
            self.send_header("x-amz-version-id", "v1")
        if "suspended" in self.lies and self.command == "PUT":
            self.send_header("x-amz-version-id", "null")
        if "versioned-queue" in self.lies and "/queue/" in urllib.parse.unquote(self.path):
            self.send_header("x-amz-version-id", "later")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        if getattr(self.request, "made_with", b"") != tls_file():
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def parse_request(self):
        good = super().parse_request()
        if good:
            url = urllib.parse.urlsplit(self.path)
            if url.scheme:
                note("proxied", self.path)
            self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
            if self.give_keys(url.path):
                return False
            _, self.bucket, self.key = (urllib.parse.unquote(url.path) + "/").split("/", 2)
            self.key = self.key[:-1]
            self.lies = (set(self.bucket.split(".")) | turned()) - {"honest"}
            if not self.lies <= set(LIES):
                self.send_error(404)
                return False
        return good

    # ---- keys ----

    def give_keys(self, path):
        """Answers who asks for keys; True: done."""
        paths = {"/sts": self.sts, "/container": self.container, "/latest/api/token": self.metadata,
                 "/latest/meta-data/iam/security-credentials/": self.metadata,
                 "/latest/meta-data/iam/security-credentials/role": self.metadata}
        if path not in paths:
            return False
        self.lies, body = set(), self.rfile.read(int(self.headers.get("content-length", "0")))
        if os.path.exists(os.path.join(sys.argv[1], "broken")):
            self.answer(500, {}, b"broken")
        else:
            paths[path](path, dict(urllib.parse.parse_qsl(body.decode())))
        self.wfile.flush()
        return True

    def sts(self, _, form):
        if self.command != "POST" or form.get("Action") != "AssumeRoleWithWebIdentity" or form.get("RoleArn") != "arn:role":
            return self.answer(400, {}, b"<ErrorResponse><Error><Code>ValidationError</Code></Error></ErrorResponse>")
        if form["WebIdentityToken"] != "web token/+=":
            return self.answer(403, {}, b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>")
        keys = new_session("sts")
        keys["SessionToken"] = keys.pop("Token")
        body = "".join("<%s>%s</%s>" % (name, value, name) for name, value in keys.items())
        return self.answer(200, {}, (
            '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>'
            "<Credentials>%s</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>" % body).encode())

    def container(self, *_):
        if self.headers.get("authorization") != "pod token":
            return self.answer(401, {}, b"{}")
        return self.answer(200, {}, json.dumps(new_session("container")).encode())

    def metadata(self, path, _):
        if path == "/latest/api/token":
            good = self.command == "PUT" and 0 < int(self.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "0")) <= 21600
            return self.answer(200 if good else 400, {}, b"metadata-session" if good else b"")
        if self.headers.get("x-aws-ec2-metadata-token") != "metadata-session":
            return self.answer(401, {}, b"")
        if path.endswith("/role"):
            return self.answer(200, {}, json.dumps({"Code": "Success", **new_session("instance")}).encode())
        return self.answer(200, {}, b"role")


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def get_request(self):
        request, address = super().get_request()
        pem = tls_file()
        if pem:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(os.path.join(sys.argv[1], "tls.pem"))
            # The handshake comes with the first read, in the connection's own thread.
            request = context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
            request.made_with, request.name = pem, pem.split(b"\n")[0].decode()
        return request, address

    def handle_error(self, request, client_address):
        pass  # clients that hang up are part of the game


class Server6(Server):
    address_family = socket.AF_INET6


def main():
    server = Server(("127.0.0.1", 0), Handler)
    port = server.server_address[1]
    try:
        other = Server6(("::1", port), Handler)
        threading.Thread(target=other.serve_forever, daemon=True).start()
    except OSError:
        pass  # a machine without IPv6
    path = os.path.join(sys.argv[1], "port")
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(str(port))
    os.rename(path + ".new", path)
    server.serve_forever()


if __name__ == "__main__":
    main()
