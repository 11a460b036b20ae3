# shellcheck shell=bash
# A Debian 12 to try things in, for tests/fresh-root.sh and tests/container.sh; sourced. Needs root and debootstrap.

# root_base DIR: a minimal Debian 12 in DIR/base, from the mirror that this machine's apt uses; one that is there is kept.
root_base() {
    local dir=$1 base=$1/base mirror
    mirror=$(awk '$1 == "URIs:" { print $2; exit } $1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /^http/) { print $i; exit } }' \
        /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | head -n 1)
    [[ -n $mirror ]] || { echo "no Debian mirror in apt's sources" >&2; return 78; }
    [[ ! -e $base/etc/debian_version ]] || return 0
    rm -rf "$base"
    debootstrap --variant=minbase bookworm "$base" "$mirror" >"$dir/debootstrap.log" 2>&1 ||
        { tail "$dir/debootstrap.log" >&2; return 1; }
    cp -aL /etc/apt/sources.list.d "$base/etc/apt/" 2>/dev/null || true
    rm -f "$base/etc/apt/sources.list"
    cp -aL /etc/apt/sources.list "$base/etc/apt/" 2>/dev/null || true
    grep -rqs "$mirror" "$base/etc/apt/" || echo "deb $mirror bookworm main" >"$base/etc/apt/sources.list"
}

# root_enter ROOT COMMAND...: becomes COMMAND, the first process of a pid namespace in ROOT. Entered by pivot_root: a plain
# chroot forbids user namespaces, and the old root is gone before the command begins.
root_enter() {
    local root=$1
    shift
    mkdir -p "$root/old"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    cat >"$root/enter.sh" <<'ENTER'
#!/bin/sh
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
rm -f /enter.sh
exec "$@"
ENTER
    # shellcheck disable=SC2016 # expanded inside
    exec unshare --mount --pid --fork --kill-child sh -c '
        root=$1; shift
        mount --make-rprivate /
        mount --bind "$root" "$root"
        cd "$root"
        pivot_root . old
        exec /bin/sh /enter.sh "$@"' sh "$root" "$@"
}
