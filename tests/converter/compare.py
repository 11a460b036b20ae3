#!/usr/bin/env python3
"""Measures pdf2md beside other programs, and prints the tables of DESIGN-converter.md.

  compare.py --pdf2md PROGRAM [--pages DIR] [--gold DIR --scorer mdscore.py]
             [--manual FILE.pdf] [--rounds N] [--peer 'NAME=COMMAND']...

--pages   a folder of PDFs: each program is started once for each file, and all files together are timed
--gold    a Markdown file NAME.md for each, and with --scorer (called as `SCORER score --gold --pred --pdfs --json`,
          which writes {"means": {"overall", "nid", "teds", "mhs"}}) the scores; needs what the scorer needs
--manual  one long document, which all programs convert in turn, --rounds times
--peer    a program to compare with: {in} stands for the PDF, {out} for the Markdown file to write, {outdir} for a folder to
          write it to (the first .md in it is taken); without {out} and {outdir} its standard output is the Markdown

CPU seconds count the program and what it starts; memory is the peak of the largest of these processes (not below the 15 MiB
of the process that starts them). Wall seconds say something only on a machine that does nothing else. Last it is checked that pdf2md gives the same bytes again, and with -j 2.
Exits with 1 when it does not, or when a program failed on every file.
"""
import argparse
import filecmp
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time


def find_markdown(folder):
    for where, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            if name.endswith(".md"):
                return os.path.join(where, name)
    return None


def run(words, pdf, out):
    """One conversion: its Markdown to `out`. Returns CPU seconds, wall seconds, peak MiB, and whether it succeeded."""
    with tempfile.TemporaryDirectory() as folder:
        argv = [w.replace("{in}", pdf).replace("{outdir}", folder).replace("{out}", out) for w in words]
        own = any("{out}" in w or "{outdir}" in w for w in words)
        with open(os.devnull if own else out, "wb") as stdout:
            start = time.monotonic()
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
            wall = time.monotonic() - start
            child.returncode = os.waitstatus_to_exitcode(status)
        made = find_markdown(folder) if any("{outdir}" in w for w in words) else None
        if made:
            shutil.copyfile(made, out)
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, child.returncode == 0


def score(options, folder):
    with tempfile.NamedTemporaryFile() as answer:
        subprocess.run([options.scorer, "score", "--gold", options.gold, "--pred", folder, "--pdfs", options.pages,
                        "--json", answer.name], check=True, stdout=subprocess.DEVNULL)
        means = json.load(open(answer.name))["means"]
    return ["%.3f" % means[k] if means.get(k) is not None else "-" for k in ("overall", "nid", "teds", "mhs")]


def compare_pages(options, programs, pdfs):
    failed = False
    print("| engine | overall | NID | TEDS | MHS | %d files, one process each: CPU s | wall s | files/s | peak MiB | failed |" % len(pdfs))
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, words in programs:
        cpu = wall = peak = bad = 0
        with tempfile.TemporaryDirectory() as folder:
            for pdf in pdfs:
                out = os.path.join(folder, os.path.basename(pdf)[:-4] + ".md")
                c, w, p, ok = run(words, pdf, out)
                cpu, wall, peak, bad = cpu + c, wall + w, max(peak, p), bad + (not ok)
            marks = score(options, folder) if options.gold and options.scorer else ["-"] * 4
        print("| %s | %s | %.1f | %.1f | %.0f | %.0f | %d |" % (name, " | ".join(marks), cpu, wall, len(pdfs) / wall, peak, bad), flush=True)
        failed = failed or bad == len(pdfs)
    return failed


def compare_manual(options, programs):
    rows = {name: [] for name, _ in programs}
    for _ in range(options.rounds):
        for name, words in programs:
            with tempfile.NamedTemporaryFile(suffix=".md") as out:
                rows[name].append(run(words, options.manual, out.name))
    print("\n| %s, %d rounds in turn | wall s | CPU s | peak MiB |" % (os.path.basename(options.manual), options.rounds))
    print("|---|---|---|---|")
    for name, _ in programs:
        r = rows[name]
        print("| %s | %s | %s | %.0f |" % (name + ("" if all(x[3] for x in r) else " (failed)"), ", ".join("%.1f" % x[1] for x in r),
                                         ", ".join("%.1f" % x[0] for x in r), max(x[2] for x in r)))
    return any(not x[3] for name, _ in programs[:1] for x in rows[name])


def same_tree(a, b):
    names = [sorted(os.path.relpath(os.path.join(w, f), top) for w, _, fs in os.walk(top) for f in fs) for top in (a, b)]
    return names[0] == names[1] and not any(filecmp.cmpfiles(a, b, names[0], shallow=False)[1:])


def check_same(options, pdfs):
    differ = []
    for pdf in pdfs:
        with tempfile.TemporaryDirectory() as folder:
            tree = [os.path.join(folder, n) for n in "abc"]
            for out, more in zip(tree, ([], [], ["-j", "2"])):
                subprocess.run([options.pdf2md, *more, pdf, out], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if not (same_tree(tree[0], tree[1]) and same_tree(tree[0], tree[2])):
                differ.append(os.path.basename(pdf))
    print("\nthe same bytes again and with -j 2: %d of %d documents%s" %
          (len(pdfs) - len(differ), len(pdfs), "".join(" (not %s)" % d for d in differ)))
    return bool(differ)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("pdf2md", "pages", "gold", "scorer", "manual"):
        parser.add_argument("--" + name, required=name == "pdf2md")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--peer", action="append", default=[])
    options = parser.parse_args()
    if not (options.pages or options.manual) or bool(options.gold) != bool(options.scorer) or options.rounds < 1:
        parser.error("give --pages or --manual or both; --gold and --scorer go together")
    peers = []
    for peer in options.peer:
        name, equals, command = peer.partition("=")
        words = shlex.split(command)
        if not equals or not words or "{in}" not in command or not shutil.which(words[0]):
            parser.error("--peer %s: not NAME=COMMAND with {in}, or no such program" % peer)
        peers.append((name, words))
    own = [options.pdf2md, "{in}", "{outdir}"]
    pdfs = []
    failed = False
    if options.pages:
        pdfs = sorted(os.path.join(options.pages, n) for n in os.listdir(options.pages) if n.endswith(".pdf"))
        if not pdfs:
            parser.error("--pages %s: holds no PDF" % options.pages)
        failed |= compare_pages(options, [("pdf2md --flavour plain", own + ["--flavour", "plain"]),
                                          ("pdf2md --flavour plain --ocr never", own + ["--flavour", "plain", "--ocr", "never"]),
                                          ("pdf2md", own)] + peers, pdfs)
    if options.manual:
        failed |= compare_manual(options, [("pdf2md", own)] + peers)
    failed |= check_same(options, pdfs + ([options.manual] if options.manual else []))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
