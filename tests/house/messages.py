"""Finds the error messages in the sources: one line each, FILE|MESSAGE, with what is put in as NAME.

`check PAGE`: every message that has words of its own must be in the page, as far as its first semicolon.
"""
import glob
import re
import sys

RETURNS = r'\breturn\s+"((?:[^"\\]|\\.)*; (?:[^"\\]|\\.)*)"'
CALLS = r"\bcli_(?:error|usage)\s*\(|\berror_r\s*=\s*mem_printf\(|\bstep_error\s*\("
NO_ERRORS = ("kill only (",)  # returned texts with a semicolon that name a way of working
TEXT = r'"((?:[^"\\]|\\.)*)"'


def call_end(source, i):
    """Where the call that begins before i ends."""
    depth, quoted = 1, False
    while depth > 0 and i < len(source):
        c = source[i]
        if quoted:
            if c == "\\":
                i += 1
            quoted = c != '"'
        elif c == '"':
            quoted = True
        else:
            depth += (c == "(") - (c == ")")
        i += 1
    return i - 1


def messages(folder):
    """(file, format) of each message; of a call the first text, with what is joined to it."""
    for name in sorted(glob.glob(folder + "/src/*/*.c")):
        if "/converter/" in name:  # pdf2md(1) speaks for itself
            continue
        source = open(name, encoding="utf-8").read()
        for text in re.findall(RETURNS, source):
            if text.startswith(NO_ERRORS):
                continue
            yield name[len(folder) + 1 :], text.replace('\\"', '"')
        for call in re.finditer(CALLS, source):
            body = source[call.end() : call_end(source, call.end())]
            first = re.search(r'(?:%s\s*(?:PRI\w+\s*)?)+' % TEXT, body)
            if first:
                joined = re.sub(r'PRI[dux]64', '"lld"', first.group(0))
                yield name[len(folder) + 1 :], "".join(re.findall(TEXT, joined)).replace('\\"', '"')


def pieces(message):
    """The words of a message up to its first semicolon, between what is put in."""
    head = message.split(";")[0]
    return [p.strip(" :,.'()") for p in re.split(r"%[-.*0-9]*(?:ll|z|l)?[a-zA-Z]", head)]


def own_words(message):
    return [p for p in pieces(message) if len(re.findall("[a-z]{2,}", p)) >= 2]


def plain(page):
    """A page's words without mdoc's marks."""
    text = re.sub(r"^\.(?:It|Sh|Ss|Pp|Bl|El|Xr|Ql|Pa|Ev|Dl|Fl|Nm|Ar)\b ?", "", page, flags=re.M)
    for mark, what in (("\\(dq", '"'), ("\\(aq", "'"), ("\\&", ""), ("\\-", "-"), ("\\(ti", "~")):
        text = text.replace(mark, what)
    return re.sub(r"\s+", " ", text)


def main():
    found = list(messages(sys.argv[2]))
    if sys.argv[1] == "list":
        for name, message in found:
            print(name + "|" + message)
        return 0
    text = plain(open(sys.argv[3], encoding="utf-8").read())
    missing = [(n, m, p) for n, m in found for p in own_words(m) if re.sub(r"\s+", " ", p) not in text]
    for name, message, piece in missing:
        print("%s: blobforge-troubleshooting(7) lacks: %s   (of: %s)" % (name, piece, message))
    if len(found) < 100:
        print("only %d messages were found in the sources: has the way they are said changed?" % len(found))
        return 1
    if missing:
        print("say in that page, in the list where it belongs, what the message means and what to do")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
