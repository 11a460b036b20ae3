#!/bin/sh
# blobforge-troubleshooting(7) lists every message of the sources that a user can see as an error or a
# warning, and a message that it does not list would be found, however it is said.
set -eu
cd "${top_srcdir:-$(dirname "$0")/../..}"
command -v python3 >/dev/null 2>&1 || { echo "skipped: python3 is not installed"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
page=man/blobforge-troubleshooting.7

python3 -B tests/house/messages.py --check . "$page"
python3 -B tests/house/messages.py --table . >"$dir/table"
grep -q '^src/ingest/file.c:[0-9]*	the file changed while it was read; ' "$dir/table" ||
    { echo "the table lacks a message"; exit 1; }

# One message that the page cannot have, in each way that messages are said.
mkdir -p "$dir/src/cli"
cat >"$dir/src/cli/new.c" <<'C'
#define NAMED "purple cow of a name"
struct row rows[] = {{1, "purple cow in a table"}};
static const char *why(int n)
{
    return n > 0 ? "purple cow returned; milk it" : NULL;
}
void say(char **error_r, struct file *file, int n)
{
    const char *text = "purple cow " /* joined */ "in a variable";
    cli_error("%s: purple cow in a call; " "milk it", text);
    *error_r = mem_strdup("purple cow copied");
    snprintf(why, sizeof(why), "purple cow %" PRIu64 " printed", n);
    log_event(LOG_WARNING, "warn", LOG_S("msg", n > 0 ? "purple cow logged" : NULL));
    log_event(n ? LOG_INFO : LOG_ERROR, "warn", LOG_S("msg", "purple cow logged at times"));
    any_call(file, (n), "purple cow in any call");
    /* None of these is a message: "purple cow of a comment" */
    log_event(LOG_INFO, "ready", LOG_S("msg", "purple cow of no weight"));
    cli_printf("purple cow answered\n");
    cli_error("%s: %s", "cow", "purple");
}
C
python3 -B tests/house/messages.py --table "$dir" >"$dir/new"
python3 -B tests/house/messages.py --check "$dir" "$page" >"$dir/missing" && { echo "nothing is missed"; exit 1; }
for words in 'of a name' 'in a table' 'returned; milk it' 'in a variable' 'in a call; milk it' copied \
    '%lld printed' logged 'logged at times' 'in any call'; do
    for file in new missing; do
        grep -q "^src/cli/new.c:[0-9]*[:	].*purple cow $words" "$dir/$file" ||
            { echo "not found as $file: purple cow $words"; cat "$dir/$file"; exit 1; }
    done
done
[ "$(wc -l <"$dir/new")" -eq 10 ] || { echo "what is no message is taken for one:"; cat "$dir/new"; exit 1; }
