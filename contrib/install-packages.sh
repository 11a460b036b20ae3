#!/bin/sh
# install-packages.sh FILE...: installs the Debian packages that the files list, those that are missing, in one go.
#
# As root, or with sudo where that works without a question; elsewhere it names the one command to run and fails.
# Lines beginning with # are comments.
set -eu

missing=
names=$(sed 's/#.*//' "$@")
for name in $names; do
    status=$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $name"
done
[ -n "$missing" ] || exit 0

install() {
    $1 apt-get update -qq
    # shellcheck disable=SC2086 # both are lists of words
    $1 env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
}
echo "installing Debian packages:$missing" >&2
if [ "$(id -u)" -eq 0 ]; then
    install "" >/dev/null
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    install "sudo -n" >/dev/null
else
    echo "install-packages: missing packages: not root and no sudo; run: apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
