#!/usr/bin/env python3
"""Writes the manifest shards of a library that never was: make_manifest.py FOLDER COUNT [SEED].

FOLDER is registry/ of a bucket (in a directory store: DIR/pdf/registry). Titles are made of words drawn by
frequency, as in a real library, so that some words stand in very many names and most in few.
"""
import hashlib
import json
import os
import random
import sys

folder, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1
rng = random.Random(seed)
syllables = [a + b for a in "b c d f g h k l m n p r s t v w z".split() for b in "a e i o u".split()]
words = ["".join(rng.choice(syllables) for _ in range(rng.randint(2, 5))) for _ in range(60000)]
weights = [1 / (rank + 10) for rank in range(len(words))]
drawn = rng.choices(words, weights, k=count * 7 // 2 + 100)
folders = ["/".join(rng.choices(words[:3000], k=rng.randint(1, 3))) for _ in range(max(1, count // 50))]
shards = [{} for _ in range(256)]
at = 0
for number in range(count):
    length = 2 + number % 4
    title = "_".join(drawn[at:at + length]) + "-%d" % number
    at += length
    digest = hashlib.sha256(b"%d/%d" % (seed, number)).hexdigest()
    place = folders[number % len(folders)]
    shards[int(digest[:2], 16)][digest] = {
        "paths": ["%s/%s.pdf" % (place, title)],
        "size": 1000 + number,
        "tags": place.split("/") + [title],
        "ingested_at": "2026-01-%02dT00:00:00Z" % (1 + number % 28),
        "source": "library",
    }
os.makedirs(os.path.join(folder, "manifest"), exist_ok=True)
with open(os.path.join(folder, "manifest.json"), "w") as out:
    json.dump({"version": 2, "form": "shards"}, out)
for digits, entries in enumerate(shards):
    with open(os.path.join(folder, "manifest", "%02x.json" % digits), "w") as out:
        json.dump({"version": 2, "updated_at": "2026-01-01T00:00:00Z", "entries": entries}, out)
print(words[0], words[3000], words[40000])
