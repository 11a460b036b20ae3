# Sourced by the tests of pdf2md. Gives $pdf2md, $here (this folder), $tmp (removed at the end), and fail.
# shellcheck shell=bash disable=SC2034
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
pdf2md=${PDF2MD:-${top_builddir:-$here/../../build}/src/converter/pdf2md}
[ -x "$pdf2md" ] || { echo "skip: no $pdf2md"; exit 77; }
command -v python3 >/dev/null || { echo "skip: no python3 to make PDFs with"; exit 77; }
command -v groff >/dev/null || { echo "skip: no groff to make PDFs with"; exit 77; }
unset BLOBFORGE_TIME_LIMIT BLOBFORGE_MEMORY_LIMIT BLOBFORGE_PROGRESS_FD
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failures=0

fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

# expect STATUS COMMAND...: runs it with its output in $tmp/out and $tmp/err.
expect() {
    local want=$1 got=0
    shift
    "$@" >"$tmp/out" 2>"$tmp/err" || got=$?
    if [ "$got" -ne "$want" ]; then
        fail "status $got instead of $want: $*"
        sed 's/^/    /' "$tmp/err"
    fi
}

# make_pdf NAME: the PDF of pages/NAME.page or NAME.ms, as $tmp/NAME.pdf.
make_pdf() {
    if [ -e "$here/pages/$1.ms" ]; then
        groff -k -Tpdf -ms -t "$here/pages/$1.ms" >"$tmp/$1.pdf"
        return
    fi
    python3 "$here/makepdf.py" "$here/pages/$1.page" "$tmp/$1.pdf"
}

finish() {
    [ "$failures" -eq 0 ] || { echo "$failures failures"; exit 1; }
    exit 0
}
