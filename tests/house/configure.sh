#!/bin/bash
# configure names every missing Debian package in one message, and each of them is one that
# contrib/install-packages.sh installs.
#
# What is missing is pretended: pkg-config that finds no module, headers that the cache says are not there.
set -eu
cd "${top_srcdir:-$(dirname "$0")/../..}"
source=$PWD
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
if PKG_CONFIG_PATH='' PKG_CONFIG_LIBDIR=$dir "$source/configure" ac_cv_header_mbedtls_sha256_h=no \
    ac_cv_header_mupdf_fitz_h=no >out 2>&1; then
    echo "configure went on without any library"
    exit 1
fi
message=$(sed -n 's/.*error: missing Debian packages://p' out)
[ -n "$message" ] || { tail -n 5 out; exit 1; }
# The modules that configure.ac asks pkg-config for, and the two libraries that it finds by their headers.
wanted="$(sed -n 's/^ *BF_PKG(\[[A-Z0-9]*\], \[[^]]*\], \[\([a-z0-9.+-]*\)\]).*/\1/p' "$source/configure.ac") libmbedtls-dev libmupdf-dev"
[ "$(wc -w <<<"$wanted")" -ge 9 ] || { echo "only these are asked for: $wanted"; exit 1; }
for package in $wanted; do
    case " $message " in
    *" $package "*) ;;
    *) echo "not named as missing: $package; named:$message"; exit 1 ;;
    esac
done
for package in $message; do
    grep -qxF "$package" "$source/contrib/packages.txt" ||
        { echo "named as missing, not in contrib/packages.txt: $package"; exit 1; }
done
grep -q "apt-get install --no-install-recommends$message" out || { echo "the remedy is not named"; exit 1; }
