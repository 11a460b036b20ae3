#!/bin/sh
# What the command line takes and refuses, before any bucket is asked for.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
commands=$("$bf" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\)\( .*\)\{0,1\}$/\1/p')
[ "$(echo "$commands" | wc -l)" -ge 20 ] || { echo "--help names few commands: $commands"; exit 1; }

expect 0 "$bf" --version
out_has "blobforge 0."
err_is_empty
expect 0 "$bf" list --version
out_has "blobforge 0."
expect 0 "$bf" --help
for command in $commands; do out_has "  $command "; done
expect 0 "$bf" help
for command in $commands; do
    for words in "$command --help" "help $command" "--help $command" "$command -h"; do
        # shellcheck disable=SC2086 # words
        expect 0 "$bf" $words
        out_has "usage: blobforge $command"
        out_has "blobforge-$command(1)"
        err_is_empty
    done
    # What --help names, the manual explains.
    page=${top_srcdir:-.}/man/blobforge-$command.1
    "$bf" "$command" --help | sed -n '/^Options:/,/^$/s/^  *\(-.,\)\{0,1\} *--\([a-z-]*\).*/\2/p' |
        while IFS= read -r option; do
            grep -qE "Fl (Fl |.-)$option" "$page" || echo "$page lacks --$option"
        done >"$tmp/missing"
    [ ! -s "$tmp/missing" ] || { cat "$tmp/missing"; bad=1; }
    grep -q "Cm $command\$" "${top_srcdir:-.}/man/blobforge.1" || fail "blobforge(1) lacks $command"
done

expect 64 "$bf"
err_has "no command given"
err_is_one_line
expect 64 "$bf" stauts
err_has "'stauts': unknown command; did you mean 'status'?"
err_is_one_line
expect 64 "$bf" frobnicate
err_has "'frobnicate': unknown command; \`blobforge --help\` says more"
expect 64 "$bf" "$(printf 'a\033[31m\nb')"
err_has "'a\\x1b[31m\\nb': unknown command"
err_is_one_line
expect 64 "$bf" test-s3
err_has "blobforge doctor"
expect 64 "$bf" worker
err_has "blobforged"
expect 64 "$bf" list --limt 3
err_has "'--limt': unknown option; did you mean --limit?"
expect 64 "$bf" list --frobnicate
err_has "'--frobnicate': unknown option"
expect 64 "$bf" list -Z
err_has "'-Z': unknown option"
expect 64 "$bf" --frobnicate list
err_has "unknown option"
expect 64 "$bf" list --limit
err_has "--limit: value missing; write --limit N"
expect 64 "$bf" list -n
err_has "-n: value missing"
expect 64 "$bf" list --json=1
err_has "--json: takes no value"
expect 64 "$bf" list --st "done" --l
err_has "ambiguous option"
expect 64 "$bf" list operand
err_has "'operand': one operand too many"
expect 64 "$bf" download
err_has "operand missing: HASH ..."
expect 64 "$bf" list --state nope
err_has "'nope' is no state; give todo, processing, failed, dead, done or raw"
expect 64 "$bf" list --state 'done' --limit many
err_has "'many' is no number"
expect 64 "$bf" list --limit 5
err_has "go with --state"
expect 64 "$bf" retry --tier urgent abcd
err_has "'urgent' is no tier"
expect 64 "$bf" logs --type ../x abcd
err_has "no name of a log"

# Global options before and after the command, in every form.
for words in "--store=file://$tmp/none list" "list --store file://$tmp/none" "-o store=file://$tmp/none list" \
    "list -ostore=file://$tmp/none" "-qv --store file://$tmp/none list --json" "list --stor file://$tmp/none"; do
    # shellcheck disable=SC2086 # words
    expect 69 "$bf" $words
    err_has "$tmp/none"
    err_is_one_line
done

# Standard output that cannot be written is said.
if [ -c /dev/full ]; then
    "$bf" --help >/dev/full 2>"$tmp/err"
    got=$?
    : >"$tmp/out"
    last="--help >/dev/full"
    [ "$got" = 74 ] || fail "$last: status $got"
    err_has "standard output: No space left on device"
fi
exit "$bad"
