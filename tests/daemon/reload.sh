#!/usr/bin/env bash
# HUP: a good configuration takes effect and its changes are named; a bad one is refused whole and the old one stays;
# settings that need a restart are named. USR1 opens the log anew. TTIN and TTOU change the number of slots, WINCH pauses.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

unset BLOBFORGE_CONVERTER
conf=$dir/blobforge.conf
write_conf() { printf '%s\n' "converter = $dir/null.sh {input} {output}" "$@" >"$conf"; }
write_conf "slots = 1" "log_file = $dir/file.log"
start daemon -f "$conf"
wait_until 20 "ready" logged file " ready "
write_conf "slots = 3" "log_file = $dir/file.log" "instance = other"
kill -HUP "$master"
wait_until 10 "the reload" logged file "reload .*configuration is in force"
logged file "reload .*setting=slots from=1 to=3" || fail "slots not named"
logged file "reload .*setting=instance .*next start" || fail "instance not named as needing a restart"
workers() { [[ $(pgrep -cP "$master") -eq $1 ]]; }
wait_until 10 "three workers" workers 3
write_conf "slots = 2" "no_such_setting = 1"
kill -HUP "$master"
wait_until 10 "the refusal" logged file " reload_refused .*no_such_setting"
workers 3 || fail "the bad configuration took effect in part"
write_conf "slots = 3" "log_file = $dir/file.log" "converter = $dir/null.sh {input}"
kill -HUP "$master"
wait_until 10 "the second refusal" logged file " reload_refused .*converter"
# A log file that cannot be opened: refused as a whole, the other changes with it.
write_conf "slots = 1" "log_file = $dir/no/such/folder/file.log"
kill -HUP "$master"
wait_until 10 "the third refusal" logged file " reload_refused .*log_file"
workers 3 || fail "a configuration with a bad log_file took effect in part"
write_conf "slots = 3" "log_file = $dir/file.log" "s3_connect_timeout = 7s"
kill -HUP "$master"
wait_until 10 "a setting of S3 stores" logged file "reload .*setting=s3_connect_timeout from=10s to=7s$"
mv "$dir/file.log" "$dir/old.log"
kill -USR1 "$master"
kill -TTIN "$master"
wait_until 10 "the new log file" test -s "$dir/file.log"
wait_until 10 "four workers" workers 4
kill -TTOU "$master"
wait_until 10 "three workers again" workers 3
kill -WINCH "$master"
wait_until 10 "the pause" logged file " pause "
ingest 2
kill -TERM "$master"
finish 20 "$master"
[[ $status -eq 0 ]] || fail "status $status"
count_is queue/todo 2 || fail "claimed while paused"
echo "reloaded, refused, reopened"
