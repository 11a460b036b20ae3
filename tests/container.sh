#!/usr/bin/env bash
# container.sh [DIR]: the steps of contrib/Containerfile, executed without a container engine; `make container`.
#
# Each FROM is a copy of a minimal Debian 12 (debootstrap, in DIR/base: kept and used again); COPY, RUN, ENV, WORKDIR and
# USER are done there as an engine would. Then ENTRYPOINT is started as process 1 of a pid namespace in what came out, as
# the image's user, without capabilities and with the parts of /proc covered that engines cover; documents are
# ingested and converted, orphans reaped, the health is asked for, and STOPSIGNAL drains. A second time nothing is covered:
# what the man page names for level l2. Needs root, debootstrap and some minutes.
#
# container.sh --check BUILD: only what can be seen without building: names and paths; a test of `make check`.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
file=$top/contrib/Containerfile
PATH=$PATH:/usr/sbin:/sbin # ldconfig, debootstrap
fail() { echo "FAILED: $*"; exit 1; }

# A line per instruction, continued lines joined.
instructions() {
    awk '/^[[:space:]]*#/ { next } { line = line $0 } /\\$/ { sub(/\\$/, "", line); next } line ~ /[^[:space:]]/ { print line } { line = "" }' "$file"
}
values() { instructions | sed -n "s/^$1[[:space:]]*//p"; } # WORD
words_of_json() { python3 -c 'import json, sys; print("\n".join(json.loads(sys.argv[1])))' "$1"; }
environment() { values ENV | xargs -n 1; }
mapfile -t entrypoint < <(words_of_json "$(values ENTRYPOINT)")
mapfile -t health < <(words_of_json "$(values HEALTHCHECK | sed 's/.*CMD *//')")
mapfile -t volumes < <(words_of_json "$(values VOLUME)")
user=$(values USER | tail -n 1)
# What configure was told about places, as words for make.
places() { values RUN | grep -o -- '--\(prefix\|sysconfdir\|localstatedir\)=[^ ]*' | sed 's/^--//'; }

# ---- what can be seen without building ----

owner_of_library() { # PATH: its Debian package; a merged /usr has two names for it
    { dpkg -S "$1" 2>/dev/null || dpkg -S "$(realpath "$1")" 2>/dev/null || dpkg -S "${1#/usr}" 2>/dev/null; } | sed -n '1s/:.*//p'
}
check() { # BUILD
    local build=$1 tmp source word path name package
    if ! command -v dpkg >/dev/null || ! command -v python3 >/dev/null; then
        echo "skipped: needs dpkg and python3"
        exit 77
    fi
    tmp=$(mktemp -d)
    # shellcheck disable=SC2064 # now
    trap "rm -rf '$tmp'" EXIT
    while read -r word; do
        [[ $word == --* || -e $top/$word ]] || fail "COPY $word: no such file here"
    done < <(values COPY | grep -v -- --from | sed 's/ [^ ]*$//' | xargs -n 1)
    values RUN >"$tmp/run"
    for word in packages.txt runtime-packages.txt; do
        grep -q "install-packages.sh /packages/$word" "$tmp/run" || fail "no RUN installs contrib/$word"
    done

    # All that the programs load, by their headers or by name, is in the list of packages.
    for name in blobforge blobforged src/converter/pdf2md; do
        [[ ! -e $build/$name ]] || ldd "$build/$name" | awk '$3 ~ /^\// { print $3 }'
    done | sort -u >"$tmp/all"
    for name in blobforge blobforged src/converter/pdf2md; do
        [[ ! -e $build/$name ]] || readelf -d "$build/$name" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p'
    done | sort -u | while read -r name; do grep "/$name\$" "$tmp/all" || true; done >"$tmp/libraries"
    grep -rhoE '"lib[a-z]+\.so\.[0-9]+"' "$top/src" | tr -d '"' | sort -u | while read -r name; do
        ldconfig -p 2>/dev/null | awk -v name="$name" '$1 == name && !found++ { print $NF }'
    done >>"$tmp/libraries"
    [[ $(wc -l <"$tmp/libraries") -ge 8 ]] || fail "only these libraries were found: $(cat "$tmp/libraries")"
    while read -r path; do
        package=$(owner_of_library "$path")
        case $package in
        '') ;; # not Debian's, or a sanitizer's
        libc6 | libgcc-s1 | libstdc++6 | libasan* | libubsan* | libtsan*) ;;
        *) grep -qxF "$package" "$top/contrib/runtime-packages.txt" || fail "$path is in $package, which contrib/runtime-packages.txt does not name" ;;
        esac
    done <"$tmp/libraries"

    # The programs that it starts are where `make install` puts them, and its settings are settings.
    mapfile -t words < <(places)
    [[ ${#words[@]} -eq 3 ]] || fail "configure's places: ${words[*]}"
    env -u MAKEFLAGS -u MFLAGS make -s -C "$build" install "DESTDIR=$tmp/image" "${words[@]}" >"$tmp/install" 2>&1 ||
        { tail "$tmp/install"; fail "make install"; }
    [[ -x $tmp/image${entrypoint[0]} ]] || fail "ENTRYPOINT ${entrypoint[0]}: not installed"
    [[ -x $tmp/image/usr/bin/${health[0]} ]] || fail "HEALTHCHECK ${health[0]}: not installed"
    "$build/blobforged" --help >"$tmp/help"
    grep -q -- " ${entrypoint[1]} " "$tmp/help" || fail "ENTRYPOINT: no option ${entrypoint[1]}"
    "$build/blobforged" -T >"$tmp/settings"
    environment >"$tmp/environment"
    while IFS='=' read -r name path; do
        [[ $name == BLOBFORGE_* ]] || continue
        name=${name#BLOBFORGE_}
        grep -q "^${name,,} = " "$tmp/settings" || fail "ENV: no setting ${name,,}"
        path=${path#file://}
        grep -q -- "-o $user .* $path\\( \\|\$\\)" "$tmp/run" || fail "ENV: no RUN makes $path for $user"
    done <"$tmp/environment"
    for path in "${volumes[@]}"; do
        grep -qE "=(file://)?$path\$" "$tmp/environment" || fail "VOLUME $path: no setting names it"
    done
    [[ $(values STOPSIGNAL) == SIGTERM ]] || fail "STOPSIGNAL $(values STOPSIGNAL): does not drain"
    [[ $user == "$(sed -n 's/^SETTING(USER, "user", TEXT, "\([a-z]*\)".*/\1/p' "$top/src/base/settings.def")" ]] || fail "USER $user"
    echo "packages, paths and settings of the Containerfile are there"
    exit 0
}
[[ ${1:-} != --check ]] || check "${2:?BUILD}"

# ---- building ----

[[ $(id -u) -eq 0 ]] || { echo "container: needs root" >&2; exit 77; }
# shellcheck source=tests/lib/debian-root.sh
. "$top/tests/lib/debian-root.sh"
mkdir -p "${1:-/var/tmp/blobforge-container}"
dir=$(cd "${1:-/var/tmp/blobforge-container}" && pwd)
pids=()
cleanup() {
    local status=$?
    set +e
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null; done
    wait 2>/dev/null
    [[ $status -eq 0 ]] || for log in "$dir"/*.log; do echo "--- ${log##*/}"; tail -n 40 "$log"; done
    rm -rf "$dir/roots" "$dir/context"
}
trap cleanup EXIT
wait_until() { # SECONDS WHAT COMMAND...
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [[ $SECONDS -le $end ]] || fail "$what: not in time"
        sleep 0.1
    done
}
rm -rf "$dir/roots" "$dir/context" "$dir"/*.log
mkdir -p "$dir/roots" "$dir/context"
root_base "$dir"

# The tree as it would be sent, without what the ignore file names.
sed -e '/^#/d; /^$/d' -e 's|^\*\*/||; t' -e 's|^|./|' "$file.dockerignore" >"$dir/ignored"
tar -C "$top" --exclude-from="$dir/ignored" --wildcards-match-slash -cf - . | tar -C "$dir/context" -xf -
[[ ! -e $dir/context/.git ]] || fail "the ignore file ignores nothing"

path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
root='' workdir=/ run_user=root variables=()
as_user() { # USER: words that become it, as an engine does
    [[ $1 == root ]] || echo "setpriv --reuid=$1 --regid=$1 --init-groups --inh-caps=-all --bounding-set=-all"
}
run_in() { # COMMAND for sh(1)
    # shellcheck disable=SC2046 # words
    (root_enter "$root" env -i HOME=/root "PATH=$path" "${variables[@]}" $(as_user "$run_user") \
        sh -c "cd $workdir && $1")
}
copy() { # [--from=STAGE] SOURCE... TARGET
    local from=$dir/context target source
    if [[ $1 == --from=* ]]; then from=$dir/roots/${1#*=}; shift; fi
    target=$root/${*: -1}
    mkdir -p "$target"
    for source in "${@:1:$#-1}"; do
        if [[ -d $from/$source ]]; then cp -a "$from/$source/." "$target/"; else cp -a "$from/$source" "$target/"; fi
    done
}
stages=0
while read -r word rest; do
    echo "== $word $rest"
    case $word in
    FROM)
        [[ $rest =~ ^debian:bookworm ]] || fail "FROM $rest: this script has Debian 12 only"
        stages=$((stages + 1))
        name=image
        if [[ $rest == *" AS "* ]]; then name=${rest##* AS }; fi
        root=$dir/roots/$name workdir=/ run_user=root variables=()
        cp -a "$dir/base" "$root"
        ;;
    COPY)
        # shellcheck disable=SC2086 # words
        copy $rest
        ;;
    RUN) run_in "$rest" >>"$dir/run.log" 2>&1 || fail "RUN ended with status $?" ;;
    WORKDIR) workdir=$rest && mkdir -p "$root$rest" ;;
    ENV) mapfile -t -O ${#variables[@]} variables < <(xargs -n 1 <<<"$rest") ;;
    USER) run_user=$rest ;;
    VOLUME | STOPSIGNAL | HEALTHCHECK | ENTRYPOINT) ;;
    *) fail "$word: not known here" ;;
    esac
done < <(instructions)
[[ $stages -eq 2 && $root == "$dir/roots/image" ]] || fail "$stages stages, the last in $root"
[[ ! -e $root/usr/bin/gcc ]] || fail "the image has a compiler"
echo "image: $(du -sm "$root" | cut -f1) MB, $(du -sm "$dir/base" | cut -f1) of them Debian's own"

# ---- running ----

cat >"$root/opt/slow.sh" <<'CONVERTER'
#!/bin/sh
printf 'pages 1\n' >&3
sleep 3
printf '# slow\n' >"$2/content.md"
CONVERTER
chmod 0755 "$root/opt/slow.sh"
# shellcheck disable=SC2016 # expanded inside
covered='for f in kcore keys timer_list; do [ ! -e /proc/$f ] || mount --bind /dev/null /proc/$f; done; mount --bind /proc/sys /proc/sys; mount -o remount,ro,bind /proc/sys;'
become() { as_user "$user"; }
start() { # NAME COVERED [WORDS...]: in the background; its first process in $first
    local name=$1 covers=$2
    shift 2
    # shellcheck disable=SC2046 # words
    root_enter "$root" sh -c "$covers"' exec "$@"' sh $(become) env -i HOME=/var/cache/blobforge "PATH=$path" "${variables[@]}" \
        "${entrypoint[@]}" "$@" >"$dir/$name.log" 2>&1 &
    outer=$!
    pids+=("$outer")
    ready() { grep -qs ' info ready ' "$dir/$name.log" || ! kill -0 "$outer" 2>/dev/null; }
    wait_until 30 "$name: ready" ready
    first=$(pgrep -P "$outer") || fail "$name: ended: $(cat "$dir/$name.log")"
    [[ $(tr '\0' ' ' <"/proc/$first/cmdline") == "${entrypoint[*]}"* ]] || fail "$name: process 1 is $(tr '\0' ' ' <"/proc/$first/cmdline")"
    [[ $(awk '/^Uid/ { print $2 }' "/proc/$first/status") -eq 10001 ]] || fail "$name: another user"
    sed -n 's/.* info ready .*\(sandbox=[^ ]*\).*\(msg=.*\)/  \1 \2/p' "$dir/$name.log"
}
inside() { # COMMAND...: as `docker exec` does
    # shellcheck disable=SC2046 # words
    nsenter -t "$first" -m -p -- env -i HOME=/var/cache/blobforge "PATH=$path" "${variables[@]}" $(become) "$@"
}
settled() { [[ $(inside blobforge list --json --state "done" 2>/dev/null | grep -c '"hash"') -eq $1 ]]; }
stop() { # NAME: by STOPSIGNAL; it must drain and end with status 0
    local status=0
    kill -s "$(values STOPSIGNAL)" "$first"
    gone() { ! kill -0 "$outer" 2>/dev/null; }
    wait_until 30 "$1: the end" gone
    wait "$outer" || status=$?
    [[ $status -eq 0 ]] || fail "$1: status $status"
    grep -q ' info drain ' "$dir/$1.log" || fail "$1: did not drain"
}

"$top/tests/lib/make-pdfs.sh" "$root/tmp/pdfs" 3
echo "== as an engine starts it"
status=0
(root_enter "$root" env -i "PATH=$path" "${variables[@]}" "${health[@]}") >"$dir/health.log" 2>&1 || status=$?
[[ $status -ne 0 ]] || fail "HEALTHCHECK finds a daemon where none runs"
start plain "$covered" -n 2
grep -q ' info ready .* sandbox=l1 ' "$dir/plain.log" || fail "plain: not l1: $(grep ' ready ' "$dir/plain.log")"
inside "${health[@]}" >"$dir/health.log" || fail "HEALTHCHECK: status $?"
inside blobforge ingest -q /tmp/pdfs
wait_until 60 "three documents" settled 3
hash=$(inside blobforge list --json --state "done" | sed -n '1s/.*"hash": *"\([0-9a-f]*\)".*/\1/p')
inside blobforge preview "$hash" >"$dir/preview.log"
grep -q 'first paragraph' "$dir/preview.log" || fail "no text in the result"
# An orphan of the container is reaped.
inside sh -c '(sleep 2 &); exit 0'
below_first() { [[ $(pgrep -P "$first" | wc -l) -gt 1 ]]; }
below_first || fail "the orphan is not below process 1"
reaped() { ! below_first; }
wait_until 20 "the orphan reaped" reaped
stop plain

echo "== with nothing covered; a stop while a job runs"
start open '' -n 1 -o 'converter=/opt/slow.sh {input} {output}'
grep -q ' info ready .* sandbox=l2 ' "$dir/open.log" || fail "open: not l2: $(grep ' ready ' "$dir/open.log")"
rm -rf "$root/tmp/pdfs"
"$top/tests/lib/make-pdfs.sh" "$root/tmp/pdfs" 2 slow
inside blobforge ingest -q /tmp/pdfs
begun() { grep -q ' info claim ' "$dir/open.log"; }
wait_until 20 "a job begun" begun
stop open
[[ $(grep -c ' info done ' "$dir/open.log") -eq 1 ]] || fail "the running job was not finished"
[[ -z $(find "$root/var/lib/blobforge/pdf/queue/processing" -type f) ]] || fail "a lock is left"
[[ $(find "$root/var/lib/blobforge/pdf/queue/todo" -type f | wc -l) -eq 1 ]] || fail "the other job is not in the queue"
echo "built, converted, asked, reaped, drained"
