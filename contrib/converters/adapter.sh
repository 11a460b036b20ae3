# Sourced by the adapters beside it: what lies between a tool that writes Markdown in its own way and the contract of
# blobforge-converter(7). Tools differ in where they put the Markdown and the images; the contract wants content.md and
# assets/NAME, and a status that says who is to blame.
# shellcheck shell=sh
set -u

# Progress goes to descriptor 3; started by hand there is none.
if [ "${BLOBFORGE_PROGRESS_FD:-}" = 3 ]; then
    tell() { printf '%s\n' "$*" >&3; }
else
    tell() { :; }
fi

# adapter_begin INPUT OUTPUT: sets $input, $output and $work, an empty folder.
adapter_begin() {
    [ $# = 2 ] || { echo "usage: ${0##*/} INPUT OUTPUT" >&2; exit 64; }
    input=$1 output=$2
    [ -r "$input" ] || { echo "${0##*/}: cannot read $input" >&2; exit 66; }
    work=${TMPDIR:-/tmp}/adapter.$$
    mkdir -p "$work" "$output" || exit 73
}

# adapter_pdf: the number of pages, and the documents that no tool can read. Needs pdfinfo (Debian package
# poppler-utils); without it the tool itself has to find out.
adapter_pdf() {
    pages=
    command -v pdfinfo >/dev/null || return 0
    if ! pdfinfo -- "$input" >"$work/facts" 2>"$work/why"; then
        cat "$work/why" >&2
        grep -q 'Incorrect password' "$work/why" && exit 77
        exit 65
    fi
    pages=$(sed -n 's/^Pages: *//p' "$work/facts")
    tell "pages $pages"
}

# adapter_run COMMAND...: ends with the status that the contract has for the tool's failure.
adapter_run() {
    tell 'stage convert'
    "$@"
    status=$?
    case $status in
    0) ;;
    2) # what Python's argument parsers say: this tool is not the one that the adapter was written for
        echo "${0##*/}: $1 does not understand its command line; is it of another version?" >&2
        exit 78 ;;
    126 | 127) exit "$status" ;;
    *)
        echo "${0##*/}: $1 ended with status $status" >&2
        exit 70 ;;
    esac
}

# adapter_collect FOLDER: the Markdown file in FOLDER or below it becomes content.md, the images beside or below that
# file become assets, and links to them follow.
adapter_collect() {
    tell 'stage collect'
    text=$(find "$1" -type f -name '*.md' | LC_ALL=C sort | head -n 1)
    [ -n "$text" ] || { echo "${0##*/}: the tool left no Markdown" >&2; exit 70; }
    base=$(dirname "$text")
    (cd "$base" && find . -type f \( -name '*.png' -o -name '*.jpg' -o -name '*.jpeg' -o -name '*.gif' -o -name '*.webp' \
        -o -name '*.svg' -o -name '*.emf' -o -name '*.wmf' -o -name '*.tif' -o -name '*.tiff' -o -name '*.bmp' \)) |
        LC_ALL=C sort | sed 's|^\./||' >"$work/images" || exit 74
    : >"$work/names"
    while IFS= read -r image; do
        # Names of the contract; a number keeps two that become the same apart.
        name=$(printf '%s' "$image" | LC_ALL=C tr -c 'A-Za-z0-9._-' _ | sed 's/^\.*//' | tail -c 180)
        [ ! -e "$output/assets/$name" ] || name=$(wc -l <"$work/names")-$name
        mkdir -p "$output/assets" && cp -- "$base/$image" "$output/assets/$name" || exit 74
        printf '%s\n%s\n' "$image" "$name" >>"$work/names"
    done <"$work/images"
    # Names are plain characters here, never patterns.
    awk -v names="$work/names" '
        BEGIN {
            while ((getline old < names) > 0 && (getline new < names) > 0) {
                n++
                from[n] = old
                to[n] = "assets/" new
            }
        }
        function put(line, before, old, new,    at, out, rest, c) {
            out = ""
            while ((at = index(line, before old)) > 0) {
                rest = substr(line, at + length(before old))
                c = substr(rest, 1, 1)
                out = out substr(line, 1, at - 1) before (c ~ /[]) \t"'"'"'>]/ ? new : old)
                line = rest
            }
            return out line
        }
        {
            if (index($0, "](") || index($0, "src=")) {
                for (i = 1; i <= n; i++) {
                    $0 = put($0, "](", from[i], to[i])
                    $0 = put($0, "](./", from[i], to[i])
                    $0 = put($0, "src=\"", from[i], to[i])
                    $0 = put($0, "src=\"./", from[i], to[i])
                }
                gsub(/\]\(\.\/assets\//, "](assets/")
                gsub(/src="\.\/assets\//, "src=\"assets/")
            }
            print
        }' "$text" | tr -d '\000' >"$output/content.md" || exit 74
}

# adapter_info VERSION: of the tool; "" when it does not say.
adapter_info() {
    version=$(printf '%s' "$1" | LC_ALL=C tr -cd 'A-Za-z0-9.+_ -' | cut -c1-60)
    {
        printf '{"tool": "%s"' "$(basename "$0" .sh)"
        [ -z "$version" ] || printf ', "version": "%s"' "$version"
        [ -z "${pages:-}" ] || printf ', "page_count": %d' "$pages"
        printf '}\n'
    } >"$output/info.json" || exit 74
    [ -z "${pages:-}" ] || tell "page $pages"
}

# adapter_python_version PACKAGE: of a Python package, by the interpreter in PATH, without importing it.
adapter_python_version() {
    python3 -c 'import sys; from importlib import metadata; print(metadata.version(sys.argv[1]))' "$1" 2>/dev/null
}
