#!/usr/bin/env bash
# Started as root the daemon takes on its user, in front of everything it does; also as the child of a --pid1 parent,
# which hands signals on. Where the user does not exist it says so once and stays what it is. Whoever it is, the sandbox that
# it says it has is the one that its converters get.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

said_is_had() { # NAME: a run of that name has converted the document alone.pdf
    local said had
    said=$(sed -n 's/.* info ready .* sandbox=\([a-z0-9]*\) .*/\1/p' "$dir/$1.log")
    "$forge" download -q --extract --force --output "$dir/$1.out" "$(hash_of alone-0001)"
    had=$(sed -n 's/.*"sandbox": *"\([a-z0-9]*\)".*/\1/p' "$dir/$1.out/info.json")
    [[ -n $said && $said == "$had" ]] || fail "$1: says ${said:-nothing}, has ${had:-nothing}: $(grep ' ready ' "$dir/$1.log")"
}
if [[ $(id -u) -ne 0 ]]; then
    ingest 1 alone
    BLOBFORGE_SANDBOX=auto run ours 60 -n 1 --until-empty
    [[ $status -eq 0 ]] || fail "status $status"
    said_is_had ours
    echo "has what it says; only root can become somebody else"
    exit 0
fi
ingest 2
# shellcheck disable=SC2016
converter wait.sh 'id -u >>"$2/../tmp/uid"; cp "$2/../tmp/uid" "'"$dir"'/notes/uid"; until [ -e "'"$dir"'/go" ]; do sleep 0.05; done'
use wait.sh
mkdir -m 0777 "$dir/notes"
rmdir "$dir/work" "$dir/run"
chmod 0777 "$dir"
chown -R nobody "$dir/store"
export BLOBFORGE_USER=nobody BLOBFORGE_GROUP=nogroup
start pid1 -n 1 --until-empty --pid1
wait_until 30 "a job begun" test -s "$dir/notes/uid"
[[ $(cat "$dir/notes/uid") == "$(id -u nobody)" ]] || fail "converter runs as uid $(cat "$dir/notes/uid")"
child=$(pgrep -P "$master")
[[ $(stat -c %U "/proc/$child/task/$child") == nobody || $(awk '/^Uid:/ { print $2 }' "/proc/$child/status") == "$(id -u nobody)" ]] ||
    fail "the daemon is not nobody's"
[[ $(awk '/^CapEff:/ { print $2 }' "/proc/$child/status") =~ ^0+$ ]] || fail "capabilities kept"
kill -TERM "$master"
wait_until 10 "TERM handed on" logged pid1 " drain "
: >"$dir/go"
finish 30 "$master"
[[ $status -eq 0 ]] || fail "status $status"
count_is store/out 1 || fail "$(keys store/out) results"

chown -R root "$dir/store"
rm -rf "$dir/work" "$dir/run"
BLOBFORGE_USER=no-such-user run nobody 30 -n 1 --until-empty
[[ $status -eq 0 ]] || fail "no such user: status $status"
[[ $(times nobody "there is no user 'no-such-user'") -eq 1 ]] || fail "not said, or more than once"
count_is store/out 2 || fail "$(keys store/out) results"

rm -rf "$dir/work" "$dir/run" "$dir/pdfs" "$dir/store"
ingest 1 alone
chown -R nobody "$dir/store"
use null.sh
BLOBFORGE_SANDBOX=auto run become 60 -n 1 --until-empty
[[ $status -eq 0 ]] || fail "become: status $status"
said_is_had become
echo "taken on, handed on, said once"
