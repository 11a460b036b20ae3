#!/usr/bin/env bash
# Resident converters: one process takes job after job, is started anew after recycle_jobs, is killed whole when a job
# hangs, and goes with its worker. A program that answers `done 65` stays.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

ingest 12
hang=$(hash_of page-0004) damaged=$(hash_of page-0007)
# It has a helper that would survive anything but the kill of the whole tree.
cat >"$dir/resident.sh" <<EOF
#!/bin/sh
setsid tail -f "$hold" &
while read -r word <&4 && [ "\$word" = job ]; do
    hash=\$(sha256sum "\$1" | cut -c1-64)
    echo "\$\$ \$hash" >>"$dir/begun"
    printf 'pages 1\n' >&3
    case \$hash in
    $hang) [ -e "$dir/hung" ] || { : >"$dir/hung"; exec tail -f "$hold"; } ;;
    $damaged) printf 'done 65\n' >&3; continue ;;
    esac
    printf '# %s\n\nconverted\n' "\$hash" >"\$2/content.md"
    printf 'page 1\ndone 0\n' >&3
done
EOF
chmod 0755 "$dir/resident.sh"
use resident.sh
export BLOBFORGE_CONVERTER_MODE=resident BLOBFORGE_RECYCLE_JOBS=5 BLOBFORGE_STALL_LIMIT=2s
run daemon 60 -n 1 --until-empty
[[ $status -eq 0 ]] || fail "ended with status $status"
count_is store/out 11 || fail "$(keys store/out) of 11 results"
count_is queue/dead 1 || fail "$(keys queue/dead) dead"
record queue/dead "$damaged" | grep -q not_convertible || fail "dead record: $(record queue/dead "$damaged")"
attempt_records "$hang" | grep -q '"stall"' || fail "the job that hung was not ended by the stall limit"
[[ $(wc -l <"$dir/begun") -eq 13 ]] || fail "$(wc -l <"$dir/begun") jobs begun, not 13"
# 13 jobs by processes that take 5 or 6 and of which one was killed: from 3 to 5 of them.
processes=$(cut -d' ' -f1 "$dir/begun" | sort -u | wc -l)
[[ $processes -ge 3 && $processes -le 5 ]] || fail "$processes processes took the jobs: $(cat "$dir/begun")"
nothing_left
if pgrep -f "^tail -f $hold\$" >/dev/null; then fail "a process of a converter is left"; fi
echo "13 runs by $processes processes"
