#!/usr/bin/env bash
# What contrib/ hands to systemd and logrotate: units, users and folders are understood without a warning, the unit's
# confinement stays where it was, and logrotate's script has the daemon open its log anew.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

command -v systemd-analyze >/dev/null || { echo "skipped: systemd-analyze is not installed (Debian package systemd)"; exit 77; }
made=$top_builddir/contrib/systemd
mkdir "$dir/units"
for unit in blobforged.service blobforged@.service; do
    grep -q "^ExecStart=/.*/blobforged" "$made/$unit" || fail "$unit: ExecStart: $(grep ExecStart "$made/$unit")"
    ! grep '@[a-z]*dir@' "$made/$unit" || fail "$unit: not made"
    # the programs and pages of this build need not be installed
    sed -e "s#^ExecStart=[^ ]*#ExecStart=$daemon#" -e '/^Documentation=/d' "$made/$unit" >"$dir/units/$unit"
done
mkdir "$dir/units/blobforged.service.d"
# notify-reload itself is of systemd 253
if [[ $(systemd-analyze --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p') -ge 253 ]]; then
    cp "$top_srcdir/contrib/systemd/notify-reload.conf" "$dir/units/blobforged.service.d/"
fi
# It warns by words, and says of a user that the machine does not have nothing.
words=$(systemd-analyze verify --man=no "$dir/units/blobforged.service" 2>&1) || fail "verify: $words"
! grep -qE "$dir/units|blobforged" <<<"$words" || fail "verify: $words"
words=$(systemd-analyze verify --man=no "$dir/units/blobforged@other.service" 2>&1) || fail "verify the template: $words"
! grep -qE "$dir/units|blobforged" <<<"$words" || fail "verify the template: $words"
# 0 is confined, 100 is open; 35 leaves the sandbox what it is made of, see the unit.
words=$(systemd-analyze security --offline=true --threshold=35 "$dir/units/blobforged.service" 2>&1) ||
    fail "security: $(grep Overall <<<"$words")"
for setting in User=blobforge Delegate=yes StateDirectory=blobforge LoadCredential=s3-credentials Type=notify WatchdogSec= \
    'RestartPreventExitStatus=64 77 78 80 81' 'ExecReload=/bin/kill -HUP'; do
    grep -q "^$setting" "$made/blobforged.service" || fail "the unit has no $setting"
done
# Every status that the unit does not restart after is one of blobforged(8).
for status in 64 77 78 80 81; do
    grep -q "^\.It $status\b" "$top_srcdir/man/blobforged.8" || fail "blobforged(8) knows no status $status"
done

systemd-sysusers --dry-run "$made/blobforge-sysusers/blobforge.conf" >"$dir/sysusers" 2>&1 || fail "sysusers: $(cat "$dir/sysusers")"
if [[ $(id -u) -eq 0 ]]; then
    mkdir "$dir/root" "$dir/root/etc"
    printf 'root:x:0:0::/root:/bin/sh\nblobforge:x:998:998::/var/lib/blobforge:/bin/false\n' >"$dir/root/etc/passwd"
    printf 'root:x:0:\nblobforge:x:998:\n' >"$dir/root/etc/group"
    systemd-tmpfiles --create --root="$dir/root" "$made/blobforge-tmpfiles/blobforge.conf" 2>"$dir/tmpfiles" ||
        fail "tmpfiles: $(cat "$dir/tmpfiles")"
    [[ $(stat -c '%a %u' "$dir/root/var/lib/blobforge") == "2770 998" ]] || fail "tmpfiles: $(stat -c '%a %u' "$dir/root/var/lib/blobforge")"
fi

# logrotate's own parser, where it is installed; its script in any case, on our folders.
if command -v logrotate >/dev/null && [[ $(id -u) -eq 0 ]]; then
    sed -e 's/^\([[:space:]]*su\) .*/\1 root root/' -e '/^[[:space:]]*create /d' -e "s#/var/log/blobforge#$dir#" "$top_srcdir/contrib/logrotate/blobforge" >"$dir/rotate.conf"
    chmod 0644 "$dir/rotate.conf"
    logrotate -d -s "$dir/state" "$dir/rotate.conf" >"$dir/rotate" 2>&1 || fail "logrotate: $(cat "$dir/rotate")"
fi
sed -n '/postrotate/,/endscript/p' "$top_srcdir/contrib/logrotate/blobforge" | sed -e '1d;$d' -e "s#/run/blobforge#$dir/run#" >"$dir/postrotate.sh"
start daemon -n 1 -o log_file="$dir/rotated.log"
wait_until 20 "ready" logged rotated ' ready '
mv "$dir/rotated.log" "$dir/old.log"
sh "$dir/postrotate.sh" || fail "postrotate: status $?"
wait_until 10 "the new log" test -e "$dir/rotated.log"
kill -TERM "$master"
finish 20 "$master"
[[ $status -eq 0 ]] || fail "status $status"
echo "understood: $(grep -o 'Overall.*[0-9.]\+ [A-Z]*' <<<"$words")"
