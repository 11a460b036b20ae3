#!/usr/bin/env bash
# run.sh [--quick] [STAGE...]: installs what the tests need, builds, and runs everything.
#
# Stages (all, in this order, when none is named):
#   gcc       build with gcc -Werror, all tests (as root when we are root), the real S3 server among them
#   sim       the same build: the simulator's long run, `make sim`
#   model     the protocol's model, all but its largest runs, `make model-small`
#   soak      the same build: hostile jobs among signals, and the master's memory, a tenth of `make soak`
#   user      the same build's tests as an ordinary user, where the user can matter (only when we are root)
#   asan      build with clang, address and undefined behaviour sanitizers, all tests
#   tsan      build with gcc, thread sanitizer, the tests of what has threads
#   distcheck make distcheck: the tarball builds, passes a short `make check`, installs and uninstalls
#   quickstart contrib/quickstart.sh in a folder of its own
# With --quick each stage runs a minute's choice of its tests (QUICK_TESTS in tests/local.mk).
# Each stage's output is in build-tests/STAGE.log; a failing one prints its end. The last line counts tests:
# a Check program counts each of its checks, a script counts as one.
set -uo pipefail
export LC_ALL=C.UTF-8
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top" || exit 1
logs=$top/build-tests
jobs=$(nproc)
passed=0 failed=0 skipped=0
broken=() # one line for each failure, said again at the end: of a long output often only that is kept
quick=()
if [ "${1:-}" = --quick ]; then
    shift
    # shellcheck disable=SC2016 # make expands it
    quick=('TESTS=$(QUICK_TESTS)')
fi
mkdir -p "$logs"

say() { printf '%s %s\n' "$(date +%H:%M:%S)" "$*"; }

# Prints the end of a failure's log, and keeps its name and the line that says why.
tell_failure() { # WHAT LOG
    local why
    why=$(grep -m 1 -E 'FAILED|ESCAPED|:[EF]:|(ERROR|WARNING): [A-Za-z]+Sanitizer|runtime error: ' "$2" | cut -c 1-300)
    broken+=("$1${why:+: $why}")
    tail -n 40 "$2" | sed 's/^/    | /'
}

# Adds up what the tests of a build folder did, and names what failed or was skipped.
count_checks() { # STAGE BUILD
    local stage=$1 build=$2 trs log result checks failures errors
    while IFS= read -r trs; do
        log=${trs%.trs}.log
        result=$(sed -n 's/^:test-result: //p' "$trs" | tail -n 1)
        checks=0 failures=0 errors=0
        while read -r a b c; do
            checks=$((checks + a)) failures=$((failures + b)) errors=$((errors + c))
        done < <(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' "$log")
        case $result in
        PASS) passed=$((passed + (checks > 0 ? checks : 1))) ;;
        SKIP*)
            skipped=$((skipped + 1))
            say "  skipped ${trs#"$build"/}: $(grep -i 'skip' "$log" | head -n 1)"
            ;;
        *)
            local bad=$((failures + errors))
            failed=$((failed + (bad > 0 ? bad : 1)))
            passed=$((passed + checks - bad))
            say "  FAILED ${trs#"$build"/}"
            tell_failure "$stage: ${trs#"$build"/}" "$log"
            ;;
        esac
    done < <(find "$build" -name '*.trs' -path '*/tests/*' 2>/dev/null | sort)
}

in_dir() { # DIR COMMAND...
    (cd "$1" && shift && "$@")
}

# Runs a command as one test of its own.
step() { # STAGE WHAT COMMAND...
    local stage=$1 what=$2 start=$SECONDS
    shift 2
    if "$@" >>"$logs/$stage.log" 2>&1 </dev/null; then
        passed=$((passed + 1))
        say "$stage: $what: ok ($((SECONDS - start)) s)"
    else
        failed=$((failed + 1))
        say "$stage: $what: FAILED ($((SECONDS - start)) s); the end of $logs/$stage.log:"
        tell_failure "$stage: $what" "$logs/$stage.log"
        return 1
    fi
}

check() { # STAGE BUILD COMMAND...: `make check` whose tests are counted one by one
    local stage=$1 build=$2 start=$SECONDS
    shift 2
    say "$stage: tests"
    local ended=0
    find "$build/tests" \( -name '*.trs' -o -name '*.log' \) -delete 2>/dev/null
    "$@" >>"$logs/$stage.log" 2>&1 </dev/null || ended=$?
    local before=$passed bad=$failed left=$skipped
    count_checks "$stage" "$build"
    if [ "$ended" -ne 0 ] && [ "$failed" -eq "$bad" ]; then
        failed=$((failed + 1))
        say "$stage: make ended with status $ended, and no test failed; the end of $logs/$stage.log:"
        tell_failure "$stage: make ended with status $ended" "$logs/$stage.log"
    fi
    say "$stage: $((passed - before)) passed, $((failed - bad)) failed, $((skipped - left)) skipped ($((SECONDS - start)) s)"
    say "$stage: the longest tests: $(find "$build/tests" -name '*.log' -exec sed -n "s|^took \\([0-9]*\\) s\$|\\1 s {}|p" {} \; |
        sed "s|$build/tests/||; s|\\.log\$||" | sort -rn | head -n 4 | paste -sd , | sed 's/,/, /g')"
}

build() { # STAGE CONFIGURE-ARGUMENTS...
    local stage=$1 dir=$logs/$1
    shift
    mkdir -p "$dir"
    step "$stage" configure in_dir "$dir" "$top/configure" --enable-werror "$@" || return 1
    step "$stage" build make -C "$dir" -j"$jobs" check-programs
}

stage_gcc() {
    build gcc CC=gcc || return
    check gcc "$logs/gcc" make -C "$logs/gcc" -j"$jobs" check "${quick[@]}"
}

# The lines of a stage's log that tell what was done.
tell() { # STAGE PATTERN
    grep -E "$2" "$logs/$1.log" | sed 's/^/  /'
}

stage_sim() {
    [ -f "$logs/gcc/Makefile" ] || build gcc CC=gcc || return
    # A fresh seed that fails has found something; the long hunts are `make sim` by hand.
    step sim "make sim" make -C "$logs/gcc" sim SIM_JOBS="$jobs" SIM_FRESH=500
    tell sim 'seeds|^ +(faults|what came|commands|documents|attempts|never met):|again:|planted bugs|SURVIVES'
}

stage_soak() {
    [ -f "$logs/gcc/Makefile" ] || build gcc CC=gcc || return
    step soak "make soak" make -C "$logs/gcc" soak SOAK_JOBS=1000 FLAT_JOBS=10000
    tell soak '^(seed|attempts that|signals|master|slope|[0-9]+ [0-9]+ kB)'
}

stage_model() {
    step model "make model-small" env JOBS="$jobs" "$top/tests/model/run.sh" --small
    tell model '^model:|want'
}

stage_user() {
    if [ "$(id -u)" -ne 0 ]; then
        say "user: everything ran as an ordinary user already"
        return
    fi
    # A build of its own below a folder that this user may enter; sources are only read.
    local dir
    dir=$(mktemp -d "${TMPDIR:-/tmp}/blobforge-user.XXXXXX") || return
    chmod 0755 "$dir"
    cp -a "$top/." "$dir/source" && rm -rf "$dir/source/build-tests" "$dir/source/.git" "$dir"/source/build* || return
    [ -d "$dir/source/build-aux" ] || cp -a "$top/build-aux" "$dir/source/"
    mkdir -p "$dir/build" "$dir/home" "$dir/tmp"
    chown -R 65534:65534 "$dir"
    local as=(setpriv --reuid=65534 --regid=65534 --clear-groups env -i "PATH=$PATH" "HOME=$dir/home"
        "TMPDIR=$dir/tmp" LC_ALL=C.UTF-8 "CI=${CI:-}")
    local user=(check-user)
    [ ${#quick[@]} -eq 0 ] || user=(check "${quick[@]}")
    step user configure in_dir "$dir/build" "${as[@]}" ../source/configure --enable-werror &&
        step user build "${as[@]}" make -C "$dir/build" -j"$jobs" check-programs &&
        check user "$dir/build" "${as[@]}" make -C "$dir/build" -j"$jobs" "${user[@]}"
    rm -rf "$dir"
}

stage_asan() {
    build asan CC=clang --enable-sanitize=address,undefined || return
    check asan "$logs/asan" env ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 \
        UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 BLOBFORGE_TEST_SLOW=4 make -C "$logs/asan" -j"$jobs" check "${quick[@]}"
}

stage_tsan() {
    build tsan CC=gcc --enable-sanitize=thread || return
    check tsan "$logs/tsan" env TSAN_OPTIONS=halt_on_error=1 BLOBFORGE_TEST_SLOW=4 \
        make -C "$logs/tsan" -j"$jobs" check-threads
}

stage_distcheck() {
    mkdir -p "$logs/distcheck"
    step distcheck configure in_dir "$logs/distcheck" "$top/configure" || return
    # shellcheck disable=SC2016 # make expands it
    step distcheck distcheck make -C "$logs/distcheck" -j"$jobs" distcheck 'TESTS=$(QUICK_TESTS)'
}

stage_quickstart() {
    step quickstart quickstart env QUICKSTART_DIR="$logs/quickstart" sh "$top/contrib/quickstart.sh"
    sed -n '/== result/,$p' "$logs/quickstart.log"
}

start=$SECONDS
say "packages"
sh contrib/install-packages.sh contrib/packages.txt tests/packages.txt || exit 1
find "$logs" -maxdepth 1 -name '*.log' -delete
step autoreconf autoreconf autoreconf -fi || exit 1

stages=("$@")
[ ${#stages[@]} -gt 0 ] || stages=(gcc sim model soak user asan tsan distcheck quickstart)
for stage in "${stages[@]}"; do
    "stage_$stage"
done
say "all stages: $((SECONDS - start)) s"
[ ${#broken[@]} -eq 0 ] || printf 'FAILED  %s\n' "${broken[@]}"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
