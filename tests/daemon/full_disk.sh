#!/usr/bin/env bash
# A work folder that is too small: below min_free_space nothing is claimed and the log says so; a disk that fills up
# during a job gives the job back, uncharged.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"
unset BLOBFORGE_SANDBOX

ingest 2
start low -n 1 -o min_free_space=1000T
wait_until 20 "the pause" logged low " pause .*min_free_space"
kill -TERM "$master"
finish 20 "$master"
[[ $status -eq 0 ]] || fail "status $status"
logged low " claim " && fail "claimed with a full disk"
count_is queue/todo 2 || fail "jobs left: $(keys queue/todo)"

[[ $(id -u) -eq 0 ]] || { echo "skipped in part: a small file system needs root"; exit 0; }
mkdir "$dir/tmpfs"
mount -t tmpfs -o size=1m none "$dir/tmpfs" 2>/dev/null ||
    { echo "skipped in part: no tmpfs can be mounted here"; exit 0; }
head -c 3000000 /dev/urandom >"$dir/pdfs/large.pdf"
{ printf '%%PDF-1.4\n'; cat "$dir/pdfs/large.pdf"; } >"$dir/pdfs/big.pdf"
rm "$dir/pdfs/large.pdf"
"$forge" ingest -q "$dir/pdfs" || fail "ingest"
big=$(hash_of big)
start full -n 1 -o "work_dir=$dir/tmpfs/work"
given_back() { logged full " giveback .*job=${big:0:12}.*cause=host"; }
wait_until 30 "the large job given back" given_back
others() { count_is store/out 2; }
wait_until 30 "the others done" others
count_is queue/failed 0 || fail "charged"
kill -TERM "$master"
finish 20 "$master"
[[ $status -eq 0 ]] || fail "status $status"
[[ $(find "$dir/tmpfs/work" -type f -path '*slot*' | wc -l) -eq 0 ]] || fail "files left"
echo "paused, given back"
