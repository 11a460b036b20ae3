#!/usr/bin/env bash
# The commands of blobforge-tutorial(7), as they stand there, on two "servers" (a home each) and the real S3 server.
# Only the names of the tutorial's bucket and endpoint are replaced.
set -euo pipefail
top_srcdir=$(cd "${top_srcdir:-$(dirname "$0")/../..}" && pwd)
top_builddir=$(cd "${top_builddir:-$PWD}" && pwd)
if [[ -z ${BLOBFORGE_S3_ENDPOINT_URL:-} ]]; then
    exec "$top_srcdir/tests/s3/with-rgw" "$0" "$@"
fi
endpoint=$BLOBFORGE_S3_ENDPOINT_URL store=$BLOBFORGE_STORE
unset BLOBFORGE_S3_ENDPOINT_URL BLOBFORGE_STORE
dir=$(mktemp -d)
chmod 0711 "$dir"
cleanup() {
    local status=$?
    if [[ -s $dir/second/pid ]]; then kill -KILL "$(<"$dir/second/pid")" 2>/dev/null || true; fi
    [[ $status -eq 0 ]] || tail -n 30 "$dir"/log "$dir"/second/blobforged.log 2>/dev/null || true
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAILED: $*"; exit 1; }
mkdir -p "$dir/first" "$dir/second" "$dir/bin"
ln -s "$top_builddir/blobforge" "$top_builddir/blobforged" "$dir/bin/"
if [[ -x $top_builddir/src/converter/pdf2md ]]; then
    export BLOBFORGE_CONVERTER="$top_builddir/src/converter/pdf2md {input} {output}"
else
    export BLOBFORGE_CONVERTER="$top_srcdir/tests/lib/echo-converter.sh {input} {output}"
fi
# The leak sanitizer looks by ptrace(2), which the sandbox refuses; tests/converter looks for leaks without one.
if grep -q __asan_init "$top_builddir/blobforged"; then export BLOBFORGE_CONVERTER_ENV=ASAN_OPTIONS=detect_leaks=0; fi
export PATH=$dir/bin:$PATH BLOBFORGE_MIN_FREE_SPACE=0 BLOBFORGE_POLL_INTERVAL=1s BLOBFORGE_POLL_MAX=1s
if [[ $(id -u) -eq 0 ]]; then export BLOBFORGE_USER=root BLOBFORGE_GROUP=root; fi
"$top_srcdir/tests/lib/make-pdfs.sh" "$dir/first/papers" 3 paper
"$top_srcdir/tests/lib/make-pdfs.sh" "$dir/first/more" 5 more

# The page's lines, in order: WHERE COMMAND.
lines=$(sed -n 's/^\.Dl \(first\|second\)\$ /\1 /p' "$top_srcdir/man/blobforge-tutorial.7" |
    sed -e "s|s3://library|$store|g" -e "s|https://s3.example.org|$endpoint|g")
[[ $(wc -l <<<"$lines") -ge 30 ]] || fail "the tutorial's commands were not found"
exported= # what the first server's shell exports, which the next line finds
while read -r where command; do
    home=$dir/$where
    mkdir -p "$home/run"
    if [[ $command == export\ * ]]; then exported=$command; continue; fi
    if [[ $command == unset\ * ]]; then exported=; continue; fi
    begin="cd"
    if [[ $where == first ]]; then begin="cd${exported:+; $exported}"; fi
    echo "$where\$ $command"
    if [[ $command == *\& ]]; then # its daemon outlives the line
        command="${command%&} & echo \$! >~/pid"
    fi
    env HOME="$home" XDG_CONFIG_HOME="$home/.config" XDG_CACHE_HOME="$home/.cache" XDG_RUNTIME_DIR="$home/run" \
        BLOBFORGE_INSTANCE="$where" BLOBFORGE_RUN_DIR="$home/run" BLOBFORGE_WORK_DIR="$home/work" \
        bash -c "$begin
$command" >"$dir/log" 2>&1 </dev/null || fail "$where: $command: status $?"
    case $command in
    "blobforge list") grep -qE '^done +[0-9]+' "$dir/log" || fail "$command says nothing of what is done" ;;
    "blobforge doctor") grep -qw fit "$dir/log" || fail "$command finds the bucket unfit" ;;
    "blobforge hydrate"*) [[ -n $(find "$home" -name '*.md') ]] || fail "$command wrote no Markdown" ;;
    "blobforge search"*) [[ $(wc -l <"$dir/log") -ge 5 ]] || fail "$command finds too little" ;;
    "blobforge list --state dead") grep -q broken "$dir/log" || fail "$command does not name the broken file" ;;
    "blobforge logs"*) grep -q "cause document" "$dir/log" || fail "$command does not name the cause" ;;
    "blobforge remove"*) grep -q "removed  dead" "$dir/log" || fail "$command did not remove it" ;;
    esac
done <<<"$lines"
grep -qE '^done +8' "$dir/log" || fail "not every document is done at the end"
pid=$(<"$dir/second/pid")
for _ in {1..600}; do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
kill -0 "$pid" 2>/dev/null && fail "the second server's daemon did not stop"
[[ $(find "$dir/first/papers" -name '*.md' | wc -l) -eq 3 ]] || fail "not every paper has its Markdown"
