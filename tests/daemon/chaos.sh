#!/usr/bin/env bash
# Workers are killed at random in the middle of their jobs, while slots come and go, the configuration is read again and
# logs are reopened, and the converter succeeds, fails or crashes by the document: at the end every job is done or dead, no
# count is beyond its limit, and nothing is left over.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

seed=${BLOBFORGE_TEST_SEED:-$RANDOM}
RANDOM=$seed
echo "seed $seed (BLOBFORGE_TEST_SEED replays the choices, not the timing)"
ingest 120
# shellcheck disable=SC2016
converter mixed.sh 'echo "$BLOBFORGE_HASH" >>"'"$dir"'/begun"; sleep 0.05
case $BLOBFORGE_HASH in *[01]) kill -SEGV $$ ;; *2) exit 65 ;; *3) exit 75 ;; esac'
use mixed.sh
start daemon -n 6 --until-empty -o recycle_jobs=5
wait_until 20 "ready" logged daemon " ready "
children() { cat "/proc/$1/task/$1/children" 2>/dev/null || true; } # quicker than pgrep
one_round() {
    local workers=() busy=() worker
    read -ra workers <<<"$(children "$master")"
    # Idle ones are spared: a worker that dies without a job is the breaker's business.
    for worker in "${workers[@]}"; do
        if [[ -n $(children "$worker") ]]; then busy+=("$worker"); fi
    done
    if [[ ${#busy[@]} -gt 0 && $((RANDOM % 3)) -eq 0 ]]; then
        kill -KILL "${busy[RANDOM % ${#busy[@]}]}" 2>/dev/null || true
    fi
    case $((RANDOM % 8)) in
    0) kill -HUP "$master" ;;
    1 | 2) kill -TTIN "$master" ;;
    3) kill -TTOU "$master" ;;
    4) kill -USR1 "$master" ;;
    esac 2>/dev/null || true
    sleep 0.0$((RANDOM % 9 + 1))
}
storm_over() { one_round; ended "$master"; }
wait_until 120 "the end" storm_over
finish 5 "$master"
[[ $status -eq 0 ]] || fail "status $status"
done=$(keys store/out) dead=$(keys queue/dead)
[[ $((done + dead)) -eq 120 ]] || fail "$done done and $dead dead of 120"
count_is queue/todo 0 || fail "markers left"
count_is queue/failed 0 || fail "failed records left"
most=$(sort "$dir/begun" | uniq -c | sort -rn | awk 'NR == 1 { print $1 }')
[[ $most -le 4 ]] || fail "a document was begun $most times"
twice=$(sed -n 's/.* info done .*job=\([0-9a-f]*\).*/\1/p' "$dir/daemon.log" | sort | uniq -d)
[[ -z $twice ]] || fail "done twice: $twice"
nothing_left
no_processes "$dir/mixed.sh" || fail "converters left"
[[ $(times daemon "obituary .*signal=9") -gt 0 ]] || fail "no worker was killed"
echo "$done done, $dead dead, $(times daemon "obituary .*signal=9") workers killed"
