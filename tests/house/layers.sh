#!/bin/sh
# Arrows point down: cli, daemon -> ingest, janitor, convert -> index -> queue -> store -> s3; base is used by all and uses none.
# Greps the includes of every source file and fails when one points up or sideways.
set -eu
src=${top_srcdir:-$(dirname "$0")/../..}/src
cd "$src"

allowed() { # what FOLDER may include
    case $1 in
    base) echo base ;;
    s3) echo "s3 base" ;;
    store) echo "store s3 base" ;;
    queue) echo "queue store base" ;;
    index) echo "index queue store base" ;;
    ingest | janitor | convert) echo "$1 index queue store base" ;;
    cli | daemon) echo "$1 ingest janitor convert index queue store base" ;;
    converter) echo "converter base" ;;
    *) echo "" ;;
    esac
}

bad=0
for file in */*.c */*.h; do
    folder=${file%%/*}
    may=$(allowed "$folder")
    [ -n "$may" ] || { echo "$file: folder '$folder' has no place in the layers"; bad=1; continue; }
    includes=$(sed -n 's/^#[[:space:]]*include[[:space:]]*"\([a-z0-9]*\)\/.*/\1/p' "$file" | sort -u)
    for include in $includes; do
        [ -d "$include" ] || continue
        case " $may " in
        *" $include "*) ;;
        *)
            echo "$file includes $include/: the arrow points up or sideways (allowed: $may)"
            bad=1
            ;;
        esac
    done
    if [ "$folder" != s3 ] && grep -q '#[[:space:]]*include[[:space:]]*<curl/' "$file"; then
        echo "$file includes curl: only s3/ may"
        bad=1
    fi
    case $folder in
    queue | janitor)
        if grep -nE '\b(time|rand|random|gettimeofday|clock_gettime|getrandom)[[:space:]]*\(' "$file"; then
            echo "$file: time and randomness are passed in (struct clock, struct rng)"
            bad=1
        fi
        ;;
    esac
done
exit $bad
