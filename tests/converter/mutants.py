#!/usr/bin/env python3
"""mutants.py SECONDS PDF2MD KEEP PDF...: damages PDFs and converts them, for as long as it is given.

Each round takes one of the documents, half of the time unpacked by qpdf (so that damage hits operators and dictionaries
and not only compressed bytes), changes some of it, and runs PDF2MD on it, best one built with sanitizers. Wrong are: a
signal, a status that is none of the contract's for a document, a report of a sanitizer, no info.json or one that is no
JSON, content.md that is no UTF-8, or more than a minute. What is wrong is kept in KEEP, with what was said; the last
line counts. SEED in the environment repeats a run; it is printed.
"""
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

FINE = {0, 65, 69, 76, 77}
NUMBERS = [b"0", b"-1", b"1", b"65536", b"2147483647", b"-2147483648", b"9999999999", b"1e38", b"0.00001", b"nan"]


def unpacked(path, folder):
    out = os.path.join(folder, "u.pdf")
    subprocess.run(["qpdf", "--qdf", "--object-streams=disable", "--warning-exit-0", path, out], capture_output=True)
    try:
        with open(out, "rb") as f:
            data = f.read()
        os.unlink(out)
        return data
    except OSError:
        return None


def damaged(rnd, data, other):
    data = bytearray(data)
    for _ in range(rnd.choice((1, 1, 2, 3, 8, 30))):
        if not data:
            break
        at = rnd.randrange(len(data))
        end = min(len(data), at + rnd.randrange(1, rnd.choice((4, 64, 4096))))
        kind = rnd.randrange(8)
        if kind == 0:
            data[at] ^= 1 << rnd.randrange(8)
        elif kind == 1:
            data[at:end] = bytes(rnd.randrange(256) for _ in range(end - at))
        elif kind == 2:
            del data[at:end]
        elif kind == 3:
            data[at:at] = data[at:end] * rnd.choice((1, 2, 50))
        elif kind == 4 and other:
            start = rnd.randrange(len(other))
            data[at:end] = other[start:start + end - at]
        elif kind in (5, 6):  # a number becomes a strange one
            numbers = list(re.finditer(rb"-?\d+(\.\d+)?", bytes(data[at:at + 2000])))
            if numbers:
                hit = rnd.choice(numbers)
                data[at + hit.start():at + hit.end()] = rnd.choice(NUMBERS)
        else:  # a name becomes another one of the document
            names = list(re.finditer(rb"/[A-Za-z]+", bytes(data[at:at + 5000])))
            if len(names) > 1:
                one, two = rnd.sample(names, 2)
                data[at + one.start():at + one.end()] = two.group()
    return bytes(data)


def verdict(status, err, folder):
    if status is None:
        return "hangs"
    if re.search(rb"ERROR: \w+Sanitizer|runtime error", err):
        return "sanitizer"
    if status not in FINE:
        return "status %d" % status
    try:
        with open(folder + "/info.json", encoding="utf-8") as f:
            json.load(f)
        if status == 0:
            with open(folder + "/content.md", encoding="utf-8") as f:
                f.read()
    except (OSError, ValueError) as e:
        return str(e).replace(folder, "OUT")
    return None


def main():
    seconds, pdf2md, keep, paths = float(sys.argv[1]), sys.argv[2], sys.argv[3], sorted(sys.argv[4:])
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    rnd = random.Random(seed)
    print("seed %d, %d documents" % (seed, len(paths)), flush=True)
    os.makedirs(keep, exist_ok=True)
    end, rounds, bad, statuses, slowest = time.monotonic() + seconds, 0, 0, {}, 0.0
    with tempfile.TemporaryDirectory() as tmp:
        pdf, out = tmp + "/m.pdf", tmp + "/out"
        while time.monotonic() < end:
            path = rnd.choice(paths)
            with open(path, "rb") as f:
                data = f.read(4 << 20)
            with open(rnd.choice(paths), "rb") as f:
                other = f.read(1 << 20)
            if rnd.random() < 0.5:
                data = unpacked(path, tmp) or data
            mutant = damaged(rnd, data, other)
            with open(pdf, "wb") as f:
                f.write(mutant)
            args = [pdf2md, "-p", "1-4", "--page-time", "5", "--time", "20", "--ocr", "never"]
            args += rnd.choice(([], ["--page-markers", "--headers", "keep"], ["--flavour", "plain"], ["-j", "2"]))
            start = time.monotonic()
            try:
                done = subprocess.run(args + [pdf, out], capture_output=True, timeout=60)
                status, err = done.returncode, done.stderr
            except subprocess.TimeoutExpired as e:
                status, err = None, e.stderr or b""
            slowest = max(slowest, time.monotonic() - start)
            wrong = verdict(status, err, out)
            rounds += 1
            statuses[status] = statuses.get(status, 0) + 1
            if wrong:
                bad += 1
                name = "%s/%d-%d" % (keep, seed, rounds)
                shutil.copy(pdf, name + ".pdf")
                with open(name + ".txt", "wb") as f:
                    f.write(("%s\n%s\n" % (wrong, " ".join(args))).encode() + err)
                print("%s: %s" % (name, wrong), flush=True)
            shutil.rmtree(out, ignore_errors=True)
    print("%d mutants, %d findings, statuses %s, slowest %.1f s" % (rounds, bad, statuses, slowest))
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
