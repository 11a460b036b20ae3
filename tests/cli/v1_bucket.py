"""A bucket as version 1 wrote it, and a bucket as version 1 reads it.

v1_bucket.py make FOLDER           the objects into FOLDER: index.tsv (number, key, metadata), one body a file;
                                   names.sh with the hashes
v1_bucket.py place FOLDER STORE    them as a directory store keeps them
v1_bucket.py collect STORE FOLDER  what a directory store holds, in that form
v1_bucket.py check FOLDER          does version 1 understand it? One line for each thing that it does not

Version 1's JSON has ", " and ": " and escapes all that is not ASCII: json.dumps as it stands.
"""
import hashlib
import io
import json
import os
import re
import sys
import time
import urllib.parse
import zipfile

TIERS = ("1_critical", "2_high", "3_normal", "4_low", "5_background")
HASH = re.compile(r"^[0-9a-f]{64}$")
NOW = int(time.time() * 1000)
WORKER = "0123456789ab"


def iso(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms / 1000)) + ".%06dZ" % (ms % 1000 * 1000)


# ---- what it wrote ----

documents = {}  # short name: (hash, body, path, tags)
objects = []    # (key, metadata, body)


def add(key, body, meta=None):
    if not isinstance(body, (bytes, str)):
        body = json.dumps(body)
    objects.append((key, meta or {}, body.encode() if isinstance(body, str) else body))


def document(short, path, tags):
    body = b"%PDF-1.4\n" + short.encode() + b"\n"
    digest = hashlib.sha256(body).hexdigest()
    documents[short] = (digest, body, path, tags)
    add("store/raw/%s.pdf" % digest, body, {
        "original-name": urllib.parse.quote(os.path.basename(path), safe=""),
        "tags": urllib.parse.quote(json.dumps(tags), safe=""),
        "size": str(len(body))})
    return digest


def failed(digest, error, retries, ms):
    add("queue/failed/" + digest, {"error": error, "worker": WORKER, "failed_at": iso(ms), "timestamp": ms,
                                   "retries": retries})


def lock(digest, tier, retries, started, beat, progress=None):
    body = {"worker": WORKER, "started": started, "last_heartbeat": beat, "priority": tier, "retries": retries}
    if progress:
        body["progress"] = progress
    add("queue/processing/" + digest, body)


def dead(digest, error, total):
    add("queue/dead/" + digest, {"error": error, "moved_to_dead_at": iso(NOW - 7200000), "total_retries": total,
                                 "reason": "exceeded_max_retries"})


def error_log(digest, error, name):
    add("registry/logs/%s/error.json" % digest, {
        "error": error, "timestamp": iso(NOW - 7200000),
        "traceback": "Traceback (most recent call last):\n  File \"worker.py\", line 1\nRuntimeError: " + error,
        "context": {"stage": "converting", "original_filename": name, "file_size": 17, "worker_id": WORKER,
                    "retry_count": 3, "max_retries": 3}})


def result(digest, name, tags, size):
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("content.md", "# A page of version 1\n\n![](assets/_page_0_Picture_1.jpeg)\n")
        z.writestr("assets/_page_0_Picture_1.jpeg", b"\xff\xd8\xff")
        z.writestr("info.json", json.dumps({
            "hash": digest, "converted_at": iso(NOW - 3600000), "worker_id": WORKER, "original_filename": name,
            "tags": tags, "size_bytes": str(size), "marker_meta": {"table_of_contents": [], "page_stats": []}}))
    add("store/out/%s.zip" % digest, body.getvalue())


def make(folder):
    d = document("fresh", "physics/fresh.pdf", ["physics", "fresh"])
    add("queue/todo/3_normal/" + d, "")
    d = document("again", "M\u00fcller + 100%/\u00dcbersicht (1).pdf", ["M\u00fcller + 100%", "\u00dcbersicht (1)"])
    add("queue/todo/2_high/" + d, {"retries": 1, "queued_at": NOW - 600000, "recovered_from": "stale_processing",
                                   "last_error": "worker died"})
    d = document("running", "running.pdf", ["running"])
    add("queue/todo/1_critical/" + d, "")
    lock(d, "1_critical", 0, NOW - 300000, NOW - 5000, {
        "stage": "converting", "page_count": 12, "image_count": 0, "output_chars": 0, "elapsed_seconds": 295.1,
        "elapsed_formatted": "4m 55s", "original_filename": "running.pdf", "file_size_bytes": 17,
        "file_size_formatted": "17.0 B",
        "marker": {"tqdm_stage": "Recognizing Layout", "tqdm_current": 5, "tqdm_total": 12, "tqdm_percent": 41.7,
                   "tqdm_rate": "1.2it/s", "tqdm_elapsed": "00:04", "tqdm_eta": "00:06"},
        "system": {"cpu_percent": 71.5, "memory_percent": 40.2, "memory_used_gb": 6.4, "memory_available_gb": 9.6,
                   "disk_percent": 12.0, "disk_free_gb": 100.5, "load_avg_1m": 1.0, "load_avg_5m": 0.5}})
    d = document("failed", "failed.pdf", ["failed"])
    add("queue/todo/3_normal/" + d, "")
    failed(d, "CUDA out of memory", 0, NOW - 60000)
    error_log(d, "CUDA out of memory", "failed.pdf")
    d = document("dead", "dead.pdf", ["dead"])
    dead(d, "marker \u001b[31mdied", 4)
    lock(d, "3_normal", 3, NOW - 9000000, NOW - 7300000)  # a job that died of a failure keeps its lock
    error_log(d, "marker died", "dead.pdf")
    add("registry/logs/%s/conversion.log" % d, "Loading models\nmarker died\n")
    d = document("buried", "buried.pdf", ["buried"])
    dead(d, "once more", 3)
    d = document("done", "done.pdf", ["done"])
    result(d, "done.pdf", ["done"], 14)
    d = document("leftover", "leftover.pdf", ["leftover"])
    result(d, "leftover.pdf", ["leftover"], 18)
    lock(d, "3_normal", 1, NOW - 9000000, NOW - 8000000)
    failed(d, "once", 0, NOW - 9500000)
    document("cleared", "cleared.pdf", ["cleared"])  # its clear-dead leaves just the document
    d = document("twin", "twin.pdf", ["twin"])
    add("queue/todo/1_critical/" + d, "")
    add("queue/todo/3_normal/" + d, {"retries": 2, "queued_at": NOW - 500000, "recovered_from": "failed_queue"})
    d = document("retried", "retried.pdf", ["retried"])
    add("queue/todo/3_normal/" + d, {"retries": 0, "queued_at": NOW - 400000,
                                     "recovered_from": "manual_retry_dead-letter", "previous_error": "x"})
    dead(d, "x", 3)
    d = document("orphan", "orphan.pdf", ["orphan"])
    failed(d, "no marker beside it", 1, NOW - 700000)
    add("registry/manifest.json", {"version": 1, "updated_at": iso(NOW), "entries": {
        digest: {"paths": [path], "size": len(body), "tags": tags, "ingested_at": iso(NOW - 86400000),
                 "source": "library"} for digest, body, path, tags in documents.values()}})
    add("registry/config.json", {"max_retries": 3, "heartbeat_interval": 60, "stale_timeout_minutes": 15,
                                 "conversion_timeout": 0, "s3_supports_conditional_writes": True})
    for worker, status, beat, job in ((WORKER, "processing", NOW - 20000, documents["running"][0]),
                                      ("ba9876543210", "stopped", NOW - 3600000, None)):
        card = {"worker_id": worker, "hostname": "gpu-" + worker[:2], "platform": "Linux", "platform_release": "6.1",
                "cpu_count": 16, "memory_gb": 64.0, "registered_at": iso(NOW - 7200000), "pid": 4711,
                "last_heartbeat": iso(beat), "status": status, "current_job": job,
                "system": {"cpu_percent": 71.5, "memory_percent": 40.2, "disk_free_gb": 100.5},
                "metrics": {"session_start": iso(NOW - 7200000), "session_duration_seconds": 7180.2,
                            "jobs_completed": 42, "jobs_failed": 3, "bytes_processed": 12345678,
                            "bytes_processed_formatted": "11.8 MB", "total_processing_time": 6000.5,
                            "avg_processing_time": 142.9, "avg_processing_time_formatted": "2m 22s",
                            "jobs_per_hour": 21.0}}
        if status == "stopped":
            card["stopped_at"] = iso(beat)
        add("registry/workers/%s.json" % worker, card)
    add("_blobforge_test_1a2b3c4d/probe", "x")
    save(folder)
    with open(os.path.join(folder, "names.sh"), "w", encoding="ascii") as out:
        for short, (digest, _, _, _) in documents.items():
            out.write("h_%s=%s\n" % (short, digest))


def save(folder):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "index.tsv"), "w", encoding="utf-8") as index:
        for number, (key, meta, body) in enumerate(objects):
            index.write("%d\t%s\t%s\n" % (number, key, " ".join("%s=%s" % pair for pair in meta.items())))
            with open(os.path.join(folder, str(number)), "wb") as out:
                out.write(body)


def load(folder):
    with open(os.path.join(folder, "index.tsv"), encoding="utf-8") as index:
        for line in index:
            number, key, meta = line.rstrip("\n").split("\t")
            with open(os.path.join(folder, number), "rb") as body:
                yield key, dict(pair.split("=", 1) for pair in meta.split()), body.read()


# ---- a directory store ----

def path_of(store, key):
    out = [store]
    for segment in key.split("/"):
        if HASH.match(segment[:64]):
            out.append(segment[:2])
        out.append(segment)
    return os.path.join(*out)


def place(folder, store):
    for key, meta, body in load(folder):
        path = path_of(store, key)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(body)
        if meta:
            try:
                os.setxattr(path, "user.blobforge.meta", "".join("%s %s\n" % pair for pair in meta.items()).encode())
            except OSError:
                sys.exit(3)  # no such attributes here


def collect(store, folder):
    for parent, _, files in os.walk(store):
        for name in files:
            path = os.path.join(parent, name)
            key = "/".join(s for s in os.path.relpath(path, store).split("/") if not re.match("^[0-9a-f]{2}$", s))
            try:
                meta = os.getxattr(path, "user.blobforge.meta").decode()
            except OSError:
                meta = ""
            with open(path, "rb") as body:
                objects.append((key, dict(line.split(" ", 1) for line in meta.splitlines()), body.read()))
    save(folder)


# ---- what it reads ----

bad = []


def want(key, good, what):
    if not good:
        bad.append("%s: %s" % (key, what))


def fields(key, record, shapes):
    for name, kind in shapes.items():
        value = record.get(name)
        if kind is int:
            want(key, isinstance(value, int) and not isinstance(value, bool) and value >= 0, "%s is %r" % (name, value))
        elif kind == "time":
            # datetime.fromisoformat(value.rstrip("Z")) of Python 3.10: 0, 3 or 6 digits
            want(key, isinstance(value, str) and re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?Z$", value),
                 "%s is %r" % (name, value))
        elif kind is float:
            want(key, isinstance(value, (int, float)) and not isinstance(value, bool), "%s is %r" % (name, value))
        else:
            want(key, isinstance(value, kind), "%s is %r" % (name, value))


def texts(value):
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def check_raw(key, meta, body):
    name, tags, size = meta.get("original-name"), meta.get("tags"), meta.get("size")
    if name is None and tags is None and not meta:
        return  # the file system has no attributes
    want(key, name and re.match(r"^([A-Za-z0-9_.~-]|%[0-9A-F]{2})*$", name), "original-name is %r" % name)
    want(key, tags and texts(json.loads(urllib.parse.unquote(tags))), "tags are %r" % tags)
    want(key, size and size.isdigit() and int(size) == len(body), "size is %r" % size)


def check_result(key, body):
    with zipfile.ZipFile(io.BytesIO(body)) as z:
        names = z.namelist()
        want(key, "content.md" in names and "info.json" in names, "members %r" % names)
        want(key, all(n in ("content.md", "info.json") or n.startswith("assets/") for n in names), "members %r" % names)
        info = json.loads(z.read("info.json"))
        z.read("content.md").decode("utf-8")
    fields(key, info, {"hash": str, "converted_at": "time", "worker_id": str, "original_filename": str,
                       "marker_meta": dict})
    want(key, texts(info.get("tags")), "tags are %r" % info.get("tags"))
    want(key, isinstance(info.get("size_bytes"), (int, str)), "size_bytes is %r" % info.get("size_bytes"))
    want(key, info.get("hash") == key.split("/")[-1][:64], "hash is %r" % info.get("hash"))


def check_lock(key, record):
    fields(key, record, {"worker": str, "started": int, "last_heartbeat": int, "retries": int})
    want(key, record.get("priority") in TIERS, "priority is %r" % record.get("priority"))
    if "progress" in record:
        want(key, isinstance(record["progress"], dict), "progress is %r" % record["progress"])
        want(key, record["progress"].get("stage") in ("downloaded", "converting", "packaging", "uploading"),
             "stage is %r" % record["progress"].get("stage"))


def check_card(key, record):
    fields(key, record, {"worker_id": str, "hostname": str, "registered_at": "time", "last_heartbeat": "time",
                         "pid": int, "metrics": dict, "system": dict})
    want(key, record.get("status") in ("active", "processing", "idle", "stopped"), "status %r" % record.get("status"))
    want(key, "/%s.json" % record.get("worker_id") in key, "worker_id %r" % record.get("worker_id"))
    want(key, record.get("current_job") is None or HASH.match(record["current_job"]), "current_job")
    fields(key, record["metrics"], {"jobs_completed": int, "jobs_failed": int, "jobs_per_hour": float,
                                    "avg_processing_time": float})


def check_manifest(key, record):
    fields(key, record, {"updated_at": "time"})
    if "entries" not in record:
        want(key, record.get("version") != 1, "neither entries nor another version")
        return 0
    want(key, record.get("version") == 1, "version is %r" % record.get("version"))
    for digest, entry in record["entries"].items():
        fields(key + " " + digest[:8], entry, {"size": int, "ingested_at": "time", "source": str})
        want(key, HASH.match(digest) and texts(entry.get("paths")) and texts(entry.get("tags")), "entry %r" % entry)
    return len(record["entries"])


CONFIG = ("max_retries", "heartbeat_interval", "stale_timeout_minutes", "conversion_timeout",
          "s3_supports_conditional_writes")


def check_record(key, folder, record):
    if folder == "queue/todo":
        want(key, key.split("/")[2] in TIERS, "no tier")
        if record is not None:
            fields(key, record, {"retries": int, "queued_at": int})
    elif folder == "queue/processing":
        check_lock(key, record)
    elif folder == "queue/failed":
        fields(key, record, {"error": str, "worker": str, "failed_at": "time", "timestamp": int, "retries": int})
        if "claim" in record:  # ours: version 1 does not write it, and honours it
            want(key, record.get("priority") in TIERS, "priority is %r" % record.get("priority"))
    else:
        fields(key, record, {"error": str, "moved_to_dead_at": "time", "total_retries": int, "reason": str})


def check(folder):
    seen = {}
    for key, meta, body in load(folder):
        parent, last = key.rsplit("/", 1)
        kind = "/".join(parent.split("/")[:2])
        try:
            record = json.loads(body) if body and (last.endswith(".json") or parent.startswith("queue/")) else None
            if kind == "store/raw":
                check_raw(key, meta, body)
            elif kind == "store/out":
                want(key, HASH.match(last[:-4]) and last.endswith(".zip"), "no result to version 1")
                check_result(key, body)
            elif parent.startswith("queue/"):
                want(key, HASH.match(last), "no job to version 1")
                check_record(key, kind, record)
            elif kind == "registry/workers":
                check_card(key, record)
            elif key == "registry/manifest.json":
                entries = check_manifest(key, record)
                if entries:
                    seen["entries"] = entries
            elif key == "registry/config.json":
                want(key, set(record) <= set(CONFIG), "keys %r" % list(record))
        except (ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
            want(key, False, repr(error))
        seen[kind] = seen.get(kind, 0) + 1
    for line in bad:
        print(line)
    print(" ".join("%s=%d" % pair for pair in sorted(seen.items())))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit({"make": make, "place": place, "collect": collect, "check": check}[sys.argv[1]](*sys.argv[2:]))
