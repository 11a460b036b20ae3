"""verdict.py PREFIX DRAWS KILLS MAX_RETRIES: is every job of a soak in its right state, with the right cause?

PREFIX: the store's folder; DRAWS: lines `HASH MODE`; KILLS: how many workers were killed, and so how many attempts may
tell of a worker's death instead of the converter's own end. Prints a table; ends with 1 when a job is not as it should be.
"""
import collections
import json
import pathlib
import sys

# MODE: state, cause, what an attempt's record must show (limits; exit status; signal).
LIMIT_TIME = {"time", "stall", "cpu"}
EXPECTED = {
    "exit=1": ("dead", "converter", {"exit_status": {1}}),
    "exit=65": ("dead", "document", {"exit_status": {65}}),
    "signal=11": ("dead", "converter", {"signal": {11}}),
    "hang": ("dead", "document", {"limit": LIMIT_TIME}),
    "ignore": ("dead", "document", {"limit": LIMIT_TIME}),
    "escape-hang": ("dead", "document", {"limit": LIMIT_TIME}),
    "chain": ("dead", "document", {"limit": LIMIT_TIME | {"processes"}}),
    "memory": ("dead", "document", {"limit": {"memory"} | LIMIT_TIME}),
    "memory-tree": ("dead", "document", {"limit": {"memory"} | LIMIT_TIME}),
    "bomb": ("dead", "document", {"limit": {"processes"} | LIMIT_TIME}),
    "write": ("dead", "document", {"limit": {"output"} | LIMIT_TIME}),
    "files": ("dead", "document", {"limit": {"files", "output"} | LIMIT_TIME}),
    "sparse": ("dead", None, {}),
    "symlink": ("dead", "converter", {}),
    "pdf": ("dead", "converter", {}),
}
AT_ONCE = {"exit=65"}
MEMORY_ATTEMPTS = 2  # out of memory: once more, alone, with the larger limit; then it is given up


def load(path):
    return json.loads(path.read_text())


def worker_died(attempt):
    return attempt.get("signal") == 9 and attempt.get("limit") is None


def out_of_memory(attempt):
    return attempt.get("limit") is not None and attempt["limit"].get("name") == "memory"


def too_slow(attempt):
    """Ended by a limit of about a second before it came to what it was drawn for: the machine was busy with others."""
    return attempt.get("limit") is not None and attempt["limit"].get("name") in ("time", "stall")


def as_it_should(attempt, cause, shows):
    if cause is not None and attempt.get("cause") != cause:
        return False
    for name, values in shows.items():
        value = attempt.get(name)
        if name == "limit":
            value = value and value.get("name")
        if value not in values:
            return False
    return True


def main():
    prefix, draws, kills, max_retries = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    done = {path.stem for path in (prefix / "store/out").rglob("*.zip")}
    dead = {path.name.split(".")[0] for path in (prefix / "queue/dead").rglob("*") if path.is_file()}
    table, wrong, killed, slow = collections.Counter(), [], 0, 0
    with open(draws, encoding="ascii") as lines:
        jobs = [line.split() for line in lines]
    for job, mode in jobs:
        state = "done" if job in done else "dead" if job in dead else "lost"
        table[mode, state] += 1
        folder = prefix / "registry/logs" / job[:2] / job / "attempts"
        attempts = [load(path) for path in sorted(folder.glob("*"))] if folder.is_dir() else []
        charged = [attempt for attempt in attempts if attempt.get("charged")]
        killed += sum(worker_died(attempt) for attempt in attempts)
        want, cause, shows = EXPECTED.get(mode, ("done", None, {}))
        if state != want or (state == "dead" and job in done) or len(charged) > max_retries + 1:
            wrong.append(f"{job} {mode}: {state}, {len(charged)} charged attempts")
        for attempt in charged:
            if want == "dead" and not worker_died(attempt) and not as_it_should(attempt, cause, shows):
                if too_slow(attempt):
                    slow += 1
                else:
                    wrong.append(f"{job} {mode}: attempt {json.dumps(attempt)[:600]}")
        if want == "dead":
            own_end = sum(not worker_died(attempt) and not too_slow(attempt) for attempt in charged)
            given_up = mode in AT_ONCE and own_end == 1 or sum(map(out_of_memory, charged)) == MEMORY_ATTEMPTS
            if len(charged) != max_retries + 1 and not given_up:
                wrong.append(f"{job} {mode}: {len(charged)} charged attempts, not {max_retries + 1}")
    for (mode, state), count in sorted(table.items()):
        print(f"{mode:18} {state:5} {count:6}")
    print(f"attempts that tell of a worker's death: {killed}, workers killed: {kills}")
    print(f"attempts that were too slow for their draw: {slow}")
    if slow > max(10, len(jobs) // 50):
        wrong.append("more attempts than a busy machine explains ended by the time limit")
    if killed > kills:
        wrong.append("more workers died than were killed")
    print(*wrong[:20], sep="\n")
    return 1 if wrong or not jobs else 0


sys.exit(main())
