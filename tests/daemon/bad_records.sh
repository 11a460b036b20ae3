#!/usr/bin/env bash
# Damaged things in the bucket, and bad documents and outputs: each costs its own job at most.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"
unset BLOBFORGE_SANDBOX

ingest 8
for n in 1 2 3 4 5 6 7 8; do h[n]=$(hash_of page-000$n); done
marker_of() { find "$dir/store/pdf/queue/todo" -type f -name "$1"; }
printf '{"retries": 1, "queu' >"$(marker_of "${h[1]}")"
printf '[1, 2]' >"$(marker_of "${h[2]}")"
head -c 2000000 /dev/zero | tr '\0' '[' >"$(marker_of "${h[3]}")"
raw4=$(find "$dir/store/pdf/store/raw" -name "${h[4]}.pdf")
chmod u+w "$raw4"
printf '%%PDF-1.4 of another document\n' >"$raw4"
folder=$(dirname "$(marker_of "${h[5]}")")
: >"$folder/not-a-hash"
text=$(printf 'plain text' | sha256sum | cut -c1-64)
mkdir -p "$dir/store/pdf/store/raw/${text:0:2}" "$dir/store/pdf/queue/todo/3_normal/${text:0:2}"
printf 'plain text' >"$dir/store/pdf/store/raw/${text:0:2}/$text.pdf"
: >"$dir/store/pdf/queue/todo/3_normal/${text:0:2}/$text"
# shellcheck disable=SC2016
converter liar.sh 'case $BLOBFORGE_HASH in
'"${h[5]}"') printf "caf\351\n" >"$2/content.md"; exit 0 ;;
'"${h[6]}"') mkdir "$2/assets"; ln -s /etc/passwd "$2/assets/x.png" ;;
'"${h[7]}"') exit 0 ;;
'"${h[8]}"') exit 77 ;;
esac'
use liar.sh
run daemon 90 -n 4 --until-empty
[[ $status -eq 0 ]] || fail "status $status"
for n in 1 2 3; do
    [[ -n $(find "$dir/store/pdf/store/out" -name "${h[n]}.zip") ]] || fail "job $n with a damaged marker is not done"
done
dead_with() { # HASH CAUSE WORDS
    local text
    text=$(record queue/dead "$1")
    [[ $text == *"\"cause\": \"$2\""* || $text == *"\"cause\":\"$2\""* ]] || fail "$1: cause is not $2: $text"
    [[ $text == *$3* ]] || fail "$1: '$3' is not in: $text"
}
dead_with "${h[4]}" document "SHA-256"
dead_with "$text" document "not a PDF"
dead_with "${h[5]}" converter "UTF-8"
dead_with "${h[6]}" converter ""
dead_with "${h[7]}" converter "content.md"
dead_with "${h[8]}" document ""
[[ $(attempts "$text") -eq 1 && $(attempts "${h[8]}") -eq 1 ]] || fail "what cannot be converted was tried again"
[[ $(attempts "${h[5]}") -eq 4 ]] || fail "refused output: $(attempts "${h[5]}") attempts"
nothing_left
echo "each costs its own job only"
