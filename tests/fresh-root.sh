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
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift
[[ $# -gt 0 ]] || set -- contrib/quickstart.sh
base=$dir/base root=$dir/root

mirror=$(awk '$1 == "URIs:" { print $2; exit } $1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /^http/) { print $i; exit } }' \
    /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | head -n 1)
[[ -n $mirror ]] || { echo "fresh-root: no Debian mirror in apt's sources" >&2; exit 78; }

if [[ ! -e $base/etc/debian_version ]]; then
    rm -rf "$base"
    debootstrap --variant=minbase bookworm "$base" "$mirror" >"$dir/debootstrap.log" 2>&1 ||
        { tail "$dir/debootstrap.log" >&2; exit 1; }
    cp -aL /etc/apt/sources.list.d "$base/etc/apt/" 2>/dev/null || true
    rm -f "$base/etc/apt/sources.list"
    cp -aL /etc/apt/sources.list "$base/etc/apt/" 2>/dev/null || true
    grep -rqs "$mirror" "$base/etc/apt/" || echo "deb $mirror bookworm main" >"$base/etc/apt/sources.list"
fi
rm -rf "$root"
cp -a "$base" "$root"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
git clone -q "$top" "$root/root/blobforge"

cat >"$root/enter.sh" <<'ENTER'
#!/bin/sh
# Runs inside: the old root is gone before the command begins.
set -eu
mount -t proc proc /proc
mount -t sysfs sysfs /sys 2>/dev/null || true
mount -t tmpfs tmpfs /dev
mkdir -p /dev/pts /dev/shm
for node in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
    set -- "$@" # keep the command
    # shellcheck disable=SC2086
    (set -- $node; mknod -m 666 "/dev/$1" c "$2" "$3")
done
mount -t devpts devpts /dev/pts -o newinstance,ptmxmode=0666 2>/dev/null || true
ln -sf pts/ptmx /dev/ptmx
ln -sf /proc/self/fd /dev/fd
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
umount -l /old
rmdir /old
ip link set lo up 2>/dev/null || true
cd /root/blobforge
exec env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 CI="${CI:-}" "$@"
ENTER
mkdir -p "$root/old"

# shellcheck disable=SC2016 # expanded inside
exec unshare --mount --pid --fork --kill-child sh -c '
    root=$1; shift
    mount --make-rprivate /
    mount --bind "$root" "$root"
    cd "$root"
    pivot_root . old
    exec /bin/sh /enter.sh "$@"' sh "$root" "$@"
