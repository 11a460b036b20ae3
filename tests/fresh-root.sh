#!/usr/bin/env bash
# fresh-root.sh DIR [COMMAND...]: runs a command for a clone of this project in a fresh Debian 12.
#
# A green run on a developer's machine can hide a missing package. This makes a minimal Debian 12 in DIR/root
# (debootstrap, from the mirror that this machine's apt uses; kept and used again when it is there), clones HEAD into
# it, enters it by pivot_root in a mount and pid namespace of its own (a plain chroot forbids user namespaces),
# and runs COMMAND (default: `contrib/quickstart.sh`) in the clone. Needs root and the packages debootstrap and git.
#
#     sudo tests/fresh-root.sh /var/tmp/fresh
#     sudo tests/fresh-root.sh /var/tmp/fresh tests/run.sh
set -euo pipefail

[[ $# -ge 1 ]] || { echo "usage: fresh-root.sh DIR [COMMAND...]" >&2; exit 64; }
[[ $(id -u) -eq 0 ]] || { echo "fresh-root: needs root" >&2; exit 77; }
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/debian-root.sh
. "$top/tests/lib/debian-root.sh"
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift
[[ $# -gt 0 ]] || set -- contrib/quickstart.sh
root=$dir/root

root_base "$dir"
rm -rf "$root"
cp -a "$dir/base" "$root"
git clone -q "$top" "$root/root/blobforge"
# shellcheck disable=SC2016 # expanded inside
root_enter "$root" env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
    CI="${CI:-}" sh -c 'cd /root/blobforge && exec "$@"' sh "$@"
