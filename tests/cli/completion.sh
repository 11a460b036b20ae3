#!/usr/bin/env bash
# Completion in bash, zsh and fish, by running these shells; and the manual pages' synopses against the table of
# commands, from which completion, usage and --help are made.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${top_builddir:-.}" && pwd)/src/cli
PATH=$(dirname "$bf"):$PATH
store="file://$tmp/store"
mkdir "$tmp/lib"
for i in 1 2 3; do make_pdf "$tmp/lib/paper $i.pdf" "$i"; done
expect 0 "$bf" --store "$store" -q ingest "$tmp/lib"
expect 0 "$bf" --store "$store" -q search paper
tiers="background critical high low normal"

# what SHELL LINE: the words offered at the end of the line, sorted, on one line.
what() {
    case $1 in
    bash)
        bash --norc -c 'source "$1"; COMP_LINE=$2 COMP_POINT=${#2} COMP_TYPE=9 COMP_KEY=9
            read -ra COMP_WORDS <<<"$2"; [[ $2 == *" " ]] && COMP_WORDS+=("")
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _blobforge; printf "%s\n" "${COMPREPLY[@]}"' bash "$build/blobforge" "$2"
        ;;
    fish) fish --no-config -c "source '$build/blobforge.fish'; complete -C '$2'" | cut -f1 ;;
    esac 2>"$tmp/err" | sort -u | paste -s -d ' ' -
}

# offers SHELL LINE WORDS: just these.
offers() {
    got=$(what "$1" "$2")
    last="$1: $2"
    : >"$tmp/out"
    [ "$got" = "$3" ] || fail "$1 offers at '$2': '$got', not '$3'"
}

has() { # SHELL LINE WORD: this one among them
    got=" $(what "$1" "$2") "
    last="$1: $2"
    : >"$tmp/out"
    case $got in *" $3 "*) ;; *) fail "$1 offers at '$2': '$got', which lacks '$3'" ;; esac
}

shells=bash
if command -v fish >/dev/null; then shells="bash fish"; else echo "not tried: fish (not installed)"; fi
for shell in $shells; do
    offers "$shell" "blobforge searc" "search search-queue"
    offers "$shell" "blobforge --store $store manif" manifest
    has "$shell" "blobforge " ingest
    has "$shell" "blobforge --" --store
    has "$shell" "blobforge list --" --state
    has "$shell" "blobforge list --" --json
    offers "$shell" "blobforge list --state d" "dead done"
    offers "$shell" "blobforge ingest --tier " "$tiers"
    offers "$shell" "blobforge --store $store status ${hash:0:6}" "$hash"
    offers "$shell" "blobforge --store=$store retry ${hash:0:1}${hash:1:9}" "$hash"
    has "$shell" "blobforge --store $store status " "$hash"
    has "$shell" "blobforge config set s" slots
    has "$shell" "blobforge config set max" max_retries
    offers "$shell" "blobforge ctl dr" drain
    offers "$shell" "blobforge ctl log-level " "debug error info warning"
    offers "$shell" "blobforge ctl log-level w" warning
    case $(what "$shell" "blobforge ") in *complete*) fail "$shell offers what is hidden" ;; esac
done
# A store that is not there, or does not answer, offers nothing, and soon.
offers bash "blobforge --store file://$tmp/nowhere status ab" ""
cd "$tmp/lib" || exit 1
got=$(what bash "blobforge ingest $tmp/li")
[ "$got" = "$tmp/lib" ] || fail "bash offers for a path: $got"

# zsh completes on a terminal only.
if command -v zsh >/dev/null; then
    python3 "$here/zsh_complete.py" "$build" "$store" "$hash" >"$tmp/out" 2>"$tmp/err" || fail "zsh"
else
    echo "not tried: zsh (not installed)"
fi

# The pages' synopses name every option and no other.
man=${top_srcdir:-.}
case $man in /*) ;; *) man=$OLDPWD/$man ;; esac
python3 "$here/synopses.py" "$man/man" "$build/table" >"$tmp/out" 2>"$tmp/err" || fail "synopses"
exit "$bad"
