"""The message table: every text of the sources that a user can see as an error or a warning.

    messages.py --table FOLDER        prints it: FILE:LINE, a tab, the text
    messages.py --check FOLDER PAGE   says which of them PAGE (blobforge-troubleshooting(7)) does not list

A text is taken for a message unless NO_MESSAGES says why it is none, so that a new way of saying
something is found, too. The page lists a message in the head of a list's item (.It HEAD, or the text
of an item without a head), with a word such as NAME or N for what is put in, at least as far as the
message's first semicolon: what follows is the remedy, which each message says itself.
"""
import fnmatch
import glob
import re
import sys

# Patterns of "FILE:FUNCTION:PLACE TEXT"; PLACE is the call and which of its arguments (from 0), or the
# table that the text stands in, or "-". Nothing is an exception that somebody may have to understand.
NO_MESSAGES = (
    ("*:{struct cli_option} *", "usage"),
    ("*:{struct cli_command} *", "usage"),
    ("src/cli/help.c:*", "usage"),
    ("src/cli/*.h:-:- *", "usage"),
    ("src/daemon/main.c:*:puts#0 *", "usage"),
    ("src/converter/options.c:-:*", "usage"),
    ("src/cli/completion*.c:*", "programs for the shells"),
    ("src/daemon/metrics.c:*", "names and help of metrics"),
    ("src/base/settings_mdoc.c:*", "makes a manual page"),
    ("src/converter/dump.c:*:fprintf#1 *", "what a dump holds"),
    ("src/store/store_fault.c:*", "a store for tests"),
    ("src/store/store_mem.c:*", "a store for tests"),
    ("src/index/index_db.c:*", "SQL"),
    ("src/index/index_search.c:*", "SQL"),
    ("*:index_db_prepare#1 *", "SQL"),
    ("*:mem_printf#0 DELETE FROM *", "SQL"),
    # what is asked for, not what is wrong
    ("*:cli_printf#*", "answers"),
    ("*:printf#*", "answers"),
    ("*:print_line#0 *", "names in an answer"),
    ("*:print_time#0 *", "names in an answer"),
    ("*:add_line#* *", "an answer on the screen of watch"),
    ("*:add_time#1 *", "names in an answer"),
    ("src/cli/watch_draw.c:*", "the screen of watch"),
    ("src/cli/cmd_janitor.c:print_text:{table} *", "answers"),
    ("src/cli/cmd_logs.c:print_attempt:*", "answers"),
    ("src/cli/cmd_logs.c:follow_look:*", "answers"),
    ("src/cli/cmd_doctor.c:print_checks:*", "answers"),
    ("src/cli/cmd_ingest.c:print_summary:buf_printf*", "answers"),
    ("src/cli/cmd_convert.c:on_progress:*", "what is at work"),
    ("*:progress_begin#2 *", "what is at work"),
    ("*:janitor_note_look#1 *", "what is at work"),
    ("*:setproctitle#0 *", "what is at work"),
    ("*:{struct gang} *", "what is at work"),
    ("src/cli/cmd_cancel.c:run:{struct move} asked to end", "answers"),
    ("src/daemon/master_notify.c:*", "what is at work"),
    ("src/daemon/master_window.c:*run_window opens*", "what is at work"),
    ("src/convert/sandbox.c:cgroup_text:*", "which sandbox there is"),
    ("src/convert/sandbox.c:sandbox_describe:*", "which sandbox there is"),
    ('src/converter/info.c:*:fprintf#1 *": *', "members of info.json"),
    ("src/converter/exits.c:say:fprintf#1 *", "the form of a message"),
    ("src/converter/info.c:info_write:fputs#0 *", "members of info.json"),
    ("src/converter/main.c:write_content:fputs#0 *", "remarks in a result"),
    ("*:record_word#4 *", "what a record says of an order"),
    ("src/daemon/master*:* ctl *", "who gave an order"),
    # what a check of the store is for, and what it says when all is well
    ("src/queue/gate*.c:*:gate_say#2 *", "what a check is for"),
    ("src/queue/gate*.c:*:say_settled#2 *", "what a check is for"),
    ("src/queue/gate*.c:*:gate_add_check#3 *", "what a check is for"),
    ("src/queue/gate*.c:gate_check_*:- *", "what a check is for"),
    ("src/queue/gate_deletes.c:-:- *", "what a check is for"),
    ("src/queue/gate_races.c:*:{table} *", "what a check is for"),
    ("src/queue/gate*.c:*:must_not_appear#5 *", "a check is passed"),
    ("src/queue/gate_rules.c:*:ask#5 *", "a check is passed"),
    ("src/queue/gate.c:say_path:*", "a check is passed"),
    ("src/cli/cmd_doctor.c:check_settings:* the bucket*s format is known, *", "a check is passed"),
    ("src/queue/gate_deletes.c:* DELETE goes by If-Match", "a check is passed"),
    ("src/queue/gate_deletes.c:* a DELETE that has expired is refused", "a check is passed"),
    ("src/queue/gate*.c:* the bucket is not versioned", "a check is passed"),
    ("src/queue/gate*.c:* it changes with the body, *", "a check is passed"),
    ("src/queue/gate*.c:* it shows a new key, *", "a check is passed"),
    ("src/queue/gate*.c:* a missing key is said *", "a check is passed"),
    ("src/queue/gate*.c:* user metadata is kept", "a check is passed"),
    ("src/queue/gate*.c:* a presigned PUT keeps *", "a check is passed"),
    ("src/queue/gate*.c:* a body that began first *", "a check is passed"),
    ("src/queue/gate*.c:* a key is created once", "a check is passed"),
    ("src/queue/gate*.c:* only the ETag that is there *", "a check is passed"),
    ("src/queue/gate*.c:* no rule of the bucket *", "a check is passed"),
    ("src/queue/gate*.c:* the bucket has no object lock", "a check is passed"),
    ("src/queue/gate*.c:* a part of a body can be read", "a check is passed"),
    ("src/queue/gate*.c:* %lld ms from ours; its *", "a check is passed"),
    ("src/queue/gate*.c:* *: %d races of %d", "a check is passed"),
    # remedies alone: a message says its own behind the semicolon
    ("*:errno_text#2 *", "a remedy"),
    ("*:say_errno#2 *", "a remedy"),
    ("*:space_remedy:*", "a remedy"),
    ("*:remedy_for:*", "a remedy"),
    ("src/ingest/file.c:remedy_of:*", "a remedy"),
    ("src/store/store_fs_home.c:refuse_errno:snprintf#5 *", "a remedy"),
    ("src/index/manifest.c:*:say#3 *", "a remedy"),
    ("src/s3/s3_creds_net.c:*:say#2 *", "a remedy"),
    ("src/converter/*:say#2 *", "a remedy"),
    ("src/converter/options.c:*:say#2 *", "a remedy"),
    ("src/daemon/slot_job.c:on_ended:LOG_S#1 see *", "a remedy"),
    # neither
    ("*:sscanf#1 *", "is read, not said"),
    ("src/converter/worker.c:on_message:{table} *", "is read, not said"),
    ("*:strstr#1 *", "is read, not said"),
    ("src/base/settings.c:-:- number of cores", "a value"),
    ("src/cli/cmd_config.c:*:settings_set#2 *", "a value"),
    ("src/store/store_fs_home.c:-:- *", "a value"),
    ("src/store/store_s3_probe.c:send_step:- *", "a value"),
    ("src/s3/s3_sign.c:*", "a value"),
    ("src/s3/s3_creds_net.c:*:snprintf#2 *", "where keys come from"),
    ("src/cli/connect.c:say_open_failed:cli_error#3 *", "the name of a file"),
    ("src/queue/failure.c:* text/plain*", "a value"),
)
TOKEN = re.compile(
    r"(?P<skip>\s+|/\*.*?\*/|//[^\n]*)"
    r'|(?P<text>"(?:[^"\\]|\\.)*")'
    r"|(?P<char>'(?:[^'\\]|\\.)+')"
    r"|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<directive>^[ \t]*\#[ \t]*(?:define[ \t]+\w+(?:\([^)]*\))?|(?:[^\n\\]|\\.|\\\n)*))"
    r"|(?P<other>\d[\w.]*|->|.)",
    re.S | re.M,
)
PUT_IN = re.compile(r"%[-+ #.*0-9]*(?:ll|z|l|h)?[a-zA-Z]")


class Place:
    """An open bracket: the call or table that it belongs to."""

    def __init__(self, kind, name):
        self.kind, self.name, self.argument, self.level = kind, name, 0, ""


def tokens(source):
    line = 1
    for match in TOKEN.finditer(source):
        if match.lastgroup not in ("skip", "directive"):
            yield match.lastgroup, match.group(), line
        line += match.group().count("\n")


def declared(statement):
    """The struct of a table, from the words before its '='."""
    if "struct" in statement:
        return "{struct %s}" % statement[statement.index("struct") + 1]
    return "{table}"


def place_of(stack):
    """Where a text stands: the innermost call, else the outermost table, else nothing."""
    for open_ in reversed(stack):
        if open_.kind == "call":
            return "%s#%d" % (open_.name, open_.argument)
        if open_.kind == "block":
            break
    tables = [o.name for o in stack if o.kind == "table"]
    return tables[0] if tables else "-"


def is_quiet_log(stack):
    return any(o.name == "log_event" and o.level in ("LOG_INFO", "LOG_DEBUG") for o in stack)


def texts(source):
    """(line, function, place, text) of each text of a C file; log lines of no weight are left out."""
    found = list(tokens(source))
    stack, statement, function = [], [], "-"
    i = 0
    while i < len(found):
        kind, what, line = found[i]
        i += 1
        if kind == "text":
            parts = [what[1:-1]]
            while i < len(found) and (found[i][0] == "text" or found[i][1].startswith("PRI")):
                parts.append(found[i][1][1:-1] if found[i][0] == "text" else "lld")
                i += 1
            if not is_quiet_log(stack):
                yield line, function, place_of(stack), "".join(parts)
            continue
        before = statement[-1] if statement else ""
        if what == "(":
            called = re.fullmatch(r"[A-Za-z_]\w*", before) and before not in ("if", "while", "for", "switch", "return")
            stack.append(Place("call" if called else "bracket", before))
        elif what == "{":
            if before in ("=", ",", "{") or any(o.kind in ("call", "table") for o in stack):
                stack.append(Place("table", declared(statement)))
            else:
                if not stack and "(" in statement:
                    function = statement[statement.index("(") - 1]
                stack.append(Place("block", ""))
                statement = []
                continue
        elif what in (")", "}"):
            if stack and stack.pop().kind == "block":
                statement = []
                if not stack:
                    function = "-"
                continue
        elif what == "," and stack:
            stack[-1].argument += 1
        elif what == ";":
            statement = []
            continue
        elif stack and stack[-1].name == "log_event" and stack[-1].argument == 0:
            stack[-1].level += what
        statement.append(what)


def words(text):
    return re.findall("[a-z]{2,}", PUT_IN.sub(" ", text))


def plain(text):
    """A text as it is seen, on one line."""
    text = re.sub(r"\\n|\\t|\\r|\\033\[K", " ", text)
    return re.sub(r"\s+", " ", text.replace('\\"', '"').replace("\\\\", "\\").replace("%%", "%"))


def messages(folder):
    """(file, line, place, text) of each message; one of a single word says nothing to be listed."""
    for name in sorted(glob.glob(folder + "/src/**/*.[ch]", recursive=True)):
        source = open(name, encoding="utf-8").read()
        name = name[len(folder) + 1 :]
        for line, function, place, text in texts(source):
            where = "%s:%s:%s" % (name, function, place)
            if len(words(text.split(";")[0])) < 2 or " " not in text.strip():
                continue
            if not any(fnmatch.fnmatchcase(where + " " + text, p) for p, _ in NO_MESSAGES):
                yield name, line, where, plain(text)


def heads(page):
    """The heads of the lists' items between MESSAGES and the next section, without mdoc's marks."""
    body = page.split(".Sh MESSAGES", 1)[1].split("\n.Sh ", 1)[0]
    for mark, what in (("\\(dq", '"'), ("\\(aq", "'"), ("\\&", ""), ("\\-", "-"), ("\\(ti", "~"), ("\\e", "\\")):
        body = body.replace(mark, what)
    found, item = [], False
    for line in body.split("\n"):
        if line.startswith(".It"):
            found.append(line[3:].strip())
            item = line.strip() == ".It"
        elif line.startswith("."):
            item = False
        elif item:
            found[-1] += " " + line
    return [re.sub(r"\s+", " ", h).strip() for h in found] + re.findall(r"^\.Ss (.*: .*)$", body, re.M)


def pattern(message):
    """What must be found in a head: the message as far as its first semicolon, anything for what is put in."""
    pieces = [re.escape(p.strip(" :,.'\"()")) for p in PUT_IN.split(message.split(";")[0])]
    return re.compile(".{0,60}?".join(p for p in pieces if p))


def check(folder, page):
    found = list(messages(folder))
    listed = heads(open(page, encoding="utf-8").read())
    text = "\n".join(listed)
    missing = [m for m in found if not pattern(m[3]).search(text)]
    for name, line, where, message in missing:
        print("%s:%d: %s\n    (%s)" % (name, line, message, where.split(":", 1)[1]))
    print("%d messages, %d heads, %d are not in the page" % (len(found), len(listed), len(missing)))
    if len(found) < 500:
        print("so few were found in the sources: has the way they are said changed?")
        return 1
    if missing:
        print("list them in %s under their subject, with what they mean and what to do" % page)
    return 1 if missing else 0


def main():
    if sys.argv[1] == "--table":
        for name, line, _, message in messages(sys.argv[2]):
            print("%s:%d\t%s" % (name, line, message))
        return 0
    return check(sys.argv[2], sys.argv[3])


if __name__ == "__main__":
    sys.exit(main())
