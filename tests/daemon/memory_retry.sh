#!/usr/bin/env bash
# A document that runs out of memory is tried once more, alone and with the larger limit: that may be enough; if it is
# not, it is dead. Other jobs run beside neither of the two, and are all done.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

ingest 6
cp "$top_builddir/tests/convert/hostile" "$dir/hostile" # where a converter's user comes to, wherever the build lies
big=$(hash_of page-0001) huge=$(hash_of page-0002)
# Memory is what the shell holds in a variable; notes say who ran when.
# shellcheck disable=SC2016 # for the converter
converter eats.sh 'note() { printf "%s %s %s\n" "$1" "$BLOBFORGE_HASH" "$BLOBFORGE_MEMORY_LIMIT" >>"'"$dir"'/notes"; }
note begin
printf "stage begun\n" >&3
case $BLOBFORGE_HASH in
'"$big"') '"$dir"'/hostile eat=60 "$1" "$2" || exit $? ;;
'"$huge"') '"$dir"'/hostile eat=200 "$1" "$2" || exit $? ;;
*) sleep 0.3 ;;
esac
note end'
use eats.sh
BLOBFORGE_MEMORY_LIMIT=40M BLOBFORGE_MEMORY_LIMIT_RETRY=120M run memory 60 -n 3 --until-empty
[[ $status -eq 0 ]] || fail "status $status"
count_is store/out 5 || fail "$(keys store/out) results, not 5"
[[ -e $dir/store/pdf/queue/dead/${huge:0:2}/$huge ]] || fail "what never has enough is not dead"
[[ $(attempts "$huge") -eq 2 ]] || fail "$(attempts "$huge") failed attempts of the huge one, not 2"
[[ $(attempts "$big") -eq 1 ]] || fail "$(attempts "$big") failed attempts of the big one, not 1"
record registry/logs/"${huge:0:2}/$huge"/attempts "" | grep -q '"granted": *125829120' || fail "the larger limit is not in the record"
# When an attempt with the larger limit begins all others have ended, and until its end none begins.
awk -v big="$big" -v huge="$huge" '
    $1 == "begin" && inside { bad = 1 }
    $1 == "begin" && $3 == 125829120 { n++; for (h in open) bad = 1; inside = $2 == big }
    $1 == "begin" && $2 != big && $2 != huge { open[$2] = 1 }
    $1 == "end" { delete open[$2]; if ($2 == big) inside = 0 }
    END { exit bad || n != 2 }' "$dir/notes" || fail "not alone: $(cat "$dir/notes")"
[[ $(times memory "tried once more, alone") -eq 2 ]] || fail "not said"
nothing_left
echo "once more, alone, with more"
